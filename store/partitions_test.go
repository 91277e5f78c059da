package store

import (
	"math/rand/v2"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// cut are the tables that PostgreSQL has in months, besides the entries.
var cut = []string{"scores", "usage_1m", "usage_1h", "usage_1d"}

func scored(at time.Time) sentinel.Score {
	return sentinel.Score{At: at, Service: "app", Instance: "boot-1", Team: "core", Score: 0.95, Feature: "cost"}
}

// Sums and scores of two months are cut by month over their rows, put together again by the other half of the migration, and cut
// again; new months are made ahead, and rows that came before their month are moved into it.
func TestSumsAndScoresAreCutByMonth(t *testing.T) {
	s := open(t, "postgres")
	now := time.Now().UTC().Truncate(time.Minute)
	rs := spread(rand.New(rand.NewPCG(11, 12)), 1, 80)
	early := entry(900, 0, sentinel.SourceMeter)
	early.At = now.AddDate(0, 7, 0) // no month is made so far ahead
	if err := s.Write(t.Context(), append(rs, ofEntry(early))); err != nil {
		t.Fatal(err)
	}
	old := now.AddDate(0, -5, 0)
	if err := s.PutScores(t.Context(), []sentinel.Score{scored(old), scored(now)}); err != nil {
		t.Fatal(err)
	}
	refresh(t, s)
	sameSums(t, s, "cut by month")
	rows := map[string]int64{}
	for _, table := range cut {
		rows[table] = count(t, s, `SELECT count(*) FROM `+table)
		if n := count(t, s, `SELECT count(*) FROM `+table+`_default`); n == 0 {
			t.Errorf("no row of %s waits for its month", table)
		}
	}
	if n := count(t, s, `SELECT count(*) FROM scores_`+now.Format(byMonth)); n != 1 {
		t.Errorf("%d scores are in this month's partition, want that of now", n)
	}
	if err := s.Down(t.Context(), 142); err != nil {
		t.Fatal(err)
	}
	for _, table := range cut {
		if n := count(t, s, `SELECT count(*) FROM `+table); n != rows[table] || n == 0 {
			t.Errorf("%s has %d rows in one piece, and had %d in months", table, n, rows[table])
		}
		if n := count(t, s, `SELECT count(*) FROM pg_partitioned_table WHERE partrelid = $1::regclass`, table); n != 0 {
			t.Errorf("%s is still cut", table)
		}
	}
	sameSums(t, s, "in one piece")
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, table := range cut {
		if n, waiting := count(t, s, `SELECT count(*) FROM `+table), count(t, s, `SELECT count(*) FROM `+table+`_default`); n != rows[table] || waiting != 0 {
			t.Errorf("%s has %d rows in months, %d of them in none; it had %d", table, n, waiting, rows[table])
		}
	}
	sameSums(t, s, "cut again")
	if err := s.DropScores(t.Context(), now.AddDate(0, -3, 0)); err != nil {
		t.Fatal(err)
	}
	if n := count(t, s, `SELECT count(*) FROM pg_class WHERE relname = $1`, "scores_"+old.Format(byMonth)); n != 0 {
		t.Error("the month of the old score is still on the disk")
	}
	if n := count(t, s, `SELECT count(*) FROM scores`); n != 1 {
		t.Errorf("%d scores are left, want that of now", n)
	}
}

// A migration that has nothing to do with the sums does not sum the past again: that takes hours on a ledger of years.
func TestThePastIsSummedAgainOnlyWhereAMigrationMadeSums(t *testing.T) {
	s := open(t, "timescale")
	if count(t, s, `SELECT count(*) FROM timescaledb_information.continuous_aggregates`) == 0 {
		t.Skip("this build of TimescaleDB has no continuous aggregates")
	}
	if err := s.Write(t.Context(), spread(rand.New(rand.NewPCG(1, 2)), 1, 20)); err != nil {
		t.Fatal(err)
	}
	exec(t, s, `ALTER MATERIALIZED VIEW usage_1m SET (timescaledb.materialized_only = true)`)
	summed := func() int64 { return count(t, s, `SELECT count(*) FROM usage_1m`) }
	if n := summed(); n != 0 {
		t.Fatalf("%d sums are there before any refresh", n)
	}
	if err := s.Down(t.Context(), 142); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := summed(); n != 0 {
		t.Errorf("%d sums were made by a migration of other tables", n)
	}
	if err := s.Down(t.Context(), 130); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	exec(t, s, `ALTER MATERIALIZED VIEW usage_1m SET (timescaledb.materialized_only = true)`)
	if n := summed(); n == 0 {
		t.Error("no sums of the past were made by the migration that made the aggregates anew")
	}
}
