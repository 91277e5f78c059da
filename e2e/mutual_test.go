package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

// mutual is a provider that asks for a client's certificate of Vault's authority, on a connection of its own for each call.
type mutual struct {
	*httptest.Server
	mu     sync.Mutex
	shown  map[string]bool // serial numbers
	names  map[string]bool
	keys   map[string]bool
	behind int // certificates past their end
}

func (m *mutual) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	cert := r.TLS.PeerCertificates[0]
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shown[cert.SerialNumber.String()], m.names[cert.Subject.CommonName], m.keys[r.Header.Get("X-Api-Key")] = true, true, true
	if time.Now().After(cert.NotAfter) {
		m.behind++
	}
	w.Header().Set("Connection", "close")
	_, _ = io.WriteString(w, "{}")
}

// openMutual is a gateway with an authority for clients in Vault, and a provider that wants certificates of it.
func openMutual(t *testing.T) (*gateway, *mutual) {
	t.Helper()
	g := open(t, mockapi.DefaultConfig(), "{}", "")
	for _, step := range []struct {
		path   string
		fields map[string]any
	}{
		{"sys/mounts/pki", map[string]any{"type": "pki"}},
		{"pki/root/generate/internal", map[string]any{"common_name": "clients of acme", "ttl": "24h", "key_type": "ec"}},
		{"pki/roles/gateway", map[string]any{"allowed_domains": "gateway.acme.example", "allow_bare_domains": true, "key_type": "ec", "client_flag": true, "server_flag": false, "max_ttl": "10s", "not_before_duration": "30s"}},
	} {
		if code, text := g.vaultAt(step.path, step.fields); code >= 300 {
			t.Fatalf("%s: %d %s", step.path, code, text)
		}
	}
	answer, err := http.Get(strings.TrimPrefix(g.env[0], "VAULT_ADDR=") + "/v1/pki/ca/pem")
	g.must(err)
	defer func() { _ = answer.Body.Close() }()
	pem, err := io.ReadAll(answer.Body)
	g.must(err)
	clients := x509.NewCertPool()
	if !clients.AppendCertsFromPEM(pem) {
		t.Fatalf("Vault's authority is no PEM: %s", pem)
	}
	m := &mutual{shown: map[string]bool{}, names: map[string]bool{}, keys: map[string]bool{}}
	m.Server = httptest.NewUnstartedServer(m)
	m.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: g.mock.TLSConfig().GetCertificate, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	m.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are wanted
	m.StartTLS()
	t.Cleanup(m.Close)
	return g, m
}

// providerBehind is a custom provider at the mutual one's address, with a certificate or without.
func (m *mutual) providerBehind(g *gateway, name, certificate string) string {
	return fmt.Sprintf(`  %s:
    host: api.weather.example
    address: %q
    ca_file: %q
    credential: {vault: "secret/openai#api_key", header: x-api-key}
    endpoints: [{name: get, method: GET, path: "/v1/things", price: {per_request_usd: 0.01}}]
%s`, name, m.Listener.Addr().String(), g.mock.CAFile, certificate)
}

// A provider that asks for a client's certificate is shown one that Vault's PKI issued. Another takes its place after half of its life, without a
// restart and without a call that fails, also where Vault gives a shorter life than the policy asks for.
func TestProvidersAreShownCertificatesThatVaultIssues(t *testing.T) {
	g, m := openMutual(t)
	policies := g.policyOf("{}", "")
	with := m.providerBehind(g, "mutual", "    certificate: {vault: \"vault:pki#gateway\", name: gateway.acme.example, life: 1h}\n") + m.providerBehind(g, "bare", "")
	g.write("policies.yaml", strings.Replace(policies, "providers:\n", "providers:\n"+with, 1))
	g.eventually("the provider is reachable", func() bool { return g.whole(http.MethodGet, "/mutual/v1/things", "", "{}") == nil })
	if err := g.whole(http.MethodGet, "/bare/v1/things", "", "{}"); err == nil {
		t.Error("a provider is reached without the certificate that it asks for")
	}
	var failed []string
	calls := 0
	for end := time.Now().Add(14 * time.Second); time.Now().Before(end); <-time.After(50 * time.Millisecond) {
		calls++
		if err := g.whole(http.MethodGet, "/mutual/v1/things", "", "{}"); err != nil {
			failed = append(failed, err.Error())
		}
	}
	m.mu.Lock()
	shown, behind := len(m.shown), m.behind
	if len(m.names) != 1 || !m.names["gateway.acme.example"] || len(m.keys) != 1 || !m.keys[vaultKey] {
		t.Errorf("the provider saw certificates of %v", m.names)
	}
	m.mu.Unlock()
	t.Logf("%d calls, %d certificates, %d calls failed", calls, shown, len(failed))
	if len(failed) > 0 || shown < 3 || behind > 0 {
		t.Errorf("%d of %d calls failed, first %q; %d certificates were shown, %d times past the end", len(failed), calls, append(failed, "")[0], shown, behind)
	}
	if said, err := g.rotate("mutual", "sk-next-canary-0001", "--test-path", "/v1/things"); err != nil {
		t.Errorf("a key of a provider that asks for a certificate is not rotated: %v %s", err, said)
	}
	if dump := string(g.get(g.admin + "/config_dump")); strings.Contains(dump, "PRIVATE KEY") || !regexp.MustCompile(`provider/mutual@[0-9a-f]+/certificate`).MatchString(dump) {
		t.Error("Envoy's configuration shows the key, or has no such certificate")
	}
	// What Vault does not issue changes nothing.
	g.write("policies.yaml", strings.Replace(policies, "providers:\n", "providers:\n"+strings.Replace(with, "gateway.acme.example", "other.acme.example", 1), 1))
	g.eventually("the reload is refused", func() bool {
		return strings.Contains(string(g.files("sentinel.log")), "providers.mutual.certificate: certificate for other.acme.example")
	})
	if err := g.whole(http.MethodGet, "/mutual/v1/things", "", "{}"); err != nil {
		t.Errorf("after a reload that was refused: %v", err)
	}
}
