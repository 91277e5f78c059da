// Package limitertest is the one suite that every limiter passes.
package limitertest

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Limiter is what is tested.
type Limiter interface {
	Reserve(ctx context.Context, a sentinel.Ask) (sentinel.Reservation, error)
	Settle(ctx context.Context, s sentinel.Settlement) (sentinel.Settled, error)
}

// Bench is a limiter on an empty server, whose clock Advance moves.
type Bench struct {
	Limiter
	Advance func(d time.Duration)
}

const org = "acme"

var (
	start = time.Now().UTC().Truncate(time.Hour)
	ends  = start.Add(48 * time.Hour)
)

// Money is a hard budget in nano-dollars.
func Money(limit int64) sentinel.Limit {
	return sentinel.Limit{Name: "budget", Cell: "team/cost/day", Kind: sentinel.Window, Measure: sentinel.MeasureCost, Max: limit, Start: start, End: ends, Charge: true}
}

func rate(limit int64, m sentinel.Measure) sentinel.Limit {
	return sentinel.Limit{Name: "rate", Cell: "team/" + m.String() + "/minute", Kind: sentinel.Rate, Measure: m, Max: limit, Period: time.Minute}
}

func concurrent(limit int64) sentinel.Limit {
	return sentinel.Limit{Name: "concurrent", Cell: "team/concurrent", Kind: sentinel.Concurrent, Measure: sentinel.MeasureConcurrent, Max: limit}
}

func amounts(tokens, cost int64) sentinel.Amounts {
	return sentinel.Amounts{sentinel.MeasureRequests: 1, sentinel.MeasureTokens: tokens, sentinel.MeasureCost: cost, sentinel.MeasureConcurrent: 1}
}

func ask(b sentinel.Amounts, limits ...sentinel.Limit) sentinel.Ask {
	return sentinel.Ask{Org: org, Call: sentinel.NewCallID(time.Now()), TTL: time.Minute,
		Candidates: []sentinel.Candidate{{Model: "asked", Bound: b, Limits: limits}}}
}

func reserve(t *testing.T, l Limiter, a sentinel.Ask) sentinel.Reservation {
	t.Helper()
	r, err := l.Reserve(t.Context(), a)
	if err != nil {
		t.Fatalf("Reserve: %v", err)
	}
	return r
}

func settle(t *testing.T, l Limiter, a sentinel.Ask, r sentinel.Reservation, actual sentinel.Amounts) sentinel.Settled {
	t.Helper()
	s, err := l.Settle(t.Context(), sentinel.Settlement{Org: org, Call: a.Call, Hold: r.Hold, Actual: actual})
	if err != nil {
		t.Fatalf("Settle: %v", err)
	}
	return s
}

// fits tells whether a further call of this bound would be admitted, and gives it back at once.
func fits(t *testing.T, l Limiter, b sentinel.Amounts, limits ...sentinel.Limit) bool {
	t.Helper()
	a := ask(b, limits...)
	r := reserve(t, l, a)
	if r.Chosen == 0 {
		settle(t, l, a, r, sentinel.Amounts{})
	}
	return r.Chosen == 0
}

