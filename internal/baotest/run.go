package baotest

import (
	"errors"
	"os"
	"path/filepath"
)

// TB is what Run needs of a test.
type TB interface {
	Helper()
	TempDir() string
	Cleanup(func())
	Skipf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Run starts OpenBao for a test and ends it with the test. Without the binary the test is
// skipped, or fails under E2E=must.
func Run(t TB) (addr, token string, stop func()) {
	t.Helper()
	return run(t, t.TempDir(), Start)
}

// RunTLS is Run with HTTPS. ca is the file of its authority.
func RunTLS(t TB) (addr, token, ca string) {
	t.Helper()
	dir := t.TempDir()
	addr, token, _ = run(t, dir, StartTLS)
	return addr, token, filepath.Join(dir, CAFile)
}

func run(t TB, dir string, start func(dir, tools string) (string, string, func(), error)) (addr, token string, stop func()) {
	t.Helper()
	addr, token, stop, err := start(dir, Tools())
	switch {
	case errors.Is(err, ErrNoBinary) && os.Getenv("E2E") != "must":
		t.Skipf("needs OpenBao: %v", err)
	case err != nil:
		t.Fatalf("start OpenBao: %v", err)
	}
	t.Cleanup(stop)
	return addr, token, stop
}

// Tools finds the project's .tools folder from the working directory of a test, upwards.
func Tools() string {
	dir, err := os.Getwd()
	if err != nil {
		return ".tools"
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, ".tools")
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ".tools"
		}
		dir = parent
	}
}
