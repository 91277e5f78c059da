package store

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// refresh brings the sums up to date on both kinds of server; PGlite has no background workers that would follow the policies.
func refresh(t testing.TB, s *Store) {
	t.Helper()
	if !s.Timescale() {
		if _, err := s.RefreshUsage(t.Context()); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, name := range []string{"usage_1m", "usage_1h", "usage_1d"} {
		exec(t, s, `CALL refresh_continuous_aggregate('`+name+`', NULL, NULL)`)
	}
}

// spread are entries over some days, of both teams, some refused, some estimated.
func spread(rng *rand.Rand, from, to int) (rs []sentinel.Record) {
	for n := from; n < to; n++ {
		e := entry(n, 0, sentinel.SourceMeter)
		if n%5 == 0 {
			e = entry(n, 0, sentinel.SourceReconciler)
		}
		if n%7 == 0 {
			e.Action, e.Reason = sentinel.Throttle, sentinel.ReasonRate
		}
		e.At = noon.Add(time.Duration(rng.Int64N(int64(3 * 24 * time.Hour)))).Truncate(time.Microsecond)
		e.Model = fmt.Sprintf("model-%d", n%3)
		e.Caller.Tags = [...]string{"", "env=prod", "cost_center=7,env=dev"}[n%3]
		rs = append(rs, ofEntry(e))
	}
	return rs
}

// sameSums compares every way of summing with the entries themselves.
func sameSums(t *testing.T, s *Store, when string) {
	t.Helper()
	day := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	for name, q := range map[string]UsageQuery{
		"all":              {},
		"by two":           {By: []string{"team", "model"}},
		"by tag":           {By: []string{"tag.env", "team"}},
		"of a tag":         {By: []string{"service"}, Filter: map[string]string{"tag.cost_center": "7"}},
		"by verdict":       {By: []string{"action", "provider"}},
		"by hour":          {By: []string{"hour"}},
		"by day of some":   {By: []string{"day", "service"}, Among: map[string][]string{"service": {"checkout", "mailer"}}},
		"by day of a team": {By: []string{"day", "service"}, Filter: map[string]string{"team": "growth"}},
		"one day":          {By: []string{"model"}, From: day, To: day.AddDate(0, 0, 1)},
		"some hours":       {By: []string{"endpoint"}, From: day.Add(3 * time.Hour), To: day.Add(8 * time.Hour)},
		"some minutes":     {By: []string{"tier"}, From: day.Add(7 * time.Minute), To: day.Add(991 * time.Minute)},
	} {
		want, err := s.Usage(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		q.Rolled = true
		got, err := s.Usage(t.Context(), q)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%s, %s: rolled usage error %v, (-entries +sums)\n%s", when, name, err, diff)
		}
	}
}

func TestSumsEqualTheEntriesAfterLateRows(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		rng := rand.New(rand.NewPCG(1, 2))
		write := func(rs []sentinel.Record) {
			t.Helper()
			if err := s.Write(t.Context(), rs); err != nil {
				t.Fatal(err)
			}
		}
		first := spread(rng, 1, 200)
		write(first)
		refresh(t, s)
		sameSums(t, s, "after the first rows")

		write(spread(rng, 200, 300)) // into minutes, hours and days that were summed already
		refresh(t, s)
		sameSums(t, s, "after late rows")

		for _, r := range first { // a better witness supersedes, and a repetition changes nothing
			if r.Entry.Source != sentinel.SourceMeter {
				r.Entry.Source, r.Entry.Method, r.Entry.Cost = sentinel.SourceMeter, "", 12345
			}
		}
		write(first)
		write(first)
		refresh(t, s)
		sameSums(t, s, "after better witnesses")

		exec(t, s, `DELETE FROM entries WHERE service = 'checkout' AND ts < $1`, noon.Add(20*time.Hour))
		refresh(t, s)
		sameSums(t, s, "after a deletion")
	})
}

