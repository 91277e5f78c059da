package stack

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// maxScriptOutput bounds what is kept of a script's output, each of stdout and stderr.
const maxScriptOutput = 4 << 20

// Python runs a script with the official clients of .tools/venv, and gives what it printed on
// stdout. Its environment is env, PATH and HOME alone, so that no setting of the machine changes a
// run; its stderr goes to the stack's progress. A script that exits non-zero is an *exec.ExitError
// in the chain, and its output is given as well. The script is killed when the context ends.
func (s *Stack) Python(ctx context.Context, script string, env ...string) ([]byte, error) {
	python := filepath.Join(s.o.Tools, "venv", "bin", "python")
	if _, err := os.Stat(python); err != nil {
		return nil, missing("Python", err)
	}
	cmd := exec.CommandContext(ctx, python, script) // the caller's own script
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.o.Dir, "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1"}, env...)
	cmd.WaitDelay = 5 * time.Second // a grandchild that keeps stdout open must not hold us
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, faults := &bounded{}, &bounded{}
	cmd.Stdout, cmd.Stderr = out, &tee{faults, s}
	// The death signal comes when the thread that made the child ends, so that thread has to stay.
	ended := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		ended <- cmd.Run()
	}()
	if err := <-ended; err != nil {
		return out.Bytes(), fmt.Errorf("run %s: %w: %s", filepath.Base(script), err, lastLine(faults.String()))
	}
	return out.Bytes(), nil
}

// bounded keeps the first maxScriptOutput bytes, and swallows the rest.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	keep := min(len(p), maxScriptOutput-b.Len())
	_, _ = b.Buffer.Write(p[:keep]) // a buffer never fails
	return len(p), nil
}

type tee struct {
	kept *bounded
	s    *Stack
}

func (t *tee) Write(p []byte) (int, error) {
	_, _ = t.s.o.Progress.Write(p) // progress that nobody reads is no fault
	return t.kept.Write(p)
}

// lastLine is where Python names an uncaught exception.
func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