// Run runs the suite.
func Run(t *testing.T, open func(t *testing.T) Bench) {
	for name, test := range map[string]func(*testing.T, Bench){
		"a budget of ten calls admits ten of fifty":      tenOfFifty,
		"a denied call leaves the other cells alone":     denialIsClean,
		"the first candidate that fits is held":          candidatesInOrder,
		"the same call twice holds once":                 sameCallTwice,
		"a settlement counts once and in full":           settlesOnce,
		"what was not used comes back":                   givesBack,
		"a soft limit counts and never refuses":          softCounts,
		"a rate says how long to wait":                   rateWaits,
		"a call larger than its limit never waits":       tooLarge,
		"concurrency is holds only":                      concurrencyIsHolds,
		"amounts past 2^53 are exact":                    exactPast53Bits,
		"a call that may cost nothing settles once":      freeCallSettles,
		"a short hold does not end a longer one":         shortHoldBesideLong,
		"a void hold expires by itself":                  voidExpires,
		"a charged hold stays until it is settled":       chargeStays,
		"a settlement after the expiry posts once":       lateSettlement,
		"a window that has begun knows nothing of older": windowsApart,
		"a duplicate is known however late it comes":     duplicateDaysLater,
		"an old hold does not settle a new reservation":  oldHoldOfTheSameCall,
		"a rate gives back only what has not decayed":    decayedStaysAway,
		"a rate admits its whole burst at one instant":   wholeBurst,
		"a rate gives neighbours' share to nobody":       neighboursShare,
		"amounts past the largest integer do not fail":   pastLargestInteger,
		"each share of a budget is reported once":        warnsOnce,
		"a spent budget is reported once":                spentOnce,
		"a shadow counts what its limit would have let":  shadowCounts,
		"a shadow is judged by what was before the call": shadowSeesBefore,
		"a refused call leaves shadows alone":            refusedLeavesShadows,
		"a shadow takes its own amounts":                 shadowAmounts,
		"the same call twice is one in shadows, too":     shadowTwice,
		"an unsettled call of yesterday can be settled":  settledNextDay,
		"an answer is cut to what is left":               cutToWhatIsLeft,
		"an answer is not cut below what is worth it":    notCutTooShort,
		"a cut call comes again as it was cut":           cutTwice,
		"a reserve is for those who need leave nothing":  reserveIsKept,
		"what a window left carries over, up to a bound": carriesOver,
		"a window without calls leaves nothing":          nothingCarriesOver,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func tenOfFifty(t *testing.T, b Bench) {
	var admitted atomic.Int64
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			r, err := b.Reserve(t.Context(), ask(amounts(0, 100_000_000), Money(1_000_000_000)))
			switch {
			case err != nil:
				t.Errorf("Reserve: %v", err)
			case r.Chosen == 0:
				admitted.Add(1)
			case len(r.Denials) != 1 || r.Denials[0].Remaining != 0:
				t.Errorf("a refusal says %+v, want one denial with nothing left", r.Denials)
			}
		})
	}
	group.Wait()
	if n := admitted.Load(); n != 10 {
		t.Errorf("%d calls of 0.10 were admitted to 1.00, want exactly 10", n)
	}
}

func denialIsClean(t *testing.T, b Bench) {
	limits := []sentinel.Limit{rate(5, sentinel.MeasureRequests), Money(1000), concurrent(3)}
	if r := reserve(t, b, ask(amounts(0, 1001), limits...)); r.Chosen != -1 || r.Denials[0].Limit.Name != "budget" {
		t.Fatalf("a call over the budget got %+v", r)
	}
	r := reserve(t, b, ask(amounts(0, 1000), limits...))
	if r.Chosen != 0 {
		t.Fatalf("the denied call burned something: %+v", r.Denials)
	}
	for i, want := range []int64{4, 0, 2} {
		if got := r.Levels[i].Remaining; got != want {
			t.Errorf("%s has %d left, want %d", r.Levels[i].Limit.Name, got, want)
		}
	}
}

func candidatesInOrder(t *testing.T, b Bench) {
	large := Money(100)
	large.Cell = "rule/large"
	a := ask(amounts(0, 101), large)
	a.Candidates = append(a.Candidates, sentinel.Candidate{Model: "cheap", Bound: amounts(0, 10), Limits: []sentinel.Limit{Money(1000)}})
	r := reserve(t, b, a)
	if r.Chosen != 1 || len(r.Denials) != 1 || r.Denials[0].Limit.Cell != "rule/large" {
		t.Fatalf("got %+v, want the second candidate and the first one's denial", r)
	}
	if s := settle(t, b, a, r, amounts(0, 10)); s.Duplicate || s.UnderReserved {
		t.Errorf("settled as %+v", s)
	}
	if !fits(t, b, amounts(0, 100), large) || fits(t, b, amounts(0, 991), Money(1000)) {
		t.Error("the wrong cell was charged")
	}
}

