package harden

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Process turns core dumps off, and makes what /proc shows of the process's memory and environment root's alone.
// Call it after ForgetEnvironment, which writes there.
func Process() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("turn core dumps off: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("turn core dumps off: %w", err)
	}
	return nil
}

// ForgetEnvironment unsets the named variables, and overwrites their values where the kernel shows the environment of
// the start (/proc/PID/environ). What was read before stays with its readers.
func ForgetEnvironment(names ...string) error {
	start, end, err := environment()
	if err != nil {
		return err
	}
	memory, err := os.OpenFile("/proc/self/mem", os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("forget the environment: %w", err)
	}
	defer func() { _ = memory.Close() }() // nothing is buffered
	block := make([]byte, end-start)
	if _, err := memory.ReadAt(block, start); err != nil {
		return fmt.Errorf("forget the environment: %w", err)
	}
	at := 0
	for entry := range bytes.SplitSeq(block, []byte{0}) {
		name, value, _ := bytes.Cut(entry, []byte("="))
		for _, n := range names {
			if n == string(name) {
				if _, err := memory.WriteAt(make([]byte, len(value)), start+int64(at+len(name)+1)); err != nil {
					return fmt.Errorf("forget %s: %w", n, err)
				}
			}
		}
		at += len(entry) + 1
	}
	for _, n := range names {
		_ = os.Unsetenv(n) // fails for names that no variable can have
	}
	return nil
}

// environment gives the addresses of the environment block: fields 50 and 51 of /proc/PID/stat, see proc_pid_stat(5).
func environment() (start, end int64, err error) {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0, 0, fmt.Errorf("forget the environment: %w", err)
	}
	_, rest, ok := bytes.Cut(stat, []byte(") ")) // the second field is a name that may hold anything
	fields := bytes.Fields(rest)
	const before, startField, endField = 3, 50, 51 // the first field of rest is the third
	if !ok || len(fields) <= endField-before {
		return 0, 0, errors.New("forget the environment: /proc/self/stat is not as proc_pid_stat(5) has it")
	}
	start, err = strconv.ParseInt(string(fields[startField-before]), 10, 64)
	if err == nil {
		end, err = strconv.ParseInt(string(fields[endField-before]), 10, 64)
	}
	if err != nil || end < start || end-start > 8<<20 {
		return 0, 0, fmt.Errorf("forget the environment: /proc/self/stat says that it lies at %d to %d: %w", start, end, err)
	}
	return start, end, nil
}
