package credential

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// fakeVault answers as Vault does, in memory, so that tests of hours run in synctest's time.
type fakeVault struct {
	mu       sync.Mutex
	secrets  map[string]map[string]any
	down     bool
	status   int    // of every answer, when it is not 0
	token    string // that is accepted
	ttl      int    // seconds that a token lives
	renewals int
	logins   int
	reads    int
	noRenew  bool // renewals are refused
	// engine answers paths of another engine than KV; 0 for none of its own.
	engine        func(path string) (int, map[string]any)
	lent          int
	leaseRenewals int
	leaseGone     bool
}

func newFake() *fakeVault {
	return &fakeVault{token: "t-0", secrets: map[string]map[string]any{
		"secret/data/openai": {"api_key": "sk-1"},
	}}
}

func (f *fakeVault) set(change func(*fakeVault)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// tally is what the fake has served.
type tally struct{ renewals, logins, reads int }

func (f *fakeVault) tally() tally {
	f.mu.Lock()
	defer f.mu.Unlock()
	return tally{f.renewals, f.logins, f.reads}
}

func (f *fakeVault) RoundTrip(rq *http.Request) (*http.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8200}, Err: syscall.ECONNREFUSED}
	}
	path := strings.TrimPrefix(rq.URL.Path, "/v1/")
	if f.engine != nil {
		if status, body := f.engine(path); status != 0 {
			return reply(rq, status, body)
		}
	}
	switch {
	case strings.HasPrefix(path, "sys/internal/ui/mounts/"):
		return reply(rq, 403, map[string]any{"errors": []string{"preflight capability check returned 403"}})
	case f.status != 0:
		return reply(rq, f.status, map[string]any{"errors": []string{"as the test wants"}})
	case path == "auth/approle/login":
		f.logins++
		f.token = "t-" + strings.Repeat("i", f.logins)
		return reply(rq, 200, map[string]any{"auth": f.auth()})
	case rq.Header.Get("X-Vault-Token") != f.token:
		return reply(rq, 403, map[string]any{"errors": []string{"permission denied"}})
	case path == "auth/token/lookup-self":
		return reply(rq, 200, map[string]any{"data": map[string]any{"ttl": f.ttl, "renewable": !f.noRenew}})
	case path == "auth/token/renew-self" && f.noRenew:
		return reply(rq, 400, map[string]any{"errors": []string{"lease is not renewable"}})
	case path == "auth/token/renew-self":
		f.renewals++
		return reply(rq, 200, map[string]any{"auth": f.auth()})
	}
	f.reads++
	data, ok := f.secrets[path]
	if !ok {
		return reply(rq, 404, map[string]any{"errors": []string{}})
	}
	return reply(rq, 200, map[string]any{"data": map[string]any{
		"data": data, "metadata": map[string]any{"version": 1, "created_time": "2026-01-01T00:00:00Z", "deletion_time": ""},
	}})
}

func (f *fakeVault) auth() map[string]any {
	return map[string]any{"client_token": f.token, "lease_duration": f.ttl, "renewable": !f.noRenew}
}

func reply(rq *http.Request, status int, body any) (*http.Response, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Request: rq, Body: io.NopCloser(bytes.NewReader(b))}, nil
}

// failures collects what OnError hears.
type failures struct {
	mu   sync.Mutex
	errs []error
}

func (f *failures) add(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs = append(f.errs, err)
}

func (f *failures) joined() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := errors.Join(f.errs...); err != nil {
		return err.Error()
	}
	return ""
}

func (f *failures) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.errs)
}

// served is what serves secrets, with its Vault.
type served struct {
	*Secrets
	vault *Vault
}

func serve(t testing.TB, o VaultOptions, transport http.RoundTripper, hold Options) served {
	t.Helper()
	v, err := newVault(o, transport)
	if err != nil {
		t.Fatal(err)
	}
	hold.Sources, hold.OnError = map[string]Source{SchemeVault: v}, o.OnError
	s, err := NewSecrets(hold)
	if err != nil {
		t.Fatal(err)
	}
	return served{s, v}
}

func fakeClient(t *testing.T, f *fakeVault, change func(*VaultOptions)) served {
	t.Helper()
	o := VaultOptions{Address: "http://127.0.0.1:8200", Token: sentinel.NewSecret("t-0")}
	if change != nil {
		change(&o)
	}
	return serve(t, o, f, Options{})
}

func mustHave(t *testing.T, v served, r Ref, want string) {
	t.Helper()
	if got, ok := v.Get(r); !ok || got.Reveal() != want {
		t.Errorf("Get(%s): the value that is wanted is served: %v", r, ok && got.Reveal() == want)
	}
}

func mustLack(t *testing.T, v served, r Ref) {
	t.Helper()
	if _, ok := v.Get(r); ok {
		t.Errorf("Get(%s) serves a value, want none", r)
	}
}

// newSilentServer accepts requests and answers none before release is closed.
func newSilentServer(t *testing.T, release <-chan struct{}) (addr string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(s.Close)
	return s.URL
}
