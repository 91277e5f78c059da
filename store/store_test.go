package store

import (
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func TestEveryFieldComesBack(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		e, i := entry(1, 2, sentinel.SourceMeter), intent(2, "boot-1")
		i.Attempt = 3
		if err := s.Write(t.Context(), []sentinel.Record{ofEntry(e), ofIntent(i)}); err != nil {
			t.Fatal(err)
		}
		entries, err := s.Entries(t.Context(), EntryQuery{})
		if diff := cmp.Diff([]sentinel.Entry{e}, entries); err != nil || diff != "" {
			t.Errorf("Entries() error %v, (-want +got)\n%s", err, diff)
		}
		intents, err := s.Pending(t.Context(), PendingQuery{Instance: "boot-1", OwnBefore: noon.Add(time.Hour)})
		if diff := cmp.Diff([]sentinel.Intent{i}, intents); err != nil || diff != "" {
			t.Errorf("Pending() error %v, (-want +got)\n%s", err, diff)
		}
	})
}

func TestTheServerDecidesTheKindOfTable(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		wantTimescale := strings.HasSuffix(t.Name(), "timescale")
		if s.Timescale() != wantTimescale {
			t.Errorf("Timescale() = %v, want %v", s.Timescale(), wantTimescale)
		}
		if wantTimescale {
			if n := count(t, s, `SELECT count(*) FROM timescaledb_information.hypertables WHERE hypertable_name = 'entries' AND compression_enabled`); n != 1 {
				t.Error("entries is not a hypertable with compression")
			}
			if n := count(t, s, `SELECT count(*) FROM timescaledb_information.jobs WHERE hypertable_name = 'entries'`); n != 1 {
				t.Errorf("entries has %d policies, want compression alone: the ledger is kept", n)
			}
			return
		}
		if n := count(t, s, `SELECT count(*) FROM pg_inherits WHERE inhparent = 'entries'::regclass`); n < 6 {
			t.Errorf("entries has %d partitions, want the last month, this one, three ahead and the default", n)
		}
	})
}

func TestMigrationsGoUpAndDownAndAreConcurrent(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		current, latest, err := s.Version(t.Context())
		if err != nil || current != latest || latest == 0 {
			t.Fatalf("Version() after Migrate = %d, %d, %v", current, latest, err)
		}
		if err := s.Down(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		if err := s.Write(t.Context(), []sentinel.Record{ofEntry(entry(1, 0, sentinel.SourceMeter))}); !errors.Is(err, ErrNotMigrated) {
			t.Errorf("Write() without tables = %v, want %v", err, ErrNotMigrated)
		}
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if _, err := s.Migrate(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if current, latest, err := s.Version(t.Context()); err != nil || current != latest {
			t.Errorf("Version() = %d, %d, %v", current, latest, err)
		}
		if applied, err := s.Migrate(t.Context()); err != nil || len(applied) != 0 {
			t.Errorf("a second Migrate() = %v, %v", applied, err)
		}
	})
}

func TestPartitionsTakeOverRowsOfTheDefault(t *testing.T) {
	s := open(t, "postgres")
	e := entry(1, 0, sentinel.SourceMeter)
	e.At = time.Now().UTC().AddDate(0, partitionsAhead+4, 0).Truncate(time.Microsecond)
	if err := s.Write(t.Context(), []sentinel.Record{ofEntry(e)}); err != nil {
		t.Fatal(err)
	}
	if n := count(t, s, `SELECT count(*) FROM entries_default`); n != 1 {
		t.Fatalf("the default partition has %d rows, want 1", n)
	}
	for range 2 {
		if err := s.EnsurePartitions(t.Context(), e.At); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, s, `SELECT count(*) FROM entries_default`); n != 0 {
		t.Errorf("the default partition still has %d rows", n)
	}
	e.Cost, e.Source = 7, sentinel.SourceMeter
	got, err := s.Entries(t.Context(), EntryQuery{})
	if err != nil || len(got) != 1 || got[0].Cost == 7 {
		t.Errorf("Entries() = %v, %v", got, err)
	}
	if err := s.EnsurePartitions(t.Context(), e.At.AddDate(1000, 0, 0)); err == nil {
		t.Error("EnsurePartitions() a thousand years ahead is not refused")
	}
}

func TestARefusedRowIsParkedAndTheOthersLand(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		exec(t, s, `ALTER TABLE entries ADD CONSTRAINT sane CHECK (model <> 'poison')`)
		var rs []sentinel.Record
		for n := range 40 {
			e := entry(n, 0, sentinel.SourceMeter)
			if n == 17 || n == 31 {
				e.Model = "poison"
			}
			rs = append(rs, ofEntry(e))
		}
		early := intent(50, "boot-1")
		early.At = time.Date(-5000, 1, 1, 0, 0, 0, 0, time.UTC) // before PostgreSQL's first day
		rs = append(rs, ofIntent(early), ofIntent(intent(51, "boot-1")))
		for range 2 {
			if err := s.Write(t.Context(), rs); err != nil {
				t.Fatal(err)
			}
		}
		for sql, want := range map[string]int64{
			`SELECT count(*) FROM entries`:                                                     38,
			`SELECT count(*) FROM intents`:                                                     1,
			`SELECT count(*) FROM parked WHERE kind = 'entry' AND error ~ 'sane'`:              2,
			`SELECT count(*) FROM parked WHERE kind = 'entry' AND record ~ '"Model":"poison"'`: 2,
			`SELECT count(*) FROM parked WHERE kind = 'intent' AND error ~ 'timestamp out of'`: 1,
			`SELECT count(*) FROM parked WHERE length(record) > 100 AND call_id IS NOT NULL`:   3,
		} {
			if n := count(t, s, sql); n != want {
				t.Errorf("%s = %d, want %d", sql, n, want)
			}
		}
	})
}

