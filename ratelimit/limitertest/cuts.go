package limitertest

import (
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// chat is an ask of 20 tokens and up to 1000 more, each of which costs 3.
func chat(least int64, limits ...sentinel.Limit) sentinel.Ask {
	a := ask(sentinel.Amounts{}, limits...)
	c := &a.Candidates[0]
	c.Cut = sentinel.Cut{Least: least, Most: 1000, Base: amounts(20, 100), Step: sentinel.Amounts{sentinel.MeasureTokens: 1, sentinel.MeasureCost: 3}}
	c.Bound = c.Cut.At(1000)
	return a
}

func cutToWhatIsLeft(t *testing.T, b Bench) {
	limits := []sentinel.Limit{rate(5000, sentinel.MeasureTokens), Money(4000), concurrent(5)}
	whole := reserve(t, b, chat(50, limits...))
	if whole.Chosen != 0 || whole.Tokens != 0 {
		t.Fatalf("a call that fits got %+v", whole)
	}
	a := chat(50, limits...) // 900 are left: 100 and 266 tokens at 3
	cut := reserve(t, b, a)
	if cut.Chosen != 0 || cut.Tokens != 266 || len(cut.Denials) != 0 || cut.Levels[1].Remaining != 2 {
		t.Fatalf("with 900 left it got %+v, want an answer of 266 tokens and 2 left", cut)
	}
	if cut.Levels[0].Remaining < 5000-1020-286 || cut.Levels[0].Remaining > 5000-1020-285 {
		t.Errorf("%d tokens are left of the pace, want what the shorter answer leaves", cut.Levels[0].Remaining)
	}
	if s := settle(t, b, a, cut, amounts(120, 400)); s.UnderReserved {
		t.Error("a call within its cut bound was under-reserved")
	}
	if !fits(t, b, amounts(0, 500), limits...) || fits(t, b, amounts(0, 501), limits...) {
		t.Error("what is left is not 4000 − 3100 − 400")
	}
}

func notCutTooShort(t *testing.T, b Bench) {
	a := chat(300, Money(900))
	a.Candidates = append(a.Candidates, sentinel.Candidate{Model: "cheap", Bound: amounts(0, 10), Limits: []sentinel.Limit{Money(900)}})
	r := reserve(t, b, a)
	if r.Chosen != 1 || r.Tokens != 0 || len(r.Denials) != 1 || r.Denials[0].Remaining != 900 {
		t.Errorf("an answer of 266 tokens where 300 are wanted got %+v, want the next candidate", r)
	}
	if r := reserve(t, b, chat(1, Money(80))); r.Chosen != -1 {
		t.Errorf("a call whose prompt alone does not fit got %+v", r)
	}
}

func cutTwice(t *testing.T, b Bench) {
	a := chat(50, Money(900))
	first, second := reserve(t, b, a), reserve(t, b, a)
	if first.Tokens != 266 || second.Tokens != 266 || first.Hold == "" || second.Hold != first.Hold {
		t.Errorf("the second reservation is %+v, want that of the first, %+v", second, first)
	}
	settle(t, b, a, second, amounts(0, 0))
	if !fits(t, b, amounts(0, 900), Money(900)) {
		t.Error("the cut hold did not come back whole")
	}
}

func reserveIsKept(t *testing.T, b Bench) {
	spare := func(l sentinel.Limit) sentinel.Limit {
		l.Spare = sentinel.FullShare / 5
		return l
	}
	for _, l := range []sentinel.Limit{Money(10), rate(10, sentinel.MeasureRequests), concurrent(10)} {
		admitted := func(l sentinel.Limit) (n int) {
			for range 12 {
				if reserve(t, b, ask(amounts(0, 1), l)).Chosen == 0 {
					n++
				}
			}
			return n
		}
		if n := admitted(spare(l)); n != 8 {
			t.Errorf("%s: %d of 10 were given to others, want 8", l.Measure, n)
		}
		if n := admitted(l); n != 2 {
			t.Errorf("%s: %d were left for the higher class, want 2", l.Measure, n)
		}
	}
}

// month and next are two windows of a budget that takes over up to a fifth.
func month() (first, next sentinel.Limit) {
	first = Money(1000)
	first.Rollover, first.Before = sentinel.FullShare/5, start.Add(-48*time.Hour)
	next = first
	next.Before, next.Start, next.End = first.Start, first.End, first.End.Add(48*time.Hour)
	return first, next
}

func carriesOver(t *testing.T, b Bench) {
	first, next := month()
	a := ask(amounts(0, 950), first)
	settle(t, b, a, reserve(t, b, a), amounts(0, 900))
	reserve(t, b, ask(amounts(0, 40), first)) // still in flight: it may cost so much
	b.Advance(time.Until(first.End) + 5*time.Hour)
	r := reserve(t, b, ask(amounts(0, 1), next))
	if r.Chosen != 0 || r.Levels[0].Remaining != 1000+60-1 {
		t.Fatalf("%d left in the next window, want 1000 and the 60 that were left over", r.Levels[0].Remaining+1)
	}
	if !fits(t, b, amounts(0, 1059), next) || fits(t, b, amounts(0, 1060), next) {
		t.Error("the next window has not 1060 in all")
	}
	third := next
	third.Before, third.Start, third.End = next.Start, next.End, next.End.Add(48*time.Hour)
	b.Advance(48 * time.Hour)
	if r := reserve(t, b, ask(amounts(0, 1), third)); r.Levels[0].Remaining != 1000+200-1 {
		t.Errorf("%d left in the third window, want 1000 and at most a fifth more", r.Levels[0].Remaining+1)
	}
}

func nothingCarriesOver(t *testing.T, b Bench) {
	_, next := month()
	if r := reserve(t, b, ask(amounts(0, 1), next)); r.Levels[0].Remaining != 999 {
		t.Errorf("%d left after a window in which nothing was counted, want 1000", r.Levels[0].Remaining+1)
	}
}
