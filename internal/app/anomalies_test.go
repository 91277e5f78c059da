package app

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/extproc"
	"github.com/saas-sentinel/saas-sentinel/ml/detect"
)

func settledCall(service string, status int) extproc.Observation {
	e := &sentinel.Entry{Status: status, Cost: 1_000_000, Duration: 800 * time.Millisecond}
	e.Caller = sentinel.Caller{Org: "acme", Team: "a", Service: service}
	e.Usage[sentinel.InputTokens], e.Usage[sentinel.OutputTokens] = 500, 100
	return extproc.Observation{Call: e.Call, Entry: e}
}

// TestWatcherFindsABurst runs two services for a day and a half; one of them then calls ten times as often.
func TestWatcherFindsABurst(t *testing.T) {
	var w watcher
	now := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	var found []strangeness
	const burst = 36 * 60
	for minute := range burst + 5 {
		for _, service := range []string{"steady", "leaky"} {
			calls := 20 + minute%5
			if service == "leaky" && minute >= burst {
				calls *= 10
			}
			for range calls {
				w.observe(settledCall(service, 200))
			}
		}
		found = append(found, w.turn(now.Add(time.Duration(minute+1)*time.Minute))...)
	}
	if len(found) != 1 || found[0].caller.Service != "leaky" || found[0].point.Feature != "requests" || found[0].point.Actual < 5*found[0].point.Expected {
		t.Errorf("found %+v, want one burst of leaky", found)
	}
}

// unusual gives the scores above sentinel.LeastScore that a service had from a time on.
func (b *board) unusual(service string, from time.Time) (out []sentinel.Score) {
	for _, s := range b.unwritten {
		if s.Service == service && s.Score >= sentinel.LeastScore && !s.At.Before(from) {
			out = append(out, s)
		}
	}
	return out
}

// A score that may be acted on has all features by share, and what the minute cost above the usual: more calls do, slow ones do not.
func TestUnusualMinutesAreExplained(t *testing.T) {
	w := watcher{board: &board{}}
	now := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	const odd = 36 * 60
	for minute := range odd + 5 {
		for _, service := range []string{"leaky", "slow"} {
			calls, call := 20+minute%5, settledCall(service, 200)
			if call.Entry.Duration += time.Duration(minute%7) * 10 * time.Millisecond; minute >= odd {
				if service == "leaky" {
					calls *= 10
				} else {
					call.Entry.Duration *= 20
				}
			}
			for range calls {
				w.observe(call)
			}
		}
		w.turn(now.Add(time.Duration(minute+1) * time.Minute))
	}
	leaky, slow := w.board.unusual("leaky", now.Add(odd*time.Minute)), w.board.unusual("slow", now.Add(odd*time.Minute))
	if len(leaky) == 0 || len(slow) == 0 {
		t.Fatalf("%d minutes of a burst and %d of slowness are unusual", len(leaky), len(slow))
	}
	for _, s := range append(leaky, slow...) {
		sum := 0.0
		for _, share := range s.Shares {
			sum += share
		}
		if len(s.Features) == 0 || len(s.Features) != len(s.Shares) || sum < 0.9 || sum > 1.0001 || !slices.IsSortedFunc(s.Shares, func(a, b float64) int { return cmp.Compare(b, a) }) {
			t.Errorf("%s is explained by %v with %v", s.Service, s.Features, s.Shares)
		}
	}
	// About 180 calls of 1,000,000 nano-dollars are more than usual.
	if got := leaky[0].Impact; got < 150_000_000 || got > 240_000_000 {
		t.Errorf("a minute of the burst cost %s above the usual", got)
	}
	if got := slow[0]; got.Feature != "latency_ms" || got.Impact > 5_000_000 {
		t.Errorf("slow answers (%s) cost %s above the usual", got.Feature, got.Impact)
	}
}

func TestWatcherSkipsRefusalsAndForgetsTheIdle(t *testing.T) {
	var w watcher
	now := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	refused := settledCall("s", 429)
	refused.Entry.Action = sentinel.Throttle
	w.observe(refused)
	if len(w.services) != 0 {
		t.Fatal("a refusal was watched")
	}
	w.observe(settledCall("s", 200))
	w.turn(now)
	for i := range forgetIdle + 2 {
		w.turn(now.Add(time.Duration(i+1) * time.Minute))
	}
	if len(w.services) != 0 {
		t.Error("a service without calls for two weeks is still watched")
	}
	w.observe(settledCall("s", 200))
	if w.turn(now.Add(10 * 365 * 24 * time.Hour)); w.services["s"] == nil {
		t.Error("after a long gap the service was forgotten: at most an hour of rows may be made up")
	}
}

func TestAnomaliesAreFactsUntilTheyAreOver(t *testing.T) {
	now := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	w := watcher{open: map[string]strangeness{"s": {
		caller: sentinel.Caller{Team: "a", Service: "s"}, point: detect.Point{Score: 0.7, Feature: "requests", Actual: 300, Expected: 30}, until: now.Add(time.Minute),
	}}}
	got := w.strange(now)
	if len(got) != 1 || got[0].fact.Factor != 10 || titleOf(got[0]) != "calls a minute of s at 10.0 times what was expected" {
		t.Errorf("facts %+v", got)
	}
	if got := w.strange(now.Add(2 * time.Minute)); len(got) != 0 {
		t.Errorf("after its end: %+v", got)
	}
}

// A message names what is unusual in words, whatever the detector calls it; where nothing was expected there is no number of times.
func TestAnomaliesHaveTitlesInWords(t *testing.T) {
	for _, feature := range detect.Features() {
		s := strangeness{caller: sentinel.Caller{Team: "a", Service: "app"}, point: detect.Point{Score: 0.7, Feature: feature, Actual: 30, Expected: 10}}
		if title := titleOf(seen{fact: s.fact()}); strings.Contains(title, "_") || strings.Contains(title, " row") || !strings.HasSuffix(title, " of app at 3.0 times what was expected") {
			t.Errorf("%s: %q", feature, title)
		}
		s.point.Expected = 0
		if title := titleOf(seen{fact: s.fact()}); !strings.HasSuffix(title, " of app at more than a thousand times what was expected") {
			t.Errorf("%s where nothing was expected: %q", feature, title)
		}
	}
}
