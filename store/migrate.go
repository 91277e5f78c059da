package store

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	// migrationLock serialises migrations and partitions among replicas: "sentinel" in ASCII.
	migrationLock = 0x73656e74696e656c
	// partitionsAhead is how far Migrate makes native partitions; EnsurePartitions goes on from there.
	partitionsAhead = 3
)

// Migrate brings the schema to this release and names what it applied. Replicas may call it at
// once: one works, the others wait for up to a minute. It installs the TimescaleDB extension where the server offers it
// and the role may; otherwise the ledger is natively partitioned, for as long as it lives.
func (s *Store) Migrate(ctx context.Context) (applied []string, err error) {
	if err := s.installTimescale(ctx); err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	p, done, err := s.provider()
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	defer done()
	results, err := p.Up(ctx)
	for _, r := range results {
		applied = append(applied, r.Source.Path)
	}
	if err == nil && slices.ContainsFunc(applied, makesSums) {
		err = s.sumHistory(ctx)
	}
	if err != nil {
		return applied, fmt.Errorf("migrate: %w", err)
	}
	return applied, s.EnsurePartitions(ctx, time.Now().AddDate(0, partitionsAhead, 0))
}

// makesSums tells whether a migration makes the continuous aggregates anew.
func makesSums(file string) bool {
	text, _ := migrations.ReadFile("migrations/" + file) // goose has just read it
	return bytes.Contains(text, []byte("timescaledb.continuous")) || bytes.Contains(text, []byte("PERFORM make_usage("))
}

// sumHistory fills continuous aggregates that a migration made: their policies look back for 60 days only. It cannot be part of the
// migration's transaction.
func (s *Store) sumHistory(ctx context.Context) error {
	if !s.Timescale() {
		return nil
	}
	for _, name := range []string{"usage_1m", "usage_1h", "usage_1d"} {
		var there bool
		if err := s.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM timescaledb_information.continuous_aggregates WHERE view_name = $1)`, name).Scan(&there); err != nil || !there {
			return err
		}
		if _, err := s.pool.Exec(ctx, `CALL refresh_continuous_aggregate('`+name+`', NULL, NULL)`); err != nil {
			return fmt.Errorf("sum the past in %s: %w", name, err)
		}
	}
	return nil
}

// Down undoes migrations above version to, with their data.
func (s *Store) Down(ctx context.Context, to int64) error {
	p, done, err := s.provider()
	if err != nil {
		return fmt.Errorf("migrate down: %w", err)
	}
	defer done()
	if _, err := p.DownTo(ctx, to); err != nil {
		return fmt.Errorf("migrate down to %d: %w", to, err)
	}
	return nil
}

// Version tells the schema's version and this release's. Serve only when they are equal.
func (s *Store) Version(ctx context.Context) (current, latest int64, err error) {
	p, done, err := s.provider()
	if err != nil {
		return 0, 0, fmt.Errorf("schema version: %w", err)
	}
	defer done()
	if current, latest, err = p.GetVersions(ctx); err != nil {
		return 0, 0, fmt.Errorf("schema version: %w", err)
	}
	return current, latest, nil
}

// provider wraps the pool for goose, which holds one connection at a time.
func (s *Store) provider() (*goose.Provider, func(), error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, nil, err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(migrationLock), lock.WithLockTimeout(1, 60))
	if err != nil {
		return nil, nil, err
	}
	db := stdlib.OpenDBFromPool(s.pool)
	p, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return p, func() { _ = p.Close() }, nil
}

// installTimescale tries to create the extension on a database that has no ledger yet. A refusal
// (a role without the right, a library that is not preloaded, another replica that is faster) is
// not an error: what counts is what is there afterwards.
func (s *Store) installTimescale(ctx context.Context) error {
	const ask = `SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')
		AND to_regclass('entries') IS NULL`
	var offered bool
	if err := s.pool.QueryRow(ctx, ask).Scan(&offered); err != nil {
		return err
	}
	if offered && !s.Timescale() {
		_, _ = s.pool.Exec(ctx, `CREATE EXTENSION IF NOT EXISTS timescaledb`)
	}
	return s.detect(ctx)
}
