package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/time/rate"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Accounts keeps who may sign in.
type Accounts interface {
	Accounts(ctx context.Context) ([]sentinel.Account, error)
	Account(ctx context.Context, name string) (sentinel.Account, bool, error)
	// HoldAccount is Account within a change: nobody changes the account until that ends.
	HoldAccount(ctx context.Context, name string) (sentinel.Account, bool, error)
	PutAccount(ctx context.Context, a sentinel.Account) error
	RemoveAccount(ctx context.Context, name string) (bool, error)
	AddKey(ctx context.Context, k sentinel.AccountKey) error
	FindKey(ctx context.Context, hash [32]byte) (sentinel.AccountKey, sentinel.Account, bool, error)
	RemoveKey(ctx context.Context, hash [32]byte) error
	// AccountKeys lists keys that have not expired, of one account or of all where it is empty: the newest first, those after one of them where that is not zero.
	AccountKeys(ctx context.Context, account string, after sentinel.AccountKey, limit int) ([]sentinel.AccountKey, error)
	// UseSetup makes the first account; ok is false where the link is not valid.
	UseSetup(ctx context.Context, hash [32]byte, first sentinel.Account) (ok bool, err error)
}

const (
	sessionCookie = "sentinel_session"
	sessionLife   = 12 * time.Hour
	// TokenPrefix begins every admin token, so that scanners of repositories find lost ones.
	TokenPrefix = "sat_"
)

// NewKey makes a key of 128 random bits or more, and the hash by which it is found.
func NewKey(prefix string) (key string, hash [32]byte) {
	key = prefix + rand.Text()
	return key, sha256.Sum256([]byte(key))
}

type principal struct {
	sentinel.Account
	key sentinel.AccountKey
}

type principalKey struct{}

// who gives the account that a request belongs to.
func who(ctx context.Context) principal {
	p, _ := ctx.Value(principalKey{}).(principal)
	return p
}

// authorise is the one place where roles are checked: an operation without a role in the table is refused.
func (s *Server) authorise(ctx huma.Context, next func(huma.Context)) {
	need, known := s.roles[ctx.Operation().OperationID]
	if known && need == 0 {
		next(ctx)
		return
	}
	p, err := s.identify(ctx.Context(), ctx.Header("Authorization"), ctx.Header("Cookie"))
	switch {
	case err != nil:
		_ = huma.WriteErr(s.api, ctx, http.StatusServiceUnavailable, "accounts cannot be read now")
	case p.Name == "":
		_ = huma.WriteErr(s.api, ctx, http.StatusUnauthorized, "sign in, or send an admin token as Authorization: Bearer "+TokenPrefix+"…")
	case !known || p.Role < need:
		_ = huma.WriteErr(s.api, ctx, http.StatusForbidden, "your role is "+p.Role.String()+", this needs "+need.String())
	case !s.doors.busy.allow(p.Name):
		ctx.SetHeader("Retry-After", "1")
		_ = huma.WriteErr(s.api, ctx, http.StatusTooManyRequests, "too many requests of "+p.Name)
	default:
		next(huma.WithValue(ctx, principalKey{}, p))
	}
}

// identify finds the account of a bearer token or a session; the name is empty where there is none.
func (s *Server) identify(ctx context.Context, authorization, cookies string) (p principal, err error) {
	key, bearer := strings.CutPrefix(authorization, "Bearer ")
	if !bearer {
		list, _ := http.ParseCookie(cookies)
		for _, c := range list {
			if c.Name == sessionCookie {
				key = c.Value
			}
		}
	}
	if key == "" {
		return p, nil
	}
	k, a, ok, err := s.Backend.FindKey(ctx, sha256.Sum256([]byte(key)))
	if err != nil || !ok || bearer != (k.Kind == sentinel.KeyToken) {
		return p, err
	}
	return principal{a, k}, nil
}

// signedIn guards what is not an operation of the document.
func (s *Server) signedIn(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := s.identify(r.Context(), r.Header.Get("Authorization"), r.Header.Get("Cookie"))
		switch {
		case err != nil:
			http.Error(w, "accounts cannot be read now", http.StatusServiceUnavailable)
		case p.Name == "":
			http.Error(w, "sign in", http.StatusUnauthorized)
		default:
			h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), principalKey{}, p)))
		}
	})
}

// doors bounds how often somebody may knock.
type doors struct {
	signIn, busy *knocks
	hashing      chan struct{} // a password costs 64 MiB for a moment: so many at once
}

const (
	signInEvery = 2 * time.Second // for one name, after a burst
	signInBurst = 5
	busyEvery   = 20 * time.Millisecond
	busyBurst   = 100
	hashesAtOne = 2
)

func newDoors(now func() time.Time) doors {
	return doors{signIn: &knocks{now: now, every: signInEvery, burst: signInBurst}, busy: &knocks{now: now, every: busyEvery, burst: busyBurst},
		hashing: make(chan struct{}, hashesAtOne)}
}

// knocks limits a rate by name.
type knocks struct {
	now   func() time.Time
	every time.Duration
	burst int
	mu    sync.Mutex
	names map[string]*rate.Limiter
}

// maxNames bounds the names that are remembered; past it all begin anew.
const maxNames = 10_000

func (k *knocks) allow(name string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := k.names[name]
	if l == nil {
		if k.names == nil || len(k.names) >= maxNames {
			k.names = map[string]*rate.Limiter{}
		}
		l = rate.NewLimiter(rate.Every(k.every), k.burst)
		k.names[name] = l
	}
	return l.AllowN(k.now(), 1)
}
