// Package harden keeps a process's secrets out of what the machine shows of it: core dumps, and the environment that
// it was started with.
package harden
