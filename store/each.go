package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// EachEntry gives every row of the ledger in [from, to) to use, oldest first, one at a time: memory does not grow with
// their number. An error of use ends it.
func (s *Store) EachEntry(ctx context.Context, from, to time.Time, use func(sentinel.Entry) error) error {
	if from.IsZero() || !from.Before(to) {
		return errors.New("entries: the period is empty")
	}
	rows, err := s.pool.Query(ctx, `SELECT `+names(entryColumns, "")+` FROM entries WHERE ts >= $1 AND ts < $2 ORDER BY ts, call_id, attempt`, from, to)
	if err != nil {
		return explain("entries", err)
	}
	var e sentinel.Entry
	_, err = pgx.ForEachRow(rows, targets(entryColumns, &e), func() error {
		e.At = e.At.UTC()
		return use(e)
	})
	return explain("entries", err)
}
