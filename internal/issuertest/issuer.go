// Package issuertest proves workloads for tests: an OpenID provider that signs their tokens as a Kubernetes cluster does, and an authority
// that signs their certificates.
package issuertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Subject is whom tokens are for.
const Subject = "system:serviceaccount:prod:checkout"

// Issuer shows its current key at a socket of its own, until its test ends.
type Issuer struct {
	*httptest.Server
	Down    atomic.Bool // it answers 502
	current atomic.Pointer[jose.JSONWebKey]
}

// New makes an issuer with a key.
func New(t testing.TB) *Issuer {
	t.Helper()
	i := &Issuer{}
	i.Another(t, "one")
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if i.Down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			_ = json.NewEncoder(w).Encode(map[string]string{"issuer": i.URL, "jwks_uri": i.URL + "/keys"})
		case "/keys":
			_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{i.Public()}})
		}
	}))
	t.Cleanup(i.Close)
	return i
}

// Another takes the key back, and signs with another one of this id.
func (i *Issuer) Another(t testing.TB, id string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i.current.Store(&jose.JSONWebKey{Key: key, KeyID: id, Algorithm: string(jose.ES256), Use: "sig"})
}

// Public is the key that it shows.
func (i *Issuer) Public() jose.JSONWebKey { return i.current.Load().Public() }

// Claims are those of a projected service account token for the audience sentinel, an hour long.
func (i *Issuer) Claims() map[string]any {
	now := time.Now()
	return map[string]any{
		"iss": i.URL, "aud": []string{"sentinel"}, "sub": Subject, "exp": now.Add(time.Hour).Unix(), "nbf": now.Unix(), "iat": now.Unix(),
		"kubernetes.io": map[string]any{"namespace": "prod", "serviceaccount": map[string]string{"name": "checkout"}},
	}
}

// Sign makes a token of claims.
func (i *Issuer) Sign(t testing.TB, claims any) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: *i.current.Load()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(s).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// With signs the claims with one of them set, or left out where the value is nil.
func (i *Issuer) With(t testing.TB, claim string, value any) string {
	t.Helper()
	claims := i.Claims()
	if claims[claim] = value; value == nil {
		delete(claims, claim)
	}
	return i.Sign(t, claims)
}
