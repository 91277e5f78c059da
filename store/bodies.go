package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// PutBodies writes sealed bodies; those that are there already stay.
func (s *Store) PutBodies(ctx context.Context, list []sentinel.SealedBody) error {
	if !s.Timescale() {
		for _, b := range list {
			if err := s.dayOf(ctx, b.Expires); err != nil {
				return explain("bodies", err)
			}
		}
	}
	batch := &pgx.Batch{}
	for _, b := range list {
		c := b.Call
		batch.Queue(`INSERT INTO bodies (expires, call_id, attempt, part, ts, org, team, service, provider, endpoint, model, size, key, sealed)
			VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14) ON CONFLICT DO NOTHING`,
			b.Expires, pgtype.UUID{Bytes: c.ID, Valid: true}, b.Attempt, b.Part, c.At, clean(c.Caller.Org), clean(c.Caller.Team), clean(c.Caller.Service),
			clean(c.Provider), clean(c.Endpoint), clean(c.Model), b.Size, b.Key, b.Sealed)
	}
	return explain("bodies", s.db(ctx).SendBatch(ctx, batch).Close())
}

// dayOf makes the partition of a day, once.
func (s *Store) dayOf(ctx context.Context, at time.Time) error {
	from, _ := bodiesByDay.around(at)
	if _, made := s.bodyDays.Load(from.Unix()); made {
		return nil
	}
	if err := s.ensurePartition(ctx, bodiesByDay, at); err != nil {
		return err
	}
	s.bodyDays.Store(from.Unix(), true)
	return nil
}

var bodiesQuestion = question("bodies")

// BodyQuery chooses captured bodies.
type BodyQuery struct {
	CallID  sentinel.CallID // zero is any
	Service string          // empty is any
	Since   time.Time       // of the call; zero is no bound
	Limit   int             // 0 is 1,000, at most 10,000
	Outline bool            // leave Sealed empty: it is up to 256 KiB of each
}

// Bodies lists captured bodies that have not expired, the newest call first, the request before the response.
func (s *Store) Bodies(ctx context.Context, q BodyQuery) ([]sentinel.SealedBody, error) {
	w := between(q.Since, time.Time{})
	w.conditions = append(w.conditions, "expires > now()")
	if q.CallID != (sentinel.CallID{}) {
		w.add("call_id = $%d", pgtype.UUID{Bytes: q.CallID, Valid: true})
	}
	if q.Service != "" {
		w.add("service = $%d", clean(q.Service))
	}
	content := "sealed"
	if q.Outline {
		content = "NULL::bytea"
	}
	rows, err := s.db(ctx).Query(ctx, filled(bodiesQuestion, "{sealed}", content, "{where}", w.String())+w.limit(q.Limit), w.args...)
	if err != nil {
		return nil, explain("bodies", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (b sentinel.SealedBody, err error) {
		c := &b.Call
		err = row.Scan(&b.Expires, (*[16]byte)(&c.ID), &b.Attempt, &b.Part, &c.At, &c.Caller.Org, &c.Caller.Team, &c.Caller.Service, &c.Provider,
			&c.Endpoint, &c.Model, &b.Size, &b.Key, &b.Sealed)
		b.Expires, c.At = b.Expires.UTC(), c.At.UTC()
		return b, err
	})
	return list, explain("bodies", err)
}

// ExpireBodies deletes what has expired: rows at once, and the disk of each day when it is over.
func (s *Store) ExpireBodies(ctx context.Context) error {
	if s.Timescale() {
		if _, err := s.pool.Exec(ctx, `SELECT drop_chunks('bodies', older_than => now())`); err != nil {
			return explain("expire bodies", err)
		}
	} else if err := s.dropPartitions(ctx, bodiesByDay, time.Now()); err != nil {
		return explain("expire bodies", err)
	}
	_, err := s.pool.Exec(ctx, `DELETE FROM bodies WHERE expires <= now()`)
	return explain("expire bodies", err)
}
