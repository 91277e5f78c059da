// Package pgtest starts real PostgreSQL servers as child processes, for the demo and for tests:
// PostgreSQL itself from its Python wheel, and TimescaleDB inside PGlite (WebAssembly under
// Node). It is the one place that knows how these two start. Neither is for production.
package pgtest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ErrMissing says that a server's program is not installed.
var ErrMissing = errors.New("not installed")

// Bounds of one start and one stop.
const (
	startTimeout = 60 * time.Second
	stopTimeout  = time.Minute // PostgreSQL writes out what hundreds of tables have left; one that is killed leaves children behind for a while
	keptLines    = 30
)

// Tools finds the project's .tools directory above the working directory.
func Tools() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, ".tools"), nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("find .tools: no go.mod above the working directory: %w", ErrMissing)
		}
		dir = up
	}
}

// server is a child process that is asked to stop with one signal, and dies with its parent by another.
type server struct {
	cmd     *exec.Cmd
	stop    syscall.Signal
	exited  chan struct{}
	stopped sync.Once

	mu   sync.Mutex
	last []string // its last lines, for the error of a start that goes wrong
}

// run starts cmd and waits until a line of its output makes ready say so.
func run(cmd *exec.Cmd, stop syscall.Signal, ready func(line string) bool) (*server, error) {
	s := &server{cmd: cmd, stop: stop, exited: make(chan struct{})}
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = in, in
	up := make(chan struct{})
	go s.read(out, ready, up)

	started := make(chan error)
	go func() {
		// The death signal is that of the thread that made the child, so the thread has to stay.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		_ = in.Close()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(s.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	select {
	case <-up:
		return s, nil
	case <-s.exited:
		return nil, fmt.Errorf("start %s: it ended at once: %s", cmd.Path, s.tail())
	case <-time.After(startTimeout):
		s.Stop()
		return nil, fmt.Errorf("start %s: not ready within %s: %s", cmd.Path, startTimeout, s.tail())
	}
}

// read drains the output until the child and its children have closed it.
func (s *server) read(out io.ReadCloser, ready func(string) bool, up chan<- struct{}) {
	defer func() { _ = out.Close() }()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		s.mu.Lock()
		s.last = append(s.last, line)
		if len(s.last) > keptLines {
			s.last = s.last[1:]
		}
		s.mu.Unlock()
		if up != nil && ready(line) {
			close(up)
			up = nil
		}
	}
}

func (s *server) tail() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.last, " | ")
}

// Stop asks the server to end, insists after a while, and returns when it is gone.
func (s *server) Stop() {
	s.stopped.Do(func() {
		_ = s.cmd.Process.Signal(s.stop)
		select {
		case <-s.exited:
		case <-time.After(stopTimeout):
			_ = s.cmd.Process.Kill()
			<-s.exited
		}
	})
}
