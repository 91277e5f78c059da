package store

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// maxAnswers bounds the idempotency keys of an account within a day.
const maxAnswers = 10_000

// BeginAnswer claims an idempotency key for a request. Where it was claimed within a day, before is what is known of that; its
// time is zero where the account has no room for another key.
func (s *Store) BeginAnswer(ctx context.Context, a sentinel.KeptAnswer) (before sentinel.KeptAnswer, claimed bool, err error) {
	if err := s.DropAnswers(ctx); err != nil {
		return before, false, err
	}
	for range 2 { // between the two statements the first request may free the key
		if before, claimed, err = s.claimAnswer(ctx, a); claimed || err != nil || !before.Begun.IsZero() {
			break
		}
	}
	return before, claimed, err
}

func (s *Store) claimAnswer(ctx context.Context, a sentinel.KeptAnswer) (before sentinel.KeptAnswer, claimed bool, err error) {
	tag, err := s.db(ctx).Exec(ctx, `INSERT INTO admin_answers (account, key, request)
		SELECT $1, $2, $3 WHERE (SELECT count(*) FROM admin_answers WHERE account = $1) < $4 ON CONFLICT DO NOTHING`, a.Account, a.Key[:], a.Request[:], maxAnswers)
	if err != nil || tag.RowsAffected() == 1 {
		return before, err == nil, explain("idempotency key", err)
	}
	before.Account, before.Key = a.Account, a.Key
	var request []byte
	err = s.db(ctx).QueryRow(ctx, `SELECT request, begun, sealed FROM admin_answers WHERE account = $1 AND key = $2`, a.Account, a.Key[:]).Scan(&request, &before.Begun, &before.Sealed)
	if errors.Is(err, pgx.ErrNoRows) {
		return before, false, nil
	}
	copy(before.Request[:], request)
	before.Begun = before.Begun.UTC()
	return before, false, explain("idempotency key", err)
}

// DropAnswers deletes the keys that were claimed more than a day ago.
func (s *Store) DropAnswers(ctx context.Context) error {
	_, err := s.db(ctx).Exec(ctx, `DELETE FROM admin_answers WHERE begun < now() - interval '1 day'`)
	return explain("idempotency keys", err)
}

// KeepAnswer keeps the answer of a key that was claimed.
func (s *Store) KeepAnswer(ctx context.Context, a sentinel.KeptAnswer) error {
	_, err := s.db(ctx).Exec(ctx, `UPDATE admin_answers SET sealed = $3 WHERE account = $1 AND key = $2`, a.Account, a.Key[:], a.Sealed)
	return explain("idempotency key", err)
}

// DropAnswer frees a key.
func (s *Store) DropAnswer(ctx context.Context, a sentinel.KeptAnswer) error {
	_, err := s.db(ctx).Exec(ctx, `DELETE FROM admin_answers WHERE account = $1 AND key = $2`, a.Account, a.Key[:])
	return explain("idempotency key", err)
}
