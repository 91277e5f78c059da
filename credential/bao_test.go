package credential

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/baotest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bao is a real server, written to as an operator would.
type bao struct {
	addr, root string
	ca         string // file; empty for plain HTTP
	stop       func()
}

func startBao(t *testing.T) bao {
	t.Helper()
	addr, root, stop := baotest.Run(t)
	return bao{addr: addr, root: root, stop: stop}
}

// do sends a request with the root token and gives the answer's object.
func (b bao) do(t *testing.T, method, path string, body any) map[string]any {
	t.Helper()
	var buf bytes.Buffer
	if err := json.NewEncoder(&buf).Encode(body); err != nil {
		t.Fatal(err)
	}
	rq, err := http.NewRequestWithContext(t.Context(), method, b.addr+"/v1/"+path, &buf)
	if err != nil {
		t.Fatal(err)
	}
	rq.Header.Set("X-Vault-Token", b.root)
	rq.Close = true
	rs, err := (&http.Client{Transport: b.transport(t)}).Do(rq)
	if err != nil {
		t.Fatal(err)
	}
	defer rs.Body.Close()
	var out map[string]any
	if err := json.NewDecoder(rs.Body).Decode(&out); rs.StatusCode >= 300 || err != nil && rs.StatusCode != http.StatusNoContent {
		t.Fatalf("%s %s: %s, %v", method, path, rs.Status, err)
	}
	return out
}

// transport trusts the server.
func (b bao) transport(t *testing.T) http.RoundTripper {
	t.Helper()
	if b.ca == "" {
		return http.DefaultTransport
	}
	pem, err := os.ReadFile(b.ca)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
}

func (b bao) put(t *testing.T, path string, fields map[string]string) {
	t.Helper()
	mount, name, _ := strings.Cut(path, "/")
	b.do(t, http.MethodPost, mount+"/data/"+name, map[string]any{"data": fields})
}

func at(m map[string]any, keys ...string) string {
	for _, k := range keys[:len(keys)-1] {
		m, _ = m[k].(map[string]any)
	}
	s, _ := m[keys[len(keys)-1]].(string)
	return s
}

// appRole makes a role whose tokens read secret/openai alone and live for two seconds.
func (b bao) appRole(t *testing.T) Login {
	t.Helper()
	b.do(t, http.MethodPost, "sys/auth/approle", map[string]any{"type": "approle"})
	b.do(t, http.MethodPost, "sys/policies/acl/gateway", map[string]any{"policy": `path "secret/data/openai" { capabilities = ["read"] }`})
	b.do(t, http.MethodPost, "auth/approle/role/gateway", map[string]any{"token_policies": "gateway", "token_ttl": "2s", "token_max_ttl": "4s"})
	return Login{
		Method:   LoginAppRole,
		Role:     at(b.do(t, http.MethodGet, "auth/approle/role/gateway/role-id", nil), "data", "role_id"),
		SecretID: sentinel.NewSecret(at(b.do(t, http.MethodPost, "auth/approle/role/gateway/secret-id", nil), "data", "secret_id")),
	}
}

// client makes a Vault that refreshes quickly, and ends its connections with the test.
func (b bao) client(t *testing.T, change func(*VaultOptions)) served {
	t.Helper()
	o := VaultOptions{Address: b.addr, Token: sentinel.NewSecret(b.root)}
	change(&o)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	return serve(t, o, transport, Options{Refresh: 200 * time.Millisecond, MaxStale: 2 * time.Second})
}

// within waits for a condition, looking every 5 ms, and gives the time that it took.
func within(t *testing.T, d time.Duration, what string, condition func() bool) time.Duration {
	t.Helper()
	start, tick := time.Now(), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !condition() {
		if time.Since(start) > d {
			t.Fatalf("not within %s: %s", d, what)
		}
		<-tick.C
	}
	return time.Since(start)
}

func (v served) serves(r Ref, want string) bool {
	got, ok := v.Get(r)
	return ok && got.Reveal() == want
}

