package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rs/zerolog"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/admin"
)

var update = flag.Bool("update", false, "rewrite golden files")

// accounts has three keys; every other question to the backend is one that must not be asked.
type accounts struct{ admin.Backend }

var keys = map[[32]byte]sentinel.Account{}

func key(name string, role sentinel.Role) string {
	k, hash := admin.NewKey(admin.TokenPrefix)
	keys[hash] = sentinel.Account{Name: name, Role: role}
	return k
}

var viewer, operator = key("vera", sentinel.RoleViewer), key("otto", sentinel.RoleOperator)

func (accounts) FindKey(_ context.Context, hash [32]byte) (sentinel.AccountKey, sentinel.Account, bool, error) {
	a, ok := keys[hash]
	return sentinel.AccountKey{Hash: hash, Kind: sentinel.KeyToken}, a, ok, nil
}

func (accounts) Account(context.Context, string) (sentinel.Account, bool, error) {
	return sentinel.Account{}, false, nil
}

func server(o admin.Options) *admin.Server {
	o.Backend, o.Log = accounts{}, zerolog.Nop()
	if o.Now == nil {
		o.Now = func() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) }
	}
	return admin.New(o)
}

func ask(h http.Handler, method, path, token, body string, more ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(more); i += 2 {
		r.Header.Set(more[i], more[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestDocumentIsTheCode(t *testing.T) {
	got, err := json.MarshalIndent(server(admin.Options{}).OpenAPI(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile("openapi.json", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("openapi.json")
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("admin/openapi.json is not what the code says: run make golden (%v)", err)
	}
}

// Nobody reads or changes anything without signing in, and nobody above the own role. The backend would panic.
func TestEveryOperationWantsItsRole(t *testing.T) {
	s := server(admin.Options{})
	h := s.Handler()
	open, closed, above := 0, 0, 0
	for path, item := range s.OpenAPI().Paths {
		for method, op := range map[string]any{"GET": item.Get, "POST": item.Post, "PUT": item.Put, "DELETE": item.Delete} {
			text, _ := json.Marshal(op)
			if string(text) == "null" {
				continue
			}
			public := !bytes.Contains(text, []byte(`"security"`))
			if public {
				open++
				continue
			}
			closed++
			if strings.Contains(path, "{") && !bytes.Contains(text, []byte(`"in":"path"`)) {
				t.Errorf("%s %s does not read what its path names", method, path)
			}
			at := strings.NewReplacer("{id}", "x", "{name}", "x").Replace(path)
			for name, token := range map[string]string{"nobody": "", "a wrong token": "sat_wrong", "a cookie's key": "x"} {
				if w := ask(h, method, at, token, ""); w.Code != http.StatusUnauthorized || !strings.Contains(w.Header().Get("Content-Type"), "problem+json") {
					t.Errorf("%s %s by %s is answered %d %s", method, path, name, w.Code, w.Body)
				}
			}
			if bytes.Contains(text, []byte("Role: admin")) {
				above++
				if w := ask(h, method, at, operator, "{}"); w.Code != http.StatusForbidden {
					t.Errorf("%s %s by an operator is answered %d %s", method, path, w.Code, w.Body)
				}
			}
			own := strings.HasPrefix(path, "/api/v1/session") || strings.HasPrefix(path, "/api/v1/keys") // everybody changes what is one's own
			if method != "GET" && !own && path != "/api/v1/policy/check" && path != "/api/v1/policy/simulate" {
				if w := ask(h, method, at, viewer, "{}"); w.Code != http.StatusForbidden {
					t.Errorf("%s %s by a viewer is answered %d %s", method, path, w.Code, w.Body)
				}
			}
		}
	}
	if open != 3 || closed < 25 || above < 3 {
		t.Errorf("%d operations without sign-in, %d with, %d for admins; only sign-in, its ways and set-up are open", open, closed, above)
	}
	if w := ask(h, "GET", "/api/v1/events", "", ""); w.Code != http.StatusUnauthorized {
		t.Errorf("events are open: %d", w.Code)
	}
}

func TestSignInIsSlowedDown(t *testing.T) {
	h := server(admin.Options{}).Handler()
	codes := map[int]int{}
	for range 8 {
		codes[ask(h, "POST", "/api/v1/session", "", `{"name":"eve","password":"guess"}`).Code]++
	}
	if codes[http.StatusUnauthorized] != 5 || codes[http.StatusTooManyRequests] != 3 {
		t.Errorf("answers to eight guesses: %v; want five refusals and then a wait", codes)
	}
}

func TestWritesFromOtherSitesAreRefused(t *testing.T) {
	h := server(admin.Options{}).Handler()
	for _, site := range []string{"cross-site", "same-site"} {
		if w := ask(h, "POST", "/api/v1/session", "", `{"name":"eve","password":"guess"}`, "Sec-Fetch-Site", site); w.Code != http.StatusForbidden {
			t.Errorf("a write of a %s page is answered %d", site, w.Code)
		}
	}
}

func TestDashboardRunsItsOwnScriptsOnly(t *testing.T) {
	h := server(admin.Options{Dashboard: fstest.MapFS{
		"index.html":            {Data: []byte(`<script id="_R_">let a = 1</script><script src="/_next/static/a.js"></script>`)},
		"usage.html":            {Data: []byte("usage")},
		"404.html":              {Data: []byte("nothing here")},
		"_next/static/a.js":     {Data: []byte("let b")},
		"_next/static/page.css": {Data: []byte("a{}")},
	}}).Handler()
	for path, want := range map[string]struct {
		code int
		body string
	}{
		"/": {200, "let a = 1"}, "/usage": {200, "usage"}, "/usage/": {200, "usage"}, "/_next/static/a.js": {200, "let b"}, "/nowhere": {404, "nothing here"},
		"/../../etc/passwd": {404, "nothing here"}, "/_next/static": {404, "nothing here"},
	} {
		w := ask(h, "GET", "http://x"+path, "", "")
		if w.Code == http.StatusTemporaryRedirect || w.Code == http.StatusMovedPermanently {
			continue // the path was not clean
		}
		if w.Code != want.code || !strings.Contains(w.Body.String(), want.body) {
			t.Errorf("%s is answered %d %q, want %d %q", path, w.Code, w.Body, want.code, want.body)
		}
	}
	// printf 'let a = 1' | openssl dgst -sha256 -binary | base64
	const hash = "'sha256-LAfYd7pbFUgwfQu8b4q135PeTG2z+/coPEUYCd74eCQ='"
	if p := ask(h, "GET", "/", "", "").Header().Get("Content-Security-Policy"); !strings.Contains(p, "script-src 'self' "+hash+";") || !strings.Contains(p, "default-src 'none'") {
		t.Errorf("the page's policy is %s, want %s in it", p, hash)
	}
	if frame := ask(h, "GET", "/", "", "").Header().Get("X-Frame-Options"); frame != "DENY" {
		t.Errorf("the page may be in a frame: %q", frame)
	}
	if p := ask(h, "GET", "/usage", "", "").Header().Get("Content-Security-Policy"); !strings.Contains(p, "script-src 'self';") {
		t.Errorf("the policy of a page without scripts is %s", p)
	}
	if w := ask(server(admin.Options{}).Handler(), "GET", "/", "", ""); w.Code != 200 || !strings.Contains(w.Body.String(), "make dashboard") {
		t.Errorf("without a dashboard: %d %s", w.Code, w.Body)
	}
}

// contended is a backend whose one limit others change all the while.
type contended struct{ accounts }

func (contended) Limits(context.Context) ([]admin.LimitUse, error) {
	return []admin.LimitUse{{Limit: sentinel.Limit{Cell: "org/acme", Kind: sentinel.Window}}}, nil
}

func (contended) ChangeElsewhere(ctx context.Context, _ sentinel.AuditRow, do func(context.Context) error) error {
	return do(ctx)
}

func (contended) ResetLimit(context.Context, sentinel.Limit) (string, error) {
	return "", fmt.Errorf("reset: %w", sentinel.ErrLimitBusy)
}

func (contended) ChangeOverride(context.Context, string, *admin.Override, func(*admin.Override) error) error {
	return sentinel.ErrLimitBusy
}

func TestALimitThatOthersChangeIsAConflict(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	h := admin.New(admin.Options{Backend: contended{}, Log: zerolog.Nop(), Now: func() time.Time { return now }}).Handler()
	for _, tt := range []struct{ method, path, body string }{
		{"POST", "/api/v1/limits/reset", `{"cell":"org/acme"}`},
		{"PUT", "/api/v1/limits/override", `{"cell":"org/acme","max":"5","until":"2026-11-25T00:00:00Z","why":"a launch"}`},
		{"DELETE", "/api/v1/limits/override?cell=org/acme", ""},
	} {
		if w := ask(h, tt.method, tt.path, operator, tt.body); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "try again") {
			t.Errorf("%s %s is answered %d %s, want a conflict", tt.method, tt.path, w.Code, w.Body)
		}
	}
}
