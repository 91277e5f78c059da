package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/ratelimit/limitertest"
)

func TestPeekTellsPostedHeldAndOrphanedApart(t *testing.T) {
	m := miniredis.RunT(t)
	now := time.Now()
	m.SetTime(now)
	r := dial(t, m.Addr())
	hard, soft := limitertest.Money(1000), limitertest.Money(1000)
	soft.Cell, soft.Charge, soft.Soft = "soft", false, true
	slots := sentinel.Limit{Cell: "slots", Kind: sentinel.Concurrent, Measure: sentinel.MeasureConcurrent, Max: 5}
	pace := sentinel.Limit{Cell: "pace", Kind: sentinel.Rate, Measure: sentinel.MeasureRequests, Max: 60, Period: time.Minute}
	limits := []sentinel.Limit{hard, soft, slots, pace}
	call := func(cost int64) (sentinel.Ask, sentinel.Reservation) {
		a := sentinel.Ask{Org: "acme", Call: sentinel.NewCallID(now), TTL: time.Minute, Candidates: []sentinel.Candidate{{Limits: limits, Bound: sentinel.Amounts{sentinel.MeasureRequests: 1, sentinel.MeasureCost: cost, sentinel.MeasureConcurrent: 1}}}}
		got, err := r.Reserve(t.Context(), a)
		if err != nil || got.Chosen != 0 {
			t.Fatalf("%+v, %v", got, err)
		}
		return a, got
	}
	call(100) // dies unsettled
	now = now.Add(2 * time.Minute)
	m.SetTime(now)
	call(30)
	a, got := call(20)
	if _, err := r.Settle(t.Context(), sentinel.Settlement{Org: "acme", Call: a.Call, Hold: got.Hold, Actual: sentinel.Amounts{1, 0, 0, 0, 7, 1}}); err != nil {
		t.Fatal(err)
	}
	want := []Use{
		{Limit: hard, Used: 137, Posted: 7, Held: 30, Orphaned: 100}, {Limit: soft, Used: 37, Posted: 7, Held: 30},
		{Limit: slots, Used: 1, Held: 1}, {Limit: pace, Used: 2},
	}
	before := m.Dump()
	seen, err := r.Peek(t.Context(), "acme", limits)
	if diff := cmp.Diff(want, seen); err != nil || diff != "" {
		t.Errorf("Peek: %v (-want +got):\n%s", err, diff)
	}
	if m.Dump() != before {
		t.Error("a look changed something")
	}
	for _, l := range []sentinel.Limit{hard, pace} {
		if _, err := r.Reset(t.Context(), "acme", l); err != nil {
			t.Fatal(err)
		}
	}
	seen, err = r.Peek(t.Context(), "acme", []sentinel.Limit{hard, pace})
	if diff := cmp.Diff([]Use{{Limit: hard, Used: 130, Held: 30, Orphaned: 100, Forgiven: 7}, {Limit: pace}}, seen); err != nil || diff != "" {
		t.Errorf("after a reset: %v (-want +got):\n%s", err, diff)
	}
	if done, err := r.Raise(t.Context(), "acme", seen[0], 7); done || err != nil {
		t.Errorf("what was forgiven came back: %t, %v", done, err)
	}
}

