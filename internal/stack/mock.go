package stack

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

// Mock is the providers' stand-ins, running in this process.
type Mock struct {
	*mockapi.Server
	Addr    string // host:port of plain HTTP, with the stand-in as the first segment of the path
	TLSAddr string // host:port of HTTPS, told apart by host name
	CAFile  string // the authority of its certificates
}

// Mock starts the stand-ins.
func (s *Stack) Mock(c mockapi.Config) (*Mock, error) {
	server, err := mockapi.New(c)
	if err != nil {
		return nil, fmt.Errorf("start the stand-ins: %w", err)
	}
	dir, err := s.sub("mock")
	if err != nil {
		return nil, err
	}
	m := &Mock{Server: server, CAFile: filepath.Join(dir, "ca.pem")}
	if err := os.WriteFile(m.CAFile, server.CAPEM(), 0o644); err != nil { // a certificate is public
		return nil, fmt.Errorf("write the stand-ins' authority: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{}, 2)
	running := 0
	stop := func() {
		cancel()
		for range running {
			<-ended
		}
	}
	for _, secure := range []bool{false, true} {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			stop()
			return nil, fmt.Errorf("start the stand-ins: %w", err)
		}
		if secure {
			m.TLSAddr = l.Addr().String()
		} else {
			m.Addr = l.Addr().String()
		}
		running++
		go func() {
			if err := server.Serve(ctx, l, secure); err != nil {
				_, _ = fmt.Fprintln(s.o.Progress, "mock:", err) // its callers see refused connections too
			}
			ended <- struct{}{}
		}()
	}
	s.started("mock", m.Addr+" and "+m.TLSAddr+" (TLS)", stop)
	return m, nil
}
