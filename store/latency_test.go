package store

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// taken does in Go what Latency does in SQL, by model.
func taken(entries []sentinel.Entry, limit int) []LatencyRow {
	newest := slices.Clone(entries)
	slices.SortFunc(newest, func(a, b sentinel.Entry) int { return b.At.Compare(a.At) })
	newest = newest[:min(len(newest), limit)]
	groups, firsts, durations := map[string]*LatencyRow{"": {All: true}}, map[string][]time.Duration{}, map[string][]time.Duration{}
	for _, e := range newest {
		for _, key := range []string{e.Model, ""} {
			if groups[key] == nil {
				groups[key] = &LatencyRow{Key: key}
			}
			g := groups[key]
			g.Calls++
			g.Oldest = e.At // the last is the oldest
			switch {
			case e.Action.Refused():
				g.Refused++
				continue
			case e.Status == 429:
				g.Limited++
			case e.Status >= 500 || e.Status == 0:
				g.Failed++
			}
			if e.Unpriced() {
				g.Unpriced++
			}
			if durations[key] = append(durations[key], e.Duration); e.FirstByte > 0 {
				firsts[key] = append(firsts[key], e.FirstByte)
			}
		}
	}
	rank := func(list []time.Duration) (q [3]time.Duration) {
		slices.Sort(list)
		for i, p := range []float64{0.5, 0.95, 0.99} {
			if len(list) > 0 {
				q[i] = list[int(math.Ceil(p*float64(len(list))))-1]
			}
		}
		return q
	}
	var out []LatencyRow
	for key, g := range groups {
		g.FirstByte, g.Duration = rank(firsts[key]), rank(durations[key])
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b LatencyRow) int {
		if a.All != b.All {
			return map[bool]int{false: -1, true: 1}[a.All]
		}
		return cmp.Or(cmp.Compare(b.Calls, a.Calls), cmp.Compare(a.Key, b.Key))
	})
	return out
}

func TestLatencyIsOfTheNewestCallsThatWentOut(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		var entries []sentinel.Entry
		var records []sentinel.Record
		for n := range 400 {
			e := entry(n, 0, sentinel.SourceMeter)
			e.Model, e.Status, e.Duration, e.FirstByte = []string{"gpt-5", "gpt-5", "o3", "claude"}[n%4], 200, time.Duration(n*7919%1000)*time.Millisecond, time.Duration(n*104729%500)*time.Millisecond
			e.Action = sentinel.Allow
			switch {
			case n%4 == 3 || n%10 == 0:
				e.Action, e.Reason, e.Status, e.Duration = sentinel.Deny, sentinel.ReasonBudget, 429, time.Hour
			case n%11 == 0:
				e.Status = 503
			case n%13 == 0:
				e.Status, e.FirstByte = 0, 0
			case n%17 == 0:
				e.Status = 429
			case n%19 == 0:
				e.PriceVersion = sentinel.VersionFlat
			case n%23 == 0:
				e.PriceVersion = sentinel.VersionUnpriced
			}
			entries, records = append(entries, e), append(records, ofEntry(e))
		}
		if err := s.Write(t.Context(), records); err != nil {
			t.Fatal(err)
		}
		first, last := entries[0].At, entries[len(entries)-1].At
		for name, tt := range map[string]struct {
			q    LatencyQuery
			want []LatencyRow
		}{
			"all of them":       {LatencyQuery{By: "model", Limit: 1000}, taken(entries, 1000)},
			"the newest":        {LatencyQuery{By: "model", Limit: 57}, taken(entries, 57)},
			"of a time":         {LatencyQuery{By: "model", From: entries[20].At, To: entries[30].At, Limit: 1000}, taken(entries[20:30], 1000)},
			"of a model":        {LatencyQuery{By: "model", Filter: map[string]string{"model": "o3"}, Limit: 1000}, taken(slices.DeleteFunc(slices.Clone(entries), func(e sentinel.Entry) bool { return e.Model != "o3" }), 1000)},
			"without any calls": {LatencyQuery{By: "model", From: first.AddDate(-1, 0, 0), To: last.AddDate(-1, 0, 0)}, []LatencyRow{{All: true}}},
		} {
			got, err := s.Latency(t.Context(), tt.q)
			if diff := gocmp.Diff(tt.want, got); err != nil || diff != "" {
				t.Errorf("%s: error %v (-want +got)\n%s", name, err, diff)
			}
		}
		if _, err := s.Latency(t.Context(), LatencyQuery{By: "nothing"}); err == nil {
			t.Error("an unknown dimension is taken")
		}
	})
}

func TestATrendLooksAtTheNewestCallsOfEachSpan(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		from := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
		var records []sentinel.Record
		add := func(at time.Time, took time.Duration, action sentinel.Action) {
			e := entry(len(records), 0, sentinel.SourceMeter)
			e.At, e.Duration, e.FirstByte, e.Action = at, took, took/2, action
			e.ID = sentinel.CallIDOf(at, fmt.Sprint(len(records)))
			records = append(records, ofEntry(e))
		}
		for n := range 300 { // the newest 200 take a second, those before a minute
			add(from.Add(time.Duration(n)*time.Second), map[bool]time.Duration{true: time.Second, false: time.Minute}[n >= 100], sentinel.Allow)
		}
		add(from.Add(2*time.Hour+time.Minute), 3*time.Second, sentinel.Downgrade)
		add(from.Add(2*time.Hour+2*time.Minute), time.Hour, sentinel.Deny)
		add(from.Add(4*time.Hour), time.Second, sentinel.Allow) // past the end
		if err := s.Write(t.Context(), records); err != nil {
			t.Fatal(err)
		}
		all := func(d time.Duration) [3]time.Duration { return [3]time.Duration{d, d, d} }
		want := []LatencySpan{{from, spanSample, all(time.Second / 2), all(time.Second)}, {from.Add(2 * time.Hour), 1, all(3 * time.Second / 2), all(3 * time.Second)}}
		got, err := s.LatencyTrend(t.Context(), from, from.Add(4*time.Hour), time.Hour)
		if diff := gocmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("error %v (-want +got)\n%s", err, diff)
		}
		if _, err := s.LatencyTrend(t.Context(), from, from.Add(4*time.Hour), time.Minute); err == nil {
			t.Error("240 spans are read")
		}
	})
}
