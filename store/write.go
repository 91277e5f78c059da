package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	sentinel "github.com/saas-sentinel/saas-sentinel"
	"golang.org/x/sync/errgroup"
)

// key is an entry's identity, to the microsecond that PostgreSQL keeps.
type key struct {
	ts      int64
	call    sentinel.CallID
	attempt int16
}

func keyOf(c *sentinel.Call, attempt int16) key { return key{c.At.UnixMicro(), c.ID, attempt} }

func (k key) compare(o key) int {
	return cmp.Or(cmp.Compare(k.ts, o.ts), bytes.Compare(k.call[:], o.call[:]), cmp.Compare(k.attempt, o.attempt))
}

var (
	insertEntries  = `INSERT INTO entries AS e (` + names(entryColumns, "") + `, folded) SELECT `
	replaceEntries = ` ON CONFLICT (ts, call_id, attempt) DO UPDATE SET folded = EXCLUDED.folded, ` + overwrite(entryColumns) + `
		WHERE EXCLUDED.source > e.source`
	// An intent that comes after its entry (another order, a repetition) would never be settled again. An attempt begins when the one
	// before it has its entry, so an entry closes every intent up to its own attempt, and a later intent takes the place of an earlier one.
	insertIntents = `INSERT INTO intents AS i (` + names(intentColumns, "") + `) SELECT `
	keepIntents   = ` WHERE NOT EXISTS (SELECT FROM entries e WHERE e.ts = r.ts AND e.call_id = r.call_id AND e.attempt >= r.attempt)
		ON CONFLICT (ts, call_id) DO UPDATE SET ` + overwrite(intentColumns) + ` WHERE EXCLUDED.attempt > i.attempt`
	deleteIntents = `DELETE FROM intents i USING unnest($1::timestamptz[], $2::uuid[], $3::smallint[]) AS r (ts, call_id, attempt)
		WHERE i.ts = r.ts AND i.call_id = r.call_id AND i.attempt <= r.attempt`
	insertParked = `INSERT INTO parked (digest, kind, call_id, error, record) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (digest) DO NOTHING`
)

// closing columns say up to which attempt an entry closes the intents of its call.
var closing = slices.DeleteFunc(slices.Clone(entryColumns), func(c column[sentinel.Entry]) bool {
	return c.name != "ts" && c.name != "call_id" && c.name != "attempt"
})

// overwrite sets every column from the row that is to be inserted. Those of an entry's key are the same, but for the attempt of an intent.
func overwrite[T any](columns []column[T]) string {
	var list []string
	for _, c := range columns {
		if c.name != "ts" && c.name != "call_id" {
			list = append(list, c.name+" = EXCLUDED."+c.name)
		}
	}
	return strings.Join(list, ", ")
}

// maxWriters bounds the transactions of one Write at a time; half of the connections are left to questions.
const maxWriters = 4

// Write puts records on the ledger. Any order, split and repetition of a set of records gives the
// same ledger: for one attempt the entry of the highest Source stands. A record that
// the database refuses by itself goes to the table parked, and the others land. An error means
// that nothing is known of rs: write it again. In a change that is audited a refused record fails the whole change.
func (s *Store) Write(ctx context.Context, rs []sentinel.Record) error {
	entries, intents := foldRecords(rs)
	// Chunks share no key, so they need no order among themselves; each is a transaction of its own.
	parts, group := errgroup.WithContext(ctx)
	parts.SetLimit(s.writers(ctx))
	for chunk := range slices.Chunk(entries, s.rows) {
		parts.Go(func() error { return s.writeChunk(group, chunk, nil) })
	}
	if err := parts.Wait(); err != nil {
		return explain(fmt.Sprintf("write %d entries", len(entries)), err)
	}
	for chunk := range slices.Chunk(intents, s.rows) {
		if err := s.writeChunk(ctx, nil, chunk); err != nil {
			return explain(fmt.Sprintf("write %d intents", len(chunk)), err)
		}
	}
	return nil
}

// writers is how many chunks are written at a time: one where all of them are part of a transaction.
func (s *Store) writers(ctx context.Context) int {
	if s.db(ctx) != queries(s.pool) {
		return 1
	}
	return max(1, min(maxWriters, int(s.pool.Config().MaxConns)/2))
}

