package credential

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// shelf is a token store that several processes share.
type shelf struct {
	mu      sync.Mutex
	list    []sentinel.ServiceToken
	changes int64
	down    bool
}

func (s *shelf) ServiceTokensChanged(context.Context) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return 0, errors.New("down")
	}
	return s.changes, nil
}

func (s *shelf) ServiceTokens(ctx context.Context) ([]sentinel.ServiceToken, int64, error) {
	n, err := s.ServiceTokensChanged(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]sentinel.ServiceToken(nil), s.list...), n, err
}

func (s *shelf) change(f func(list []sentinel.ServiceToken) []sentinel.ServiceToken) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = f(s.list)
	s.changes++
}

func tokenKey(t *testing.T) TokenKey {
	t.Helper()
	k, err := NewTokenKey(sentinel.NewSecret(strings.Repeat("k", minTokenKey)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestRevokedTokensAreRefusedByEveryProcessWithinFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key, s := tokenKey(t), &shelf{}
		id, token, hash := key.Issue()
		s.change(func([]sentinel.ServiceToken) []sentinel.ServiceToken {
			return []sentinel.ServiceToken{{ID: id, Service: "app", Hash: hash}}
		})
		var processes []*Tokens
		ctx, cancel := context.WithCancel(t.Context())
		for range 3 {
			p, err := NewTokens(ctx, key, s, func(err error) { t.Error(err) })
			if err != nil {
				t.Fatal(err)
			}
			processes = append(processes, p)
			go func() { _ = p.Run(ctx) }()
			time.Sleep(300 * time.Millisecond) // they look at different moments
		}
		known := func(token string, want bool) {
			t.Helper()
			for i, p := range processes {
				if service, ok := p.Service(token, time.Now()); ok != want || want && service != "app" {
					t.Errorf("process %d: service %q, %v, want %v", i, service, ok, want)
				}
			}
		}
		known(token, true)
		known(token[:len(token)-1], false)
		known(token+"A", false)
		next, nextHash := key.Reissue(id)
		s.change(func(list []sentinel.ServiceToken) []sentinel.ServiceToken {
			list[0].Previous, list[0].PreviousUntil, list[0].Hash = hash, time.Now().Add(time.Minute), nextHash
			return list
		})
		time.Sleep(5 * time.Second)
		known(token, true) // in its grace
		known(next, true)
		time.Sleep(time.Minute)
		known(token, false)
		known(next, true)
		s.change(func(list []sentinel.ServiceToken) []sentinel.ServiceToken {
			list[0].Revoked = time.Now()
			return list
		})
		time.Sleep(5 * time.Second)
		known(next, false)
		cancel()
		synctest.Wait()
	})
}

func TestTokensOfAStoreThatIsAwayHoldForAWhileOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key, s := tokenKey(t), &shelf{}
		id, token, hash := key.Issue()
		s.list = []sentinel.ServiceToken{{ID: id, Service: "app", Hash: hash}}
		faults := 0
		ctx, cancel := context.WithCancel(t.Context())
		p, err := NewTokens(ctx, key, s, func(error) { faults++ })
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = p.Run(ctx) }()
		time.Sleep(time.Hour)
		if _, ok := p.Service(token, time.Now()); !ok {
			t.Error("refused while the store answers")
		}
		s.mu.Lock()
		s.down = true
		s.mu.Unlock()
		time.Sleep(tokenStale - time.Minute)
		if _, ok := p.Service(token, time.Now()); !ok {
			t.Error("refused before its time")
		}
		time.Sleep(2 * time.Minute)
		if _, ok := p.Service(token, time.Now()); ok {
			t.Error("believed for longer than the store was away")
		}
		cancel()
		synctest.Wait()
		if faults != 1 {
			t.Errorf("%d reports of one outage", faults)
		}
	})
}

func TestTokenHashesAreKeyed(t *testing.T) {
	other, err := NewTokenKey(sentinel.NewSecret(strings.Repeat("K", minTokenKey)))
	if err != nil {
		t.Fatal(err)
	}
	if tokenKey(t).Hash("sst_a") == other.Hash("sst_a") {
		t.Error("two keys make the same hash")
	}
	if _, err := NewTokenKey(sentinel.NewSecret("short")); !errors.Is(err, ErrTokenKey) {
		t.Errorf("a short key: %v", err)
	}
}

// What is looked for in place of a guess shares no more leading bytes with what is kept, however many of the guess are right: so the time of a look-up
// cannot tell. Four bytes are the same by chance once in ten million runs.
func TestALookUpTellsNothingOfTheLeadingBytesThatAreRight(t *testing.T) {
	key := tokenKey(t)
	_, token, kept := key.Issue()
	for right := range len(token) {
		for _, wrong := range []byte("0Zz~") {
			guess := []byte(token)
			guess[right] = wrong
			for _, text := range []string{string(guess), token[:right]} {
				if text == token {
					continue
				}
				looked := key.Hash(text)
				if common := sharedBytes(looked[:], kept[:]); common > 3 {
					t.Fatalf("with %d bytes right, %d bytes of what is compared are", right, common)
				}
			}
		}
	}
	if plain := sha256.Sum256([]byte(token)); plain == kept || strings.Contains(string(kept[:]), token[:4]) {
		t.Error("what is compared can be made without the key")
	}
}

func sharedBytes(a, b []byte) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}
