// Package stack starts the real components around the gateway as child processes on free loopback
// ports, for `sentinel demo` and the end-to-end tests: Redis, PostgreSQL, TimescaleDB, OpenBao,
// Envoy, the stand-ins of the providers, and the official Python clients.
package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/saas-sentinel/saas-sentinel/internal/baotest"
	"github.com/saas-sentinel/saas-sentinel/internal/pgtest"
	"github.com/saas-sentinel/saas-sentinel/internal/redistest"
)

// Options say where a stack lives.
type Options struct {
	Dir      string    // for data and logs; made when absent
	Tools    string    // the project's .tools
	Progress io.Writer // one line for each component; nil is silent
}

// Stack is a set of running components. Its methods may be called from several goroutines.
type Stack struct {
	o Options

	mu     sync.Mutex
	stops  []func() // in the order of the starts
	closed bool
}

// New prepares the directory. Nothing is started yet.
func New(o Options) (*Stack, error) {
	for _, dir := range []*string{&o.Dir, &o.Tools} {
		abs, err := filepath.Abs(*dir)
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", *dir, err)
		}
		*dir = abs
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil { // PostgreSQL's own user must pass
		return nil, fmt.Errorf("make the directory of the stack: %w", err)
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	return &Stack{o: o}, nil
}

// Dir is where the components' data and logs are.
func (s *Stack) Dir() string { return s.o.Dir }

// Close stops everything, the last started first. Closing twice is fine.
func (s *Stack) Close() {
	s.mu.Lock()
	stops := s.stops
	s.stops, s.closed = nil, true
	s.mu.Unlock()
	for i := len(stops) - 1; i >= 0; i-- {
		stops[i]()
	}
}

// OnClose adds something to stop with the rest, such as a gateway that runs in this process. It
// is stopped at once when the stack has been closed.
func (s *Stack) OnClose(stop func()) {
	s.mu.Lock()
	if !s.closed {
		s.stops = append(s.stops, stop)
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	stop()
}

// started reports a component, and keeps its stop.
func (s *Stack) started(name, where string, stop func()) {
	s.OnClose(stop)
	_, _ = fmt.Fprintf(s.o.Progress, "%-12s %s\n", name, where) // progress that nobody reads is no fault
}

// missing turns a component that is not installed into one sentence with the remedy.
func missing(what string, err error) error {
	return fmt.Errorf("start %s: %w: run make tools, which installs it into .tools", what, err)
}

// Redis starts a redis-server and gives its host:port.
func (s *Stack) Redis() (addr string, err error) {
	dir, err := s.sub("redis")
	if err != nil {
		return "", err
	}
	addr, stop, err := redistest.Start(dir)
	if errors.Is(err, redistest.ErrMissing) {
		return "", missing("Redis", err)
	}
	if err != nil {
		return "", fmt.Errorf("start Redis: %w", err)
	}
	s.started("redis", addr, stop)
	return addr, nil
}

// Postgres starts a PostgreSQL and gives its DSN. Data of an earlier run in the same directory stays.
func (s *Stack) Postgres() (dsn string, err error) {
	return s.database("postgres", "PostgreSQL", pgtest.Start)
}

// Timescale starts a TimescaleDB inside PGlite, which serves one connection at a time, and gives its DSN.
func (s *Stack) Timescale() (dsn string, err error) {
	return s.database("timescale", "TimescaleDB", pgtest.StartTimescale)
}

func (s *Stack) database(dir, name string, start func(dir, tools string) (string, func(), error)) (string, error) {
	dsn, stop, err := start(filepath.Join(s.o.Dir, dir), s.o.Tools)
	if errors.Is(err, pgtest.ErrMissing) {
		return "", missing(name, err)
	}
	if err != nil {
		return "", fmt.Errorf("start %s: %w", name, err)
	}
	s.started(dir, "ready", stop) // the DSN holds a password
	return dsn, nil
}

// OpenBao starts a Vault API in memory, and gives its URL and root token.
func (s *Stack) OpenBao() (addr, token string, err error) {
	dir, err := s.sub("openbao")
	if err != nil {
		return "", "", err
	}
	addr, token, stop, err := baotest.Start(dir, s.o.Tools)
	if err != nil { // it names its own remedy
		return "", "", fmt.Errorf("start OpenBao: %w", err)
	}
	s.started("openbao", addr, stop)
	return addr, token, nil
}

// KeptOpenBao is OpenBao with its secrets on disk, to be killed and started again.
func (s *Stack) KeptOpenBao() (*baotest.Kept, error) {
	dir, err := s.sub("openbao")
	if err != nil {
		return nil, err
	}
	k, err := baotest.StartKept(dir, s.o.Tools)
	if err != nil { // it names its own remedy
		return nil, fmt.Errorf("start OpenBao: %w", err)
	}
	s.started("openbao", k.Addr, func() { k.Stop() }) // the process of that moment
	return k, nil
}

func (s *Stack) sub(name string) (string, error) {
	dir := filepath.Join(s.o.Dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil { // logs of servers for tests
		return "", fmt.Errorf("make the directory of %s: %w", name, err)
	}
	return dir, nil
}

// FreePorts gives n loopback ports that nothing listened on a moment ago, all different.
func FreePorts(n int) ([]int, error) {
	ports := make([]int, 0, n)
	for range n {
		l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer func() { _ = l.Close() }() // all stay open until the last is found, so that none is given twice
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
