package credential

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Issuer signs tokens of workloads (OpenID Connect, RFC 7519): Kubernetes for its service accounts, or a CI system.
type Issuer struct {
	Name      string
	URL       string // the tokens' iss, to the letter
	Audience  string // that must stand in their aud
	JWKS      string // URL of its keys; empty: as its discovery document says
	CAFile    string // PEM; empty: the system's authorities
	TokenFile string // a bearer token for reading the keys, as Kubernetes wants one; read anew each time
}

// Bounds of tokens and of what issuers answer.
const (
	maxWorkloadToken = 16 << 10
	maxJWKS          = 1 << 20
	maxKeys          = 64
	jwksRefresh      = 5 * time.Minute
	jwksPause        = 10 * time.Second // between two readings that unknown keys ask for
	jwksWait         = 5 * time.Second
	clockLeeway      = 30 * time.Second
)

// signatures are the algorithms that a token may be signed with: none of them is symmetric.
var signatures = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA}

// Workloads verifies tokens of workloads by the keys of their issuers. Keys are read beside the path; the last that were
// read hold until the issuer gives others.
type Workloads struct {
	onError func(error)
	served  atomic.Pointer[map[string]*issuerKeys] // by URL
	wanted  chan struct{}                          // an unknown key was seen
}

type issuerKeys struct {
	Issuer
	keys []jose.JSONWebKey
}

// NewWorkloads has no issuers yet.
func NewWorkloads(onError func(error)) *Workloads {
	w := &Workloads{onError: onError, wanted: make(chan struct{}, 1)}
	w.served.Store(&map[string]*issuerKeys{})
	return w
}

// Use replaces the issuers. Those that were there keep their keys; the others' are read by Refresh.
func (w *Workloads) Use(list []Issuer) {
	old, next := *w.served.Load(), make(map[string]*issuerKeys, len(list))
	for _, i := range list {
		next[i.URL] = &issuerKeys{Issuer: i}
		if was := old[i.URL]; was != nil && was.Issuer == i {
			next[i.URL].keys = was.keys
		}
	}
	w.served.Store(&next)
}

// Refresh reads the keys of every issuer. Where that fails the last good ones stay.
func (w *Workloads) Refresh(ctx context.Context) {
	for _, i := range *w.served.Load() {
		keys, err := i.read(ctx)
		if err != nil {
			if ctx.Err() == nil {
				w.onError(fmt.Errorf("keys of issuer %s: %w", i.Name, err))
			}
			continue
		}
		for { // Use may replace the set meanwhile
			old := w.served.Load()
			if was := (*old)[i.URL]; was == nil || was.Issuer != i.Issuer {
				break
			}
			next := make(map[string]*issuerKeys, len(*old))
			for url, was := range *old {
				next[url] = was
			}
			next[i.URL] = &issuerKeys{i.Issuer, keys}
			if w.served.CompareAndSwap(old, &next) {
				break
			}
		}
	}
}

// Run keeps the keys fresh until ctx ends.
func (w *Workloads) Run(ctx context.Context) error {
	for {
		w.Refresh(ctx)
		last := time.Now()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(jwksRefresh):
		case <-w.wanted:
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(jwksPause - time.Since(last)):
			}
		}
	}
}

// IsWorkloadToken tells whether a text has the form of a signed token: three parts in base64, of which the first begins as
// JSON does.
func IsWorkloadToken(token string) bool {
	return strings.HasPrefix(token, "eyJ") && strings.Count(token, ".") == 2
}

