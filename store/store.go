// Package store keeps the ledger in PostgreSQL, or in TimescaleDB where the extension is
// installed: entries, calls under way, and heartbeats. Every write may be repeated, split
// and reordered without changing the result, so the spool before it needs no memory of what it has sent.
package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Defaults of Options.
const (
	DefaultMaxConns  = 4
	DefaultBatchRows = 500
	maxBatchRows     = 10_000
)

// ErrNotMigrated says that the database lacks the tables of this release.
var ErrNotMigrated = errors.New("the database has not been migrated: run `sentinel migrate`")

// Options say where the database is and how hard to use it.
type Options struct {
	DSN      sentinel.Secret
	MaxConns int32 // 0 is DefaultMaxConns; 1 works
	// SimpleProtocolBatchRows is the number of rows of one insert, 0 is DefaultBatchRows. A server
	// behind a proxy that cannot take messages over 64 KB wants 100.
	SimpleProtocolBatchRows int
	// MaxSeries is how many models, services and sets of tags a day has in the sums, each; what is past it is Other. 0 is DefaultMaxSeries.
	MaxSeries int
}

// Store is safe for use by many goroutines.
type Store struct {
	pool      *pgxpool.Pool
	rows      int
	timescale atomic.Bool
	maxSeries int
	sums      sumNames
	folded    atomic.Int64
	bodyDays  sync.Map // Unix time of a day → true: its partition of bodies was made
}

// Open connects, and fails when the server cannot be reached. It changes nothing: see Migrate.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.DSN.IsZero() {
		return nil, errors.New("database address: it is empty")
	}
	config, err := pgxpool.ParseConfig(o.DSN.Reveal())
	if err != nil {
		return nil, fmt.Errorf("database address: %w", hideDSN(err))
	}
	config.MaxConns = o.MaxConns
	if config.MaxConns <= 0 {
		config.MaxConns = DefaultMaxConns
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	config.PingTimeout, config.ConnConfig.DialFunc = pingWithin, dial
	s := &Store{rows: o.SimpleProtocolBatchRows}
	if s.rows <= 0 {
		s.rows = DefaultBatchRows
	}
	s.rows = min(s.rows, maxBatchRows)
	if s.maxSeries = o.MaxSeries; s.maxSeries <= 0 {
		s.maxSeries = DefaultMaxSeries
	}
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := s.detect(ctx); err != nil {
		s.pool.Close()
		return nil, fmt.Errorf("reach database at %s:%d: %w", config.ConnConfig.Host, config.ConnConfig.Port, inOneLine{err})
	}
	return s, nil
}

// inOneLine is pgx's fault, which has a line for each address that it tried.
type inOneLine struct{ error }

// Error gives the fault without line breaks.
func (e inOneLine) Error() string { return strings.Join(strings.Fields(e.error.Error()), " ") }

// Unwrap gives pgx's own.
func (e inOneLine) Unwrap() error { return e.error }

// hideDSN keeps a fault of the address and drops the address, which holds the password.
func hideDSN(err error) error {
	if parse, ok := errors.AsType[*pgconn.ParseConfigError](err); ok && parse.Unwrap() != nil {
		return parse.Unwrap()
	}
	return errors.New("it is not a PostgreSQL address such as postgres://user:password@host:5432/database")
}

// detect asks whether the database has the extension.
func (s *Store) detect(ctx context.Context) error {
	const ask = `SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')`
	var there bool
	if err := s.pool.QueryRow(ctx, ask).Scan(&there); err != nil {
		return err
	}
	s.timescale.Store(there)
	return nil
}

// queries is what the connections and a transaction on one of them have in common.
type queries interface {
	Begin(ctx context.Context) (pgx.Tx, error)
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// transaction is the key under which a context carries one, see AppendAudit.
type transaction struct{}

// db is the transaction of ctx, or else the connections.
func (s *Store) db(ctx context.Context) queries {
	if tx, ok := ctx.Value(transaction{}).(pgx.Tx); ok {
		return tx
	}
	return s.pool
}

// Timescale tells whether the database has the TimescaleDB extension, as of Open or Migrate.
func (s *Store) Timescale() bool { return s.timescale.Load() }

// Close waits for calls in flight and closes the connections.
func (s *Store) Close() { s.pool.Close() }

// explain turns a missing table into the sentence that says what to do.
func explain(what string, err error) error {
	if err == nil {
		return nil
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && (pg.Code == "42P01" || pg.Code == "42703") {
		return fmt.Errorf("%s: %w (%s)", what, ErrNotMigrated, pg.Message)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Now is the database's clock.
func (s *Store) Now(ctx context.Context) (now time.Time, err error) {
	err = s.pool.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&now)
	return now.UTC(), explain("clock", err)
}