func TestRealVaultByToken(t *testing.T) {
	b, heard := startBao(t), &failures{}
	b.put(t, "secret/openai", map[string]string{"api_key": canary + "-1"})
	b.put(t, "secret/team/aws", map[string]string{"access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": canary})
	v := b.client(t, func(o *VaultOptions) { o.OnError = heard.add })
	if err := v.Load(t.Context(), []Ref{openai, {"secret/team/aws", ""}}); err != nil {
		t.Fatal(err)
	}
	mustHave(t, v, openai, canary+"-1")
	if k, ok := v.AWSKey("secret/team/aws"); !ok || k.Secret.Reveal() != canary {
		t.Errorf("AWSKey: an access key %q was read: %v", k.AccessKeyID, ok)
	}
	defer runs(t, v)()

	b.put(t, "secret/openai", map[string]string{"api_key": canary + "-2"})
	took := within(t, 2*time.Second, "the rotated value is served", func() bool { return v.serves(openai, canary+"-2") })
	t.Logf("rotation seen after %s with refresh at %s", took.Round(time.Millisecond), v.o.Refresh)

	b.do(t, http.MethodDelete, "secret/data/openai", nil) // a soft delete: version metadata stays
	within(t, 2*time.Second, "the deletion is reported", func() bool { return strings.Contains(heard.joined(), "no secret at secret/openai") })
	mustHave(t, v, openai, canary+"-2")
	b.put(t, "secret/openai", map[string]string{"api_key": canary + "-3"})
	within(t, 2*time.Second, "the secret that came back is served", func() bool { return v.serves(openai, canary+"-3") })

	b.stop()
	within(t, time.Second, "the loss is reported", func() bool { return strings.Contains(heard.joined(), "it cannot be reached") })
	mustHave(t, v, openai, canary+"-3")
	within(t, 4*time.Second, "a value past MaxStale is not served", func() bool { _, ok := v.Get(openai); return !ok })
	if age := v.Age(); age <= v.o.MaxStale {
		t.Errorf("Age = %s when the value went, want more than %s", age, v.o.MaxStale)
	}
	if strings.Contains(heard.joined(), canary) || strings.Contains(heard.joined(), b.root) {
		t.Error("an error shows a secret or the token")
	}
}

func TestRealVaultByAppRole(t *testing.T) {
	b, heard := startBao(t), &failures{}
	b.put(t, "secret/openai", map[string]string{"api_key": canary})
	b.put(t, "secret/stripe", map[string]string{"api_key": canary})
	role := b.appRole(t)
	v := b.client(t, func(o *VaultOptions) { o.Token, o.Login, o.OnError = sentinel.Secret{}, &role, heard.add })
	err := v.Load(t.Context(), []Ref{openai, {"secret/stripe", "api_key"}})
	if err == nil || !strings.Contains(err.Error(), "the gateway may not read secret/stripe: check that its token is valid and that its policy grants read on secret/data/stripe") {
		t.Errorf("Load of what the policy does not grant = %v", err)
	}
	if err := v.Load(t.Context(), []Ref{openai}); err != nil {
		t.Fatal(err)
	}
	defer runs(t, v)()

	// Revoking the token and outliving its longest life (4 s) must both lead to another login.
	b.do(t, http.MethodPost, "auth/token/revoke", map[string]any{"token": v.vault.client.Token()})
	first := v.vault.client.Token()
	within(t, 2*time.Second, "another login after the revocation", func() bool { return v.vault.client.Token() != first })
	second := v.vault.client.Token()
	within(t, 10*time.Second, "another login before the longest life ends", func() bool { return v.vault.client.Token() != second })
	b.put(t, "secret/openai", map[string]string{"api_key": "rotated"})
	within(t, 2*time.Second, "the rotated value is served", func() bool { return v.serves(openai, "rotated") })
	if heard.count() != 0 {
		t.Errorf("an AppRole that can log in again reports failures: %s", heard.joined())
	}
}

