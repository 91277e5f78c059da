package admin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// SignOn lets people sign in at an OpenID provider, by the authorization code flow with PKCE. What a person may do follows from the groups
// that the provider says the person has.
type SignOn struct {
	Name     string // what the button says
	Issuer   string // URL
	ClientID string
	Secret   sentinel.Secret // of the client; zero for a public one
	URL      string          // under which people reach this server; the provider sends them back to it
	Scopes   []string        // beside openid
	Groups   string          // the claim that lists groups
	Person   string          // the claim that names a person
	Roles    []GroupRole     // the first whose group a person has
	Client   *http.Client

	mu       sync.Mutex
	provider *oidc.Provider // nil until it was found
}

// GroupRole is what a group may do.
type GroupRole struct {
	Group string
	Role  sentinel.Role
	Team  string // of a team admin
}

const (
	signOnPath   = apiRoot + "/session/oidc"
	signOnCookie = "sentinel_sign_on"
	signOnLife   = 10 * time.Minute // for which a person may take at the provider
	signOnTime   = 10 * time.Second // of what is asked from it
	maxGroups    = 1000

	// signOnPrefix begins the names of accounts that are the provider's. No local account can have it, so nobody becomes somebody else's account.
	signOnPrefix = "sso:"
)

// errNoRole says that none of a person's groups has a role.
var errNoRole = errors.New("none of your groups may sign in here: ask who runs the gateway")

// leaving is what a browser keeps while its person is at the provider.
type leaving struct{ State, Nonce, Verifier string }

// signOnRoutes are no operations of the document: they are for browsers alone, and answer with pages.
func (s *Server) signOnRoutes() {
	register(s, operation{id: "sign-in-ways", method: http.MethodGet, path: "/session/ways", tag: "session", summary: "How people sign in"},
		func(context.Context, *struct{}) (*answer[SignInWays], error) {
			if s.SignOn == nil {
				return &answer[SignInWays]{}, nil
			}
			return &answer[SignInWays]{SignInWays{SingleSignOn: s.SignOn.Name, At: signOnPath}}, nil
		})
	if s.SignOn != nil {
		s.mux.HandleFunc("GET "+signOnPath, s.leave)
		s.mux.HandleFunc("GET "+signOnPath+"/callback", s.comeBack)
	}
}

// SignInWays is how people sign in beside a password.
type SignInWays struct {
	SingleSignOn string `json:"single_sign_on,omitempty" doc:"What the provider of single sign-on is called; left out where there is none."`
	At           string `json:"at,omitempty" doc:"Path that leads there."`
}

// leave sends a person to the provider.
func (s *Server) leave(w http.ResponseWriter, r *http.Request) {
	if !s.doors.busy.allow(signOnPrefix) {
		http.Error(w, "too many people sign in: wait a second", http.StatusTooManyRequests)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), signOnTime)
	defer cancel()
	config, _, err := s.SignOn.config(ctx)
	if err != nil {
		s.Log.Error().Err(err).Msg("single sign-on not possible")
		http.Error(w, "the provider of single sign-on cannot be reached now: the gateway's log says why", http.StatusBadGateway)
		return
	}
	l := leaving{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier()}
	kept, _ := json.Marshal(l) // texts are always written
	http.SetCookie(w, s.signOnCookie(base64.RawURLEncoding.EncodeToString(kept), int(signOnLife/time.Second)))
	http.Redirect(w, r, config.AuthCodeURL(l.State, oidc.Nonce(l.Nonce), oauth2.S256ChallengeOption(l.Verifier)), http.StatusFound)
}

// signOnCookie comes back with a navigation from the provider, so it is lax, and goes nowhere but to sign-on.
func (s *Server) signOnCookie(value string, age int) *http.Cookie {
	return &http.Cookie{Name: signOnCookie, Value: value, Path: signOnPath, MaxAge: age, HttpOnly: true, Secure: s.Secure, SameSite: http.SameSiteLaxMode} //nolint:gosec // Secure wherever people come by HTTPS
}

// comeBack begins the session of a person whom the provider sent back.
func (s *Server) comeBack(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, s.signOnCookie("", -1)) // one try each
	if !s.doors.busy.allow(signOnPrefix) {
		http.Error(w, "too many people sign in: wait a second", http.StatusTooManyRequests)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), signOnTime)
	defer cancel()
	a, err := s.SignOn.person(ctx, r)
	if err == nil {
		a.Created = s.Now()
		err = s.admit(ctx, a)
	}
	if errors.Is(err, errNoRole) {
		s.Log.Warn().Str("account", a.Name).Msg("sign-in refused: no group has a role")
		http.Error(w, errNoRole.Error(), http.StatusForbidden)
		return
	}
	if err != nil {
		s.Log.Warn().Err(err).Msg("sign-in refused")
		http.Error(w, "the sign-in is not valid, or took too long: begin again at /signin", http.StatusUnauthorized)
		return
	}
	session, err := s.begin(ctx, a)
	if err != nil {
		http.Error(w, "accounts cannot be changed now", http.StatusServiceUnavailable)
		return
	}
	http.SetCookie(w, &session.SetCookie)
	http.Redirect(w, r, "/", http.StatusFound)
}

