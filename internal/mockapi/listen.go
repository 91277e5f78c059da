package mockapi

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// stopTimeout bounds the wait for calls that are cut to be entered in the account.
const stopTimeout = 5 * time.Second

// Serve answers on the listener, with TLS when secure is set, until the context ends. Calls that
// still run are then cut, and are in the account when Serve returns. It owns the listener.
func (s *Server) Serve(ctx context.Context, l net.Listener, secure bool) error {
	if secure {
		c := s.TLSConfig()
		c.NextProtos = []string{"http/1.1"} // a fault can reset a connection of its own only
		l = tls.NewListener(l, c)
	}
	l = countingListener{l}
	h := &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 1 << 20,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
		ErrorLog:    log.New(io.Discard, "", 0), // clients that hang up are part of the game
	}
	stopped := make(chan struct{})
	unwatch := context.AfterFunc(ctx, func() {
		defer close(stopped)
		bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		_ = h.Shutdown(bound) // what is left after the bound is cut below
		_ = h.Close()
	})
	err := h.Serve(l)
	if unwatch() { // the listener broke by itself
		return fmt.Errorf("serve the stand-ins on %s: %w", l.Addr(), err)
	}
	<-stopped
	return nil
}

// countingListener gives connections that count what was written to them, in the clear.
type countingListener struct{ net.Listener }

// Accept waits for the next connection.
func (l countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &countedConn{Conn: c}, nil
}

type countedConn struct {
	net.Conn
	n atomic.Int64
}

// Write sends bytes, and counts those that left.
func (c *countedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.n.Add(int64(n))
	return n, err
}

type connKey struct{}

// written is how many bytes have left on the connection of a request, 0 where it has none of ours.
func written(request context.Context) int64 {
	if c, ok := request.Value(connKey{}).(*countedConn); ok {
		return c.n.Load()
	}
	return 0
}
