package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// issuer signs tokens of workloads as a Kubernetes cluster does, and shows its current key.
type issuer struct {
	*httptest.Server
	current atomic.Pointer[jose.JSONWebKey]
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	i := &issuer{}
	i.another(t, "one")
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/keys" {
			_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{i.current.Load().Public()}})
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": i.URL, "jwks_uri": i.URL + "/keys"})
	}))
	t.Cleanup(i.Close)
	return i
}

// another takes the key back, and signs with another one.
func (i *issuer) another(t testing.TB, id string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i.current.Store(&jose.JSONWebKey{Key: key, KeyID: id, Algorithm: string(jose.ES256), Use: "sig"})
}

const workloadSubject = "system:serviceaccount:prod:checkout"

// token is a projected service account token with one claim of its own.
func (i *issuer) token(t testing.TB, claim string, value any) string {
	t.Helper()
	now := time.Now()
	claims := map[string]any{"iss": i.URL, "aud": []string{"sentinel"}, "sub": workloadSubject, "exp": now.Add(time.Hour).Unix(), "nbf": now.Unix(), "iat": now.Unix()}
	if claim != "" {
		claims[claim] = value
	}
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

// byWorkload is the policy of a gateway in which the service has tokens of an issuer.
func (i *issuer) byWorkload(policy string) string {
	identity := fmt.Sprintf("identity: {jwt: {issuer: k8s, subject: %q}, ", workloadSubject)
	return strings.Replace(policy, "identity: {", identity, 1) + fmt.Sprintf("issuers: {k8s: {url: %q, audience: sentinel}}\n", i.URL)
}

// workloadsAreKnown holds which tokens of an issuer are accepted, and gives one that is while its key stays.
func (i *issuer) workloadsAreKnown(t *testing.T, ok func(token string) bool) (good string) {
	t.Helper()
	stranger := newIssuer(t)
	for name, token := range map[string]string{
		"another audience": i.token(t, "aud", []string{"https://kubernetes.default.svc"}), "expired": i.token(t, "exp", time.Now().Add(-time.Minute).Unix()),
		"another issuer": i.token(t, "iss", stranger.URL), "another's key in its name": stranger.token(t, "iss", i.URL), "a subject of no service": i.token(t, "sub", "system:serviceaccount:prod:eve"),
	} {
		if ok(token) {
			t.Errorf("a workload's token is accepted: %s", name)
		}
	}
	if good = i.token(t, "", nil); !ok(good) {
		t.Error("a workload's token is refused")
	}
	return good
}
