package main

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// busiest is half a minute of a site whose fullest master is busy for half of the time.
func busiest() Simulation {
	s := DefaultSite()
	s.Envoys = 200 // as many calls of each, and so fewer in all
	return Simulation{Site: s, Measured: Measured{RedisMicros: 206, PostgresMicros: 53}, Masters: 12, Cores: 1, Seconds: 30}
}

func followed(t *testing.T, s Simulation) Outcome {
	t.Helper()
	out, err := s.Run()
	if err != nil {
		t.Fatal(err)
	}
	if began, found := out.Running0+out.Began, out.Refused+out.Reset+out.Ended+out.Running; began != found {
		t.Errorf("%d calls began, and %d are refused, reset, ended or running: %+v", began, found, out)
	}
	if out.Ended != out.Entries+out.Backlog {
		t.Errorf("%d calls ended, %d are on the ledger and %d in spools", out.Ended, out.Entries, out.Backlog)
	}
	return out
}

// TestTheSimulationAgreesWithTheArithmetic compares means where there is a formula: shares of time, Little's law, and the wait of M/G/1 by Pollaczek and
// Khinchine, λE[S²]/2(1−ρ).
func TestTheSimulationAgreesWithTheArithmetic(t *testing.T) {
	for _, masters := range []int{12, 24} {
		s := busiest()
		s.Masters = masters
		out, shard := followed(t, s), s.busiest(s.Measured, masters)
		service := s.RedisMicros / 1e6
		square := (reserveShare*reserveShare + (1-reserveShare)*(1-reserveShare)) * service * service
		for what, v := range map[string]struct{ got, want, within float64 }{
			"share of the fullest master's thread": {out.Busy, shard.Utilisation, 0.03},
			"seconds that a script waits":          {out.Waits.Mean, shard.Rate * square / (2 * (1 - shard.Utilisation)), 0.10},
			"calls that run at once":               {out.MeanRunning, s.peakRate() * s.meanTime(), 0.03},
			"calls a second":                       {float64(out.Began) / s.Seconds, s.peakRate(), 0.02},
			"share of the database's cores":        {out.Written, s.peakRate() * s.PostgresMicros / 1e6 / float64(s.Cores), 0.03},
		} {
			if math.Abs(v.got-v.want) > v.within*v.want {
				t.Errorf("%d masters, %s: %g in the simulation, %g in the arithmetic", masters, what, v.got, v.want)
			}
		}
		if out.Refused != 0 || out.Lag.Most > tellingLag || out.Lag.P50 < batchRest/10 {
			t.Errorf("%d masters, nothing was killed: %+v", masters, out)
		}
	}
}

func TestTheSameSimulationHasTheSameOutcome(t *testing.T) {
	s := busiest()
	s.Seconds = 3
	first := followed(t, s)
	if diff := cmp.Diff(first, followed(t, s)); diff != "" {
		t.Error(diff)
	}
	s.Seed = 2
	if first.Waits == followed(t, s).Waits {
		t.Error("another seed has the same waits")
	}
}

// TestAKilledPartIsAllThatIsFelt kills each in turn.
func TestAKilledPartIsAllThatIsFelt(t *testing.T) {
	s := busiest()
	quiet := followed(t, s)
	s.At, s.For = 5, 5
	s.Killed = Unit
	out := followed(t, s)
	if each := s.peakRate() * s.meanTime() / float64(s.Envoys); math.Abs(float64(out.Reset)-each) > 5*math.Sqrt(each) || out.Refused != 0 {
		t.Errorf("a unit's death reset %d calls and refused %d; %.0f ran through it", out.Reset, out.Refused, each)
	}
	if late := float64(out.Lag.Most); late < s.For-1 || late > s.For+tellingLag || out.Lag.P99 > tellingLag {
		t.Errorf("entries in the spool of a dead unit wait for %.1f s, and others' %.1f (99 of 100)", late, out.Lag.P99)
	}
	s.Killed = Redis
	out = followed(t, s)
	if away := s.busiest(s.Measured, s.Masters).Rate * s.For; math.Abs(float64(out.Refused)-away) > 0.2*away || out.Reset != 0 || out.Recovered <= 0 || out.Recovered > 2 {
		t.Errorf("%d calls were refused, %d reset, and the last %.1f s after its return; %.0f came while the master was away", out.Refused, out.Reset, out.Recovered, away)
	}
	s.Killed = Database
	out = followed(t, s)
	if out.Refused != 0 || out.Reset != 0 || out.Lag.Most < s.For-1 || out.Lag.Most > s.For+longestRetry+1 || out.Backlog > 2*quiet.Backlog+100 {
		t.Errorf("without its database the site refused %d calls and reset %d, the latest entry was %.1f s late, and %d are in spools (%d without a death)",
			out.Refused, out.Reset, out.Lag.Most, out.Backlog, quiet.Backlog)
	}
}

func TestAnOverloadedMasterRefusesInTime(t *testing.T) {
	s := busiest()
	s.Masters, s.Envoys, s.Seconds = 1, 400, 5
	out := followed(t, s)
	if out.Refused == 0 || out.Busy < 0.99 {
		t.Errorf("at %.0f %% of its thread it refused %d of %d calls", 100*s.busiest(s.Measured, 1).Utilisation, out.Refused, out.Began)
	}
	s.Cores = 0
	if _, err := s.Run(); err == nil {
		t.Error("a database without a core is followed")
	}
}
