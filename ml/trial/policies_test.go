package trial

import (
	"slices"
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/ml/detect"
	"github.com/saas-sentinel/saas-sentinel/ml/series"
	"github.com/saas-sentinel/saas-sentinel/ml/synth"
)

// above and lasting are those of a policy's anomaly: {above: 0.999, for: 2m}.
const (
	above   = 0.999
	lasting = 2
)

// actor counts how many minutes in a row were above.
type actor struct {
	detector *detect.Detector
	run      int
}

func (a *actor) acts(s synth.Series, minute int) bool {
	if p := a.detector.Step(s.Start.Add(time.Duration(minute)*time.Minute), s.Rows[minute]); 1-p.P > above {
		a.run++
	} else {
		a.run = 0
	}
	return a.run >= lasting
}

// TestPoliciesActOnAbuseFromTheSecondDay holds how often a policy on scores acts within the first hour of an abuse, after how short a past, and how long of that hour;
// and how often it acts where nothing happens. The seeds are not those that the detector was made with.
func TestPoliciesActOnAbuseFromTheSecondDay(t *testing.T) {
	clients := slices.DeleteFunc(benchRates(t), func(r series.Rates) bool { return !synth.Usable(r.Hourly, synth.Quiet) })
	const count, seed, hour, day = 40, 7000, 60, 24 * 60
	made := func(kind synth.Kind, i int) synth.Series {
		who := clients[i*len(clients)/count]
		s, err := synth.Make(who.Name, who.Hourly, kind, seed+uint64(i))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, kind := range []synth.Kind{synth.LeakedKey, synth.Runaway, synth.Stuffing, synth.RetryStorm} {
		for _, days := range []int{1, 2, 3, 6} {
			var acted, held, minutes float64
			for i := range count {
				s, a, once := made(kind, i), &actor{detector: detect.New(synth.Columns)}, false
				for k := s.From - days*day; k < min(s.To, s.From+hour); k++ {
					acts := a.acts(s, k)
					if k < s.From {
						continue
					}
					if minutes++; acts {
						held, once = held+1, true
					}
				}
				if once {
					acted++
				}
			}
			t.Logf("%-11s after %d days: acts on %.2f, for %.2f of its first hour", kind, days, acted/count, held/minutes)
			if acted/count < 0.85 || held/minutes < 0.5 {
				t.Errorf("%s after %d days: a policy acts on %.2f of them for %.2f of the hour, want 0.85 and half of it", kind, days, acted/count, held/minutes)
			}
		}
	}
	var wrong, weeks float64
	for _, kind := range []synth.Kind{synth.Quiet, synth.Deploy} {
		for i := range count {
			s, a, before := made(kind, i), &actor{detector: detect.New(synth.Columns)}, false
			for k := range s.Rows {
				acts := a.acts(s, k)
				if acts && !before {
					wrong++
				}
				before = acts
			}
			weeks += float64(len(s.Rows)) / (7 * day)
		}
	}
	t.Logf("where nothing happens it acts %.2f times a week and client", wrong/weeks)
	if wrong/weeks > 0.3 {
		t.Errorf("where nothing happens a policy acts %.2f times a week and client", wrong/weeks)
	}
}