// foldRecords keeps one entry a key, the strongest, and one intent a call, that of its last attempt, unless among rs is an entry of that one. Both come
// in the order of their keys, so that two writers lock rows in the same order.
func foldRecords(rs []sentinel.Record) (entries []*sentinel.Entry, intents []*sentinel.Intent) {
	best := make(map[key]*sentinel.Entry)
	open := make(map[key]*sentinel.Intent)
	for _, r := range rs {
		if r.Entry != nil {
			k := keyOf(&r.Entry.Call, r.Entry.Attempt)
			if old, ok := best[k]; !ok || r.Entry.Source > old.Source {
				best[k] = r.Entry
			}
		}
		if r.Intent != nil {
			k := keyOf(&r.Intent.Call, 0)
			if old, ok := open[k]; !ok || r.Intent.Attempt > old.Attempt {
				open[k] = r.Intent
			}
		}
	}
	for _, e := range best {
		entries = append(entries, e)
		if k := keyOf(&e.Call, 0); open[k] != nil && open[k].Attempt <= e.Attempt {
			delete(open, k)
		}
	}
	for _, i := range open {
		intents = append(intents, i)
	}
	slices.SortFunc(entries, func(a, b *sentinel.Entry) int {
		return keyOf(&a.Call, a.Attempt).compare(keyOf(&b.Call, b.Attempt))
	})
	slices.SortFunc(intents, func(a, b *sentinel.Intent) int {
		return keyOf(&a.Call, 0).compare(keyOf(&b.Call, 0))
	})
	return entries, intents
}

// writeChunk writes either entries or intents in one transaction. When the data is at fault, it
// tries the halves, and parks the row that fails alone.
func (s *Store) writeChunk(ctx context.Context, entries []*sentinel.Entry, intents []*sentinel.Intent) error {
	err := s.send(ctx, entries, intents)
	if err == nil || !dataFault(err) {
		return err
	}
	if len(entries)+len(intents) == 1 {
		return s.park(ctx, entries, intents, err)
	}
	e, i := len(entries)/2, len(intents)/2
	if err := s.writeChunk(ctx, entries[:e], intents[:i]); err != nil {
		return err
	}
	return s.writeChunk(ctx, entries[e:], intents[i:])
}

func (s *Store) send(ctx context.Context, entries []*sentinel.Entry, intents []*sentinel.Intent) error {
	var batch pgx.Batch // one round trip, one implicit transaction
	if len(entries) > 0 {
		folded, err := s.fold(ctx, entries)
		if err != nil {
			return err
		}
		from, args := source(append(slices.Clip(entryColumns), column[sentinel.Entry]{name: "folded", kind: "smallint",
			collect: func([]*sentinel.Entry) any { return folded }}), entries)
		batch.Queue(insertEntries+from+replaceEntries, args...)
		batch.Queue(deleteIntents, arrays(closing, entries)...)
	}
	if len(intents) > 0 {
		from, args := source(intentColumns, intents)
		batch.Queue(insertIntents+from+keepIntents, args...)
	}
	return s.db(ctx).SendBatch(ctx, &batch).Close()
}

// dataFault tells a row that the database will never take from a database that does not work now, by
// the class of SQLSTATE: data exception, constraint, limit of the program, a trigger's own error.
func dataFault(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && len(pg.Code) == 5 && slices.Contains([]string{"22", "23", "54", "P0"}, pg.Code[:2])
}

// park keeps a refused record as text, once, however often it comes.
func (s *Store) park(ctx context.Context, entries []*sentinel.Entry, intents []*sentinel.Intent, cause error) error {
	var kind string
	var call sentinel.CallID
	var record []byte
	if len(entries) == 1 {
		kind, call, record = "entry", entries[0].ID, dump(*entries[0])
	} else {
		kind, call, record = "intent", intents[0].ID, dump(*intents[0])
	}
	digest := sha256.Sum256(record)
	_, err := s.db(ctx).Exec(ctx, insertParked, digest[:], kind, pgtype.UUID{Bytes: call, Valid: true}, clean(cause.Error()), clean(string(record)))
	if err != nil {
		return fmt.Errorf("park the %s of call %s: %w", kind, call, err)
	}
	return nil
}

