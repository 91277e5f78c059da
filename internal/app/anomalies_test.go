package app

import (
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
	if len(got) != 1 || got[0].fact.Factor != 10 || titleOf(got[0]) != "requests of s are 10.0 times what was expected" {
		t.Errorf("facts %+v", got)
	}
	if got := w.strange(now.Add(2 * time.Minute)); len(got) != 0 {
		t.Errorf("after its end: %+v", got)
	}
}
