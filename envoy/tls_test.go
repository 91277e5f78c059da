package envoy

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
)

// TestUpstreamCertificateIsPinned: only a certificate of the configured authority for the provider's
// very name (or a wildcard that covers it) gets a request.
func TestUpstreamCertificateIsPinned(t *testing.T) {
	dir := t.TempDir()
	ours := newAuthority(t, dir)
	other := newAuthority(t, t.TempDir())
	for name, tt := range map[string]struct {
		ca     *authority
		dns    string
		status int
		hits   int
	}{
		"its own name":      {ours, "api.example.test", 200, 1},
		"a wildcard":        {ours, "*.example.test", 200, 1},
		"another name":      {ours, "evil.example.test", 503, 0},
		"another authority": {other, "api.example.test", 503, 0},
	} {
		t.Run(name, func(t *testing.T) {
			u := newTLSUpstream(t, tt.ca, tt.dns)
			g := startGateway(t, func(c *Config) {
				p := &c.Providers[0]
				p.Address, p.Plaintext, p.CAFile = u.address(), false, ours.file
			})
			r, body := g.do(t, "POST", "/api/v1/chat", nil, strings.NewReader("{}"))
			seen := u.take()
			if r.StatusCode != tt.status || len(seen) != tt.hits {
				t.Fatalf("status %d and %d requests upstream, want %d and %d; %s", r.StatusCode, len(seen), tt.status, tt.hits, body)
			}
			if len(seen) == 1 && (seen[0].TLS.ServerName != "api.example.test" || seen[0].Proto != "HTTP/2.0") {
				t.Errorf("upstream saw SNI %q over %s", seen[0].TLS.ServerName, seen[0].Proto)
			}
		})
	}
}

// TestClientCertificateNamesTheCaller: the guard is told the SPIFFE id of a verified certificate, and no other connects.
func TestClientCertificateNamesTheCaller(t *testing.T) {
	const spiffe = "spiffe://acme/ns/prod/sa/checkout"
	dir := t.TempDir()
	ca := newAuthority(t, dir)
	certFile, keyFile := ca.issue(t, "gateway.test", "")
	for name, tt := range map[string]struct {
		required, sends bool
		want            string
		connects        bool
	}{
		"required and sent": {true, true, spiffe, true},
		"required, missing": {true, false, "", false},
		"optional and sent": {false, true, spiffe, true},
		"optional, missing": {false, false, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			g := startGateway(t, func(c *Config) {
				c.TLS = &ListenerTLS{CertFile: certFile, KeyFile: keyFile, ClientCAFile: ca.file, RequireClientCert: tt.required}
			})
			status, err := g.askTLS(t, ca, spiffe, tt.sends)
			_, attributes, _ := g.processor.last()
			if (err == nil && status == http.StatusOK) != tt.connects || attributes[PeerAttribute] != tt.want {
				t.Errorf("status %d, error %v, guard was told %v; want %+v", status, err, attributes, tt)
			}
		})
	}
}

func (g *gateway) askTLS(t *testing.T, ca *authority, spiffe string, sendCert bool) (int, error) {
	t.Helper()
	if !sendCert {
		return g.askTLSBetween(t, nil, ca, spiffe)
	}
	return g.askTLSBetween(t, ca, ca, spiffe)
}

// askTLSBetween asks as a client whose certificate one authority signed, nil for none, of a gateway whose certificate another did.
func (g *gateway) askTLSBetween(t *testing.T, client, server *authority, spiffe string) (int, error) {
	t.Helper()
	pem, err := os.ReadFile(server.file)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "gateway.test"}
	config.RootCAs.AppendCertsFromPEM(pem)
	if client != nil {
		cert, err := tls.LoadX509KeyPair(client.issue(t, "checkout.test", spiffe))
		if err != nil {
			t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{cert}
	}
	c := http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	r, err := c.Post("https://"+g.config.Listen+"/api/v1/chat", "application/json", strings.NewReader("{}"))
	if err != nil {
		return 0, err
	}
	defer r.Body.Close()
	_, err = io.Copy(io.Discard, r.Body)
	return r.StatusCode, err
}

func newTLSUpstream(t *testing.T, ca *authority, dns string) *upstream {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(ca.issue(t, dns, ""))
	if err != nil {
		t.Fatal(err)
	}
	u := unstartedUpstream()
	u.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	u.EnableHTTP2 = true
	u.Config.ErrorLog = quiet
	u.StartTLS()
	t.Cleanup(u.Close)
	return u
}
