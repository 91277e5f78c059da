package synth

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// rates are two weeks of a service that works by day.
func rates() []float64 {
	out := make([]float64, 14*24)
	for h := range out {
		out[h] = 1200 + 1000*math.Sin(2*math.Pi*float64(h%24-9)/24)
	}
	return out
}

func TestTheSameSeedGivesTheSameSeries(t *testing.T) {
	a, errA := Make("a", rates(), LeakedKey, 7)
	b, errB := Make("a", rates(), LeakedKey, 7)
	other, errC := Make("a", rates(), LeakedKey, 8)
	if errA != nil || errB != nil || errC != nil {
		t.Fatal(errA, errB, errC)
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Error(diff)
	}
	if cmp.Equal(a.Rows, other.Rows) {
		t.Error("another seed gave the same rows")
	}
}

func TestEachKindDoesWhatItSays(t *testing.T) {
	mean := func(rows [][]float64, column int) float64 {
		sum := 0.0
		for _, r := range rows {
			sum += r[column]
		}
		return sum / float64(len(rows))
	}
	for kind, c := range map[Kind]struct {
		column int
		least  float64
	}{LeakedKey: {0, 3}, Runaway: {1, 2}, Stuffing: {1, 2.5}, RetryStorm: {5, 10}, OffHours: {0, 1.3}} {
		s, err := Make("a", rates(), kind, 3)
		if err != nil {
			t.Fatal(err)
		}
		on, before := mean(s.Rows[s.From:s.To], c.column), mean(s.Rows[s.From-60:s.From], c.column)
		if on < c.least*before {
			t.Errorf("%s: column %s goes from %.1f to %.1f, want %.1f times as much", kind, Columns[c.column], before, on, c.least)
		}
	}
}

// TestCallsAreWhatWasCounted holds that a row has the calls of its rate and the tokens of its calls, and that no minute has less than none: all that a
// detector sees of a client follows from these.
func TestCallsAreWhatWasCounted(t *testing.T) {
	hourly := make([]float64, 14*24)
	for h := range hourly {
		hourly[h] = 90 // one and a half a minute
	}
	s, err := Make("a", hourly, Quiet, 4)
	if err != nil {
		t.Fatal(err)
	}
	calls := 0.0
	for i, row := range s.Rows {
		if row[0] < 0 || (row[0] == 0) != (row[1] == 0) {
			t.Fatalf("minute %d has %v calls and %v tokens", i, row[0], row[1])
		}
		calls += row[0]
	}
	if got := calls / float64(len(s.Rows)); math.Abs(got-1.5) > 0.05 {
		t.Errorf("%.3f calls a minute, want 1.5", got)
	}
}

func TestTooFewRates(t *testing.T) {
	if _, err := Make("a", make([]float64, 10), Quiet, 1); err == nil {
		t.Error("ten hours made a series")
	}
}

// at alerts once at a minute.
type at time.Time

func (a at) Alert(now time.Time, _ []float64) bool { return now.Equal(time.Time(a)) }

func TestMeasure(t *testing.T) {
	s, err := Make("a", rates(), LeakedKey, 3)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		minute int
		want   Result
	}{
		"in time":         {s.From + 2, Result{Found: 1, MedianDelay: 2 * time.Minute}},
		"while learning":  {10, Result{}},
		"far from it":     {s.From - 60, Result{FalseAlerts: 1}},
		"its echo is not": {s.To + 1, Result{}},
	} {
		got := Measure(LeakedKey, []Series{s}, func() Judge { return at(s.Start.Add(time.Duration(c.minute) * time.Minute)) })
		c.want.Kind, c.want.Series, c.want.Weeks = LeakedKey, 1, got.Weeks
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
