package limitertest

import (
	"math"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func duplicateDaysLater(t *testing.T, b Bench) {
	budget := Money(1000)
	budget.End = ends.Add(240 * time.Hour)
	a := ask(amounts(0, 400), budget)
	r := reserve(t, b, a)
	settle(t, b, a, r, amounts(0, 300))
	for _, d := range []time.Duration{time.Minute, 6 * time.Minute, 31 * time.Minute, 25 * time.Hour, 50 * time.Hour} {
		b.Advance(d)
		if s := settle(t, b, a, r, amounts(0, 300)); !s.Duplicate {
			t.Errorf("a settlement %s after the last is %+v, want a duplicate", d, s)
		}
	}
	if fits(t, b, amounts(0, 701), budget) || !fits(t, b, amounts(0, 700), budget) {
		t.Error("what is left is not 1000 − 300")
	}
}

func oldHoldOfTheSameCall(t *testing.T, b Bench) {
	a := ask(amounts(0, 400), Money(1000))
	old := reserve(t, b, a)
	settle(t, b, a, old, amounts(0, 100))
	b.Advance(20 * time.Minute)
	again := reserve(t, b, a)
	if s := settle(t, b, a, old, amounts(0, 100)); !s.Duplicate {
		t.Errorf("the old hold settled the new reservation: %+v", s)
	}
	if s := settle(t, b, a, again, amounts(0, 100)); s.Duplicate {
		t.Error("the new reservation was not settled")
	}
	if fits(t, b, amounts(0, 801), Money(1000)) || !fits(t, b, amounts(0, 800), Money(1000)) {
		t.Error("what is left is not 1000 − 200")
	}
}

func settledNextDay(t *testing.T, b Bench) {
	a := ask(amounts(0, 400), Money(1000))
	r := reserve(t, b, a)
	b.Advance(25 * time.Hour)
	if s := settle(t, b, a, r, amounts(0, 100)); s.Duplicate {
		t.Error("the call's own settlement was taken for a duplicate")
	}
	if s := settle(t, b, a, r, amounts(0, 100)); !s.Duplicate {
		t.Error("it settled twice")
	}
	if fits(t, b, amounts(0, 901), Money(1000)) || !fits(t, b, amounts(0, 900), Money(1000)) {
		t.Error("what is left is not 1000 − 100")
	}
}

// decayedStaysAway: of a hold that has flowed off, nothing is left to give to others.
func decayedStaysAway(t *testing.T, b Bench) {
	limit := rate(1000, sentinel.MeasureTokens)
	first := ask(amounts(900, 0), limit)
	r := reserve(t, b, first)
	b.Advance(55 * time.Second)
	second := ask(amounts(900, 0), limit)
	if got := reserve(t, b, second); got.Chosen != 0 {
		t.Fatalf("after 55 s the minute has no room for 900 tokens: %+v", got.Denials)
	}
	settle(t, b, first, r, amounts(0, 0))
	if fits(t, b, amounts(200, 0), limit) {
		t.Error("a hold of a minute ago made room beside a full one of now")
	}
	if !fits(t, b, amounts(100, 0), limit) {
		t.Error("the room beside 900 tokens is not 100")
	}
}

// neighboursShare: two unused holds of one instant come back once each, not into a third that came later.
func neighboursShare(t *testing.T, b Bench) {
	limit := rate(60, sentinel.MeasureTokens)
	first, second := ask(amounts(10, 0), limit), ask(amounts(10, 0), limit)
	r1, r2 := reserve(t, b, first), reserve(t, b, second)
	b.Advance(11500 * time.Millisecond)
	third := ask(amounts(50, 0), limit)
	if r := reserve(t, b, third); r.Chosen != 0 {
		t.Fatalf("got %+v", r.Denials)
	}
	b.Advance(500 * time.Millisecond)
	settle(t, b, first, r1, amounts(0, 0))
	settle(t, b, second, r2, amounts(0, 0))
	if fits(t, b, amounts(11, 0), limit) {
		t.Error("what the third call holds was given away")
	}
}

func wholeBurst(t *testing.T, b Bench) {
	for _, n := range []int64{1, 3, 7, 11, 13, 49, 97, 499} {
		limit := rate(n, sentinel.MeasureRequests)
		limit.Cell += "/" + time.Duration(n).String()
		for i := range n {
			if r := reserve(t, b, ask(amounts(0, 0), limit)); r.Chosen != 0 {
				t.Fatalf("call %d of %d a minute was refused", i+1, n)
			} else if r.Levels[0].Remaining != n-i-1 {
				t.Fatalf("after call %d of %d a minute %d are left", i+1, n, r.Levels[0].Remaining)
			}
		}
		if r := reserve(t, b, ask(amounts(0, 0), limit)); r.Chosen == 0 {
			t.Errorf("call %d of %d a minute was admitted", n+1, n)
		} else {
			b.Advance(r.Denials[0].RetryAfter)
		}
		if r := reserve(t, b, ask(amounts(0, 0), limit)); r.Chosen != 0 {
			t.Errorf("%d a minute: refused after the wait that was asked for", n)
		}
		if r := reserve(t, b, ask(amounts(0, 0), limit)); r.Chosen == 0 {
			t.Errorf("%d a minute: the wait made room for two", n)
		}
	}
}

func pastLargestInteger(t *testing.T, b Bench) {
	soft := Money(math.MaxInt64)
	soft.Soft = true
	for range 5 {
		a := ask(amounts(0, 9_000_000_000_000_000_000), soft)
		r := reserve(t, b, a)
		if r.Chosen != 0 {
			t.Fatalf("a soft budget refused: %+v", r)
		}
		settle(t, b, a, r, amounts(0, 9_100_000_000_000_000_000))
	}
	hard := Money(math.MaxInt64)
	if r := reserve(t, b, ask(amounts(0, 1), hard)); r.Chosen != -1 || r.Denials[0].Remaining != 0 {
		t.Errorf("a budget that is overspent four times answered %+v", r)
	}
	hard.Cell += "/other"
	a := ask(amounts(0, math.MaxInt64-1), hard)
	r := reserve(t, b, a)
	if fits(t, b, amounts(0, 2), hard) || !fits(t, b, amounts(0, 1), hard) {
		t.Error("the last nano-dollar of the largest budget is not where it must be")
	}
	settle(t, b, a, r, amounts(0, math.MaxInt64-2))
	if fits(t, b, amounts(0, 3), hard) || !fits(t, b, amounts(0, 2), hard) {
		t.Error("the settlement of the largest budget was rounded")
	}
}

func warnsOnce(t *testing.T, b Bench) {
	budget := Money(1000)
	budget.WarnAt = []int64{5000, 8000, 10000}
	var got []int64
	post := func(cost int64) {
		a := ask(amounts(0, cost), budget)
		for _, c := range settle(t, b, a, reserve(t, b, a), amounts(0, cost)).Crossed {
			got = append(got, c.Share)
			if c.Cell != budget.Cell || !c.Start.Equal(budget.Start) || c.Max != budget.Max {
				t.Errorf("crossing %+v does not name the budget", c)
			}
		}
	}
	post(499)
	if len(got) != 0 {
		t.Errorf("at 49.9 %% it warned of %v", got)
	}
	post(1)
	post(1)
	post(400)
	budget.Max, budget.Soft = 900, true // a changed amount must not warn again of what was reported
	budget.WarnAt = []int64{5000, 8000}
	post(0)
	post(0)
	if want := []int64{5000, 8000}; len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("warned of %v, want %v, each once", got, want)
	}
	budget.Start = budget.Start.Add(time.Second)
	post(900)
	if len(got) != 4 {
		t.Errorf("a new window warned of %v", got[2:])
	}
}

func spentOnce(t *testing.T, b Bench) {
	budget := Money(100)
	budget.WarnAt = []int64{10000}
	if r := reserve(t, b, ask(amounts(0, 101), budget)); len(r.Crossed) != 0 {
		t.Errorf("a call larger than the budget counts as its end: %+v", r.Crossed)
	}
	reserve(t, b, ask(amounts(0, 99), budget))
	for i := range 3 {
		r := reserve(t, b, ask(amounts(0, 2), budget))
		if r.Chosen != -1 || (len(r.Crossed) == 1) != (i == 0) {
			t.Errorf("refusal %d: %+v, want the crossing at the first", i+1, r)
		}
	}
}
