package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/internal/stack"
)

const oidcSecret = "oidc-secret-canary-71f0"

// openID is an OpenID provider at which one person is signed in: the authorization code flow with PKCE, and signatures by RSA.
type openID struct {
	*httptest.Server
	mu     sync.Mutex
	key    *rsa.PrivateKey // that signs; the published one is that of the start
	claims map[string]any
	codes  map[string]url.Values // what was asked, by code
	seen   []string              // faults of requests
}

func newOpenID(t *testing.T) *openID {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	published := key.Public()
	p := &openID{key: key, codes: map[string]url.Values{}, claims: map[string]any{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: published, KeyID: "one", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		q := r.URL.Query()
		if q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || q.Get("client_id") != "sentinel" || q.Get("nonce") == "" || !strings.Contains(q.Get("scope"), "openid") {
			p.seen = append(p.seen, "authorize: "+r.URL.RawQuery)
		}
		code := rand.Text()
		p.codes[code] = q
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
	})
	mux.HandleFunc("POST /token", p.token)
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// token gives an id token for a code, once, to the client that proves what it asked with.
func (p *openID) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = r.ParseForm()
	q, known := p.codes[r.Form.Get("code")]
	delete(p.codes, r.Form.Get("code"))
	sum := sha256.Sum256([]byte(r.Form.Get("code_verifier")))
	user, secret, _ := r.BasicAuth()
	if !known || base64.RawURLEncoding.EncodeToString(sum[:]) != q.Get("code_challenge") || q.Get("redirect_uri") != r.Form.Get("redirect_uri") || user != "sentinel" || secret != oidcSecret {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"invalid_grant"}`)
		return
	}
	claims := map[string]any{"iss": p.URL, "aud": "sentinel", "sub": "248289761001", "exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix(), "nonce": q.Get("nonce")}
	for name, v := range p.claims {
		claims[name] = v
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: p.key, KeyID: "one"}}, nil)
	if err != nil {
		panic(err)
	}
	id, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "at-canary", "token_type": "Bearer", "expires_in": 60, "id_token": id})
}

func (p *openID) says(claims map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claims = claims
}

// signOn goes the whole way to the provider and back, and gives the last answer before the dashboard.
func (b *browser) signOn() (int, string) {
	b.t.Helper()
	b.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/" {
			return http.ErrUseLastResponse
		}
		return nil
	}
	answer, err := b.client.Get(b.people + "/api/v1/session/oidc")
	b.must(err)
	defer func() { _ = answer.Body.Close() }()
	body, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body)
}

// People sign in at the organisation's provider, and may do what their groups may. What is not the provider's word for this browser and this moment
// begins no session.
func TestPeopleSignInOnceForAll(t *testing.T) {
	p := newOpenID(t)
	g := openOn(t, mockapi.DefaultConfig(), "{}", "", (*stack.Stack).Postgres, "")
	g.stop()
	text, err := os.ReadFile(filepath.Join(g.dir, "sentinel.yaml"))
	g.must(err)
	g.write("sentinel.yaml", strings.Replace(string(text), "admin: {listen: ", fmt.Sprintf(`admin: {url: %q, oidc: {issuer: %q, client_id: sentinel, name: Acme, roles: [{group: finops, role: admin}, `+
		`{group: core leads, role: team-admin, team: core}, {group: staff, role: viewer}]}, listen: `, g.people, p.URL), 1))
	g.env = append(g.env, "SENTINEL_OIDC_SECRET="+oidcSecret)
	g.start()
	var ways struct {
		SingleSignOn string `json:"single_sign_on"`
	}
	g.browser().want(http.StatusOK, "GET", "/session/ways", "", &ways)
	if ways.SingleSignOn != "Acme" {
		t.Errorf("the sign-in page offers %q", ways.SingleSignOn)
	}
	mail := func(groups ...string) map[string]any {
		return map[string]any{"email": "ada@acme.example", "email_verified": true, "groups": groups}
	}
	var session struct{ Name, Role, Team string }
	p.says(mail("staff", "finops"))
	ada := g.browser()
	if status, body := ada.signOn(); status != http.StatusFound {
		t.Fatalf("signing in: %d %s", status, body)
	}
	if ada.want(http.StatusOK, "GET", "/session", "", &session); session.Name != "sso:ada@acme.example" || session.Role != "admin" {
		t.Errorf("the session is %+v", session)
	}
	ada.want(http.StatusOK, "GET", "/accounts", "", nil)
	ada.want(http.StatusForbidden, "POST", "/session/tokens", `{"label":"x","days":1}`, nil)
	g.browser().want(http.StatusUnauthorized, "POST", "/session", `{"name":"sso:ada@acme.example","password":"x"}`, nil)
	// Another group at the next sign-in: the session with the rights of before ends.
	p.says(mail("core leads"))
	again := g.browser()
	if status, body := again.signOn(); status != http.StatusFound {
		t.Fatalf("signing in again: %d %s", status, body)
	}
	if again.want(http.StatusOK, "GET", "/session", "", &session); session.Role != "team-admin" || session.Team != "core" {
		t.Errorf("with another group the session is %+v", session)
	}
	ada.want(http.StatusUnauthorized, "GET", "/session", "", nil)
	foreign, err := rsa.GenerateKey(rand.Reader, 2048)
	g.must(err)
	with := func(name string, v any) map[string]any {
		c := mail("finops")
		c[name] = v
		return c
	}
	for name, c := range map[string]struct {
		claims map[string]any
		status int
	}{
		"no group with a role":    {mail("strangers"), http.StatusForbidden},
		"a group's prefix":        {mail("fin"), http.StatusForbidden},
		"no groups":               {map[string]any{"email": "ada@acme.example", "email_verified": true}, http.StatusForbidden},
		"mail that is unverified": {with("email_verified", false), http.StatusUnauthorized},
		"no mail":                 {map[string]any{"groups": []string{"finops"}}, http.StatusUnauthorized},
		"a name with a line":      {with("email", "ada@acme.example\nadmin"), http.StatusUnauthorized},
		"another's nonce":         {with("nonce", "x"), http.StatusUnauthorized},
		"another client":          {with("aud", "other"), http.StatusUnauthorized},
		"another issuer":          {with("iss", "https://evil.example"), http.StatusUnauthorized},
		"too old":                 {with("exp", time.Now().Add(-time.Minute).Unix()), http.StatusUnauthorized},
	} {
		p.says(c.claims)
		b := g.browser()
		if status, body := b.signOn(); status != c.status {
			t.Errorf("%s: answered %d %s, want %d", name, status, body, c.status)
		}
		b.want(http.StatusUnauthorized, "GET", "/session", "", nil)
	}
	p.says(mail("finops"))
	p.mu.Lock()
	p.key, foreign = foreign, p.key
	p.mu.Unlock()
	if status, _ := g.browser().signOn(); status != http.StatusUnauthorized {
		t.Errorf("a token that another key signed: %d", status)
	}
	p.mu.Lock()
	p.key = foreign
	p.mu.Unlock()
	g.foreignReturns(p)
	if len(p.seen) > 0 {
		t.Errorf("the provider was asked wrongly: %q", p.seen)
	}
	log, err := os.ReadFile(filepath.Join(g.dir, "sentinel.log"))
	g.must(err)
	if strings.Contains(string(log), oidcSecret) || strings.Contains(string(log), "at-canary") {
		t.Error("the log has a secret of the sign-on")
	}
}

// foreignReturns brings a browser what another one was given: with the other's code, state or cookie no session begins.
func (g *gateway) foreignReturns(p *openID) {
	g.t.Helper()
	stopped := func() (*browser, string) {
		b := g.browser()
		b.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
			if strings.HasSuffix(r.URL.Path, "/callback") {
				return http.ErrUseLastResponse
			}
			return nil
		}
		answer, err := b.client.Get(b.people + "/api/v1/session/oidc")
		g.must(err)
		_ = answer.Body.Close()
		return b, answer.Header.Get("Location")
	}
	victim, _ := stopped()
	_, attackers := stopped()
	ask := func(b *browser, at string) int {
		answer, err := b.client.Get(at)
		g.must(err)
		_ = answer.Body.Close()
		return answer.StatusCode
	}
	if status := ask(victim, attackers); status != http.StatusUnauthorized {
		g.t.Errorf("another browser's return: %d", status)
	}
	victim, own := stopped()
	u, err := url.Parse(own)
	g.must(err)
	q := u.Query()
	theirs, err := url.Parse(attackers)
	g.must(err)
	q.Set("code", theirs.Query().Get("code"))
	u.RawQuery = q.Encode()
	if status := ask(victim, u.String()); status != http.StatusUnauthorized {
		g.t.Errorf("another browser's code: %d", status)
	}
	victim, own = stopped()
	if status := ask(victim, own+"x"); status != http.StatusUnauthorized { // the state is the last parameter
		g.t.Errorf("another state: %d", status)
	}
	victim, own = stopped()
	victim.client.Jar, err = cookiejar.New(nil)
	g.must(err)
	if status := ask(victim, own); status != http.StatusUnauthorized {
		g.t.Errorf("a return without what the browser kept: %d", status)
	}
}
