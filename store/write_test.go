package store

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	sentinel "github.com/saas-sentinel/saas-sentinel"
	"pgregory.net/rapid"
)

// scenario is a set of records and, worked out from the set alone, the ledger that it must give.
type scenario struct {
	records []sentinel.Record
	entries []sentinel.Entry  // newest first
	intents []sentinel.Intent // oldest first
}

func drawScenario(rt *rapid.T) (sc scenario) {
	for n := range rapid.IntRange(0, 8).Draw(rt, "calls") {
		var finals []sentinel.Entry
		var last *sentinel.Intent
		for attempt := range int16(2) {
			if rapid.Bool().Draw(rt, "intent") {
				i := intent(n, "boot-1")
				i.Attempt, i.BoundCost = attempt, i.BoundCost+sentinel.NanoUSD(attempt)
				sc.records, last = append(sc.records, ofIntent(i)), &i
			}
			var best *sentinel.Entry
			for source := sentinel.SourceReconciler; source <= sentinel.SourceMeter; source++ {
				if rapid.Bool().Draw(rt, "entry") {
					e := entry(n, attempt, source)
					sc.records, best = append(sc.records, ofEntry(e)), &e
				}
			}
			if best != nil {
				finals = append(finals, *best)
			}
		}
		sc.entries = append(sc.entries, finals...)
		if last != nil && (len(finals) == 0 || finals[len(finals)-1].Attempt < last.Attempt) {
			sc.intents = append(sc.intents, *last)
		}
	}
	slices.Reverse(sc.entries)
	return sc
}

// writes repeats some records, shuffles them all, and splits them.
func (sc scenario) writes(rt *rapid.T) (parts [][]sentinel.Record) {
	all := slices.Clone(sc.records)
	if len(all) > 0 {
		all = append(all, rapid.SliceOfN(rapid.SampledFrom(sc.records), 0, 20).Draw(rt, "again")...)
		all = rapid.Permutation(all).Draw(rt, "order")
	}
	for len(all) > 0 {
		n := rapid.IntRange(1, len(all)).Draw(rt, "part")
		parts, all = append(parts, all[:n]), all[n:]
	}
	return parts
}

func TestAnyOrderRepetitionAndSplitGivesTheSameLedger(t *testing.T) {
	for _, name := range []string{"postgres", "timescale"} {
		t.Run(name, func(t *testing.T) {
			s := open(t, name)
			s.rows = 3 // so that one write takes several batches
			ctx := t.Context()
			rapid.Check(t, func(rt *rapid.T) {
				exec(t, s, `DELETE FROM entries`)
				exec(t, s, `DELETE FROM intents`)
				sc := drawScenario(rt)
				for _, part := range sc.writes(rt) {
					if err := s.Write(ctx, part); err != nil {
						rt.Fatal(err)
					}
				}
				entries, err := s.Entries(ctx, EntryQuery{})
				if diff := cmp.Diff(sc.entries, entries, cmpopts.EquateEmpty()); err != nil || diff != "" {
					rt.Fatalf("entries: error %v, (-want +got)\n%s", err, diff)
				}
				intents, err := s.Pending(ctx, PendingQuery{Instance: "boot-1", OwnBefore: noon.AddDate(1, 0, 0)})
				if diff := cmp.Diff(sc.intents, intents, cmpopts.EquateEmpty()); err != nil || diff != "" {
					rt.Fatalf("intents: error %v, (-want +got)\n%s", err, diff)
				}
				if n := count(t, s, `SELECT count(*) FROM intents`); n != int64(len(sc.intents)) {
					rt.Fatalf("%d rows of intents, want %d: one that is never deleted is looked at for ever", n, len(sc.intents))
				}
			})
		})
	}
}

