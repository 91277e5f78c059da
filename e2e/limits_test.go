package e2e

import (
	"net/http"
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
