package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/danielgtaylor/huma/v2"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Session is who is signed in.
type Session struct {
	Name string `json:"name" doc:"Account."`
	Role string `json:"role" enum:"viewer,team-admin,operator,admin"`
	Team string `json:"team,omitempty" doc:"Of a team admin."`
	Org  string `json:"org"`
	Zone string `json:"zone" doc:"The organisation's IANA time zone."`
}

// hashParams follow RFC 9106's second recommendation: 64 MiB, three passes.
var hashParams = &argon2id.Params{Memory: 64 << 10, Iterations: 3, Parallelism: 2, SaltLength: 16, KeyLength: 32}

// HashPassword makes what an account keeps of its password.
func HashPassword(password string) (sentinel.Secret, error) {
	h, err := argon2id.CreateHash(password, hashParams)
	return sentinel.NewSecret(h), err
}

// nobody has the hash of no password: an unknown name costs the same time as a known one.
var nobody = sync.OnceValues(func() (sentinel.Secret, error) { return HashPassword(rand.Text()) })

type signIn struct {
	Body struct {
		Name     string `json:"name" minLength:"1" maxLength:"100"`
		Password string `json:"password" minLength:"1" maxLength:"1000"`
	}
}

type setup struct {
	Body struct {
		Link     string `json:"link" minLength:"1" maxLength:"100" doc:"The key of the setup link."`
		Name     string `json:"name" minLength:"1" maxLength:"100" pattern:"^[A-Za-z0-9._@+-]+$"`
		Password string `json:"password" minLength:"12" maxLength:"1000"`
	}
}

type sessionAnswer struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      Session
}

type ended struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}

func (s *Server) sessionRoutes() {
	register(s, operation{id: "sign-in", method: http.MethodPost, path: "/session", tag: "session", summary: "Sign in"}, s.signIn)
	register(s, operation{id: "set-up", method: http.MethodPost, path: "/setup", tag: "session", summary: "Make the first account, with the link that the gateway's log shows"}, s.setUp)
	register(s, operation{id: "get-session", method: http.MethodGet, path: "/session", tag: "session", summary: "Who is signed in", role: sentinel.RoleViewer},
		func(ctx context.Context, _ *struct{}) (*answer[Session], error) {
			return &answer[Session]{s.session(who(ctx).Account)}, nil
		})
	register(s, operation{id: "sign-out", method: http.MethodDelete, path: "/session", tag: "session", summary: "Sign out", role: sentinel.RoleViewer, status: http.StatusNoContent},
		func(ctx context.Context, _ *struct{}) (*ended, error) {
			if err := s.Backend.RemoveKey(ctx, who(ctx).key.Hash); err != nil {
				return nil, s.fault("sign out", err)
			}
			return &ended{s.cookie("", -1)}, nil
		})
}

func (s *Server) session(a sentinel.Account) Session {
	org := s.Backend.Org()
	return Session{Name: a.Name, Role: a.Role.String(), Team: a.Team, Org: org.Name, Zone: org.Zone.String()}
}

func (s *Server) cookie(value string, age int) http.Cookie {
	return http.Cookie{Name: sessionCookie, Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: s.Secure, SameSite: http.SameSiteStrictMode} //nolint:gosec // Secure wherever people come by HTTPS
}

func (s *Server) signIn(ctx context.Context, in *signIn) (*sessionAnswer, error) {
	if !s.doors.signIn.allow(in.Body.Name) {
		return nil, huma.Error429TooManyRequests("too many tries for this account: wait a few seconds")
	}
	a, ok, err := s.Backend.Account(ctx, in.Body.Name)
	if err != nil {
		return nil, s.fault("sign in", err)
	}
	s.doors.hashing <- struct{}{}
	defer func() { <-s.doors.hashing }()
	hash := a.Password
	if ok = ok && !ofSignOn(a.Name); !ok {
		if hash, err = nobody(); err != nil {
			return nil, s.fault("sign in", err)
		}
	}
	match, err := argon2id.ComparePasswordAndHash(in.Body.Password, hash.Reveal())
	if err != nil || !ok || !match {
		s.Log.Warn().Str("account", in.Body.Name).Msg("sign-in refused")
		return nil, huma.Error401Unauthorized("the name or the password is wrong")
	}
	return s.begin(ctx, a)
}

// begin starts a session.
func (s *Server) begin(ctx context.Context, a sentinel.Account) (*sessionAnswer, error) {
	key, hash := NewKey("")
	now := s.Now()
	if err := s.Backend.AddKey(ctx, sentinel.AccountKey{Hash: hash, Account: a.Name, Kind: sentinel.KeySession, Created: now, Expires: now.Add(sessionLife)}); err != nil {
		return nil, s.fault("sign in", err)
	}
	return &sessionAnswer{s.cookie(key, int(sessionLife/time.Second)), s.session(a)}, nil
}

func (s *Server) setUp(ctx context.Context, in *setup) (*sessionAnswer, error) {
	if !s.doors.signIn.allow("") {
		return nil, huma.Error429TooManyRequests("too many tries: wait a few seconds")
	}
	s.doors.hashing <- struct{}{}
	password, err := HashPassword(in.Body.Password)
	<-s.doors.hashing
	if err != nil {
		return nil, s.fault("set up", err)
	}
	a := sentinel.Account{Name: in.Body.Name, Role: sentinel.RoleAdmin, Password: password, Created: s.Now()}
	row := sentinel.AuditRow{Actor: "setup link", Action: "account.first", Object: a.Name}
	err = s.changed(row, s.Backend.Change(ctx, row, func(ctx context.Context) error {
		ok, err := s.Backend.UseSetup(ctx, sha256.Sum256([]byte(in.Body.Link)), a)
		if err == nil && !ok {
			return huma.Error403Forbidden("the setup link is unknown, used or too old: sentinel accounts setup makes another while there is no account")
		}
		return err
	}))
	if err != nil {
		return nil, err
	}
	return s.begin(ctx, a)
}
