package ratelimit

import (
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/ratelimit/limitertest"
)

// TestARoundNeedsEveryParty lets three processes count again, one of which gives its round up.
func TestARoundNeedsEveryParty(t *testing.T) {
	r := dialLedger(t, realRedis(t))
	parties := []Party{{"acme", "a"}, {"acme", "b"}, {"acme", "c"}}
	join := func(p int, stopped, given int64) Round {
		t.Helper()
		got, err := r.Join(t.Context(), parties[p], stopped, given)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	state := func(round int64, wantAbsent int, wantStopped bool) {
		t.Helper()
		absent, stopped, err := r.Absent(t.Context(), "acme", parties, round)
		if err != nil || len(absent) != wantAbsent || wantAbsent == 0 && stopped != wantStopped {
			t.Errorf("%d are absent, all stopped: %t, %v; want %d and %t", len(absent), stopped, err, wantAbsent, wantStopped)
		}
	}
	seeded := func(round int64, want bool) {
		t.Helper()
		if first, err := r.Seed(t.Context(), "acme", Recount{Round: round, Parties: parties}); err != nil || first != want {
			t.Errorf("seeded: %t, %v; want %t", first, err, want)
		}
	}
	first := join(0, 0, 0)
	state(first.ID, 2, false)
	for p := range parties {
		if again := join(p, 0, 0); again.ID != first.ID || again.Known {
			t.Errorf("a party joined %+v, want round %d", again, first.ID)
		}
	}
	state(first.ID, 0, false)
	for p := range 2 {
		join(p, first.ID, 0)
	}
	state(first.ID, 0, false)
	seeded(first.ID, false) // the third has not stopped
	join(2, first.ID, 0)
	state(first.ID, 0, true)
	second := join(1, first.ID, first.ID)
	if second.ID == first.ID {
		t.Error("a round that was given up goes on")
	}
	seeded(first.ID, false)
	for p := range parties {
		join(p, second.ID, 0)
	}
	if err := r.Leave(t.Context(), parties[2], 0); err != nil {
		t.Error(err)
	}
	state(second.ID, 1, false)
	seeded(second.ID, false)
	join(2, second.ID, 0)
	seeded(second.ID, true)
	seeded(second.ID, false)
	if got := join(0, 0, 0); !got.Known {
		t.Errorf("afterwards a party joins %+v", got)
	}
}

// TestWhatIsInFlightComesBackWithTheCounters restores holds of every kind, beside calls that were let through without Redis before and after the loss.
func TestWhatIsInFlightComesBackWithTheCounters(t *testing.T) {
	r := dialLedger(t, realRedis(t))
	begin(t, r, Recount{})
	if _, err := r.Join(t.Context(), Party{"acme", "any"}, 0, 0); err != nil { // it knows the memory mark
		t.Fatal(err)
	}
	budget, slots := limitertest.Money(1000), sentinel.Limit{Cell: "slots", Kind: sentinel.Concurrent, Measure: sentinel.MeasureConcurrent, Max: 3}
	ended := limitertest.Money(1000)
	ended.Cell, ended.Start, ended.End = "ended/cost/day", time.Now().UTC().Add(-48*time.Hour).Truncate(time.Hour), time.Now().UTC().Add(-time.Hour)
	ask := func(cost int64) sentinel.Ask {
		a := askOf([]sentinel.Limit{budget, slots, ended})
		a.Candidates[0].Bound = sentinel.Amounts{sentinel.MeasureCost: cost, sentinel.MeasureConcurrent: 1}
		return a
	}
	flying := ask(400)
	got, err := r.Reserve(t.Context(), flying)
	if err != nil || got.Chosen != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	open := func(sentinel.Limit) bool { return false }
	booked, alone, later := ask(50), ask(100), ask(70)
	counted := r.Without(booked, Share{Of: open}) // its entry will be in the ledger, with 40
	held := r.Without(alone, Share{Of: open})     // its intent will be
	if err := r.client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Peek(t.Context(), "acme", []sentinel.Limit{budget}); err == nil {
		t.Error("a Redis that has lost its counters says what is left")
	}
	round, err := r.Join(t.Context(), Party{"acme", "any"}, 0, 0)
	if err != nil || round.Known {
		t.Fatalf("%+v, %v", round, err)
	}
	r.Stopped(round.ID)
	fresh := r.Without(later, Share{Of: open}) // nothing of it is in the ledger
	settle := func(a sentinel.Ask, hold sentinel.Hold, actual int64) (sentinel.Settled, error) {
		return r.Settle(t.Context(), sentinel.Settlement{Org: "acme", Call: a.Call, Hold: hold, Actual: sentinel.Amounts{sentinel.MeasureCost: actual}})
	}
	if s, err := settle(flying, got.Hold, 300); err == nil {
		t.Errorf("settled before the counters are back: %+v", s)
	}
	<-r.doubts // it comes again
	first, err := r.Seed(t.Context(), "acme", Recount{Round: round.ID, Windows: []Seed{{Limit: budget, Posted: 240}}, Open: []Open{
		{Org: "acme", Call: flying.Call, Hold: got.Hold}, {Org: "acme", Call: alone.Call, Hold: held.Hold}, {Org: "umbrella", Call: later.Call, Hold: fresh.Hold},
	}})
	if err != nil || !first {
		t.Fatalf("seeded: %t, %v", first, err)
	}
	uses := func(what string, posted, heldMoney, heldSlots, before int64) {
		t.Helper()
		all, err := r.Peek(t.Context(), "acme", []sentinel.Limit{budget, slots, ended})
		if err != nil || all[0].Posted != posted || all[0].Held != heldMoney || all[1].Held != heldSlots || all[2].Used != before {
			t.Errorf("%s: %+v, %v; want %d posted, %d held, %d slots", what, all, err, posted, heldMoney, heldSlots)
		}
	}
	uses("after seeding", 240, 500, 2, 0) // a window that has ended gives nothing to the next
	for i, tt := range []struct {
		ask       sentinel.Ask
		hold      sentinel.Hold
		actual    int64
		duplicate bool
	}{{flying, got.Hold, 300, false}, {flying, got.Hold, 300, true}, {booked, counted.Hold, 40, true}, {alone, held.Hold, 90, false}, {alone, held.Hold, 90, true}, {later, fresh.Hold, 60, false}, {later, fresh.Hold, 60, true}} {
		if s, err := settle(tt.ask, tt.hold, tt.actual); err != nil || s.Duplicate != tt.duplicate {
			t.Errorf("settlement %d is %+v, %v; want duplicate %t", i, s, err, tt.duplicate)
		}
	}
	uses("after all settlements", 240+300+90+60, 0, 0, 300+90+60)
}
