//go:build !linux

package app

// dropProgram does nothing where the kernel does not list a process' memory.
func dropProgram() error { return nil }