func TestRealVaultRefusals(t *testing.T) {
	b := startBao(t)
	b.put(t, "secret/openai", map[string]string{"api_key": canary})
	role := b.appRole(t)
	role.SecretID = sentinel.NewSecret(canary)
	for name, tt := range map[string]struct {
		change func(*VaultOptions)
		ref    Ref
		want   string
	}{
		"wrong token":       {func(o *VaultOptions) { o.Token = sentinel.NewSecret(canary) }, openai, "the gateway may not read secret/openai"},
		"wrong secret id":   {func(o *VaultOptions) { o.Token, o.Login = sentinel.Secret{}, &role }, openai, "the login at auth/approle was refused"},
		"no such secret":    {func(*VaultOptions) {}, Ref{"secret/none", "api_key"}, "no secret at secret/none: vault kv put secret/none api_key=…"},
		"no such field":     {func(*VaultOptions) {}, Ref{"secret/openai", "key"}, "secret/openai has no field key"},
		"no such mount":     {func(*VaultOptions) {}, Ref{"kv/openai", "api_key"}, "no secret at kv/openai"},
		"nothing listening": {func(o *VaultOptions) { o.Address = "http://127.0.0.1:1" }, openai, "vault at http://127.0.0.1:1: it cannot be reached (dial tcp 127.0.0.1:1: connect: connection refused): start it, or correct the address"},
		"TLS to plain HTTP": {func(o *VaultOptions) { o.Address = strings.Replace(o.Address, "http:", "https:", 1) }, openai, "it cannot be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			err := b.client(t, tt.change).Load(t.Context(), []Ref{tt.ref})
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("Load = %v, want one sentence with %q", err, tt.want)
			}
			if strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), b.root) {
				t.Error("the error shows a secret")
			}
			t.Log(err)
		})
	}
}

// A server that accepts and never answers must not hold a start for longer than the timeout.
func TestSilentVaultIsGivenUp(t *testing.T) {
	stuck := make(chan struct{})
	srv := newSilentServer(t, stuck)
	defer close(stuck)
	v := bao{addr: srv, root: "t"}.client(t, func(o *VaultOptions) { o.Timeout = 50 * time.Millisecond })
	err := v.Load(context.Background(), []Ref{openai})
	if err == nil || !strings.Contains(err.Error(), "it cannot be reached (no answer in time)") {
		t.Errorf("Load from a silent server = %v", err)
	}
}

// counting counts the requests to paths of a prefix.
type counting struct {
	http.RoundTripper
	prefix string
	n      atomic.Int64
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.URL.Path, c.prefix) {
		c.n.Add(1)
	}
	return c.RoundTripper.RoundTrip(r)
}

// Who asks for a secret that another is reading waits, and has what the other read. What is served costs no request, however often it is asked for.
func TestRealVaultIsReadOnceForAllWhoAskAtOnce(t *testing.T) {
	b := startBao(t)
	b.put(t, "secret/openai", map[string]string{"api_key": "sk-1", "other": "sk-2"})
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	reads := &counting{RoundTripper: transport, prefix: "/v1/secret/"}
	v := serve(t, VaultOptions{Address: b.addr, Token: sentinel.NewSecret(b.root)}, reads, Options{Refresh: time.Hour, MaxStale: time.Hour})
	release, err := v.acquire(t.Context()) // the others come while it is another's turn
	if err != nil {
		t.Fatal(err)
	}
	const askers = 50
	asking, done := make(chan struct{}, askers), make(chan error, askers)
	for range askers {
		go func() {
			asking <- struct{}{}
			done <- v.Load(t.Context(), []Ref{openai})
		}()
	}
	for range askers {
		<-asking
	}
	time.Sleep(100 * time.Millisecond) // until the last has asked too
	release()
	for range askers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	mustHave(t, v, openai, "sk-1")
	if n := reads.n.Load(); n != 1 {
		t.Errorf("%d who asked at once made %d requests", askers, n)
	}
	for range 1000 {
		v.Get(openai)
	}
	if n := reads.n.Load(); n != 1 {
		t.Errorf("what is served was asked for: %d requests", n)
	}
	// Another field of the secret is another reading, and takes nothing away from who uses the first.
	if err := v.Load(t.Context(), []Ref{{Path: openai.Path, Field: "other"}}); err != nil || reads.n.Load() != 2 {
		t.Errorf("another field: %v, %d requests", err, reads.n.Load())
	}
	mustHave(t, v, openai, "sk-1")
	mustHave(t, v, Ref{Path: openai.Path, Field: "other"}, "sk-2")
	// Who asks later wants what is there then.
	b.put(t, "secret/openai", map[string]string{"api_key": "sk-3", "other": "sk-4"})
	if err := v.Load(t.Context(), []Ref{openai}); err != nil || reads.n.Load() != 3 {
		t.Errorf("asked later: %v, %d requests", err, reads.n.Load())
	}
	mustHave(t, v, openai, "sk-3")
}
