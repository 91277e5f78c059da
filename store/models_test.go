package store

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// A minute is what one process saw of it: refusals do not count, and the sum is shared among the processes that scored the service.
func TestMinutesAreWhatOneProcessSaw(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		entries := ledger(t, s)
		if _, err := s.RefreshUsage(t.Context()); err != nil {
			t.Fatal(err)
		}
		service, first := entries[0].Caller.Service, entries[0].At.Truncate(time.Minute)
		var calls, cost, latency float64
		for _, e := range entries {
			if e.Caller.Service == service && !e.Action.Refused() && e.At.Truncate(time.Minute).Equal(first) {
				calls, cost, latency = calls+1, cost+float64(e.Cost)/1e9, latency+float64(e.Duration)/1e6
			}
		}
		ask := func(to time.Time) sentinel.Minute {
			t.Helper()
			list, err := s.Minutes(t.Context(), service, first, to)
			if err != nil || len(list) == 0 || !list[0].At.Equal(first) {
				t.Fatalf("%+v, %v", list, err)
			}
			return list[0]
		}
		near := func(a, b float64) bool { return math.Abs(a-b) < 1e-9*(1+math.Abs(b)) }
		if m := ask(first.Add(time.Hour)); calls < 2 || m.Calls != calls || !near(m.CostUSD, cost) || !near(m.LatencyMS, latency/calls) || math.IsNaN(m.ErrorRate) {
			t.Errorf("%+v, want %v calls, %v USD, %v ms", m, calls, cost, latency/calls)
		}
		if m := ask(first.Add(3 * 24 * time.Hour)); m.Calls != calls || !math.IsNaN(m.LatencyMS) || !math.IsNaN(m.ErrorRate) {
			t.Errorf("three days later %+v, want no latency", m)
		}
		for _, instance := range []string{"one", "two"} {
			if err := s.PutScores(t.Context(), []sentinel.Score{{At: first, Service: service, Instance: instance}}); err != nil {
				t.Fatal(err)
			}
		}
		if m := ask(first.Add(time.Hour)); m.Calls != calls/2 || !near(m.CostUSD, cost/2) {
			t.Errorf("of two processes each saw %+v, want half of %v calls", m, calls)
		}
		callers, err := s.Callers(t.Context(), first.Truncate(time.Hour), first.AddDate(0, 0, 2), 10)
		if err != nil || len(callers) == 0 || callers[0].Service == "" || callers[0].Team == "" {
			t.Errorf("callers %+v, %v", callers, err)
		}
	})
}

func TestAModelTakesThePlaceOfTheLast(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		day := func(n int) time.Time { return time.Date(2026, 3, n, 0, 0, 0, 0, time.UTC) }
		m := sentinel.Model{Service: "s", LearnsFrom: day(1), JudgedFrom: day(8), JudgedUntil: day(9), Version: 1, Features: []string{"requests"}, FalseAlerts: 3, Bursts: 7, Found: 6, Trained: day(9)}
		put := func(was time.Time, want bool) {
			t.Helper()
			if saved, err := s.PutModel(t.Context(), m, was); err != nil || saved != want {
				t.Fatalf("saved %v, %v, want %v", saved, err, want)
			}
		}
		put(time.Time{}, true)
		m.LearnsFrom, m.FalseAlerts = day(3), 2
		put(day(1), true)
		kept := m
		m.LearnsFrom, m.FalseAlerts = day(2), 9
		put(day(1), false)      // it was judged beside the first, whose place another one has
		put(time.Time{}, false) // and one that knew of none
		m = kept
		got, err := s.Models(t.Context())
		if diff := cmp.Diff(map[string]sentinel.Model{"s": m}, got); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	})
}

func TestAChoreIsOneProcesss(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		take := func() bool {
			t.Helper()
			mine, err := s.TakeChore(t.Context(), "train", time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			return mine
		}
		if !take() || take() {
			t.Fatal("the chore is not one process's")
		}
		if err := s.PostponeChore(t.Context(), "train", -time.Second); err != nil {
			t.Fatal(err)
		}
		if !take() {
			t.Error("what is due is not given")
		}
	})
}
