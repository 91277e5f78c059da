package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Spool is where a process keeps what the ledger does not have yet.
type Spool struct {
	ID       string // a UUID
	Org      string
	Counters string // where in Redis its calls are counted
	Host     string
	Beat     time.Time // when its process was last seen alive, by the database's clock
}

// beatSpool remembers a spool, and forgets those that have been silent for a week.
func beatSpool(batch *pgx.Batch, s Spool) {
	batch.Queue(`INSERT INTO spools (spool, org, counters, host, beat) VALUES ($1, $2, $3, $4, now())
		ON CONFLICT (spool) DO UPDATE SET org = EXCLUDED.org, counters = EXCLUDED.counters, host = EXCLUDED.host, beat = EXCLUDED.beat`,
		s.ID, clean(s.Org), clean(s.Counters), clean(s.Host))
	batch.Queue(`DELETE FROM spools WHERE beat < now() - INTERVAL '7 days'`)
}

// Retire forgets a spool of which the ledger has everything.
func (s *Store) Retire(ctx context.Context, spool string) error {
	_, err := s.db(ctx).Exec(ctx, `DELETE FROM spools WHERE spool = $1`, spool)
	return explain("retire a spool", err)
}

// ErrSpool says that no spool is to be abandoned: there is none of that name, or its process was seen alive a moment ago.
var ErrSpool = errors.New("no such silent spool")

// Abandon forgets a spool whose process will not come back, and with it what the ledger lacks of it. One whose process was alive within
// the last silent stays.
func (s *Store) Abandon(ctx context.Context, spool string, silent time.Duration) (Spool, error) {
	var gone Spool
	err := s.db(ctx).QueryRow(ctx, `DELETE FROM spools WHERE spool::text = $1 AND beat < now() - $2::interval RETURNING spool::text, org, counters, host, beat`, clean(spool), silent).
		Scan(&gone.ID, &gone.Org, &gone.Counters, &gone.Host, &gone.Beat)
	if errors.Is(err, pgx.ErrNoRows) {
		return gone, fmt.Errorf("%w: %s is not one that has been silent for %s: see /readyz?verbose for those that limits wait for", ErrSpool, spool, silent)
	}
	return gone, explain("abandon a spool", err)
}

// maxSpools bounds the processes that count in one place.
const maxSpools = 10_000

// Spools lists the spools whose calls are counted in one place.
func (s *Store) Spools(ctx context.Context, counters string) ([]Spool, error) {
	rows, err := s.db(ctx).Query(ctx, `SELECT spool::text, org, counters, host, beat FROM spools WHERE counters = $1 ORDER BY spool LIMIT $2`, clean(counters), maxSpools)
	if err != nil {
		return nil, explain("spools", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Spool])
	return list, explain("spools", err)
}

// Silent lists the spools of an organisation whose processes were last seen alive longer ago than that, by the database's clock, and did not end in
// order, the longest silent ones first.
func (s *Store) Silent(ctx context.Context, org string, longer time.Duration) ([]Spool, error) {
	rows, err := s.db(ctx).Query(ctx, `SELECT spool::text, org, counters, host, beat FROM spools WHERE org = $1 AND beat < now() - $2::interval ORDER BY beat, spool LIMIT $3`,
		clean(org), longer, maxSpools)
	if err != nil {
		return nil, explain("silent spools", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Spool])
	return list, explain("silent spools", err)
}

// OpenCall is a call in flight, as far as limits are concerned.
type OpenCall struct {
	Org     string
	Call    sentinel.CallID
	Attempt int16
	Hold    sentinel.Hold
}

// maxOpen bounds the calls in flight of which one question tells.
const maxOpen = 50_000

var openQuestion = question("open")

// OpenCalls lists the calls in flight of some organisations: those that are held, and have no entry.
func (s *Store) OpenCalls(ctx context.Context, orgs []string) ([]OpenCall, error) {
	rows, err := s.db(ctx).Query(ctx, openQuestion, orgs, maxOpen+1)
	if err != nil {
		return nil, explain("open calls", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (o OpenCall, err error) {
		var id pgtype.UUID
		err = row.Scan(&o.Org, &id, &o.Attempt, &o.Hold)
		o.Call = id.Bytes
		return o, err
	})
	if err == nil && len(list) > maxOpen {
		return nil, fmt.Errorf("open calls: there are more than %d", maxOpen)
	}
	return list, explain("open calls", err)
}
