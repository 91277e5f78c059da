package mockapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Serve answers on the listener, with TLS when secure is set, until the context ends; it then cuts
// the calls that still run. It owns the listener.
func (s *Server) Serve(ctx context.Context, l net.Listener, secure bool) error {
	if secure {
		c := s.TLSConfig()
		c.NextProtos = []string{"http/1.1"} // a fault can reset a connection of its own only
		l = tls.NewListener(l, c)
	}
	h := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 1 << 20}
	stop := context.AfterFunc(ctx, func() { _ = h.Close() })
	defer stop()
	if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the stand-ins on %s: %w", l.Addr(), err)
	}
	return nil
}
