package spool

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

var seeds = flag.Int("seeds", 400, "seeds of the power-loss simulation")

// In Sync mode no acknowledged record is lost, whenever the power fails: while records are written, segments change,
// batches are committed, or the spool itself recovers from the failure before.
func TestPowerLossLosesNoAcknowledgedRecord(t *testing.T) {
	var acknowledged, cut int
	for seed := range *seeds {
		n, torn, err := powerCycles(uint64(seed), false)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		acknowledged += n
		cut += torn
	}
	if acknowledged == 0 || cut == 0 {
		t.Errorf("%d records acknowledged and %d tails torn: the simulation tests nothing", acknowledged, cut)
	}
	t.Logf("%d seeds, %d records acknowledged, %d torn tails seen, 0 lost", *seeds, acknowledged, cut)
}

// The same with an fsync that does nothing must be found out, or the test above could not fail.
func TestPowerLossFindsAMissingFsync(t *testing.T) {
	const tries = 100
	found := 0
	for seed := range tries {
		if _, _, err := powerCycles(uint64(seed), true); err != nil {
			found++
		}
	}
	t.Logf("without fsync %d of %d seeds lose records", found, tries)
	if found < tries/2 {
		t.Errorf("without fsync only %d of %d seeds lose records", found, tries)
	}
}

// powerCycles lets a spool run and lose its power three times, then reads what is left.
func powerCycles(seed uint64, lies bool) (acknowledged, torn int, err error) {
	rng := rand.New(rand.NewPCG(seed, 7))
	d := newSimDisk(rng, lies)
	safe, stored := map[int]bool{}, map[int]bool{} // acknowledged; in the database
	next := 0
	for cycle := range 4 {
		if d.left = 1 + rng.IntN(300); cycle == 3 {
			d.left = math.MaxInt
		}
		s, err := openOn(d, nil, Options{Dir: "sim", Mode: Sync, SegmentBytes: minSegmentBytes, MaxBytes: 1 << 30})
		switch {
		case err == nil:
			torn += int(s.Stats().Torn)
			if next, err = work(s, rng, next, safe, stored, cycle == 3); err != nil {
				return 0, 0, fmt.Errorf("cycle %d: %w", cycle, err)
			}
		case !errors.Is(err, errPower):
			return 0, 0, fmt.Errorf("cycle %d: %w", cycle, err)
		}
		d = d.crash()
	}
	for n := range safe {
		if !stored[n] {
			return 0, 0, fmt.Errorf("record %d of %d was acknowledged and is lost", n, next)
		}
	}
	return len(safe), torn, nil
}

// work appends and drains until the power fails; in the last cycle it drains only.
func work(s *Spool, rng *rand.Rand, next int, safe, stored map[int]bool, last bool) (int, error) {
	ended, cancel := context.WithCancel(context.Background())
	cancel() // a Next that would wait is a fault: the spool says that it has records
	for {
		if !last && rng.IntN(4) > 0 {
			r := record(next)
			if r.Entry != nil { // some records span sectors
				r.Entry.Model = strings.Repeat("m", rng.IntN(3000))
			}
			err := s.Append(context.Background(), r)
			if err == nil {
				safe[next] = true
			}
			next++
			if err != nil {
				return next, powerOnly(err)
			}
			continue
		}
		if s.Stats().LagRecords == 0 {
			if last {
				return next, nil
			}
			continue
		}
		b, err := s.Next(ended, 1+rng.IntN(20))
		if err != nil {
			return next, powerOnly(err)
		}
		before := -1
		for _, r := range b.Records {
			n := number(r)
			if n <= before || n >= next {
				return next, fmt.Errorf("read record %d after %d, of %d that were ever appended", n, before, next)
			}
			before, stored[n] = n, true
		}
		if err := s.Commit(b); err != nil {
			return next, powerOnly(err)
		}
	}
}

func powerOnly(err error) error {
	if errors.Is(err, errPower) || errors.Is(err, ErrPoisoned) {
		return nil
	}
	return err
}
