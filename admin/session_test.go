package admin_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/admin"
)

// people has one account, and the keys of its sessions.
type people struct {
	admin.Backend
	ada  sentinel.Account
	keys map[[32]byte]sentinel.AccountKey
}

func (p *people) Account(_ context.Context, name string) (sentinel.Account, bool, error) {
	return p.ada, name == p.ada.Name, nil
}

func (p *people) AddKey(_ context.Context, k sentinel.AccountKey) error {
	p.keys[k.Hash] = k
	return nil
}

func (p *people) FindKey(_ context.Context, hash [32]byte) (sentinel.AccountKey, sentinel.Account, bool, error) {
	k, ok := p.keys[hash]
	return k, p.ada, ok, nil
}

func (*people) Org() admin.Org { return admin.Org{Name: "acme", Zone: time.UTC} }

// A session is for whoever knows the password, in a cookie that neither scripts nor other sites can use, and nowhere else.
func TestASessionIsItsCookieAlone(t *testing.T) {
	const password = "correct horse battery staple"
	hash, err := admin.HashPassword(password)
	if err != nil {
		t.Fatal(err)
	}
	for _, secure := range []bool{false, true} {
		p := &people{ada: sentinel.Account{Name: "ada", Role: sentinel.RoleViewer, Password: hash}, keys: map[[32]byte]sentinel.AccountKey{}}
		h := admin.New(admin.Options{Backend: p, Log: zerolog.Nop(), Now: time.Now, Secure: secure}).Handler()
		if w := ask(h, "POST", "/api/v1/session", "", `{"name":"ada","password":"another"}`); w.Code != http.StatusUnauthorized || len(w.Result().Cookies()) != 0 {
			t.Errorf("a wrong password is answered %d with %d cookies", w.Code, len(w.Result().Cookies()))
		}
		w := ask(h, "POST", "/api/v1/session", "", `{"name":"ada","password":"`+password+`"}`)
		cookies := w.Result().Cookies()
		if w.Code != http.StatusOK || len(cookies) != 1 {
			t.Fatalf("the password is answered %d %s", w.Code, w.Body)
		}
		c := cookies[0]
		if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure != secure || c.Domain != "" || c.MaxAge <= 0 || c.MaxAge > 86_400 {
			t.Errorf("behind https: %v; the cookie is %+v", secure, c)
		}
		if w := ask(h, "GET", "/api/v1/session", "", "", "Cookie", c.Name+"="+c.Value); w.Code != http.StatusOK {
			t.Errorf("the session is answered %d", w.Code)
		}
		if w := ask(h, "GET", "/api/v1/session", c.Value, ""); w.Code != http.StatusUnauthorized {
			t.Errorf("a session that is sent as a token is answered %d", w.Code)
		}
	}
}

// What is kept of a password is argon2id with the memory and passes of RFC 9106's second recommendation.
func TestPasswordsAreHashedSlowly(t *testing.T) {
	hash, err := admin.HashPassword("correct horse battery staple")
	if err != nil || !strings.HasPrefix(hash.Reveal(), "$argon2id$v=19$m=65536,t=3,p=") {
		t.Errorf("a password is kept as %.40s…, %v", hash.Reveal(), err)
	}
}