func TestHostileTextIsCleaned(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		e := entry(1, 0, sentinel.SourceMeter)
		e.Model, e.Caller.Team = "a\x00b\xff'; DROP TABLE entries; --", strings.Repeat("é", 5000)
		if err := s.Write(t.Context(), []sentinel.Record{ofEntry(e)}); err != nil {
			t.Fatal(err)
		}
		got, err := s.Entries(t.Context(), EntryQuery{})
		if err != nil || len(got) != 1 || got[0].Model != "ab\uFFFD'; DROP TABLE entries; --" || got[0].Caller.Team != e.Caller.Team {
			t.Errorf("Entries() = %+v, %v", got, err)
		}
	})
}

func TestExtremeNumbersAreExact(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		e := entry(1, math.MaxInt16, sentinel.SourceMeter)
		e.Cost, e.Usage[sentinel.InputTokens] = math.MaxInt64, math.MinInt64
		if err := s.Write(t.Context(), []sentinel.Record{ofEntry(e)}); err != nil {
			t.Fatal(err)
		}
		got, err := s.Entries(t.Context(), EntryQuery{CallID: e.ID})
		if diff := cmp.Diff([]sentinel.Entry{e}, got); err != nil || diff != "" {
			t.Errorf("Entries() error %v, (-want +got)\n%s", err, diff)
		}
		e2 := entry(2, 0, sentinel.SourceMeter)
		if err := s.Write(t.Context(), []sentinel.Record{ofEntry(e2)}); err != nil {
			t.Fatal(err)
		}
		if rows, err := s.Usage(t.Context(), UsageQuery{}); err == nil {
			t.Errorf("a sum above 64 bits = %+v, want an error", rows)
		}
	})
}

func TestPendingSeesOwnAndDeadProcesses(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		for _, instance := range []string{"me", "alive", "silent"} {
			if err := s.Beat(t.Context(), instance, Spool{ID: uuid.NewString()}); err != nil {
				t.Fatal(err)
			}
		}
		exec(t, s, `UPDATE instances SET beat = now() - INTERVAL '31 s' WHERE instance = 'silent'`)
		owners := []string{"me", "me", "alive", "silent", "never seen", "silent"}
		var rs []sentinel.Record
		for n, owner := range owners {
			rs = append(rs, ofIntent(intent(n, owner)))
		}
		rs = append(rs, ofIntent(intent(10, "me")), ofEntry(entry(10, 0, sentinel.SourceMeter)))
		if err := s.Write(t.Context(), rs); err != nil {
			t.Fatal(err)
		}
		second := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Second) }
		for name, tt := range map[string]struct {
			query PendingQuery
			want  []int64 // seconds after noon
		}{
			"own, strictly older":  {PendingQuery{Instance: "me", OwnBefore: second(1)}, []int64{0}},
			"the dead as well":     {PendingQuery{Instance: "me", OwnBefore: second(60), OthersBefore: second(5)}, []int64{0, 1, 3, 4}},
			"a limit, oldest kept": {PendingQuery{Instance: "me", OwnBefore: second(60), OthersBefore: second(60), Limit: 2}, []int64{0, 1}},
			"nobody's own":         {PendingQuery{Instance: "new", OwnBefore: second(60)}, nil},
		} {
			intents, err := s.Pending(t.Context(), tt.query)
			if err != nil {
				t.Fatal(err)
			}
			var got []int64
			for _, i := range intents {
				got = append(got, int64(i.At.Sub(noon)/time.Second))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s: Pending(%+v) (-want +got)\n%s", name, tt.query, diff)
			}
		}
		provider := intent(0, "me").Provider
		for name, tt := range map[string]struct {
			provider string
			before   time.Time
			want     bool
		}{
			"began before":     {provider, second(1), true},
			"began then":       {provider, noon, false},
			"another provider": {"nobody", second(60), false},
		} {
			if got, err := s.RunningBefore(t.Context(), tt.provider, tt.before); err != nil || got != tt.want {
				t.Errorf("%s: RunningBefore is %v, %v", name, got, err)
			}
		}
	})
}

func TestOpenHidesThePassword(t *testing.T) {
	for name, dsn := range map[string]string{
		"empty":        "",
		"no server":    "postgres://u:canary@127.0.0.1:1/db",
		"a bad port":   "postgres://u:canary@127.0.0.1:port/db",
		"a bad option": "postgres://u:canary@127.0.0.1:1/db?sslmode=canary-mode-x",
		"a bad escape": "postgres://u:canary%zz@127.0.0.1:1/db",
	} {
		s, err := Open(t.Context(), Options{DSN: sentinel.NewSecret(dsn)})
		if err == nil {
			s.Close()
			t.Errorf("%s: Open() succeeds", name)
			continue
		}
		if strings.Contains(strings.ReplaceAll(err.Error(), "canary-mode-x", ""), "canary") {
			t.Errorf("%s: Open() tells the password: %v", name, err)
		}
	}
}
