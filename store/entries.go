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

var (
	entriesQuestion   = question("entries", "{columns}", names(entryColumns, ""))
	eachEntryQuestion = question("each_entry", "{columns}", names(entryColumns, ""))
)

// EntryQuery chooses rows of the ledger.
type EntryQuery struct {
	From, To time.Time         // [From, To); a zero time is no bound
	CallID   sentinel.CallID   // zero is any
	Filter   map[string]string // dimension → the value that it must have
	Shadowed bool              // only calls that a shadow judged otherwise
	Before   EntryKey          // only rows after this one in the list; zero is the list's beginning
	Limit    int               // 0 is 1,000, at most 10,000
}

// EntryKey is a row's place in the ledger.
type EntryKey struct {
	At      time.Time
	CallID  sentinel.CallID
	Attempt int16
}

// Entries lists rows of the ledger, newest first. Times have the microsecond of PostgreSQL.
func (s *Store) Entries(ctx context.Context, q EntryQuery) ([]sentinel.Entry, error) {
	w := between(q.From, q.To)
	if q.CallID != (sentinel.CallID{}) {
		w.add("call_id = $%d", pgtype.UUID{Bytes: q.CallID, Valid: true})
	}
	if err := w.filter(q.Filter); err != nil {
		return nil, err
	}
	if q.Shadowed {
		w.conditions = append(w.conditions, "shadow <> ''")
	}
	if b := q.Before; !b.At.IsZero() {
		n := len(w.args)
		w.args = append(w.args, b.At, pgtype.UUID{Bytes: b.CallID, Valid: true}, b.Attempt)
		w.conditions = append(w.conditions, fmt.Sprintf("(ts, call_id, attempt) < ($%d, $%d, $%d)", n+1, n+2, n+3))
	}
	rows, err := s.db(ctx).Query(ctx, filled(entriesQuestion, "{where}", w.String())+w.limit(q.Limit), w.args...)
	if err != nil {
		return nil, explain("entries", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e sentinel.Entry, err error) {
		err = row.Scan(targets(entryColumns, &e)...)
		e.At = e.At.UTC()
		return e, err
	})
	return list, explain("entries", err)
}

// EachEntry gives every row of the ledger in [from, to) to use, oldest first, one at a time: memory does not grow with
// their number. An error of use ends it.
func (s *Store) EachEntry(ctx context.Context, from, to time.Time, use func(sentinel.Entry) error) error {
	if from.IsZero() || !from.Before(to) {
		return errors.New("entries: the period is empty")
	}
	rows, err := s.db(ctx).Query(ctx, eachEntryQuestion, from, to)
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
