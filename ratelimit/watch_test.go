package ratelimit

import (
	"testing"

	"github.com/alicebob/miniredis/v2"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/ratelimit/limitertest"
)

func TestHowFullLimitsAre(t *testing.T) {
	r := dial(t, miniredis.RunT(t).Addr())
	for _, name := range []string{"one", "other"} { // two counters of one rule: the fuller one is told
		budget := limitertest.Money(1000)
		budget.Name, budget.Cell = "rule: budget/day", name
		a := askOf([]sentinel.Limit{budget})
		a.Candidates[0].Bound[sentinel.MeasureCost] = map[string]int64{"one": 800, "other": 100}[name]
		if got, err := r.Reserve(t.Context(), a); err != nil || got.Chosen != 0 {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if got := r.Fills(); len(got) != 1 || got[0] != (Fill{"rule: budget/day", 0.8}) {
		t.Errorf("it tells %+v", got)
	}
}

func TestALimiterThatIsAwaySaysSo(t *testing.T) {
	m := miniredis.RunT(t)
	r, err := Dial(t.Context(), Options{Addresses: []string{m.Addr()}, Ledger: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	ask := func() { _, _ = r.Reserve(t.Context(), askOf([]sentinel.Limit{limitertest.Money(1000)})) }
	if ask(); !r.Away() {
		t.Error("counters that Redis does not know are not told as lost")
	}
	begin(t, r, Recount{})
	if ask(); r.Away() {
		t.Error("a limiter that answers is away")
	}
	m.Close()
	for range breakerFailures {
		ask()
	}
	if !r.Away() {
		t.Error("a Redis that does not answer is not away")
	}
}
