package ratelimit

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/ratelimit/limitertest"
)

func dialLedger(t testing.TB, addr string) *Redis {
	t.Helper()
	r, err := Dial(context.Background(), Options{Addresses: []string{addr}, Timeout: 5 * time.Second, Ledger: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// begin gives a limiter that Redis does not know its counters.
func begin(t testing.TB, r *Redis, c Recount) (first bool) {
	t.Helper()
	round, err := r.Join(t.Context(), Party{"acme", "any"}, 0, 0)
	if err == nil && !round.Known {
		c.Round = round.ID
		first, err = r.Seed(t.Context(), "acme", c)
	}
	if err != nil {
		t.Error(err)
	}
	return first
}

// TestForgottenCountersComeBackOnce empties Redis under traffic of three limiters that race to bring the counters back from
// one ledger: nothing is admitted before that, and nothing counts twice after it.
func TestForgottenCountersComeBackOnce(t *testing.T) {
	addr := realRedis(t)
	limiters := []*Redis{dialLedger(t, addr), dialLedger(t, addr), dialLedger(t, addr)}
	budget := limitertest.Money(1000)
	budget.WarnAt = []int64{1000, 5000}
	ask := func(cost int64) sentinel.Ask {
		a := askOf([]sentinel.Limit{budget})
		a.Candidates[0].Bound[sentinel.MeasureCost] = cost
		return a
	}
	var ledger atomic.Int64
	var open []Open
	seed := func() (first int) {
		var n atomic.Int64
		parallel(3, 3, func(i int) {
			if begin(t, limiters[i], Recount{Windows: []Seed{{Limit: budget, Posted: ledger.Load()}}, Open: open}) {
				n.Add(1)
			}
		})
		return int(n.Load())
	}
	if _, err := limiters[0].Reserve(t.Context(), ask(1)); !errors.Is(err, ErrForgotten) || !errors.Is(err, ErrUnavailable) {
		t.Fatalf("before the counters are there: %v, want ErrForgotten", err)
	}
	if n := seed(); n != 1 {
		t.Fatalf("%d limiters began the organisation, want 1", n)
	}
	a := ask(400)
	done, err := limiters[0].Reserve(t.Context(), a)
	if err != nil || done.Chosen != 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	if _, err := limiters[1].Settle(t.Context(), sentinel.Settlement{Org: "acme", Call: a.Call, Hold: done.Hold, Actual: sentinel.Amounts{sentinel.MeasureCost: 300}}); err != nil {
		t.Fatal(err)
	}
	ledger.Add(300)
	inFlight := ask(200)
	flying, err := limiters[2].Reserve(t.Context(), inFlight)
	if err != nil || flying.Chosen != 0 {
		t.Fatalf("%+v, %v", flying, err)
	}

	if err := limiters[0].client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	var admitted atomic.Int64
	parallel(3, 300, func(i int) {
		if got, err := limiters[i%3].Reserve(t.Context(), ask(1)); err == nil && got.Chosen == 0 {
			admitted.Add(1)
		}
	})
	select {
	case <-limiters[0].Forgot():
	default:
		t.Error("the limiter does not say that Redis forgot")
	}
	open = []Open{{Org: "acme", Call: inFlight.Call, Hold: flying.Hold}}
	first := seed()
	uses, err := limiters[0].Peek(t.Context(), "acme", []sentinel.Limit{budget})
	if err != nil {
		t.Fatal(err)
	}
	seeded, held := uses[0].Posted, uses[0].Held
	late := sentinel.Settlement{Org: "acme", Call: inFlight.Call, Hold: flying.Hold, Actual: sentinel.Amounts{sentinel.MeasureCost: 150}}
	for i := range 3 {
		if s, err := limiters[i].Settle(t.Context(), late); err != nil || s.Duplicate != (i > 0) {
			t.Errorf("settlement %d of a call that was in flight: %+v, %v", i+1, s, err)
		} else if len(s.Crossed) > 0 {
			t.Errorf("a share that was reported before Redis forgot is reported again: %+v", s.Crossed)
		}
	}
	ledger.Add(150)
	uses, err = limiters[0].Peek(t.Context(), "acme", []sentinel.Limit{budget})
	if err != nil {
		t.Fatal(err)
	}
	publish(t, "redis_forgot", map[string]any{"what": "FLUSHALL with three limiters racing to seed", "admitted_before_seeding": admitted.Load(), "seeded_times": first,
		"redis_minus_ledger": uses[0].Posted - ledger.Load()})
	if admitted.Load() != 0 || first != 1 || seeded != 300 || held != 200 || uses[0].Posted != ledger.Load() || uses[0].Used != ledger.Load() {
		t.Errorf("%d admitted, seeded %d times with %d and %d held, now %+v; want 0, 1, 300, 200 and %d", admitted.Load(), first, seeded, held, uses[0], ledger.Load())
	}
}

func TestRaiseHappensOnceAndNeverLowers(t *testing.T) {
	r := dialLedger(t, realRedis(t))
	budget := limitertest.Money(1000)
	begin(t, r, Recount{})
	peek := func() Use {
		uses, err := r.Peek(t.Context(), "acme", []sentinel.Limit{budget})
		if err != nil {
			t.Fatal(err)
		}
		return uses[0]
	}
	seen := peek()
	var raised atomic.Int64
	parallel(3, 3, func(int) {
		done, err := r.Raise(t.Context(), "acme", seen, 700)
		if err != nil {
			t.Error(err)
		}
		if done {
			raised.Add(1)
		}
	})
	if got := peek(); raised.Load() != 1 || got.Posted != 700 || got.Used != 700 {
		t.Errorf("raised %d times to %+v, want once to 700", raised.Load(), got)
	}
	for _, to := range []int64{700, 100} {
		if done, err := r.Raise(t.Context(), "acme", peek(), to); done || err != nil {
			t.Errorf("Raise to %d from 700: %t, %v", to, done, err)
		}
	}
	if ttl := r.client.PTTL(t.Context(), r.prefix("acme")+keyOf(budget)).Val(); ttl <= 0 {
		t.Errorf("a raised cell lives for %s", ttl)
	}
}
