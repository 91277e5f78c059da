package trial

import (
	"math"
	"slices"
	"testing"
)

// TestForecastsOfEveryKind holds, on made series of fifteen kinds, that no set is forecast worse than by repeating its last
// season, and that the intervals hold what they say: on the average over the sets, and roughly on each, of which forty
// series say no more.
func TestForecastsOfEveryKind(t *testing.T) {
	scores := Judge(Made(40, 100), Ours)
	if len(scores) != len(kinds) {
		t.Fatalf("%d sets were judged, want %d", len(scores), len(kinds))
	}
	var in80, in95, inTotal, relative float64
	for _, s := range scores {
		t.Logf("%-22s MASE %.3f naive %.3f 80 %% %.3f 95 %% %.3f totals %.3f refused %d", s.Set, s.MASE, s.Naive, s.In80, s.In95, s.InTotal80, s.Refused)
		if s.MASE > s.Naive || s.Refused > 0 {
			t.Errorf("%s: MASE %.3f, the seasonal naive's is %.3f; %d refused", s.Set, s.MASE, s.Naive, s.Refused)
		}
		if math.Abs(s.In80-0.8) > 0.17 || s.In95 < 0.75 || math.Abs(s.InTotal80-0.8) > 0.25 {
			t.Errorf("%s: 80 %% intervals hold %.3f, 95 %% ones %.3f, totals' %.3f", s.Set, s.In80, s.In95, s.InTotal80)
		}
		n := float64(len(scores))
		in80, in95, inTotal, relative = in80+s.In80/n, in95+s.In95/n, inTotal+s.InTotal80/n, relative+s.MASE/s.Naive/n
	}
	t.Logf("over the sets: 80 %% %.3f, 95 %% %.3f, totals %.3f; MASE %.3f of the seasonal naive's", in80, in95, inTotal, relative)
	if math.Abs(in80-0.8) > 0.03 || math.Abs(in95-0.95) > 0.025 || math.Abs(inTotal-0.8) > 0.04 || relative > 0.85 {
		t.Errorf("over the sets: 80 %% %.3f, 95 %% %.3f, totals %.3f; MASE %.3f of the seasonal naive's", in80, in95, inTotal, relative)
	}
}

// TestWalksAreNotForecastWorse holds, on more random walks than other tests have, that models which look better by chance do not lose to the last value.
func TestWalksAreNotForecastWorse(t *testing.T) {
	const seeds = 3
	for seed := range uint64(seeds) {
		walks := slices.DeleteFunc(Made(100, 300+200*seed), func(c Case) bool { return c.Set != "random walk" })
		s := Judge(walks, Ours)[0]
		t.Logf("seed %d: MASE %.3f, the last value's %.3f", 300+200*seed, s.MASE, s.Naive)
		if s.MASE > 1.0005*s.Naive {
			t.Errorf("seed %d: MASE %.3f, the last value's is %.3f", 300+200*seed, s.MASE, s.Naive)
		}
	}
}
