package credential

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/internal/issuertest"
)

func workloads(t testing.TB, i *issuertest.Issuer) *Workloads {
	t.Helper()
	w := NewWorkloads(func(err error) { t.Log(err) })
	w.Use([]Issuer{{Name: "k8s", URL: i.URL, Audience: "sentinel"}})
	w.Refresh(t.Context())
	return w
}

func TestWorkloadTokensAreProvenByTheirIssuersKeys(t *testing.T) {
	i := issuertest.New(t)
	w := workloads(t, i)
	name, subject, err := w.Verify(i.Sign(t, i.Claims()), time.Now())
	if err != nil || name != "k8s" || subject != issuertest.Subject {
		t.Fatalf("%q, %q, %v", name, subject, err)
	}
	with := func(key string, value any) string { return i.With(t, key, value) }
	good := i.Sign(t, i.Claims())
	parts := strings.Split(good, ".")
	text := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	other := issuertest.New(t)
	stranger := other.Sign(t, i.Claims()) // signed by another's key of the same id, in this issuer's name
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
	i := issuertest.New(t)
	w := workloads(t, i)
	token := i.Sign(t, i.Claims())
	i.Down.Store(true)
	w.Refresh(t.Context())
	if _, _, err := w.Verify(token, time.Now()); err != nil {
		t.Errorf("while the issuer is away: %v", err)
	}
	i.Down.Store(false)
	i.Another(t, "two")
	next := i.Sign(t, i.Claims())
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
	i := issuertest.New(f)
	w := workloads(f, i)
	good := i.Sign(f, i.Claims())
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