// Replicas that write the same records in different orders neither deadlock nor double them.
func TestConcurrentWritersAgree(t *testing.T) {
	s := open(t, "postgres")
	var rs []sentinel.Record
	for n := range 300 {
		rs = append(rs, ofEntry(entry(n, 0, sentinel.SourceMeter)), ofEntry(entry(n, 0, sentinel.SourceReconciler)))
	}
	var all sync.WaitGroup
	for i := range 6 {
		mine := slices.Clone(rs)
		if i%2 == 1 {
			slices.Reverse(mine)
		}
		all.Go(func() {
			for part := range slices.Chunk(mine, 97) {
				if err := s.Write(t.Context(), part); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n := count(t, s, `SELECT count(*) FROM entries WHERE source = $1`, sentinel.SourceMeter); n != 300 {
		t.Errorf("%d metered entries, want 300", n)
	}
	if n := count(t, s, `SELECT count(*) FROM entries`); n != 300 {
		t.Errorf("%d entries, want 300", n)
	}
}

// The process that judges a call writes its intent, another one its entry. In the moment before the commits neither sees the other's row.
func TestSweepRemovesIntentsThatTheirEntriesMissed(t *testing.T) {
	s := open(t, "postgres")
	tx, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	var judged, metered []sentinel.Record
	for n := range 3 {
		judged = append(judged, ofIntent(intent(n, "boot-1")))
	}
	metered = append(metered, ofEntry(entry(0, 0, sentinel.SourceMeter)), ofEntry(entry(2, 0, sentinel.SourceMeter)))
	if err := s.Write(context.WithValue(t.Context(), transaction{}, tx), judged); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(t.Context(), metered); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := count(t, s, `SELECT count(*) FROM intents`); n != 3 {
		t.Fatalf("%d intents after the race, want all 3", n)
	}
	for _, tt := range []struct {
		before  time.Time
		removed int64
		left    int64
	}{{noon, 0, 3}, {noon.Add(2 * time.Second), 1, 2}, {noon.Add(time.Hour), 1, 1}} {
		removed, err := s.Sweep(t.Context(), tt.before)
		if left := count(t, s, `SELECT count(*) FROM intents`); err != nil || removed != tt.removed || left != tt.left {
			t.Errorf("Sweep(%s) = %d, %v, and %d intents are left; want %d and %d", tt.before, removed, err, left, tt.removed, tt.left)
		}
	}
	pending, err := s.Pending(t.Context(), PendingQuery{Instance: "boot-1", OwnBefore: noon.Add(time.Hour)})
	if err != nil || len(pending) != 1 || pending[0].ID != intent(1, "boot-1").ID {
		t.Errorf("after the sweep %d calls are pending (%v), want the one without an entry", len(pending), err)
	}
}

func TestAWriteThatIsCancelledSaysSo(t *testing.T) {
	s := open(t, "postgres")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Write(ctx, []sentinel.Record{ofEntry(entry(1, 0, sentinel.SourceMeter))}); err == nil {
		t.Error("Write() with a cancelled context succeeds")
	}
	if n := count(t, s, `SELECT count(*) FROM parked`); n != 0 {
		t.Errorf("a cancelled write parked %d records", n)
	}
}

// BenchmarkWrite compares Write with a bare COPY of the same rows into the same table.
func BenchmarkWrite(b *testing.B) {
	const rows = 5000
	for name, write := range map[string]func(*Store, []sentinel.Record, []*sentinel.Entry) error{
		"unnest": func(s *Store, rs []sentinel.Record, _ []*sentinel.Entry) error { return s.Write(b.Context(), rs) },
		"copy":   func(s *Store, _ []sentinel.Record, es []*sentinel.Entry) error { return copyIn(b.Context(), s, es) },
	} {
		b.Run(name, func(b *testing.B) {
			s := open(b, "postgres")
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				b.StopTimer()
				var rs []sentinel.Record
				var es []*sentinel.Entry
				for range rows {
					e := entry(n, 0, sentinel.SourceMeter)
					e.At = noon.AddDate(0, 0, n%20).Add(e.At.Sub(noon) % 1e12)
					rs, es, n = append(rs, ofEntry(e)), append(es, &e), n+1
				}
				b.StartTimer()
				if err := write(s, rs, es); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

func copyIn(ctx context.Context, s *Store, es []*sentinel.Entry) error {
	var columns []string
	var fields []func(*sentinel.Entry) any
	for _, c := range entryColumns {
		columns = append(columns, c.name)
		fields = append(fields, c.target)
	}
	got, err := s.pool.CopyFrom(ctx, pgx.Identifier{"entries"}, columns, pgx.CopyFromSlice(len(es), func(i int) ([]any, error) {
		values := make([]any, len(fields))
		for j, f := range fields {
			values[j] = f(es[i])
			if a, ok := values[j].(actionText); ok {
				values[j] = a.to.String()
			}
		}
		return values, nil
	}))
	if err == nil && got != int64(len(es)) {
		err = fmt.Errorf("copied %d of %d", got, len(es))
	}
	return err
}
