package hostile

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/saas-sentinel/saas-sentinel/internal/issuertest"
	"github.com/saas-sentinel/saas-sentinel/internal/mockalerts"
	"github.com/saas-sentinel/saas-sentinel/internal/stack"
)

const (
	slackToken   = "xoxb-slack-canary-57f1"
	slackSigning = "slack-signing-canary-9e02"

	checkout = "spiffe://acme/ns/prod/sa/checkout" // the name of the service certified
)

// outsiders are who vouches for callers, and who is told of what happens: everything that the gateway sends them is kept.
type outsiders struct {
	authority, stranger *issuertest.Authority
	issuer              *issuertest.Issuer
	slack               *mockalerts.Server
	slackAt             string // URL of its API
	collector           string // URL
	callbacks           string // host:port at which the gateway takes what people press
	proxy               string // host:port

	mu    sync.Mutex
	spans bytes.Buffer // everything that the collector got, as it came
}

// newOutsiders starts them, and writes the files that the gateway reads of them.
func (s *stand) newOutsiders() *outsiders {
	s.Helper()
	o := &outsiders{authority: issuertest.NewAuthority(s), stranger: issuertest.NewAuthority(s), issuer: issuertest.New(s)}
	o.slack = mockalerts.New(mockalerts.Credentials{SlackToken: slackToken})
	slack := httptest.NewServer(o.slack)
	s.Cleanup(slack.Close)
	o.slackAt = slack.URL + "/slack/api"
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		defer o.mu.Unlock()
		_ = r.Header.Write(&o.spans) // a buffer never fails
		_, _ = io.Copy(&o.spans, r.Body)
	}))
	s.Cleanup(collector.Close)
	o.collector = collector.URL
	ports, err := stack.FreePorts(2)
	s.must(err)
	o.callbacks, o.proxy = "127.0.0.1:"+strconv.Itoa(ports[0]), "127.0.0.1:"+strconv.Itoa(ports[1])
	cert, key := issuertest.PEM(s, o.authority.Sign(s, &x509.Certificate{DNSNames: []string{"localhost"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}))
	s.write("gateway.pem", cert)
	s.write("gateway.key", key)
	s.write("workloads.pem", o.authority.PEM())
	return o
}

// config has the gateway use them.
func (o *outsiders) config(dir string) string {
	return fmt.Sprintf(`proxy: {listen: %q, ca: %q, tls: %s}
alerts: {listen: %q}
telemetry: {otlp: %q}
`, o.proxy, filepath.Join(dir, "authority.pem"), listenerTLS(dir), o.callbacks, o.collector)
}

// listenerTLS is the certificate of both listeners, and the authority of the clients.
func listenerTLS(dir string) string {
	in := func(name string) string { return filepath.Join(dir, name) }
	return fmt.Sprintf("{cert: %q, key: %q, client_ca: %q}", in("gateway.pem"), in("gateway.key"), in("workloads.pem"))
}

// told is everything that left for people and collectors.
func (o *outsiders) told() map[string][]byte {
	var slack bytes.Buffer
	for _, m := range o.slack.Messages("slack") {
		fmt.Fprintln(&slack, m.Method, m.Body)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return map[string][]byte{"Slack": slack.Bytes(), "the collector": bytes.Clone(o.spans.Bytes())}
}

// dial connects to the gateway, with certificates of a client or without.
func (s *stand) dial(certificates ...tls.Certificate) (net.Conn, error) {
	return s.dialAt(s.addr, certificates...)
}

func (s *stand) dialAt(at string, certificates ...tls.Certificate) (net.Conn, error) {
	c, err := dial(at)
	if err != nil {
		return nil, err
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(s.authority.Cert)
	over := tls.Client(c, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: trusted, ServerName: "localhost", Certificates: certificates})
	return over, over.HandshakeContext(s.Context())
}

// sendAs is send by a client with certificates.
func (s *stand) sendAs(raw string, certificates ...tls.Certificate) (answer, error) {
	c, err := s.dial(certificates...)
	if err != nil {
		return answer{}, err
	}
	return exchange(c, raw)
}

// exchange writes bytes to a connection, reads what comes, and closes it.
func exchange(c net.Conn, raw string) (answer, error) {
	defer func() { _ = c.Close() }()
	go func() { _, _ = io.WriteString(c, raw) }()
	method, _, _ := strings.Cut(raw, " ")
	return read(c, method)
}