// dump writes a record as JSON, or as Go prints it where a time is outside JSON's years.
func dump(record any) []byte {
	b, err := json.Marshal(record)
	if err != nil {
		return fmt.Appendf(nil, "%+v", record)
	}
	return b
}

// Beat says that a process and its spool are alive, and forgets those that have been silent for a week.
func (s *Store) Beat(ctx context.Context, instance string, spool Spool) error {
	var batch pgx.Batch
	batch.Queue(`INSERT INTO instances (instance, beat) VALUES ($1, now())
		ON CONFLICT (instance) DO UPDATE SET beat = EXCLUDED.beat`, clean(instance))
	batch.Queue(`DELETE FROM instances WHERE beat < now() - INTERVAL '7 days'`)
	beatSpool(&batch, spool)
	return explain("beat", s.db(ctx).SendBatch(ctx, &batch).Close())
}

var (
	pendingQuestion = question("pending", "{columns}", names(intentColumns, "i."))
	overtaken       = question("overtaken")
	knownQuestion   = question("known")
	runningQuestion = question("running")
)

// PendingQuery chooses calls that are overdue.
type PendingQuery struct {
	Instance     string    // the asking process
	OwnBefore    time.Time // of its own calls, those that began earlier
	OthersBefore time.Time // of calls of processes without a heartbeat in the last 30 s, likewise
	Limit        int       // 0 is 1,000, at most 10,000
}

// Pending lists intents without an entry, oldest first: calls whose process forgot them or died.
func (s *Store) Pending(ctx context.Context, q PendingQuery) ([]sentinel.Intent, error) {
	rows, err := s.db(ctx).Query(ctx, pendingQuestion, clean(q.Instance), q.OwnBefore, q.OthersBefore, limit(q.Limit))
	if err != nil {
		return nil, explain("pending calls", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (i sentinel.Intent, err error) {
		err = row.Scan(targets(intentColumns, &i)...)
		i.At = i.At.UTC()
		return i, err
	})
	return list, explain("pending calls", err)
}

// RunningBefore tells whether calls of a provider that began before a moment have not ended, as far as the ledger has been told.
func (s *Store) RunningBefore(ctx context.Context, provider string, before time.Time) (running bool, err error) {
	err = s.db(ctx).QueryRow(ctx, runningQuestion, provider, before).Scan(&running)
	return running, explain("running calls", err)
}

// Sweep removes intents of calls that began before a moment and have their entry. The intent is written by the process that judged a call, the
// entry by the one that metered it: where both commit at once, neither Write sees the other's row, and nobody else would ever remove the intent.
func (s *Store) Sweep(ctx context.Context, before time.Time) (removed int64, err error) {
	tag, err := s.db(ctx).Exec(ctx, overtaken, before, limit(0))
	return tag.RowsAffected(), explain("sweep intents", err)
}

// Known tells which calls have an entry or an intent. Ids carry the millisecond of their call, so only that time is read.
func (s *Store) Known(ctx context.Context, calls []sentinel.CallID) (map[sentinel.CallID]bool, error) {
	known := make(map[sentinel.CallID]bool, len(calls))
	if len(calls) == 0 {
		return known, nil
	}
	ids := make([]pgtype.UUID, len(calls))
	first, last := calls[0].Time(), calls[0].Time()
	for i, id := range calls {
		ids[i] = pgtype.UUID{Bytes: id, Valid: true}
		if at := id.Time(); at.Before(first) {
			first = at
		} else if at.After(last) {
			last = at
		}
	}
	rows, err := s.db(ctx).Query(ctx, knownQuestion, first, last.Add(time.Millisecond), ids)
	if err != nil {
		return nil, explain("known calls", err)
	}
	var id [16]byte
	_, err = pgx.ForEachRow(rows, []any{&id}, func() error { known[id] = true; return nil })
	return known, explain("known calls", err)
}

// limit applies the default and the bound of a list.
func limit(n int) int {
	if n <= 0 {
		return 1000
	}
	return min(n, 10_000)
}
