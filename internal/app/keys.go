package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/audit"
	"github.com/saas-sentinel/saas-sentinel/credential"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// testPaths are calls that cost nothing and need a good key, by preset.
var testPaths = map[string]string{
	"openai": "/v1/models", "anthropic": "/v1/models", "mistral": "/v1/models", "cohere": "/v1/models", "xai": "/v1/models",
	"groq": "/openai/v1/models", "deepseek": "/models", "stripe": "/v1/balance", "sendgrid": "/v3/scopes",
}

// KeyRotation is one rotation of a provider's credential, for a command.
type KeyRotation struct {
	Provider string
	By       string          // who asks for it
	Next     sentinel.Secret // zero: continue
	Keep     time.Duration
	TestPath string // empty: the preset's
	Key      int    // number of the credential, in the policy's order; 0 is the first
}

// keyTest bounds the call that tests a new key.
const keyTest = 15 * time.Second

// RotateKey gives a provider's credential another value in Vault: it is set beside the one in use, tested by a real call to
// the provider, and then becomes the one in use. Calling it again continues a rotation that was broken off. The audit chain has it
// before anything is changed, and then how it ended.
func RotateKey(ctx context.Context, c Config, st *store.Store, log *audit.Log, r KeyRotation) error {
	state, err := LoadState(c.Policies)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(state.Ordered, func(x governor.Route) bool { return x.Provider.Name == r.Provider })
	if i < 0 {
		return fmt.Errorf("the policy has no provider %q", r.Provider)
	}
	route := state.Ordered[i]
	if r.Key < 0 || r.Key >= route.Provider.Keys() {
		return fmt.Errorf("provider %s has no credential number %d: it has %d, and the first is 0", r.Provider, r.Key, route.Provider.Keys())
	}
	route = route.Keyed(r.Key)
	kind, header := kindOf(route)
	if kind == string(policy.CredentialSigV4) {
		return fmt.Errorf("provider %s is signed with an AWS key, which is a whole secret: write the new version with vault kv put, every process uses it within vault.refresh", r.Provider)
	}
	if r.TestPath == "" {
		r.TestPath = testPaths[route.Provider.Preset]
	}
	if !strings.HasPrefix(r.TestPath, "/") {
		return fmt.Errorf("no cheap call of provider %s is known: name one with --test-path, such as /v1/me", r.Provider)
	}
	client, err := providerClient(route.Provider)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	v, err := openVault(c, func(error) {})
	if err != nil {
		return err
	}
	ref := credential.Ref{Path: route.Provider.Credential.Path, Field: route.Provider.Credential.Field}
	tried := false
	row := sentinel.AuditRow{Actor: r.By, Action: "key.rotate", Object: r.Provider, After: "the one before is kept for " + r.Keep.String()}
	err = log.Around(ctx, row, func(ctx context.Context) error {
		if _, err := v.ForgetPrevious(ctx, ref); err != nil {
			return err
		}
		err := v.Rotate(ctx, credential.Rotation{Ref: ref, Next: r.Next, Keep: r.Keep, Test: func(ctx context.Context, s sentinel.Secret) error {
			return tryKey(ctx, client, route.Provider, r.TestPath, credential.Static(kind, header, s))
		}})
		tried = !errors.Is(err, credential.ErrNothingPending)
		return err
	})
	if !tried {
		return err
	}
	return errors.Join(err, tellRotation(ctx, c, st, state, r.Provider, err))
}

// providerClient connects as Envoy does: to the configured address, and to nobody who is not the provider's host.
func providerClient(p policy.Provider) (*http.Client, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if p.CAFile != "" {
		pem, err := os.ReadFile(p.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file of provider %s: %w", p.Name, err)
		}
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file of provider %s holds no PEM certificate", p.Name)
		}
	}
	if p.Address != "" {
		t.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, p.Address)
		}
	}
	return &http.Client{Transport: t, Timeout: keyTest, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, nil
}

// tryKey makes one call with a key.
func tryKey(ctx context.Context, client *http.Client, p policy.Provider, path string, headers []credential.Header) error {
	scheme := "https"
	if p.Plaintext {
		scheme = "http"
	}
	rq, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+p.Host+path, nil)
	if err != nil {
		return fmt.Errorf("test of the new key: %w", err)
	}
	for _, h := range headers {
		rq.Header.Set(h.Name, h.Value)
	}
	if p.Preset == "anthropic" {
		rq.Header.Set("anthropic-version", "2023-06-01")
	}
	rs, err := client.Do(rq)
	if err != nil {
		return fmt.Errorf("test of the new key: %w: the key in use stays, and the rotation goes on when you call it again", errors.Unwrap(err))
	}
	_ = rs.Body.Close()
	switch {
	case rs.StatusCode == http.StatusUnauthorized || rs.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%w: %s answered HTTP %d, the key in use stays", credential.ErrBadKey, p.Host+path, rs.StatusCode)
	case rs.StatusCode >= 300:
		return fmt.Errorf("test of the new key: %s answered HTTP %d, which decides nothing: the key in use stays, and the rotation goes on when you call it again", p.Host+path, rs.StatusCode)
	}
	return nil
}
