package store

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Rows that are late by more than the age of compression land in compressed chunks, and better witnesses replace rows there.
func TestLateRowsLandInCompressedChunks(t *testing.T) {
	s := open(t, "timescale")
	rng := rand.New(rand.NewPCG(5, 6))
	first := spread(rng, 1, 100)
	if err := s.Write(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	refresh(t, s)
	exec(t, s, `SELECT compress_chunk(c) FROM show_chunks('entries') c`)
	if n := count(t, s, `SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_name = 'entries' AND is_compressed`); n < 3 {
		t.Fatalf("%d chunks are compressed, want those of three days at least", n)
	}
	if err := s.Write(t.Context(), spread(rng, 100, 150)); err != nil {
		t.Fatal(err)
	}
	better := 0
	for _, r := range first {
		if r.Entry.Source != sentinel.SourceMeter {
			r.Entry.Source, r.Entry.Method, r.Entry.Cost = sentinel.SourceMeter, "", 777
			better++
		}
	}
	for range 2 { // the second changes nothing
		if err := s.Write(t.Context(), first); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, s, `SELECT count(*) FROM entries`); n != 149 {
		t.Errorf("%d entries, want 149", n)
	}
	if n := count(t, s, `SELECT count(*) FROM entries WHERE cost_nusd = 777`); n != int64(better) || better == 0 {
		t.Errorf("%d entries were replaced by a better witness, want %d", n, better)
	}
	if n := count(t, s, `SELECT count(*) FROM parked`); n != 0 {
		t.Errorf("%d rows are parked", n)
	}
	refresh(t, s)
	sameSums(t, s, "after late rows in compressed chunks")
}

// A refresh that dies in the middle leaves its work to the next one.
func TestSumsSurviveTheDeathOfARefresh(t *testing.T) {
	s := open(t, "postgres")
	if err := s.Write(t.Context(), spread(rand.New(rand.NewPCG(7, 8)), 1, 200)); err != nil {
		t.Fatal(err)
	}
	marks := count(t, s, `SELECT count(*) FROM usage_changed`)
	blocker, err := s.pool.Begin(t.Context()) // the refresh waits for it, after it has taken its marks and summed minutes
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = blocker.Rollback(context.Background()) }()
	if _, err := blocker.Exec(t.Context(), `LOCK TABLE usage_1h IN EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	died := make(chan error)
	go func() { _, err := s.RefreshUsage(t.Context()); died <- err }()
	const victim = `SELECT coalesce(max(pid), 0) FROM pg_stat_activity WHERE query LIKE 'SELECT refresh_usage%' AND wait_event_type = 'Lock'`
	var pid int64
	for pid == 0 {
		pid = count(t, s, victim)
	}
	exec(t, s, `SELECT pg_terminate_backend($1::int)`, pid)
	if err := <-died; err == nil {
		t.Fatal("the refresh whose connection was killed succeeds")
	}
	if err := blocker.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := count(t, s, `SELECT count(*) FROM usage_changed`); n != marks {
		t.Errorf("%d marks are left of %d", n, marks)
	}
	refresh(t, s)
	sameSums(t, s, "after a refresh that died")
}

// Every migration is undone and done again over a ledger that has rows. What a migration's own columns held is gone with them; the
// calls and their cost are not.
func TestMigrationsKeepTheRowsOfTheLedger(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		rs := spread(rand.New(rand.NewPCG(3, 9)), 1, 60)
		if err := s.Write(t.Context(), append(rs, ofIntent(intent(99, "boot-1")))); err != nil {
			t.Fatal(err)
		}
		rows, cost := count(t, s, `SELECT count(*) FROM entries`), count(t, s, `SELECT sum(cost_nusd)::bigint FROM entries`)
		files, err := migrations.ReadDir("migrations")
		if err != nil {
			t.Fatal(err)
		}
		for i := len(files) - 2; i >= 0; i-- { // the first makes the ledger itself
			var version int64
			for _, digit := range strings.SplitN(files[i].Name(), "_", 2)[0] {
				version = version*10 + int64(digit-'0')
			}
			if err := s.Down(t.Context(), version); err != nil {
				t.Fatalf("down to %s: %v", files[i].Name(), err)
			}
			if n, sum := count(t, s, `SELECT count(*) FROM entries`), count(t, s, `SELECT sum(cost_nusd)::bigint FROM entries`); n != rows || sum != cost {
				t.Errorf("down to %s: %d entries for %d, want %d for %d", files[i].Name(), n, sum, rows, cost)
			}
		}
		if _, err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := count(t, s, `SELECT count(*) FROM intents`); n != 1 {
			t.Errorf("%d open calls, want 1", n)
		}
		refresh(t, s)
		sameSums(t, s, "after every migration was undone and done again")
		late := entry(500, 0, sentinel.SourceMeter)
		late.At = noon.Add(time.Minute)
		if err := s.Write(t.Context(), append(rs, ofEntry(late))); err != nil {
			t.Fatal(err)
		}
		if n := count(t, s, `SELECT count(*) FROM entries`); n != rows+1 {
			t.Errorf("%d entries after the same rows and one more, want %d", n, rows+1)
		}
	})
}
