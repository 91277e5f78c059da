package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// partitioning is how a table is cut into native partitions, where there is no TimescaleDB that makes chunks of it.
type partitioning struct {
	table, column string
	layout        string // of the time that names a partition: as fine as the cut
}

const (
	byMonth = "2006_01"
	byDay   = "2006_01_02"
)

// monthly are the tables whose partitions are made ahead.
var monthly = []partitioning{entriesByMonth, scoresByMonth, {"usage_1m", "bucket", byMonth}, {"usage_1h", "bucket", byMonth}, {"usage_1d", "bucket", byMonth}}

var (
	entriesByMonth = partitioning{"entries", "ts", byMonth}
	scoresByMonth  = partitioning{"scores", "ts", byMonth}
)

// bodiesByDay has a partition for each day on which some expire, made when the first of them comes.
var bodiesByDay = partitioning{"bodies", "expires", byDay}

// maxPartitions bounds one EnsurePartitions of one table.
const maxPartitions = 60

// around gives the bounds of the partition that a time is in.
func (p partitioning) around(at time.Time) (from, to time.Time) {
	at = at.UTC()
	if p.layout == byDay {
		from = time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.UTC)
		return from, from.AddDate(0, 0, 1)
	}
	from = time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
	return from, from.AddDate(0, 1, 0)
}

// firstOfMonth is when this month began.
func firstOfMonth() time.Time {
	from, _ := partitioning{layout: byMonth}.around(time.Now())
	return from
}

func (p partitioning) name(from time.Time) string { return p.table + "_" + from.Format(p.layout) }

// EnsurePartitions makes the native partitions of every month from the last one to until, and moves rows
// that had to wait in the default partition. Call it daily. With TimescaleDB, chunks make themselves.
func (s *Store) EnsurePartitions(ctx context.Context, until time.Time) error {
	for _, p := range monthly {
		native, err := s.native(ctx, p)
		if err != nil {
			return explain("ensure partitions", err)
		}
		if !native {
			continue
		}
		month, next := p.around(firstOfMonth().AddDate(0, -1, 0))
		if until.After(month.AddDate(0, maxPartitions, 0)) {
			return fmt.Errorf("ensure partitions until %s: more than %d months", until.Format("2006-01"), maxPartitions)
		}
		for ; !month.After(until); month, next = p.around(next) {
			if err := s.ensurePartition(ctx, p, month); err != nil {
				return fmt.Errorf("ensure partition %s: %w", p.name(month), err)
			}
		}
	}
	return nil
}

// native tells whether a table is cut into native partitions.
func (s *Store) native(ctx context.Context, p partitioning) (native bool, err error) {
	err = s.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = to_regclass($1))`, p.table).Scan(&native)
	return native, err
}

// ensurePartition makes the partition that a time is in, with the rows of it that are in the default one.
func (s *Store) ensurePartition(ctx context.Context, p partitioning, at time.Time) error {
	from, to := p.around(at)
	name, low, high := p.name(from), from.Format(time.RFC3339), to.Format(time.RFC3339)
	return s.alone(ctx, func(tx pgx.Tx) error {
		var there bool
		if err := tx.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, name).Scan(&there); err != nil || there {
			return err
		}
		for _, statement := range []string{
			`CREATE TABLE ` + name + ` (LIKE ` + p.table + ` INCLUDING ALL)`,
			`WITH moved AS (DELETE FROM ` + p.table + `_default WHERE ` + p.column + ` >= '` + low + `' AND ` + p.column + ` < '` + high + `' RETURNING *)
				INSERT INTO ` + name + ` SELECT * FROM moved`,
			`ALTER TABLE ` + p.table + ` ATTACH PARTITION ` + name + ` FOR VALUES FROM ('` + low + `') TO ('` + high + `')`,
		} {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
}

// dropPartitions deletes the partitions that ended before a time.
func (s *Store) dropPartitions(ctx context.Context, p partitioning, before time.Time) error {
	rows, err := s.pool.Query(ctx, `SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = to_regclass($1) ORDER BY 1`, p.table)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names { // one that reads as a time has nothing to quote
		from, err := time.Parse(p.table+"_"+p.layout, name)
		if err != nil {
			continue
		}
		if _, to := p.around(from); to.After(before) {
			continue
		}
		if err := s.alone(ctx, func(tx pgx.Tx) error { return execIn(ctx, tx, `DROP TABLE IF EXISTS `+name) }); err != nil {
			return err
		}
	}
	return nil
}

// alone makes a change of the schema while no other process makes one.
func (s *Store) alone(ctx context.Context, change func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if err := execIn(ctx, tx, `SELECT pg_advisory_xact_lock($1)`, int64(migrationLock)); err != nil {
			return err
		}
		return change(tx)
	})
}

func execIn(ctx context.Context, tx pgx.Tx, sql string, args ...any) error {
	_, err := tx.Exec(ctx, sql, args...)
	return err
}
