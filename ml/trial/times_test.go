package trial

import (
	"fmt"
	"math"
	"testing"
)

// clientsByDay cuts every client's hours at each end of a day: back hours to learn from, h held back.
func clientsByDay(t *testing.T, name string, back, h int) (out []Case) {
	t.Helper()
	for from := back; ; from += 24 {
		before := len(out)
		for _, c := range benchRates(t) {
			out = cut(out, Case{Set: fmt.Sprintf("%s, from day %d", name, from/24+1), Name: c.Name, H: h, Season: 24, Season2: 168}, c.Hourly, back, from)
		}
		if len(out) == before {
			return out
		}
	}
}

// byZeros names each case's set by how many of its hours without a call it learns from.
func byZeros(name string, cases []Case) []Case {
	out := make([]Case, len(cases))
	for i, c := range cases {
		zeros := 0
		for _, v := range c.Train() {
			if v == 0 {
				zeros++
			}
		}
		share := "at most a tenth of the hours"
		switch y := c.Train(); {
		case 2*zeros > len(y):
			share = "more than half of the hours"
		case 10*zeros > len(y):
			share = "a tenth to half of the hours"
		}
		out[i], out[i].Set = c, name+", silent in "+share
	}
	return out
}

// TestIntervalsOfClientsByTime holds that over all days on which clients can be forecast from eight days, and from three, the 80 % intervals hold about what they say.
// The days differ far more than that, as all clients have their calm and their stormy days together.
func TestIntervalsOfClientsByTime(t *testing.T) {
	for _, set := range []struct {
		name    string
		back, h int
	}{{"eight days", 192, 48}, {"three days", 72, 24}} {
		days := clientsByDay(t, set.name, set.back, set.h)
		scores := Judge(days, Ours)
		var in80, in95, total80, total95 float64
		for _, s := range append(scores, Judge(byZeros(set.name, days), Ours)...) {
			t.Logf("%-56s %3d series: 80 %% %.3f, 95 %% %.3f; totals %.3f, %.3f", s.Set, s.Series, s.In80, s.In95, s.InTotal80, s.InTotal95)
		}
		for _, s := range scores {
			n := float64(len(scores))
			in80, in95, total80, total95 = in80+s.In80/n, in95+s.In95/n, total80+s.InTotal80/n, total95+s.InTotal95/n
		}
		t.Logf("%s, over %d days: 80 %% %.3f, 95 %% %.3f; totals %.3f, %.3f", set.name, len(scores), in80, in95, total80, total95)
		if math.Abs(in80-0.8) > 0.045 || in95 < 0.88 || math.Abs(total80-0.8) > 0.045 || total95 < 0.86 {
			t.Errorf("%s: 80 %% %.3f, 95 %% %.3f; totals %.3f, %.3f", set.name, in80, in95, total80, total95)
		}
	}
}
