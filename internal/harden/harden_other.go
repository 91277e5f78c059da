//go:build !linux

package harden

// Process does nothing here.
func Process() error { return nil }

// ForgetEnvironment does nothing here.
func ForgetEnvironment(...string) error { return nil }
