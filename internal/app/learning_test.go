package app

import (
	"math"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// pastMinutes are two days of a service that calls twenty times a minute, but for a quiet hour.
func pastMinutes(from time.Time, n int) (out []sentinel.Minute) {
	for i := range n {
		if i >= 600 && i < 660 {
			continue
		}
		calls := 20 + float64(i%5)
		out = append(out, sentinel.Minute{At: from.Add(time.Duration(i) * time.Minute), Calls: calls, Prompt: 500 * calls, Completion: 100 * calls, CostUSD: 0.001 * calls,
			LatencyMS: math.NaN(), ErrorRate: math.NaN()})
	}
	return out
}

// A detector that was made from the ledger's minutes finds a burst of the process's first minutes; one that was not learns.
func TestADetectorIsWarmAfterARestart(t *testing.T) {
	start := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	for _, warm := range []bool{true, false} {
		var w watcher
		w.turn(start)
		var found []strangeness
		for minute := range 8 {
			calls := 20
			if minute >= 4 {
				calls = 200
			}
			for range calls {
				w.observe(settledCall("leaky", 200))
			}
			found = append(found, w.turn(start.Add(time.Duration(minute+1)*time.Minute))...)
			if minute == 2 && warm { // the ledger has not the last minutes yet
				w.replay(sentinel.Caller{Team: "a", Service: "leaky"}, pastMinutes(start.AddDate(0, 0, -2), 2*24*60-1), time.Time{}, start)
			}
		}
		if want := map[bool]int{true: 1, false: 0}[warm]; len(found) != want {
			t.Errorf("warm %v: found %+v, want %d", warm, found, want)
		}
		if w.knows("leaky", time.Time{}) != warm || w.knows("leaky", start) {
			t.Error("the watcher does not know what it learnt from")
		}
	}
}

// The rows of the ledger and those of the process follow each other minute by minute, none twice.
func TestRowsOfALedgerHaveNoGaps(t *testing.T) {
	from := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	until := from.Add(1000 * time.Minute)
	rows := rowsOf(pastMinutes(from, 1200), until)
	for i, r := range rows {
		if quiet := i >= 600 && i < 660; !r.at.Equal(from.Add(time.Duration(i)*time.Minute)) || (r.values[0] == 0) != quiet {
			t.Fatalf("row %d is %+v", i, r)
		}
	}
	if len(rows) != 1000 {
		t.Errorf("%d rows, want 1000", len(rows))
	}
}
