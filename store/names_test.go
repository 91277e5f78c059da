package store

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// rolled sums by one dimension, over the sums.
func rolled(t *testing.T, s *Store, by string) map[string]int64 {
	t.Helper()
	rows, err := s.Usage(t.Context(), UsageQuery{By: []string{by}, Rolled: true})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int64{}
	for _, r := range rows {
		out[r.Keys[0]] = r.Calls
	}
	return out
}

// TestSumsOfADayHaveSoManyNames writes calls of 30 models, services and sets of tags, of which ten have room.
func TestSumsOfADayHaveSoManyNames(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		s.maxSeries = 10
		var rs []sentinel.Record
		for n := range 60 {
			e := entry(n+1, 0, sentinel.SourceMeter)
			e.Model, e.Caller.Service, e.Caller.Tags = fmt.Sprintf("m%02d", n%30), fmt.Sprintf("s%02d", n%30), fmt.Sprintf("env=e%02d", n%30)
			rs = append(rs, ofEntry(e))
		}
		long := entry(100, 0, sentinel.SourceMeter)
		long.Model = strings.Repeat("long", 2000) // more than an index takes
		other := entry(101, 0, sentinel.SourceMeter)
		other.At, other.Model = noon.AddDate(0, 0, 1), "m29" // another day has room of its own
		write := func(rs ...sentinel.Record) {
			t.Helper()
			if err := s.Write(t.Context(), rs); err != nil {
				t.Fatal(err)
			}
		}
		write(rs[:20]...)
		write(rs...)
		write(ofEntry(long), ofEntry(other))
		refresh(t, s)
		for _, by := range []string{"model", "service", "tag.env"} {
			got := rolled(t, s, by)
			delete(got, "") // those without
			if _, ok := got["m29"]; ok {
				got["m29"]--
				delete(got, "m29")
			}
			if by == "service" {
				delete(got, other.Caller.Service) // of the other day
			}
			want := map[string]int64{"model": 41, "service": 41, "tag.env": 40}[by] // and the long model, and its service, which comes late
			if len(got) != 11 || got[Other] != want {
				t.Errorf("sums by %s: %v, want ten names and %d of other", by, got, want)
			}
		}
		if parked := count(t, s, `SELECT count(*) FROM parked`); parked != 0 {
			t.Errorf("%d records were parked", parked)
		}
		exact, err := s.Usage(t.Context(), UsageQuery{By: []string{"model"}})
		if err != nil || len(exact) != 31 || slices.ContainsFunc(exact, func(r UsageRow) bool { return r.Keys[0] == Other }) {
			t.Errorf("the entries have %d models, want every name (%v)", len(exact), err)
		}
		if s.Folded() == 0 {
			t.Error("nothing is counted as folded")
		}
		before := rolled(t, s, "model")
		if s.Timescale() {
			s.Close() // PGlite has one connection
		}
		again, err := Open(t.Context(), Options{DSN: sentinel.NewSecret(servers[s.name()].dsn), MaxConns: 1, MaxSeries: 10})
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		if err := again.Write(t.Context(), rs); err != nil { // another process, the same rows once more
			t.Fatal(err)
		}
		refresh(t, again)
		if after := rolled(t, again, "model"); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("the same rows again: %v, before %v", after, before)
		}
	})
}

func (s *Store) name() string {
	if s.Timescale() {
		return "timescale"
	}
	return "postgres"
}

func TestNamesAreCappedExactlyUnderConcurrentWriters(t *testing.T) {
	s := open(t, "postgres")
	s.maxSeries = 25
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for n := range 20 {
				e := entry(1000*w+n+1, 0, sentinel.SourceMeter)
				e.Model = fmt.Sprintf("m%d", (w*7+n*3)%60)
				if err := s.Write(t.Context(), []sentinel.Record{ofEntry(e)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n := count(t, s, `SELECT count(*) FROM sum_names WHERE kind = $1`, foldModel); n != 25 {
		t.Errorf("%d models have room, want 25", n)
	}
	if n := count(t, s, `SELECT count(*) FROM entries e WHERE (folded & 1 <> 0) = EXISTS (SELECT FROM sum_names n WHERE n.kind = 1 AND n.name = e.model)`); n != 0 {
		t.Errorf("%d entries are folded although their model has room, or the other way round", n)
	}
}