// admit makes the account of a person, or gives it the role of today: then its sessions end.
func (s *Server) admit(ctx context.Context, a sentinel.Account) error {
	known, ok, err := s.Backend.Account(ctx, a.Name)
	if err != nil || ok && known.Role == a.Role && known.Team == a.Team {
		return err
	}
	row := sentinel.AuditRow{Actor: a.Name, Action: "account.sign-on", Object: a.Name, After: strings.TrimSpace(a.Role.String() + " " + a.Team)}
	return s.changed(row, s.Backend.Change(ctx, row, func(ctx context.Context) error { return s.Backend.PutAccount(ctx, a) }))
}

// config finds the provider, once.
func (o *SignOn) config(ctx context.Context) (*oauth2.Config, *oidc.Provider, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.provider == nil {
		// The provider keeps the context for reading keys later: it must not end with this request.
		found, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), o.Client), o.Issuer)
		if err != nil {
			return nil, nil, fmt.Errorf("discovery of %s: %w", o.Issuer, err)
		}
		o.provider = found
	}
	return &oauth2.Config{ClientID: o.ClientID, ClientSecret: o.Secret.Reveal(), Endpoint: o.provider.Endpoint(), RedirectURL: strings.TrimSuffix(o.URL, "/") + signOnPath + "/callback",
		Scopes: append([]string{oidc.ScopeOpenID}, o.Scopes...)}, o.provider, nil
}

// person reads who comes back, after the provider's signature and everything that binds it to this browser were checked.
func (o *SignOn) person(ctx context.Context, r *http.Request) (a sentinel.Account, err error) {
	l, err := left(r)
	if err != nil {
		return a, err
	}
	q := r.URL.Query()
	if subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(l.State)) != 1 {
		return a, errors.New("the state is another browser's")
	}
	if fault := q.Get("error"); fault != "" {
		return a, fmt.Errorf("the provider answered %.100q", fault)
	}
	config, provider, err := o.config(ctx)
	if err != nil {
		return a, err
	}
	ctx = oidc.ClientContext(ctx, o.Client)
	tokens, err := config.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(l.Verifier))
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return a, fmt.Errorf("the code was refused with HTTP %d (%.100q)", refused.Response.StatusCode, refused.ErrorCode) // its text may quote the code
	}
	if err != nil {
		return a, fmt.Errorf("exchange of the code: %w", err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: o.ClientID}).Verify(ctx, raw)
	if err != nil {
		return a, fmt.Errorf("id token: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(l.Nonce)) != 1 {
		return a, errors.New("the id token is of another sign-in")
	}
	var claims map[string]any
	if err := id.Claims(&claims); err != nil {
		return a, fmt.Errorf("claims of the id token: %w", err)
	}
	return o.account(claims)
}

// left reads what the browser kept.
func left(r *http.Request) (l leaving, err error) {
	c, err := r.Cookie(signOnCookie)
	if err != nil {
		return l, errors.New("the browser kept nothing of a sign-in")
	}
	kept, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err == nil {
		err = json.Unmarshal(kept, &l)
	}
	if err != nil || l.State == "" || l.Nonce == "" || l.Verifier == "" {
		return l, errors.New("what the browser kept of a sign-in is damaged")
	}
	return l, nil
}

// account names a person, with the role of the groups.
func (o *SignOn) account(claims map[string]any) (a sentinel.Account, err error) {
	name, _ := claims[o.Person].(string)
	const longest = 90 // with the prefix, what an account's name may have
	switch {
	case name == "" || len(name) > longest || strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c > '~' }):
		return a, fmt.Errorf("the claim %s is no name of 1 to %d plain characters", o.Person, longest)
	case o.Person == "email" && claims["email_verified"] != true:
		return a, errors.New("the provider has not verified the address of mail")
	}
	a.Name = signOnPrefix + name
	list, _ := claims[o.Groups].([]any)
	if one, ok := claims[o.Groups].(string); ok {
		list = []any{one}
	}
	if len(list) > maxGroups {
		return a, fmt.Errorf("%d groups: at most %d are read", len(list), maxGroups)
	}
	for _, r := range o.Roles {
		if slices.Contains(list, any(r.Group)) {
			a.Role, a.Team = r.Role, r.Team
			return a, nil
		}
	}
	return a, errNoRole
}

// NewSignOnClient bounds what a provider may answer, and how long it may take.
func NewSignOnClient(t *http.Transport) *http.Client {
	return &http.Client{Transport: boundedAnswers{t}, Timeout: signOnTime}
}

type boundedAnswers struct{ http.RoundTripper }

func (b boundedAnswers) RoundTrip(r *http.Request) (*http.Response, error) {
	rs, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		rs.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(rs.Body, maxBody), rs.Body}
	}
	return rs, err
}

// ofSignOn tells whether an account is the provider's.
func ofSignOn(name string) bool { return strings.HasPrefix(name, signOnPrefix) }
