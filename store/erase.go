package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// Erasure chooses what is deleted of a caller.
type Erasure struct {
	Org, Service string    // both required
	Before       time.Time // only what is older; required
}

// Erased counts what was deleted.
type Erased struct{ Entries, Intents, Parked, Bodies int64 }

// Erase deletes a caller's entries, its open calls, its parked records and its captured bodies, in one transaction. The sums by minute, hour and day follow
// at their next refresh.
func (s *Store) Erase(ctx context.Context, e Erasure) (n Erased, err error) {
	if e.Org == "" || e.Service == "" || e.Before.IsZero() {
		return n, errors.New("erase: an organisation, a service and a time are required")
	}
	err = pgx.BeginFunc(ctx, s.db(ctx), func(tx pgx.Tx) error {
		for _, d := range []struct {
			sql  string
			rows *int64
		}{
			{`DELETE FROM entries WHERE org = $1 AND service = $2 AND ts < $3`, &n.Entries},
			{`DELETE FROM intents WHERE org = $1 AND service = $2 AND ts < $3`, &n.Intents},
			{`DELETE FROM parked WHERE record LIKE '{%' AND record::jsonb #>> '{Caller,Org}' = $1 AND record::jsonb #>> '{Caller,Service}' = $2 AND at < $3`, &n.Parked},
			{`DELETE FROM bodies WHERE org = $1 AND service = $2 AND ts < $3`, &n.Bodies},
		} {
			tag, err := tx.Exec(ctx, d.sql, clean(e.Org), clean(e.Service), e.Before)
			if err != nil {
				return err
			}
			*d.rows = tag.RowsAffected()
		}
		return nil
	})
	if err != nil {
		return Erased{}, explain("erase "+e.Service+" of "+e.Org, err)
	}
	return n, nil
}
