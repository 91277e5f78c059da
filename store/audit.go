package store

import (
	"context"
	"errors"
	"iter"

	"github.com/jackc/pgx/v5"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

const auditColumns = `seq, at, actor, action, object, before, after, prev, hash`

// AppendAudit makes a change and adds the rows that link makes of the last one, in one transaction: what the store does with the
// context that change gets is part of it. Writers wait for each other, so the chain has one end; it is locked last, so that a
// slow change keeps nobody.
func (s *Store) AppendAudit(ctx context.Context, link func(prev sentinel.AuditRow) []sentinel.AuditRow, change func(context.Context) error) error {
	return explain("append to the audit chain", pgx.BeginFunc(ctx, s.db(ctx), func(tx pgx.Tx) error {
		if err := change(context.WithValue(ctx, transaction{}, tx)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `LOCK TABLE audit IN EXCLUSIVE MODE`); err != nil { // readers go on
			return err
		}
		prev, err := scanAudit(tx.QueryRow(ctx, `SELECT `+auditColumns+` FROM audit ORDER BY seq DESC LIMIT 1`))
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		var batch pgx.Batch
		for _, row := range link(prev) {
			batch.Queue(`INSERT INTO audit (`+auditColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
				row.Seq, row.At, row.Actor, row.Action, row.Object, row.Before, row.After, row.Prev[:], row.Hash[:])
		}
		return tx.SendBatch(ctx, &batch).Close()
	}))
}

// Audit gives the chain in its order. It holds a connection until the loop ends.
func (s *Store) Audit(ctx context.Context) iter.Seq2[sentinel.AuditRow, error] {
	return func(yield func(sentinel.AuditRow, error) bool) {
		rows, err := s.db(ctx).Query(ctx, `SELECT `+auditColumns+` FROM audit ORDER BY seq`)
		if err != nil {
			yield(sentinel.AuditRow{}, explain("audit", err))
			return
		}
		defer rows.Close()
		for rows.Next() {
			r, err := scanAudit(rows)
			if !yield(r, explain("audit", err)) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(sentinel.AuditRow{}, explain("audit", err))
		}
	}
}

// AuditBefore gives rows before one, the newest first; before 0 begins at the end. contains, when it is not empty, is a text in
// any of the columns.
func (s *Store) AuditBefore(ctx context.Context, before int64, contains string, limit int) ([]sentinel.AuditRow, error) {
	rows, err := s.db(ctx).Query(ctx, `SELECT `+auditColumns+` FROM audit WHERE ($1::bigint = 0 OR seq < $1::bigint)
		AND ($2 = '' OR strpos(lower(concat_ws(E'\n', actor, action, object, before, after)), lower($2)) > 0) ORDER BY seq DESC LIMIT $3`, before, clean(contains), limit)
	if err != nil {
		return nil, explain("audit", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (sentinel.AuditRow, error) { return scanAudit(row) })
	return list, explain("audit", err)
}

func scanAudit(row pgx.Row) (r sentinel.AuditRow, err error) {
	var prev, hash []byte
	err = row.Scan(&r.Seq, &r.At, &r.Actor, &r.Action, &r.Object, &r.Before, &r.After, &prev, &hash)
	r.At = r.At.UTC()
	copy(r.Prev[:], prev)
	copy(r.Hash[:], hash)
	return r, err
}
