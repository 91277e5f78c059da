package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// maxServiceTokens bounds the tokens that are kept: every process holds all of them.
const maxServiceTokens = 100_000

// ErrNoToken says that there is no such token, or that it was revoked.
var ErrNoToken = errors.New("there is no such token, or it was revoked")

// ServiceTokensChanged counts the changes of service tokens.
func (s *Store) ServiceTokensChanged(ctx context.Context) (n int64, err error) {
	err = s.db(ctx).QueryRow(ctx, `SELECT n FROM service_token_changes`).Scan(&n)
	return n, explain("service tokens", err)
}

// ServiceTokens lists every token with the number of changes that it has seen, the oldest first.
func (s *Store) ServiceTokens(ctx context.Context) (list []sentinel.ServiceToken, changes int64, err error) {
	// The number is read first: a change between the two is then seen twice, and never missed.
	if changes, err = s.ServiceTokensChanged(ctx); err != nil {
		return nil, 0, err
	}
	rows, err := s.db(ctx).Query(ctx, `SELECT `+serviceColumns+` FROM service_tokens ORDER BY created, id LIMIT $1`, maxServiceTokens)
	if err != nil {
		return nil, 0, explain("service tokens", err)
	}
	list, err = pgx.CollectRows(rows, scanServiceToken)
	return list, changes, explain("service tokens", err)
}

const serviceColumns = `id, service, label, issued_by, created, expires, rotated, revoked, hash, previous, previous_until`

// ListServiceTokens lists the tokens of a service, or all where it is empty, the newest first.
func (s *Store) ListServiceTokens(ctx context.Context, service string, after sentinel.Cursor, limit int) ([]sentinel.ServiceToken, error) {
	rows, err := s.db(ctx).Query(ctx, `SELECT `+serviceColumns+` FROM service_tokens WHERE ($1 = '' OR service = $1)
		AND ($2::timestamptz IS NULL OR (created, id) < ($2, $3)) ORDER BY created DESC, id DESC LIMIT $4`, clean(service), orNull(after.At), clean(after.Row), limit)
	if err != nil {
		return nil, explain("service tokens", err)
	}
	list, err := pgx.CollectRows(rows, scanServiceToken)
	return list, explain("service tokens", err)
}

func scanServiceToken(row pgx.CollectableRow) (t sentinel.ServiceToken, err error) {
	var expires, rotated, revoked, until *time.Time
	var hash, previous []byte
	if err = row.Scan(&t.ID, &t.Service, &t.Label, &t.By, &t.Created, &expires, &rotated, &revoked, &hash, &previous, &until); err != nil {
		return t, err
	}
	t.Created = t.Created.UTC()
	for to, from := range map[*time.Time]*time.Time{&t.Expires: expires, &t.Rotated: rotated, &t.Revoked: revoked, &t.PreviousUntil: until} {
		if from != nil {
			*to = from.UTC()
		}
	}
	copy(t.Hash[:], hash)
	copy(t.Previous[:], previous)
	return t, nil
}

// changeTokens runs one statement and counts it. It is ErrNoToken where the statement changes nothing.
func (s *Store) changeTokens(ctx context.Context, sql string, args ...any) error {
	err := pgx.BeginFunc(ctx, s.db(ctx), func(tx pgx.Tx) error {
		// The row is taken first: changes are counted in the order in which they become visible.
		if _, err := tx.Exec(ctx, `UPDATE service_token_changes SET n = n + 1`); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, sql, args...)
		if err == nil && tag.RowsAffected() == 0 {
			err = ErrNoToken
		}
		return err
	})
	if errors.Is(err, ErrNoToken) {
		return err
	}
	return explain("service token", err)
}

// AddServiceToken keeps a new token.
func (s *Store) AddServiceToken(ctx context.Context, t sentinel.ServiceToken) error {
	err := s.changeTokens(ctx, `INSERT INTO service_tokens (id, service, label, issued_by, created, expires, hash)
		SELECT $1, $2, $3, $4, $5, $6, $7 WHERE (SELECT count(*) FROM service_tokens) < $8`,
		t.ID, t.Service, t.Label, t.By, t.Created, orNull(t.Expires), t.Hash[:], maxServiceTokens)
	if errors.Is(err, ErrNoToken) {
		return fmt.Errorf("service token: there are %d already, and no more are kept", maxServiceTokens)
	}
	return err
}

// RotateServiceToken replaces the token of an id; the one before stays good until a time. A token from an earlier rotation
// ends at once.
func (s *Store) RotateServiceToken(ctx context.Context, id string, hash [32]byte, at, previousUntil time.Time) error {
	return s.changeTokens(ctx, `UPDATE service_tokens SET previous = hash, previous_until = $3, hash = $2, rotated = $4
		WHERE id = $1 AND revoked IS NULL`, clean(id), hash[:], previousUntil, at)
}

// RevokeServiceToken ends a token and the one before it.
func (s *Store) RevokeServiceToken(ctx context.Context, id string, at time.Time) error {
	return s.changeTokens(ctx, `UPDATE service_tokens SET revoked = $2, previous = NULL, previous_until = NULL WHERE id = $1 AND revoked IS NULL`, clean(id), at)
}
