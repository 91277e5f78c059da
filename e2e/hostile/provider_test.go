package hostile

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

// provider stands in for every third party, and remembers each request as it came.
type provider struct {
	mock *mockapi.Server
	addr string

	mu      sync.Mutex
	arrived []arrival
	instead http.HandlerFunc // answers in the mock's place
}

// arrival is one request that reached the provider.
type arrival struct {
	line   string // method, host and target
	header http.Header
	body   []byte
	extra  http.Header // trailers
}

func newProvider(t testing.TB) *provider {
	t.Helper()
	c := mockapi.DefaultConfig()
	aws := []string{"AKIAVAULTCANARY0:" + vaultAWS}
	c.Accept = map[string][]string{"openai": {vaultKey}, "anthropic": {vaultKey}, "stripe": {vaultKey}, "weather": {vaultKey}, "bedrock": aws, "s3": aws}
	c.Answers.Latency, c.Answers.Pace = 0, 0
	c.Models = nil
	mock, err := mockapi.New(c)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{mock: mock}
	server := httptest.NewUnstartedServer(http.HandlerFunc(p.serve))
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: mock.TLSConfig().GetCertificate, NextProtos: []string{"h2", "http/1.1"}}
	server.Config.ErrorLog = nil
	server.StartTLS()
	t.Cleanup(server.Close)
	p.addr = server.Listener.Addr().String()
	return p
}

func (p *provider) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // what came, where it was cut
	p.mu.Lock()
	p.arrived = append(p.arrived, arrival{r.Method + " " + r.Host + " " + r.RequestURI, r.Header.Clone(), body, r.Trailer.Clone()})
	instead := p.instead
	p.mu.Unlock()
	r.Body = io.NopCloser(bytes.NewReader(body))
	if instead != nil {
		instead(w, r)
		return
	}
	p.mock.Handler().ServeHTTP(w, r)
}

// answering sets what answers in the mock's place; nil is the mock.
func (p *provider) answering(h http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.instead = h
}

// since gives what has arrived after the first n requests.
func (p *provider) since(n int) []arrival {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]arrival(nil), p.arrived[n:]...)
}

func (p *provider) hits() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.arrived)
}

// trap is where attacks want to lead a request. Nothing may ever connect to it.
type trap struct {
	addr string
	hits atomic.Int64
}

func newTrap(t testing.TB) *trap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x := &trap{addr: l.Addr().String()}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			x.hits.Add(1)
			_ = c.Close()
		}
	}()
	return x
}
