package store

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// cutter is a proxy before the database that, when it is armed, lets one request through, waits until the server is ready for the
// next, which is after its commit, and cuts the connection without a word to the client.
type cutter struct {
	listen net.Listener
	server string
	armed  atomic.Bool
}

func (c *cutter) serve() {
	for {
		client, err := c.listen.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", c.server)
		if err != nil {
			_ = client.Close()
			return
		}
		go func() { _, _ = io.Copy(server, client); _ = server.Close() }()
		go func() { c.answers(client, server); _, _ = client.Close(), server.Close() }()
	}
}

// answers passes on what the server says, until it is armed.
func (c *cutter) answers(client, server net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		if c.armed.Load() {
			// ReadyForQuery, outside a transaction: https://www.postgresql.org/docs/current/protocol-message-formats.html
			if bytes.HasSuffix(buf[:n], []byte("Z\x00\x00\x00\x05I")) {
				c.armed.Store(false)
				return
			}
			continue
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}

// The answer to a commit is lost: the store cannot know, says so, and the repetition changes nothing.
func TestAConnectionThatIsCutAfterTheCommitDoublesNothing(t *testing.T) {
	direct := open(t, "postgres")
	u, err := url.Parse(servers["postgres"].dsn)
	if err != nil {
		t.Fatal(err)
	}
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{listen: listen, server: u.Host}
	go c.serve()
	defer func() { _ = listen.Close() }()
	u.Host = listen.Addr().String()
	s, err := Open(t.Context(), Options{DSN: sentinel.NewSecret(u.String()), MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	batch := func(round int) (rs []sentinel.Record) {
		for n := range 50 {
			rs = append(rs, ofEntry(entry(100*round+n, 0, sentinel.SourceMeter)))
		}
		return rs
	}
	if err := s.Write(t.Context(), batch(0)); err != nil { // statements are prepared, so that the next answer is that of the commit
		t.Fatal(err)
	}
	cuts := 0
	for round := 1; round <= 20; round++ {
		c.armed.Store(true)
		err := s.Write(t.Context(), batch(round))
		landed := count(t, direct, `SELECT count(*) FROM entries`)
		if err == nil {
			t.Fatal("a write whose answer was cut succeeds")
		}
		if landed == int64(50*(round+1)) {
			cuts++
		}
		c.armed.Store(false)
		if err := s.Write(t.Context(), batch(round)); err != nil {
			t.Fatal(err)
		}
		if n := count(t, direct, `SELECT count(*) FROM entries`); n != int64(50*(round+1)) {
			t.Fatalf("round %d: %d entries, want %d", round, n, 50*(round+1))
		}
	}
	if cuts == 0 {
		t.Error("no cut came after a commit: nothing was tested")
	}
	t.Logf("%d of 20 connections were cut after the commit, 0 entries twice", cuts)
}
