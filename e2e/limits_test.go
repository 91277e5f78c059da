package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

// TestARedisThatForgetsIsCountedAgainFromTheLedger empties Redis in the middle of a budget of ten calls.
func TestARedisThatForgetsIsCountedAgainFromTheLedger(t *testing.T) {
	g := open(t, mockapi.DefaultConfig(), "{budget: {usd: 1/day, mode: hard, warn_at: [50%]}}", "")
	call := func() int {
		code, _, _ := g.do(http.MethodGet, "/weather/v1/forecast/lima", "")
		return code
	}
	for i := range 6 {
		if code := call(); code != http.StatusOK {
			t.Fatalf("call %d of a budget of ten got %d", i+1, code)
		}
	}
	g.ledger(6)
	c := redis.NewClient(&redis.Options{Addr: g.redis})
	defer func() { _ = c.Close() }()
	if err := c.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	ok, closed, spent := 0, 0, 0
	for began := time.Now(); spent < 5; {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("10 s after Redis forgot: %d more calls passed, %d were refused for want of the limiter, %d by the budget", ok, closed, spent)
		}
		switch code := call(); code {
		case http.StatusOK:
			ok++
		case http.StatusServiceUnavailable:
			closed++
		case http.StatusTooManyRequests:
			spent++
		default:
			t.Fatalf("answered %d", code)
		}
	}
	if ok != 4 || closed == 0 {
		t.Errorf("%d more calls passed and %d were refused for want of the limiter; want 4 and at least 1", ok, closed)
	}
	if served := g.mock.Stats().Calls; served != 10 {
		t.Errorf("%d calls reached the provider, want 10", served)
	}
}

// TestCancelledStreamsGiveTheirSlotsBack cuts three streams of ten at random bytes under a limit of concurrency.
func TestCancelledStreamsGiveTheirSlotsBack(t *testing.T) {
	const slots, clients, each = 8, 20, 15
	g := open(t, slow(2*time.Millisecond), fmt.Sprintf("{limits: {concurrent: %d}}", slots), "")
	var whole, cut, refused atomic.Int64
	var group sync.WaitGroup
	for client := range clients {
		random := rand.New(rand.NewPCG(uint64(client), 5))
		group.Go(func() {
			for range each {
				answer, err := g.send(http.MethodPost, "/openai/v1/chat/completions", stream)
				if err != nil {
					t.Error(err)
					return
				}
				switch {
				case answer.StatusCode == http.StatusTooManyRequests:
					refused.Add(1)
				case random.IntN(10) < 3:
					_, _ = io.CopyN(io.Discard, answer.Body, random.Int64N(4000))
					cut.Add(1)
				default:
					_, _ = io.Copy(io.Discard, answer.Body)
					whole.Add(1)
				}
				_ = answer.Body.Close()
			}
		})
	}
	group.Wait()
	served := func() mockapi.ProviderStats { return g.mock.Stats().Providers["openai"] }
	g.eventually("no call is in flight", func() bool { return served().Active == 0 })
	c := redis.NewClient(&redis.Options{Addr: g.redis})
	defer func() { _ = c.Close() }()
	held := ""
	g.eventually("no slot is held", func() bool {
		keys, err := c.Keys(t.Context(), "*:N:*concurrent").Result()
		if err != nil || len(keys) != 1 {
			t.Fatalf("%d counters of concurrency, %v", len(keys), err)
		}
		held = c.HGet(t.Context(), keys[0], "u").Val()
		return held == "0"
	})
	publish(t, "concurrency", map[string]any{
		"what": "streams through the gateway, some cut at random bytes by their clients", "limit": slots, "clients": clients, "whole": whole.Load(), "cut": cut.Load(),
		"refused": refused.Load(), "most_at_once_seen_by_the_provider": served().MaxActive, "slots_held_after": held,
	})
	if most := served().MaxActive; most > slots || cut.Load() == 0 || refused.Load() == 0 {
		t.Errorf("the provider saw %d calls at once, want at most %d; %d were cut, %d refused", most, slots, cut.Load(), refused.Load())
	}
}

// publish writes figures into the folder that BENCH_LIMITS names; make bench-limits sets it.
func publish(t *testing.T, name string, figures map[string]any) {
	t.Helper()
	text, err := json.MarshalIndent(figures, "", "  ")
	if err == nil && os.Getenv("BENCH_LIMITS") != "" {
		err = os.WriteFile(filepath.Join(os.Getenv("BENCH_LIMITS"), name+".json"), append(text, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %s", name, text)
}
