package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// maxReplacements bounds what is read of them: there are as many as credentials that Vault lends.
const maxReplacements = 1024

// AskReplacement asks every process to take another lease of a secret, in the place of one that it has now.
func (s *Store) AskReplacement(ctx context.Context, path string) error {
	_, err := s.db(ctx).Exec(ctx, `INSERT INTO key_replacements (path, asked) VALUES ($1, clock_timestamp())
		ON CONFLICT (path) DO UPDATE SET asked = excluded.asked`, path)
	return explain("replacement of the leases of "+path, err)
}

// Rotations tells by the names of keys in the audit chain when each was rotated last.
func (s *Store) Rotations(ctx context.Context) (map[string]time.Time, error) {
	return s.moments(ctx, "rotations of keys", `SELECT DISTINCT ON (object) object, at FROM audit WHERE action = 'key.rotate.done' ORDER BY object, seq DESC LIMIT $1`)
}

// Replacements tells by path when leases were last to be replaced, by the database's clock.
func (s *Store) Replacements(ctx context.Context) (map[string]time.Time, error) {
	return s.moments(ctx, "replacements of leases", `SELECT path, asked FROM key_replacements LIMIT $1`)
}

// moments reads names with a time each, at most maxReplacements.
func (s *Store) moments(ctx context.Context, what, sql string) (map[string]time.Time, error) {
	rows, err := s.db(ctx).Query(ctx, sql, maxReplacements)
	if err != nil {
		return nil, explain(what, err)
	}
	out := map[string]time.Time{}
	var name string
	var at time.Time
	_, err = pgx.ForEachRow(rows, []any{&name, &at}, func() error {
		out[name] = at.UTC()
		return nil
	})
	return out, explain(what, err)
}
