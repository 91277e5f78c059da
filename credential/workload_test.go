package credential

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// issuer is an OpenID provider on a socket of its own.
type issuer struct {
	*httptest.Server
	key  *ecdsa.PrivateKey
	kid  atomic.Value
	down atomic.Bool
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{key: key}
	i.kid.Store("one")
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if i.down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			_ = json.NewEncoder(w).Encode(map[string]string{"issuer": i.URL, "jwks_uri": i.URL + "/keys"})
		case "/keys":
			_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: i.kid.Load().(string), Algorithm: "ES256", Use: "sig"}}})
		}
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) sign(t testing.TB, claims any) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: i.key, KeyID: i.kid.Load().(string)}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(s).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// claims are those of a projected service account token of Kubernetes.
func (i *issuer) claims(change func(map[string]any)) map[string]any {
	now := time.Now()
	c := map[string]any{
		"iss": i.URL, "aud": []string{"sentinel"}, "sub": "system:serviceaccount:prod:checkout", "exp": now.Add(time.Hour).Unix(), "nbf": now.Unix(), "iat": now.Unix(),
		"kubernetes.io": map[string]any{"namespace": "prod", "serviceaccount": map[string]string{"name": "checkout"}},
	}
	if change != nil {
		change(c)
	}
	return c
}

func workloads(t testing.TB, i *issuer) *Workloads {
	t.Helper()
	w := NewWorkloads(func(err error) { t.Log(err) })
	w.Use([]Issuer{{Name: "k8s", URL: i.URL, Audience: "sentinel"}})
	w.Refresh(t.Context())
	return w
}

func TestWorkloadTokensAreProvenByTheirIssuersKeys(t *testing.T) {
	i := newIssuer(t)
	w := workloads(t, i)
	name, subject, err := w.Verify(i.sign(t, i.claims(nil)), time.Now())
	if err != nil || name != "k8s" || subject != "system:serviceaccount:prod:checkout" {
		t.Fatalf("%q, %q, %v", name, subject, err)
	}
	with := func(key string, value any) string {
		return i.sign(t, i.claims(func(c map[string]any) {
			if value == nil {
				delete(c, key)
			} else {
				c[key] = value
			}
		}))
	}
	good := i.sign(t, i.claims(nil))
	parts := strings.Split(good, ".")
	text := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	other := newIssuer(t)
	stranger := other.sign(t, i.claims(nil)) // signed by another's key of the same id, in this issuer's name
	for name, token := range map[string]string{
		"another audience": with("aud", []string{"https://kubernetes.default.svc"}), "no audience": with("aud", nil),
		"expired": with("exp", time.Now().Add(-time.Minute).Unix()), "without an end": with("exp", nil), "not yet": with("nbf", time.Now().Add(time.Hour).Unix()),
		"another issuer": with("iss", "https://evil.example"), "no subject": with("sub", nil),
		"another's key": stranger, "cut": good[:len(good)-4], "changed claims": parts[0] + "." + text(`{"iss":"`+i.URL+`","aud":"sentinel","sub":"admin","exp":9999999999}`) + "." + parts[2],
		"no algorithm":     text(`{"alg":"none"}`) + "." + parts[1] + ".",
		"symmetric":        text(`{"alg":"HS256","kid":"one"}`) + "." + parts[1] + "." + parts[2],
		"a key of its own": text(`{"alg":"ES256","jwk":{"kty":"EC"}}`) + "." + parts[1] + "." + parts[2],
		"too long":         good + strings.Repeat("A", maxWorkloadToken),
	} {
		if _, subject, err := w.Verify(token, time.Now()); err == nil {
			t.Errorf("%s: accepted for %q", name, subject)
		}
	}
}

func TestKeysOfAnIssuerThatIsAwayStayAndNewOnesAreFound(t *testing.T) {
	i := newIssuer(t)
	w := workloads(t, i)
	token := i.sign(t, i.claims(nil))
	i.down.Store(true)
	w.Refresh(t.Context())
	if _, _, err := w.Verify(token, time.Now()); err != nil {
		t.Errorf("while the issuer is away: %v", err)
	}
	i.down.Store(false)
	i.kid.Store("two")
	next := i.sign(t, i.claims(nil))
	if _, _, err := w.Verify(next, time.Now()); err == nil {
		t.Error("a key that nobody has read")
	}
	select {
	case <-w.wanted:
	default:
		t.Error("the unknown key was not asked for")
	}
	w.Refresh(t.Context())
	if _, _, err := w.Verify(next, time.Now()); err != nil {
		t.Errorf("after the keys were read again: %v", err)
	}
	if _, _, err := w.Verify(token, time.Now()); err == nil {
		t.Error("a key that the issuer took back still proves tokens")
	}
}

// FuzzWorkloadToken holds that no text but the issuer's own is proven, and that none panics.
func FuzzWorkloadToken(f *testing.F) {
	i := newIssuer(f)
	w := workloads(f, i)
	good := i.sign(f, i.claims(nil))
	signed, _, _ := strings.Cut(good[strings.IndexByte(good, '.')+1:], ".")
	f.Add(good)
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		_, subject, err := w.Verify(token, time.Now())
		if err == nil && !strings.Contains(token, signed) {
			t.Errorf("%q is proven for %q", token, subject)
		}
	})
}

// FuzzServiceToken holds that only the issued token is found by its hash.
func FuzzServiceToken(f *testing.F) {
	key := TokenKey{[]byte(strings.Repeat("k", minTokenKey))}
	tokens := &Tokens{key: key}
	_, token, hash := key.Issue()
	tokens.served.Store(&tokenSnapshot{map[[32]byte]heldToken{hash: {service: "app"}}, 1, time.Now()})
	f.Add(token)
	f.Add(token[:len(token)-1])
	f.Add(TokenPrefix)
	f.Fuzz(func(t *testing.T, text string) {
		if _, ok := tokens.Service(text, time.Now()); ok != (text == token) {
			t.Errorf("%q: %v", text, ok)
		}
	})
}