func sameCallTwice(t *testing.T, b Bench) {
	a := ask(amounts(0, 400), Money(1000))
	first, second := reserve(t, b, a), reserve(t, b, a)
	if first.Hold == "" || first.Hold != second.Hold || second.Chosen != 0 {
		t.Errorf("the second reservation is %+v, want that of the first, %+v", second, first)
	}
	if !fits(t, b, amounts(0, 600), Money(1000)) {
		t.Error("the same call was held twice")
	}
}

func settlesOnce(t *testing.T, b Bench) {
	a := ask(amounts(0, 400), Money(1000))
	r := reserve(t, b, a)
	if s := settle(t, b, a, r, amounts(0, 450)); s.Duplicate || !s.UnderReserved {
		t.Errorf("the first settlement says %+v, want under-reserved", s)
	}
	if s := settle(t, b, a, r, amounts(0, 450)); !s.Duplicate {
		t.Errorf("the second settlement says %+v, want a duplicate", s)
	}
	if fits(t, b, amounts(0, 551), Money(1000)) || !fits(t, b, amounts(0, 550), Money(1000)) {
		t.Error("what is left is not 1000 − 450")
	}
}

func givesBack(t *testing.T, b Bench) {
	limits := []sentinel.Limit{rate(1000, sentinel.MeasureTokens), Money(1000)}
	a := ask(amounts(900, 900), limits...)
	r := reserve(t, b, a)
	if fits(t, b, amounts(200, 0), limits...) {
		t.Fatal("tokens past the rate were admitted")
	}
	settle(t, b, a, r, amounts(100, 100))
	if !fits(t, b, amounts(890, 900), limits...) {
		t.Error("what the call did not use did not come back")
	}
}

func softCounts(t *testing.T, b Bench) {
	soft := Money(100)
	soft.Soft, soft.Charge = true, false
	for range 3 {
		if r := reserve(t, b, ask(amounts(0, 90), soft)); r.Chosen != 0 {
			t.Fatalf("a soft limit refused: %+v", r.Denials)
		}
	}
	if r := reserve(t, b, ask(amounts(0, 0), soft)); r.Levels[0].Remaining != 0 {
		t.Errorf("%d left of a soft budget that is overspent, want 0", r.Levels[0].Remaining)
	}
}

func rateWaits(t *testing.T, b Bench) {
	for i := range 3 {
		if r := reserve(t, b, ask(amounts(0, 0), rate(3, sentinel.MeasureRequests))); r.Chosen != 0 {
			t.Fatalf("call %d of 3 was refused", i+1)
		}
	}
	r := reserve(t, b, ask(amounts(0, 0), rate(3, sentinel.MeasureRequests)))
	if r.Chosen != -1 {
		t.Fatal("a fourth call passed 3/minute")
	}
	if wait := r.Denials[0].RetryAfter; wait < 19*time.Second || wait > 20*time.Second {
		t.Errorf("the wait is %s, want close to 20 s", wait)
	}
	b.Advance(r.Denials[0].RetryAfter)
	if r := reserve(t, b, ask(amounts(0, 0), rate(3, sentinel.MeasureRequests))); r.Chosen != 0 {
		t.Error("after the wait the call is still refused")
	}
}

func tooLarge(t *testing.T, b Bench) {
	r := reserve(t, b, ask(amounts(11, 0), rate(10, sentinel.MeasureTokens)))
	if r.Chosen != -1 || r.Denials[0].RetryAfter != 0 {
		t.Errorf("got %+v, want a refusal that no waiting cures", r)
	}
}

func concurrencyIsHolds(t *testing.T, b Bench) {
	a := ask(amounts(0, 0), concurrent(1))
	r := reserve(t, b, a)
	if fits(t, b, amounts(0, 0), concurrent(1)) {
		t.Fatal("two calls at once passed a limit of one")
	}
	settle(t, b, a, r, amounts(0, 0))
	if !fits(t, b, amounts(0, 0), concurrent(1)) {
		t.Error("the slot of a call that has ended is not free")
	}
}

