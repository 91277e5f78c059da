package limitertest

import (
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// shadowed is an ask with one shadow: a budget of its own, which looks at the call's own limits first.
func shadowed(b sentinel.Amounts, most int64, limits ...sentinel.Limit) sentinel.Ask {
	a := ask(b, limits...)
	own := Money(most)
	own.Name, own.Cell = "shadow", "shadow/cost/day"
	inShadow := sentinel.Candidate{Model: "asked", Bound: b}
	for _, l := range limits {
		l.Look = true
		inShadow.Limits = append(inShadow.Limits, l)
	}
	inShadow.Limits = append(inShadow.Limits, own)
	a.Shadows = [][]sentinel.Candidate{{inShadow}}
	return a
}

// left is what a shadow's budget has left, looked at by a call that takes nothing.
func left(t *testing.T, b Bench, most int64) int64 {
	t.Helper()
	l := Money(most)
	l.Cell = "shadow/cost/day"
	return reserve(t, b, ask(amounts(0, 0), l)).Levels[0].Remaining
}

func shadowCounts(t *testing.T, b Bench) {
	refused := 0
	for range 10 {
		a := shadowed(amounts(0, 30), 100, Money(1000))
		r := reserve(t, b, a)
		if r.Chosen != 0 || len(r.Denials) != 0 {
			t.Fatalf("a shadow refused a call: %+v", r)
		}
		if s := r.Shadows[0]; s.Chosen < 0 {
			refused++
			if len(s.Denials) != 1 || s.Denials[0].Limit.Name != "shadow" || s.Denials[0].Remaining != 10 {
				t.Errorf("the shadow refuses by %+v, want its own budget with 10 left", s.Denials)
			}
		}
		settle(t, b, a, r, amounts(0, 30))
	}
	if refused != 7 {
		t.Errorf("a budget of 100 in shadow refuses %d of ten calls at 30, want 7: what it refused must not be counted", refused)
	}
	if n := left(t, b, 100); n != 10 {
		t.Errorf("%d left in shadow, want 10", n)
	}
	if !fits(t, b, amounts(0, 700), Money(1000)) || fits(t, b, amounts(0, 701), Money(1000)) {
		t.Error("the call's own budget has not counted ten calls once")
	}
}

func shadowSeesBefore(t *testing.T, b Bench) {
	// The last call that fits fits in shadow as well: what it looks at is not counted yet.
	if r := reserve(t, b, shadowed(amounts(0, 1000), 2000, Money(1000))); r.Chosen != 0 || r.Shadows[0].Chosen != 0 {
		t.Errorf("got %+v, want the call and its shadow let through", r)
	}
}

func refusedLeavesShadows(t *testing.T, b Bench) {
	r := reserve(t, b, shadowed(amounts(0, 50), 100, Money(40)))
	if r.Chosen != -1 || r.Shadows[0].Chosen != -1 || r.Shadows[0].Denials[0].Limit.Name != "budget" {
		t.Errorf("got %+v, want a refusal, and the same one in shadow", r)
	}
	a := shadowed(amounts(0, 50), 100, Money(40))
	a.Shadows[0][0].Limits = a.Shadows[0][0].Limits[1:] // a candidate policy without the budget
	if r := reserve(t, b, a); r.Chosen != -1 || r.Shadows[0].Chosen != 0 || r.Hold != "" {
		t.Errorf("got %+v, want a refusal that the shadow would have let through, and no hold", r)
	}
	if n := left(t, b, 100); n != 100 {
		t.Errorf("%d left in shadow, want all: the call did not go out", n)
	}
}

func shadowAmounts(t *testing.T, b Bench) {
	a := shadowed(amounts(0, 60), 100, Money(1000))
	cheaper := a.Shadows[0][0]
	cheaper.Model, cheaper.Bound = "cheaper", amounts(0, 20)
	a.Shadows[0][0].Bound = amounts(0, 600)
	a.Shadows[0] = append(a.Shadows[0], cheaper)
	r := reserve(t, b, a)
	if r.Chosen != 0 || r.Shadows[0].Chosen != 1 || len(r.Shadows[0].Denials) != 1 {
		t.Fatalf("got %+v, want the second candidate in shadow", r)
	}
	if n := left(t, b, 100); n != 80 {
		t.Errorf("%d left in shadow, want what the cheaper model's bound of 20 leaves", n)
	}
	s, err := b.Settle(t.Context(), sentinel.Settlement{Org: org, Call: a.Call, Hold: r.Hold, Actual: amounts(0, 60), Shadows: []sentinel.Amounts{amounts(0, 15)}})
	if err != nil || s.Duplicate || s.UnderReserved {
		t.Fatalf("settled as %+v, %v", s, err)
	}
	if n := left(t, b, 100); n != 85 {
		t.Errorf("%d left in shadow, want 85", n)
	}
	if fits(t, b, amounts(0, 941), Money(1000)) || !fits(t, b, amounts(0, 940), Money(1000)) {
		t.Error("the call's own budget has not counted 60")
	}
}

func shadowTwice(t *testing.T, b Bench) {
	a := shadowed(amounts(0, 30), 100, Money(1000))
	first, second := reserve(t, b, a), reserve(t, b, a)
	if first.Hold == "" || second.Hold != first.Hold || second.Shadows[0].Chosen != 0 {
		t.Errorf("the second reservation is %+v, want that of the first, %+v", second, first)
	}
	settle(t, b, a, second, amounts(0, 25))
	if s := settle(t, b, a, first, amounts(0, 25)); !s.Duplicate {
		t.Errorf("settled again as %+v", s)
	}
	if n := left(t, b, 100); n != 75 {
		t.Errorf("%d left in shadow, want 75", n)
	}
}
