package credential

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// TokenPrefix begins every issued service token, so that scanners of repositories find lost ones.
const TokenPrefix = "sst_"

// TokenKey makes the hashes of issued tokens. Without it nobody who can write to the database can add a token that works.
type TokenKey struct{ key []byte }

// minTokenKey is the length of the shortest key, in bytes: what HMAC-SHA256 has of security.
const minTokenKey = 32

// ErrTokenKey says that issued tokens cannot be hashed.
var ErrTokenKey = errors.New("SENTINEL_TOKEN_KEY")

// NewTokenKey checks the key.
func NewTokenKey(s sentinel.Secret) (TokenKey, error) {
	if len(s.Reveal()) < minTokenKey {
		return TokenKey{}, fmt.Errorf("%w: set at least 32 characters in the environment of every gateway process and of this command, such as openssl rand -hex 32 makes", ErrTokenKey)
	}
	return TokenKey{[]byte(s.Reveal())}, nil
}

// Hash is HMAC-SHA256 of the whole token: how many leading bytes of a guess are right shows neither in it nor in the time
// of a look-up by it.
func (k TokenKey) Hash(token string) (sum [sha256.Size]byte) {
	h := hmac.New(sha256.New, k.key)
	h.Write([]byte(token))
	h.Sum(sum[:0])
	return sum
}

// Issue makes an id and its first token.
func (k TokenKey) Issue() (id, token string, hash [sha256.Size]byte) {
	id = strings.ToLower(rand.Text()[:12])
	token, hash = k.Reissue(id)
	return id, token, hash
}

// Reissue makes another token of an id. It has 130 random bits.
func (k TokenKey) Reissue(id string) (token string, hash [sha256.Size]byte) {
	token = TokenPrefix + id + "_" + rand.Text()
	return token, k.Hash(token)
}

// TokenStore is where issued tokens are kept. changes grows with every change.
type TokenStore interface {
	ServiceTokensChanged(ctx context.Context) (changes int64, err error)
	ServiceTokens(ctx context.Context) (list []sentinel.ServiceToken, changes int64, err error)
}

// Tokens finds the service of an issued token in a snapshot, which Run keeps close to the store.
type Tokens struct {
	key     TokenKey
	store   TokenStore
	onError func(error)
	served  atomic.Pointer[tokenSnapshot]
}

// tokenLook is how often the store is asked for changes, and tokenWait how long it may take to answer: a revoked token is
// refused everywhere within their sum and the time of one reading, below 5 s.
const (
	tokenLook = time.Second
	tokenWait = 2 * time.Second
	// tokenStale is how long tokens are believed that the store has not confirmed. A token that is revoked while a process
	// cannot reach the store is good there for so long.
	tokenStale = 15 * time.Minute
)

type tokenSnapshot struct {
	byHash    map[[sha256.Size]byte]heldToken
	changes   int64
	confirmed time.Time
}

// heldToken is one token's service, until a time; zero is for ever.
type heldToken struct {
	service string
	until   time.Time
}

// NewTokens reads the tokens for the first time.
func NewTokens(ctx context.Context, key TokenKey, store TokenStore, onError func(error)) (*Tokens, error) {
	t := &Tokens{key: key, store: store, onError: onError}
	return t, t.read(ctx)
}

// Service finds the service of a token.
func (t *Tokens) Service(token string, now time.Time) (string, bool) {
	if t == nil || !strings.HasPrefix(token, TokenPrefix) {
		return "", false
	}
	s := t.served.Load()
	h, ok := s.byHash[t.key.Hash(token)]
	if !ok || !h.until.IsZero() && !now.Before(h.until) || now.Sub(s.confirmed) > tokenStale {
		return "", false
	}
	return h.service, true
}

// Run follows the store until ctx ends.
func (t *Tokens) Run(ctx context.Context) error {
	if t == nil {
		return nil
	}
	tick := time.NewTicker(tokenLook)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := t.follow(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			t.onError(err) // once an outage
		}
		failing = err != nil
	}
}

func (t *Tokens) follow(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, tokenWait)
	defer cancel()
	begun := time.Now()
	changes, err := t.store.ServiceTokensChanged(ctx)
	if err != nil {
		return err
	}
	if old := t.served.Load(); old.changes == changes {
		t.served.Store(&tokenSnapshot{old.byHash, changes, begun})
		return nil
	}
	return t.read(ctx)
}

func (t *Tokens) read(ctx context.Context) error {
	begun := time.Now()
	list, changes, err := t.store.ServiceTokens(ctx)
	if err != nil {
		return err
	}
	s := &tokenSnapshot{make(map[[sha256.Size]byte]heldToken, len(list)), changes, begun}
	for _, x := range list {
		if !x.Revoked.IsZero() {
			continue
		}
		s.byHash[x.Hash] = heldToken{x.Service, x.Expires}
		if x.PreviousUntil.IsZero() {
			continue
		}
		until := x.PreviousUntil
		if !x.Expires.IsZero() && x.Expires.Before(until) {
			until = x.Expires
		}
		s.byHash[x.Previous] = heldToken{x.Service, until}
	}
	t.served.Store(s)
	return nil
}