// A change that is committed while a refresh runs must keep its marker.
func TestSumsAreExactUnderConcurrentWriters(t *testing.T) {
	s := open(t, "postgres")
	done := make(chan error)
	for w := range 3 {
		go func() {
			rng := rand.New(rand.NewPCG(9, uint64(w)))
			for n := range 40 {
				if err := s.Write(t.Context(), spread(rng, 1000*w+7*n+1, 1000*w+7*n+8)); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for left := 3; left > 0; {
		select {
		case err := <-done:
			if left--; err != nil {
				t.Fatal(err)
			}
		default:
			refresh(t, s)
		}
	}
	refresh(t, s)
	sameSums(t, s, "after concurrent writes")
	if n, err := s.RefreshUsage(t.Context()); n != 0 || err != nil {
		t.Errorf("a refresh of an unchanged ledger = %d minutes, %v", n, err)
	}
}

func TestEveryUnitIsSummed(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		for _, table := range []string{"usage_1m", "usage_1h", "usage_1d"} {
			for u := range sentinel.Unit(sentinel.UnitCount) {
				count(t, s, `SELECT coalesce(sum(`+u.String()+`), 0)::bigint FROM `+table)
			}
		}
	})
}

func TestRolledUsageSaysWhatItCannotAnswer(t *testing.T) {
	for name, q := range map[string]UsageQuery{
		"a dimension that is not kept": {By: []string{"reason"}, Rolled: true},
		"a filter that is not kept":    {Filter: map[string]string{"source": "meter"}, Rolled: true},
		"half a minute":                {From: noon, Rolled: true},
	} {
		if sql, _, err := q.build(); err == nil {
			t.Errorf("%s: %+v = %s, want an error", name, q, sql)
		}
	}
}

func TestTheLedgerIsKeptUnlessARetentionIsSet(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		jobs := func() int64 {
			return count(t, s, `SELECT count(*) FROM timescaledb_information.jobs WHERE hypertable_name = 'entries' AND proc_name = 'policy_retention'`)
		}
		old, young := entry(1, 0, sentinel.SourceMeter), entry(2, 0, sentinel.SourceMeter)
		old.At = time.Now().UTC().AddDate(0, -7, 0).Truncate(time.Microsecond)
		young.At = time.Now().UTC().Truncate(time.Microsecond)
		if !s.Timescale() { // Migrate makes the months from the last one on
			if err := s.ensurePartition(t.Context(), entriesByMonth, old.At); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Write(t.Context(), []sentinel.Record{ofEntry(old), ofEntry(young)}); err != nil {
			t.Fatal(err)
		}
		refresh(t, s)
		rows := func() int64 { return count(t, s, `SELECT count(*) FROM entries`) }
		for range 2 {
			if err := s.Keep(t.Context(), Keeping{}); err != nil {
				t.Fatal(err)
			}
		}
		if s.Timescale() && jobs() != 0 || rows() != 2 {
			t.Error("without a retention the ledger is not kept")
		}
		keep := Keeping{Retention: 100 * 24 * time.Hour, CompressAfter: 48 * time.Hour}
		for range 2 {
			if err := s.Keep(t.Context(), keep); err != nil {
				t.Fatal(err)
			}
		}
		if s.Timescale() {
			if jobs() != 1 {
				t.Error("a retention sets no policy")
			}
			return
		}
		if rows() != 1 {
			t.Errorf("%d rows are left, want the young one", rows())
		}
		if got := count(t, s, `SELECT sum(calls)::bigint FROM usage_1d`); got != 2 {
			t.Errorf("the sums count %d calls after the deletion, want 2", got)
		}
	})
	if err := (Keeping{Retention: time.Hour, CompressAfter: time.Hour}).Validate(); err == nil {
		t.Error("a retention of an hour is not refused")
	}
}

func TestOnePoisonRowAmongTenThousandParksAlone(t *testing.T) {
	s := open(t, "postgres")
	exec(t, s, `ALTER TABLE entries ADD CONSTRAINT sane CHECK (model <> 'poison')`)
	const rows = 10_000
	var rs []sentinel.Record
	for n := range rows {
		e := entry(n, 0, sentinel.SourceMeter)
		if n == 6_173 {
			e.Model = "poison"
		}
		rs = append(rs, ofEntry(e))
	}
	if err := s.Write(t.Context(), rs); err != nil {
		t.Fatal(err)
	}
	if landed, parked := count(t, s, `SELECT count(*) FROM entries`), count(t, s, `SELECT count(*) FROM parked`); landed != rows-1 || parked != 1 {
		t.Errorf("%d rows landed and %d are parked, want %d and 1", landed, parked, rows-1)
	}
}
