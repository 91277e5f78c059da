package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Erasure chooses what is deleted of a caller.
type Erasure struct {
	Org, Service string    // both required
	Before       time.Time // only what is older; required
}

// Erased counts what was deleted.
type Erased struct{ Entries, Intents, Parked int64 }

// Erase deletes a caller's entries, its open calls and its parked records, with the audit row that link makes, in one
// transaction. The sums by minute, hour and day follow at their next refresh.
func (s *Store) Erase(ctx context.Context, e Erasure, link func(prev sentinel.AuditRow) sentinel.AuditRow) (n Erased, row sentinel.AuditRow, err error) {
	if e.Org == "" || e.Service == "" || e.Before.IsZero() {
		return n, row, errors.New("erase: an organisation, a service and a time are required")
	}
	row, err = s.audited(ctx, link, func(tx pgx.Tx) error {
		for _, d := range []struct {
			sql  string
			rows *int64
		}{
			{`DELETE FROM entries WHERE org = $1 AND service = $2 AND ts < $3`, &n.Entries},
			{`DELETE FROM intents WHERE org = $1 AND service = $2 AND ts < $3`, &n.Intents},
			{`DELETE FROM parked WHERE record LIKE '{%' AND record::jsonb #>> '{Caller,Org}' = $1 AND record::jsonb #>> '{Caller,Service}' = $2 AND at < $3`, &n.Parked},
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
		return Erased{}, row, fmt.Errorf("erase %s of %s: %w", e.Service, e.Org, err)
	}
	return n, row, nil
}
