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

// Rotation is what the audit chain has of the rotations of one key.
type Rotation struct {
	By    string    // who began the last one
	Begun time.Time // the last one
	Ended time.Time // the last one; zero: nothing says that it has ended
	Fault string    // why the last one failed
	Done  time.Time // when one last worked
}

// Rotations tells by the names of keys in the audit chain what became of their rotations.
func (s *Store) Rotations(ctx context.Context) (map[string]Rotation, error) {
	rows, err := s.db(ctx).Query(ctx, `SELECT DISTINCT ON (object, action) object, action, seq, at, actor, after FROM audit
		WHERE action IN ('key.rotate', 'key.rotate.done', 'key.rotate.failed') ORDER BY object, action, seq DESC LIMIT $1`, 3*maxReplacements)
	if err != nil {
		return nil, explain("rotations of keys", err)
	}
	out, last := map[string]Rotation{}, map[string]int64{} // number of the last row of a key that counts for its last rotation
	var name, action, actor, after string
	var seq int64
	var at time.Time
	_, err = pgx.ForEachRow(rows, []any{&name, &action, &seq, &at, &actor, &after}, func() error {
		r, later := out[name], seq > last[name] // a begin comes before both ends
		switch action {
		case "key.rotate":
			r.Begun, r.By = at.UTC(), actor
		case "key.rotate.done":
			r.Done = at.UTC()
		}
		if later && action != "key.rotate" {
			r.Ended, r.Fault = at.UTC(), ""
		}
		if later && action == "key.rotate.failed" {
			r.Fault = after
		}
		out[name], last[name] = r, max(seq, last[name])
		return nil
	})
	return out, explain("rotations of keys", err)
}

// Replacements tells by path when leases were last to be replaced, by the database's clock.
func (s *Store) Replacements(ctx context.Context) (map[string]time.Time, error) {
	rows, err := s.db(ctx).Query(ctx, `SELECT path, asked FROM key_replacements LIMIT $1`, maxReplacements)
	if err != nil {
		return nil, explain("replacements of leases", err)
	}
	out := map[string]time.Time{}
	var path string
	var asked time.Time
	_, err = pgx.ForEachRow(rows, []any{&path, &asked}, func() error {
		out[path] = asked.UTC()
		return nil
	})
	return out, explain("replacements of leases", err)
}