// That a try says what an admission does is seen on the random journeys.
func TestATryTouchesNothing(t *testing.T) {
	m := miniredis.RunT(t)
	r := dial(t, m.Addr())
	budget := limitertest.Money(1000)
	budget.WarnAt = []int64{sentinel.FullShare}
	ask := func(cost int64) sentinel.Ask {
		return sentinel.Ask{Org: "acme", Call: sentinel.NewCallID(time.Now()), TTL: time.Minute, Candidates: []sentinel.Candidate{{Limits: []sentinel.Limit{budget}, Bound: sentinel.Amounts{sentinel.MeasureCost: cost}}}}
	}
	for _, cost := range []int64{400, 900, 5000} {
		before := m.Dump()
		got, err := r.Try(t.Context(), ask(cost))
		if err != nil || (got.Chosen == 0) != (cost == 400) || got.Hold != "" || len(got.Crossed) > 0 {
			t.Errorf("a try of %d gave %+v, %v", cost, got, err)
		}
		if m.Dump() != before {
			t.Errorf("a try of %d changed something", cost)
		}
		if cost > 400 {
			continue
		}
		if got, err := r.Reserve(t.Context(), ask(300)); err != nil || got.Chosen != 0 {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if err := r.SetOverride(t.Context(), "acme", Override{Cell: budget.Cell, Max: 1300, Until: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Try(t.Context(), ask(900)); err != nil || got.Chosen != 0 || got.Levels[0].Limit.Max != 1300 {
		t.Errorf("under an override a try gave %+v, %v", got, err)
	}
	if got, err := r.Reserve(t.Context(), ask(1100)); err != nil || len(got.Crossed) != 1 {
		t.Errorf("the first refusal of the budget was used up by a try: %+v, %v", got, err)
	}
}

// Of several who saw the same override, or none, one changes it.
func TestAnOverrideIsChangedByOneWhoSawIt(t *testing.T) {
	r := dial(t, miniredis.RunT(t).Addr())
	until := time.Now().Add(time.Hour)
	stale := errors.New("stale")
	var won atomic.Int64
	for round := range int64(5) {
		saw := func(o *Override) error {
			if (o == nil) != (round == 0) || o != nil && o.Max != round {
				return stale
			}
			return nil
		}
		var racers sync.WaitGroup
		for range 8 {
			racers.Go(func() {
				err := r.ChangeOverride(t.Context(), "acme", "c", &Override{Cell: "c", Max: round + 1, Until: until}, saw)
				if err == nil {
					won.Add(1)
				} else if !errors.Is(err, stale) {
					t.Error(err)
				}
			})
		}
		racers.Wait()
	}
	if won.Load() != 5 {
		t.Errorf("%d of 40 changes were made in 5 rounds, want 5", won.Load())
	}
	if err := r.ChangeOverride(t.Context(), "acme", "c", nil, func(o *Override) error {
		if o == nil || o.Max != 5 {
			return stale
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// between runs a step once, when a command of a name has had its answer.
type between struct {
	name string
	once sync.Once
	step func()
}

func (b *between) DialHook(next redis.DialHook) redis.DialHook { return next }

func (b *between) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (b *between) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if cmd.Name() == b.name {
			b.once.Do(b.step)
		}
		return err
	}
}

// An override that is renewed while a process forgets the one before stays.
func TestARenewedOverrideIsNotForgotten(t *testing.T) {
	m := miniredis.RunT(t)
	r, other := dial(t, m.Addr()), dial(t, m.Addr())
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	m.HSet(r.overridesKey("acme"), "c", `{"cell":"c","max":1,"until":"2020-01-01T00:00:00Z"}`)
	r.client.AddHook(&between{name: "hgetall", step: func() {
		if err := other.SetOverride(context.Background(), "acme", Override{Cell: "c", Max: 7, Until: until}); err != nil {
			t.Error(err)
		}
	}})
	if all, err := r.Overrides(t.Context(), "acme"); err != nil || len(all) != 0 {
		t.Errorf("the look before the renewal saw %v, %v", all, err)
	}
	if all, err := r.Overrides(t.Context(), "acme"); err != nil || all["c"].Max != 7 {
		t.Errorf("the renewed override is gone: %v, %v", all, err)
	}
}

// Where an organisation has as many overrides as it may have, each of them can be changed and ended.
func TestAFullListOfOverridesCanBeChanged(t *testing.T) {
	m := miniredis.RunT(t)
	r := dial(t, m.Addr())
	until := time.Now().Add(time.Hour)
	for n := range maxOverrides {
		cell := fmt.Sprint(n)
		m.HSet(r.overridesKey("acme"), cell, fmt.Sprintf(`{"cell":%q,"max":1,"until":%q}`, cell, until.Format(time.RFC3339)))
	}
	if err := r.SetOverride(t.Context(), "acme", Override{Cell: "new", Max: 2, Until: until}); err == nil {
		t.Error("one more was taken")
	}
	if err := r.SetOverride(t.Context(), "acme", Override{Cell: "0", Max: 2, Until: until}); err != nil {
		t.Errorf("one of them could not be changed: %v", err)
	}
}

func TestOverridesHoldUntilTheirEnd(t *testing.T) {
	r := dial(t, miniredis.RunT(t).Addr())
	budget := limitertest.Money(1000)
	until := time.Now().Add(time.Hour)
	if err := r.SetOverride(t.Context(), "acme", Override{Cell: budget.Cell, Max: 5000, Until: until, By: "op"}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := r.Watch(ctx, func() string { return "acme" }); err != nil {
		t.Fatal(err)
	}
	all, err := r.Overrides(t.Context(), "acme")
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v, %v", all, err)
	}
	r.overrides.Store(&all)
	a := sentinel.Ask{Candidates: []sentinel.Candidate{{Limits: []sentinel.Limit{budget}}}}
	if got := r.overridden(a, until.Add(-1)).Candidates[0].Limits[0].Max; got != 5000 || a.Candidates[0].Limits[0].Max != 1000 {
		t.Errorf("before its end an override gives %d (the ask has %d), want 5000 (1000)", got, a.Candidates[0].Limits[0].Max)
	}
	if got := r.overridden(a, until).Candidates[0].Limits[0].Max; got != 1000 {
		t.Errorf("at its end an override gives %d, want 1000", got)
	}
	for name, o := range map[string]Override{
		"past": {Cell: "c", Max: 1, Until: time.Now().Add(-time.Second)}, "too long": {Cell: "c", Max: 1, Until: time.Now().AddDate(2, 0, 0)},
		"nothing": {Cell: "c", Until: until}, "no cell": {Max: 1, Until: until},
	} {
		if err := r.SetOverride(t.Context(), "acme", o); err == nil {
			t.Errorf("%s: %+v was accepted", name, o)
		}
	}
	if err := r.EndOverride(t.Context(), "acme", budget.Cell); err != nil {
		t.Fatal(err)
	}
	if all, err := r.Overrides(t.Context(), "acme"); err != nil || len(all) != 0 {
		t.Errorf("%+v, %v, want none", all, err)
	}
}
