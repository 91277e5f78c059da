package ratelimit

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
)

// TestADecisionWaitsForRedisOnce has a Redis that never answers, by a clock that moves only while everything waits: what is measured is every wait on the
// way to a decision, those of the driver included, and nothing of the machine.
func TestADecisionWaitsForRedisOnce(t *testing.T) {
	refused := errors.New("connection refused")
	for name, connects := range map[string]func(context.Context) (net.Conn, error){
		"it takes connections and is silent": nil,
		"it takes no connections":            func(ctx context.Context) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() },
		"it refuses them":                    func(context.Context) (net.Conn, error) { return nil, refused },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var group sync.WaitGroup
				o := driver(Options{Addresses: []string{"redis.example:6379"}})
				o.Dialer = func(ctx context.Context, _, _ string) (net.Conn, error) {
					if connects != nil {
						return connects(ctx)
					}
					ours, theirs := net.Pipe()
					group.Go(func() { _, _ = io.Copy(io.Discard, theirs) })
					return ours, nil
				}
				r := over(redis.NewUniversalClient(o), Options{})
				var took []time.Duration
				for range 50 {
					began := time.Now()
					if _, err := r.Reserve(t.Context(), tightAsk()); !errors.Is(err, ErrUnavailable) {
						t.Errorf("decided with %v", err)
					}
					took = append(took, time.Since(began))
				}
				for i, d := range took {
					if most := map[bool]time.Duration{true: DefaultTimeout}[i < breakerFailures]; d > most {
						t.Errorf("decision %d took %s, want at most %s", i, d, most)
					}
				}
				time.Sleep(breakerPause)
				began := time.Now()
				for range 20 { // one of them tries again
					_, _ = r.Reserve(t.Context(), tightAsk())
				}
				if d := time.Since(began); d > DefaultTimeout {
					t.Errorf("after the breaker's pause 20 decisions took %s, want one wait", d)
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Minute) // what the driver still tries ends
				group.Wait()
			})
		})
	}
}