func exactPast53Bits(t *testing.T, b Bench) {
	const past53, most = 1<<53 + 1, 500_000_000_000_000_000 // 5 × 10^8 dollars
	budget := Money(most)
	a := ask(amounts(0, past53), budget)
	settle(t, b, a, reserve(t, b, a), amounts(0, past53))
	r := reserve(t, b, ask(amounts(0, 0), budget))
	if got := r.Levels[0].Remaining; got != most-past53 {
		t.Errorf("%d left, want %d", got, int64(most-past53))
	}
	if fits(t, b, amounts(0, most-past53+1), budget) || !fits(t, b, amounts(0, most-past53), budget) {
		t.Error("the last nano-dollar is not where it must be")
	}
}

func freeCallSettles(t *testing.T, b Bench) {
	a := ask(amounts(0, 0), Money(1000))
	r := reserve(t, b, a)
	if s := settle(t, b, a, r, amounts(0, 7)); s.Duplicate || !s.UnderReserved {
		t.Errorf("settled as %+v, want under-reserved", s)
	}
	if s := settle(t, b, a, r, amounts(0, 7)); !s.Duplicate {
		t.Error("it settled twice")
	}
	if fits(t, b, amounts(0, 994), Money(1000)) || !fits(t, b, amounts(0, 993), Money(1000)) {
		t.Error("what is left is not 1000 − 7")
	}
}

func shortHoldBesideLong(t *testing.T, b Bench) {
	long, short := ask(amounts(0, 0), concurrent(2)), ask(amounts(0, 0), concurrent(2))
	long.TTL, short.TTL = 10*time.Minute, time.Second
	reserve(t, b, long)
	reserve(t, b, short)
	b.Advance(50 * time.Second)
	if r := reserve(t, b, ask(amounts(0, 0), concurrent(2))); r.Chosen != 0 {
		t.Error("the short hold outlived its time")
	}
	if fits(t, b, amounts(0, 0), concurrent(2)) {
		t.Error("the long hold ended with the short one")
	}
}

// pastTTL is longer than a hold lives, its bucket included.
const pastTTL = 80 * time.Second

func voidExpires(t *testing.T, b Bench) {
	budget := Money(1000)
	budget.Charge = false
	reserve(t, b, ask(amounts(0, 1000), budget, concurrent(1)))
	b.Advance(pastTTL)
	if !fits(t, b, amounts(0, 1000), budget, concurrent(1)) {
		t.Error("a hold that died still counts")
	}
}

func chargeStays(t *testing.T, b Bench) {
	reserve(t, b, ask(amounts(0, 600), Money(1000)))
	for range 3 {
		b.Advance(pastTTL)
		if fits(t, b, amounts(0, 401), Money(1000)) || !fits(t, b, amounts(0, 400), Money(1000)) {
			t.Fatal("a charged hold was lost when it died")
		}
	}
}

func lateSettlement(t *testing.T, b Bench) {
	for _, charge := range []bool{true, false} {
		budget := Money(1000)
		budget.Charge, budget.Cell = charge, budget.Cell+map[bool]string{true: "/c", false: "/v"}[charge]
		a := ask(amounts(0, 600), budget)
		r := reserve(t, b, a)
		b.Advance(pastTTL)
		fits(t, b, amounts(0, 1), budget) // folds the dead bucket
		settle(t, b, a, r, amounts(0, 250))
		if s := settle(t, b, a, r, amounts(0, 250)); !s.Duplicate {
			t.Errorf("charge %v: settled twice", charge)
		}
		if fits(t, b, amounts(0, 751), budget) || !fits(t, b, amounts(0, 750), budget) {
			t.Errorf("charge %v: what is left is not 1000 − 250", charge)
		}
	}
}

func windowsApart(t *testing.T, b Bench) {
	reserve(t, b, ask(amounts(0, 1000), Money(1000)))
	next := Money(1000)
	next.Start, next.End = ends, ends.Add(24*time.Hour)
	if !fits(t, b, amounts(0, 1000), next) {
		t.Error("a new window begins with what an older one spent")
	}
}