// Verify proves a token, and gives its issuer's name and its subject. The error is for the client.
func (w *Workloads) Verify(token string, now time.Time) (issuer, subject string, err error) {
	if len(token) > maxWorkloadToken {
		return "", "", errors.New("workload token: it is too long")
	}
	parsed, err := jwt.ParseSigned(token, signatures)
	if err != nil || len(parsed.Headers) != 1 {
		return "", "", errors.New("workload token: it is malformed, or signed by an algorithm that is not accepted")
	}
	var claims jwt.Claims
	if err := parsed.UnsafeClaimsWithoutVerification(&claims); err != nil {
		return "", "", errors.New("workload token: its claims are malformed")
	}
	i := (*w.served.Load())[claims.Issuer]
	if i == nil {
		return "", "", errors.New("workload token: its issuer is not configured")
	}
	key, ok := i.key(parsed.Headers[0])
	if !ok {
		w.want()
		return "", "", errors.New("workload token: its key is not known: it is looked for now, try again in a moment")
	}
	claims = jwt.Claims{} // what follows is what was signed
	if err := parsed.Claims(key, &claims); err != nil {
		return "", "", errors.New("workload token: its signature does not match")
	}
	switch err := claims.ValidateWithLeeway(jwt.Expected{Issuer: i.URL, AnyAudience: jwt.Audience{i.Audience}, Time: now}, clockLeeway); {
	case errors.Is(err, jwt.ErrExpired):
		return "", "", errors.New("workload token: it has expired")
	case errors.Is(err, jwt.ErrInvalidAudience):
		return "", "", fmt.Errorf("workload token: it is not for the audience %s", i.Audience)
	case err != nil:
		return "", "", errors.New("workload token: it does not hold at this time or for this issuer")
	case claims.Expiry == nil:
		return "", "", errors.New("workload token: it never expires, and is not accepted")
	case claims.Subject == "":
		return "", "", errors.New("workload token: it has no subject")
	}
	return i.Name, claims.Subject, nil
}

func (w *Workloads) want() {
	select {
	case w.wanted <- struct{}{}:
	default: // asked for already
	}
}

// key finds the key of a header, by its id and for its algorithm alone.
func (i *issuerKeys) key(h jose.Header) (jose.JSONWebKey, bool) {
	for _, k := range i.keys {
		if k.KeyID == h.KeyID && (k.Algorithm == "" || k.Algorithm == h.Algorithm) {
			return k, true
		}
	}
	return jose.JSONWebKey{}, false
}

// read asks the issuer for its keys.
func (i *issuerKeys) read(ctx context.Context) ([]jose.JSONWebKey, error) {
	ctx, cancel := context.WithTimeout(ctx, jwksWait)
	defer cancel()
	client, err := i.client()
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	at := i.JWKS
	if at == "" {
		var discovery struct {
			Issuer string `json:"issuer"`
			JWKS   string `json:"jwks_uri"`
		}
		if err := i.get(ctx, client, strings.TrimSuffix(i.URL, "/")+"/.well-known/openid-configuration", &discovery); err != nil {
			return nil, err
		}
		if discovery.Issuer != i.URL {
			return nil, fmt.Errorf("its discovery document is of the issuer %q", clip(discovery.Issuer))
		}
		at = discovery.JWKS
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := i.get(ctx, client, at, &set); err != nil {
		return nil, err
	}
	var out []jose.JSONWebKey
	for _, raw := range set.Keys[:min(len(set.Keys), maxKeys)] {
		var k jose.JSONWebKey // those of other kinds are for others
		if err := json.Unmarshal(raw, &k); err == nil && k.Valid() && k.IsPublic() && (k.Use == "" || k.Use == "sig") {
			out = append(out, k)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("it gives no public key for signatures")
	}
	return out, nil
}

func (i *issuerKeys) client() (*http.Client, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	if i.CAFile != "" {
		pem, err := os.ReadFile(i.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca file: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca file %s holds no PEM certificate", i.CAFile)
		}
		t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, nil
}

func (i *issuerKeys) get(ctx context.Context, client *http.Client, at string, to any) error {
	if !SecureURL(at) {
		return fmt.Errorf("%q is no https address", clip(at))
	}
	rq, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return err
	}
	if i.TokenFile != "" {
		token, err := os.ReadFile(i.TokenFile)
		if err != nil {
			return fmt.Errorf("token file: %w", err)
		}
		rq.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	rs, err := client.Do(rq)
	if err != nil {
		return fmt.Errorf("%s cannot be reached (%s)", clip(at), clip(cause(err)))
	}
	defer func() { _ = rs.Body.Close() }()
	if rs.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered HTTP %d", clip(at), rs.StatusCode)
	}
	if err := json.NewDecoder(io.LimitReader(rs.Body, maxJWKS)).Decode(to); err != nil {
		return fmt.Errorf("%s did not answer with JSON", clip(at))
	}
	return nil
}

// SecureURL tells whether an address is https, or http on this machine.
func SecureURL(at string) bool {
	u, err := url.Parse(at)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// Names lists the issuers that have keys, sorted: the others' tokens are refused.
func (w *Workloads) Names() []string {
	var out []string
	for _, i := range *w.served.Load() {
		if len(i.keys) > 0 {
			out = append(out, i.Name)
		}
	}
	slices.Sort(out)
	return out
}
