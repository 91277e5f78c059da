package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	sentinel "github.com/saas-sentinel/saas-sentinel"
)

const (
	// A repeated alert only counts. One whose window is named does not come back after it was resolved.
	raiseAgain = `UPDATE incidents SET count = count + 1, updated = greatest(updated, $2)
		WHERE id = (SELECT id FROM incidents WHERE key = $1 AND (state <> 3 OR window_name <> '') ORDER BY opened DESC LIMIT 1)
		RETURNING id`
	raiseNew = `INSERT INTO incidents (id, key, rule, scope, window_name, severity, title, body, opened, updated)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) ON CONFLICT (key) WHERE state <> 3 DO NOTHING`
	enqueue = `INSERT INTO outbox (incident, channel, due) SELECT $1, unnest($2::text[]), $3`
	claim   = `UPDATE outbox o SET claimed = now(), attempts = attempts + 1
		FROM incidents i WHERE i.id = o.incident AND o.id IN (
			SELECT id FROM outbox WHERE sent IS NULL AND due <= now() AND (claimed IS NULL OR claimed < now() - make_interval(secs => $2))
			ORDER BY due LIMIT $1 FOR UPDATE SKIP LOCKED)
		RETURNING o.id, o.channel, o.attempts, ` + incidentColumns
	incidentColumns = `i.id, i.rule, i.scope, i.window_name, i.severity, i.title, i.body, i.opened, i.state, i.count, i.updated, i.actor`
)

// Raise opens an alert's incident, with a message to each channel in the same transaction, or counts it
// again where it is open. Fresh tells which.
func (s *Store) Raise(ctx context.Context, a sentinel.Alert, channels []string) (id string, fresh bool, err error) {
	key := a.Key()
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, raiseAgain, key[:], a.At).Scan(&id)
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		id = uuid.NewString()
		tag, err := tx.Exec(ctx, raiseNew, id, key[:], a.Rule, a.Scope, a.Window, int16(a.Severity), a.Title, a.Text, a.At)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 { // another process was faster
			return tx.QueryRow(ctx, raiseAgain, key[:], a.At).Scan(&id)
		}
		fresh = true
		_, err = tx.Exec(ctx, enqueue, id, channels, a.At)
		return err
	})
	if err != nil {
		return "", false, fmt.Errorf("raise incident %s of %s: %w", a.Rule, a.Scope, err)
	}
	return id, fresh, nil
}

// Claim takes at most n messages that are due. Until lease has passed nobody else gets them; who
// dies before Delivered leaves them to the next.
func (s *Store) Claim(ctx context.Context, n int, lease time.Duration) ([]sentinel.Delivery, error) {
	rows, err := s.pool.Query(ctx, claim, n, lease.Seconds())
	if err != nil {
		return nil, fmt.Errorf("claim messages: %w", err)
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (sentinel.Delivery, error) {
		var d sentinel.Delivery
		return d, scanIncident(row, &d.Incident, &d.ID, &d.Channel, &d.Attempt)
	})
	if err != nil {
		return nil, fmt.Errorf("claim messages: %w", err)
	}
	return out, nil
}

func scanIncident(row pgx.CollectableRow, i *sentinel.Incident, before ...any) error {
	var severity, state int16
	err := row.Scan(append(before, &i.ID, &i.Rule, &i.Scope, &i.Window, &severity, &i.Title, &i.Text, &i.At, &state, &i.Count, &i.Updated, &i.Actor)...)
	i.Severity, i.State = sentinel.Severity(severity), sentinel.IncidentState(state)
	i.At, i.Updated = i.At.UTC(), i.Updated.UTC()
	return err
}

// Delivered ends a message.
func (s *Store) Delivered(ctx context.Context, id int64) error {
	if _, err := s.pool.Exec(ctx, `UPDATE outbox SET sent = now(), error = '' WHERE id = $1`, id); err != nil {
		return fmt.Errorf("note that message %d was sent: %w", id, err)
	}
	return nil
}

// Retry puts a message off and keeps why.
func (s *Store) Retry(ctx context.Context, id int64, after time.Duration, why string) error {
	_, err := s.pool.Exec(ctx, `UPDATE outbox SET due = now() + make_interval(secs => $2), claimed = NULL, error = $3 WHERE id = $1`, id, after.Seconds(), why)
	if err != nil {
		return fmt.Errorf("put message %d off: %w", id, err)
	}
	return nil
}

// Incidents lists the latest, at most limit (1 to 1,000); with open only those that are not resolved.
func (s *Store) Incidents(ctx context.Context, open bool, limit int) ([]sentinel.Incident, error) {
	rows, err := s.pool.Query(ctx, `SELECT `+incidentColumns+` FROM incidents i WHERE NOT $1 OR state <> 3 ORDER BY updated DESC LIMIT $2`,
		open, min(max(limit, 1), 1000))
	if err != nil {
		return nil, fmt.Errorf("list incidents: %w", err)
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (sentinel.Incident, error) {
		var i sentinel.Incident
		return i, scanIncident(row, &i)
	})
	if err != nil {
		return nil, fmt.Errorf("list incidents: %w", err)
	}
	return out, nil
}

// ErrNoIncident says that no incident, or more than one, begins with the given digits.
var ErrNoIncident = errors.New("no such incident")

// SetIncident changes an incident's state; id may be its first digits, as people see them. A resolved one stays so.
func (s *Store) SetIncident(ctx context.Context, id string, state sentinel.IncidentState, actor string) error {
	tag, err := s.pool.Exec(ctx, `UPDATE incidents SET state = $2, actor = $3, updated = now()
		WHERE state <> 3 AND id = (SELECT min(id::text)::uuid FROM incidents WHERE starts_with(id::text, $1) HAVING count(*) = 1)`, id, int16(state), actor)
	if err != nil {
		return fmt.Errorf("set incident %s: %w", id, err)
	}
	if tag.RowsAffected() == 0 {
		return fmt.Errorf("set incident %s: %w, or it is resolved", id, ErrNoIncident)
	}
	return nil
}
