package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/pgtest"
	"go.uber.org/goleak"
)

// server is a database server that all tests share; it starts with the first test that wants it.
type server struct {
	env   string
	start func(dir, tools string) (string, func(), error)
	conns int32

	once sync.Once
	dsn  string
	stop func()
	err  error
}

var servers = map[string]*server{
	"postgres":  {env: "SENTINEL_TEST_POSTGRES_DSN", start: pgtest.Start, conns: 8},
	"timescale": {env: "SENTINEL_TEST_TIMESCALE_DSN", start: pgtest.StartTimescale, conns: 1},
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "store-test-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	scratch = dir
	code := m.Run()
	for _, s := range servers {
		if s.stop != nil {
			s.stop()
		}
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

var scratch string

// open gives a migrated, empty store on a server, or skips with the reason.
func open(t testing.TB, name string) *Store {
	t.Helper()
	s := connect(t, name)
	if err := s.Down(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func connect(t testing.TB, name string) *Store {
	t.Helper()
	srv := servers[name]
	srv.once.Do(func() {
		if srv.dsn = os.Getenv(srv.env); srv.dsn != "" {
			return
		}
		tools, err := pgtest.Tools()
		if err != nil {
			srv.err = err
			return
		}
		srv.dsn, srv.stop, srv.err = srv.start(filepath.Join(scratch, name), tools)
	})
	if errors.Is(srv.err, pgtest.ErrMissing) && os.Getenv("E2E") != "must" {
		t.Skipf("no %s to test with: set %s, or install it: %v", name, srv.env, srv.err)
	}
	if srv.err != nil {
		t.Fatal(srv.err)
	}
	s, err := Open(t.Context(), Options{DSN: sentinel.NewSecret(srv.dsn), MaxConns: srv.conns})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// onEach runs a test on both kinds of server.
func onEach(t *testing.T, test func(t *testing.T, s *Store)) {
	for _, name := range []string{"postgres", "timescale"} {
		t.Run(name, func(t *testing.T) { test(t, open(t, name)) })
	}
}

func exec(t testing.TB, s *Store, sql string, args ...any) {
	t.Helper()
	if _, err := s.pool.Exec(context.Background(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

func count(t testing.TB, s *Store, sql string, args ...any) (n int64) {
	t.Helper()
	if err := s.pool.QueryRow(context.Background(), sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
