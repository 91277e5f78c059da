package store

import (
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// silent is a way to the database whose connections can fall silent, as those do whose other side is gone: nothing is answered, and nothing is closed.
type silent struct {
	listener net.Listener
	lost     atomic.Int64 // connections up to this number carry nothing any longer
	made     atomic.Int64
}

func (s *silent) serve(target string) {
	for {
		client, err := s.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", target)
		if err != nil {
			_ = client.Close()
			continue
		}
		number := s.made.Add(1)
		for from, to := range map[net.Conn]net.Conn{client: server, server: client} {
			go func() {
				_, _ = io.Copy(carrying{to, s, number}, from)
				_, _ = to.Close(), from.Close()
			}()
		}
	}
}

// carrying is one direction of a connection.
type carrying struct {
	to     io.Writer
	way    *silent
	number int64
}

func (c carrying) Write(p []byte) (int, error) {
	if c.number <= c.way.lost.Load() {
		return len(p), nil
	}
	return c.to.Write(p)
}

func TestConnectionsThatFellSilentAreReplaced(t *testing.T) {
	open(t, "postgres")
	u, err := url.Parse(servers["postgres"].dsn)
	if err != nil {
		t.Fatal(err)
	}
	way := &silent{}
	if way.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = way.listener.Close() })
	go way.serve(u.Host)
	u.Host = way.listener.Addr().String()
	s, err := Open(t.Context(), Options{DSN: sentinel.NewSecret(u.String()), MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	way.lost.Store(way.made.Load())
	time.Sleep(1100 * time.Millisecond) // of a connection that was used within a second the pool does not ask
	answered := make(chan error, 1)
	go func() {
		_, err := s.pool.Exec(t.Context(), "SELECT 1")
		answered <- err
	}()
	select {
	case err := <-answered:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("after a minute a question still waits for a connection that is gone")
	}
	if way.made.Load() < 2 {
		t.Error("no connection was replaced")
	}
}
