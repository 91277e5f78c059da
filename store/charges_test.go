package store

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func TestChargesAddUpToTheLedger(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		rs := spread(rand.New(rand.NewPCG(3, 4)), 1, 300)
		if err := s.Write(t.Context(), rs); err != nil {
			t.Fatal(err)
		}
		var want, got sentinel.Charge
		for _, r := range rs {
			e := r.Entry
			want.Cost += e.Cost
			want.Calls++
			want.Own.Input, want.Own.Output = want.Own.Input+e.Own.Input, want.Own.Output+e.Own.Output
			if e.Own != (sentinel.Counted{}) {
				want.Doubted++
			}
			for u, n := range e.Usage {
				want.Usage[u] += n
			}
		}
		for period, width := range map[string]time.Duration{"day": 24 * time.Hour, "hour": time.Hour} {
			got = sentinel.Charge{}
			err := s.Charges(t.Context(), ChargeQuery{From: noon, To: noon.AddDate(0, 0, 5), Period: period}, func(c sentinel.Charge) error {
				if c.End.Sub(c.Start) != width || !c.Start.Equal(c.Start.Truncate(width)) || c.Caller.Org != "acme" || c.Model == "" {
					t.Errorf("%s: charge %+v", period, c)
				}
				got.Cost, got.Calls, got.Doubted = got.Cost+c.Cost, got.Calls+c.Calls, got.Doubted+c.Doubted
				got.Own.Input, got.Own.Output = got.Own.Input+c.Own.Input, got.Own.Output+c.Own.Output
				for u, n := range c.Usage {
					got.Usage[u] += n
				}
				return nil
			})
			if err != nil || got != want || got.Doubted == 0 {
				t.Errorf("%s: error %v, charges %+v, want %+v", period, err, got, want)
			}
		}
		stop := errors.New("stop")
		if err := s.Charges(t.Context(), ChargeQuery{From: noon, To: noon.AddDate(0, 0, 5), Period: "day"}, func(sentinel.Charge) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("an error of use gives %v", err)
		}
		for _, q := range []ChargeQuery{{From: noon, To: noon.Add(1), Period: "week"}, {From: noon, To: noon, Period: "day"}} {
			if err := s.Charges(t.Context(), q, nil); err == nil {
				t.Errorf("Charges(%+v) is not refused", q)
			}
		}
	})
}
