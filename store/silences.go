package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// ErrSilences says that there are as many silences as may be.
var ErrSilences = fmt.Errorf("there are %d silences already: end some first", sentinel.MaxSilences)

// silenceID is the length of a silence's id.
const silenceID = 8

// Silences lists those that have not ended, the next to end first; sentinel.MaxSilences are all.
func (s *Store) Silences(ctx context.Context, after sentinel.Cursor, limit int) ([]sentinel.AlertSilence, error) {
	rows, err := s.db(ctx).Query(ctx, `SELECT id, rule, scope, begins, ends, by, why FROM alert_silences
		WHERE ends > now() AND ($1::timestamptz IS NULL OR (ends, id) > ($1, $2)) ORDER BY ends, id LIMIT $3`, orNull(after.At), clean(after.Row), limit)
	if err != nil {
		return nil, explain("silences", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sentinel.AlertSilence])
	for i := range list {
		list[i].From, list[i].Until = list[i].From.UTC(), list[i].Until.UTC()
	}
	return list, explain("silences", err)
}

// AddSilence keeps a silence, and gives the id that it has from then on.
func (s *Store) AddSilence(ctx context.Context, q sentinel.AlertSilence) (id string, err error) {
	id = strings.ToLower(rand.Text()[:silenceID])
	tag, err := s.db(ctx).Exec(ctx, `INSERT INTO alert_silences (id, rule, scope, begins, ends, by, why)
		SELECT $1, $2, $3, $4, $5, $6, $7 WHERE (SELECT count(*) FROM alert_silences WHERE ends > now()) < $8`,
		id, q.Rule, q.Scope, q.From, q.Until, q.By, q.Why, sentinel.MaxSilences)
	if err == nil && tag.RowsAffected() == 0 {
		return "", ErrSilences
	}
	return id, explain("silences", err)
}

// DropAlerts deletes what ended before a time: deliveries, resolved incidents with their history, and silences.
func (s *Store) DropAlerts(ctx context.Context, before time.Time) error {
	for _, sql := range []string{
		`DELETE FROM alert_deliveries WHERE ended < $1`,
		`DELETE FROM incidents WHERE resolved < $1`,
		`DELETE FROM incident_history h WHERE at < $1 AND NOT EXISTS (SELECT FROM incidents i WHERE i.id = h.incident)`,
		`DELETE FROM alert_silences WHERE ends < $1`,
	} {
		if _, err := s.db(ctx).Exec(ctx, sql, before); err != nil {
			return explain("old alerts", err)
		}
	}
	return nil
}

// EndSilence ends a silence now. It is not ok where none of that id is under way or to come.
func (s *Store) EndSilence(ctx context.Context, id string) (ok bool, err error) {
	tag, err := s.db(ctx).Exec(ctx, `UPDATE alert_silences SET ends = now() WHERE id = $1 AND ends > now()`, id)
	return err == nil && tag.RowsAffected() == 1, explain("silences", err)
}
