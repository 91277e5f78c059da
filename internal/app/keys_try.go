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
	"time"

	"github.com/saas-sentinel/saas-sentinel/credential"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

// testPaths are calls that cost nothing and need a good key, by preset.
var testPaths = map[string]string{
	"openai": "/v1/models", "anthropic": "/v1/models", "mistral": "/v1/models", "cohere": "/v1/models", "xai": "/v1/models",
	"groq": "/openai/v1/models", "deepseek": "/models", "stripe": "/v1/balance", "sendgrid": "/v3/scopes",
}

// keyTest bounds the call that tests a new key.
const keyTest = 15 * time.Second

// providerClient connects as Envoy does: to the configured address, and to nobody who is not the provider's host.
func providerClient(c Config, p policy.Provider) (*http.Client, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if p.Certificate != (policy.Certificate{}) {
		t.TLSClientConfig.GetClientCertificate = shows(c, p.Certificate)
	}
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

// baseURL is how the provider is addressed, whatever is connected to.
func baseURL(p policy.Provider) string {
	if p.Plaintext {
		return "http://" + p.Host
	}
	return "https://" + p.Host
}

// tryKey makes one call with a key.
func tryKey(ctx context.Context, client *http.Client, p policy.Provider, path string, headers []credential.Header) error {
	rq, err := http.NewRequestWithContext(ctx, http.MethodGet, baseURL(p)+path, nil)
	if err != nil {
		return fmt.Errorf("test of the new key: %w", err)
	}
	for _, h := range headers {
		if h.Name == credential.QueryName {
			rq.URL.RawQuery = h.Value
			continue
		}
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
