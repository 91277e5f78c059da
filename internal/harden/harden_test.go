//go:build linux

package harden_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/saas-sentinel/saas-sentinel/internal/harden"
)

const child = "HARDEN_TEST_CHILD"

// TestMain is the hardened process too: it prints what can be seen of it.
func TestMain(m *testing.M) {
	if os.Getenv(child) == "" {
		os.Exit(m.Run())
	}
	kept := os.Getenv("HARDEN_SECRET")
	err := harden.ForgetEnvironment("HARDEN_SECRET", "HARDEN_ABSENT")
	environ, readErr := os.ReadFile("/proc/self/environ")
	if hardened := harden.Process(); err == nil {
		err = hardened
	}
	dumpable, _, _ := unix.Syscall6(unix.SYS_PRCTL, unix.PR_GET_DUMPABLE, 0, 0, 0, 0, 0)
	limits, _ := os.ReadFile("/proc/self/limits")
	fmt.Printf("errors %v %v\nstill set %q\nread before %s\nshown %q\ndumpable %d\n%s", err, readErr, os.Getenv("HARDEN_SECRET"), kept, environ, dumpable, limits)
	os.Exit(0)
}

func TestNothingIsShown(t *testing.T) {
	c := exec.Command(os.Args[0])
	c.Env = []string{child + "=1", "HARDEN_BEFORE=b", "HARDEN_SECRET=canary=3f", "HARDEN_AFTER=a"}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"errors <nil> <nil>", `still set ""`, "read before canary=3f", "HARDEN_BEFORE=b", "HARDEN_AFTER=a", "dumpable 0\n"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if n := bytes.Count(out, []byte("canary")); n != 1 { // by the reader that read it in time
		t.Errorf("the secret is shown %d times, want 1:\n%s", n, out)
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); strings.HasPrefix(line, "Max core file size") && (f[4] != "0" || f[5] != "0") {
			t.Errorf("core dumps are on: %s", line)
		}
	}
}
