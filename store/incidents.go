package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// nearIncidents bounds the open incidents of other rules that one change sees.
const nearIncidents = 1_000

// UpdateGroup loads a group with its open incidents, has change decide, and writes all that change gives in one
// transaction. Changes of one group wait for each other, on whatever replica.
func (s *Store) UpdateGroup(ctx context.Context, key string, near []string, change func(sentinel.AlertGroup, []sentinel.IncidentRef) (sentinel.AlertGroup, sentinel.AlertEffects)) error {
	return explain("alert group", pgx.BeginFunc(ctx, s.db(ctx), func(tx pgx.Tx) error {
		group, had, err := loadGroup(ctx, tx, key)
		if err != nil {
			return err
		}
		around, err := nearOf(ctx, tx, near)
		if err != nil {
			return err
		}
		group, effects := change(group, around)
		return writeGroup(ctx, tx, group, had, effects)
	}))
}

// loadGroup locks a group's row, and gives its open incidents as they are in the database.
func loadGroup(ctx context.Context, tx pgx.Tx, key string) (g sentinel.AlertGroup, had map[string]string, err error) {
	if _, err = tx.Exec(ctx, `INSERT INTO alert_groups (key, doc) VALUES ($1, $2) ON CONFLICT DO NOTHING`, key, []byte("{}")); err != nil {
		return g, nil, err
	}
	var doc []byte
	if err = tx.QueryRow(ctx, `SELECT doc FROM alert_groups WHERE key = $1 FOR UPDATE`, key).Scan(&doc); err != nil {
		return g, nil, err
	}
	if err = json.Unmarshal(doc, &g); err != nil {
		return g, nil, err
	}
	g.Key, had = key, map[string]string{}
	rows, err := tx.Query(ctx, `SELECT id, doc FROM incidents WHERE grp = $1 AND resolved IS NULL ORDER BY opened, id`, key)
	if err != nil {
		return g, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var i sentinel.Incident
		if err = rows.Scan(&id, &doc); err == nil {
			err = json.Unmarshal(doc, &i)
		}
		if err != nil {
			return g, nil, err
		}
		again, err := json.Marshal(i)
		if err != nil {
			return g, nil, err
		}
		had[id] = string(again)
		g.Incidents = append(g.Incidents, i)
	}
	return g, had, rows.Err()
}

func nearOf(ctx context.Context, tx pgx.Tx, rules []string) ([]sentinel.IncidentRef, error) {
	if len(rules) == 0 {
		return nil, nil
	}
	rows, err := tx.Query(ctx, `SELECT rule, scope, severity FROM incidents WHERE resolved IS NULL AND rule = ANY($1) LIMIT $2`, rules, nearIncidents)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (r sentinel.IncidentRef, err error) {
		var severity string
		err = row.Scan(&r.Rule, &r.Scope, &severity)
		r.Severity, _ = sentinel.SeverityByName(severity)
		return r, err
	})
}

// writeGroup writes what changed, in one round trip.
func writeGroup(ctx context.Context, tx pgx.Tx, g sentinel.AlertGroup, had map[string]string, e sentinel.AlertEffects) error {
	batch := &pgx.Batch{}
	for _, i := range g.Incidents {
		doc, err := json.Marshal(i)
		if err != nil {
			return err
		}
		if had[i.ID] == string(doc) {
			continue
		}
		batch.Queue(`INSERT INTO incidents (id, opened, grp, rule, scope, severity, state, resolved, doc) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9)
			ON CONFLICT (id, opened) DO UPDATE SET severity = $6, state = $7, resolved = $8, doc = $9`,
			i.ID, i.Opened, g.Key, i.Rule, i.Scope, i.Severity.String(), i.State.String(), orNull(i.Resolved), doc)
	}
	due := orNull(g.Due)
	g.Incidents = nil
	doc, err := json.Marshal(g)
	if err != nil {
		return err
	}
	batch.Queue(`UPDATE alert_groups SET due = $2, doc = $3 WHERE key = $1`, g.Key, due, doc)
	for _, h := range e.History {
		batch.Queue(`INSERT INTO incident_history (at, incident, what, by) VALUES ($1,$2,$3,$4)`, h.At, h.Incident, h.What, h.By)
	}
	for _, d := range e.Deliveries {
		if d.Kind == sentinel.DeliverEdit { // an edit that was not sent yet shows what is no longer true
			batch.Queue(`DELETE FROM alert_deliveries WHERE state = 'waiting' AND attempts = 0 AND kind = $1 AND grp = $2 AND channel = $3`, d.Kind, d.Group, d.Channel)
		}
		batch.Queue(`INSERT INTO alert_deliveries (id, grp, episode, channel, kind, body, created, not_before) VALUES ($1,$2,$3,$4,$5,$6,$7,$8)
			ON CONFLICT (id) DO NOTHING`, d.ID, d.Group, d.Episode, d.Channel, d.Kind, d.Body, d.Created, d.NotBefore)
	}
	return tx.SendBatch(ctx, batch).Close()
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// NoteLast writes what a person says into the history of a group's last incident and of those that were open beside it, if none is open and it was
// resolved in the last 30 days, and gives their number.
func (s *Store) NoteLast(ctx context.Context, key, what, by string) (int, error) {
	tag, err := s.db(ctx).Exec(ctx, `INSERT INTO incident_history (at, incident, what, by) SELECT clock_timestamp(), id, $2, $3 FROM incidents
		WHERE grp = $1 AND resolved >= greatest(now() - interval '30 days', (SELECT max(opened) FROM incidents WHERE grp = $1))
		AND NOT EXISTS (SELECT FROM incidents WHERE grp = $1 AND resolved IS NULL)`, key, what, by)
	return int(tag.RowsAffected()), explain("history of "+key, err)
}

// DueGroups lists groups whose time has come, the longest waiting first.
func (s *Store) DueGroups(ctx context.Context, now time.Time, limit int) ([]string, error) {
	rows, err := s.db(ctx).Query(ctx, `SELECT key FROM alert_groups WHERE due <= $1 ORDER BY due LIMIT $2`, now, limit)
	if err != nil {
		return nil, explain("due alert groups", err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return keys, explain("due alert groups", err)
}

// OpenGroups lists groups with incidents that are not resolved.
func (s *Store) OpenGroups(ctx context.Context, limit int) ([]string, error) {
	rows, err := s.db(ctx).Query(ctx, `SELECT DISTINCT grp FROM incidents WHERE resolved IS NULL ORDER BY grp LIMIT $1`, limit)
	if err != nil {
		return nil, explain("open alert groups", err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return keys, explain("open alert groups", err)
}

// Lease makes holder the one sender for ttl by the database's clock, when nobody else is. The fence grows when
// the holder changes.
func (s *Store) Lease(ctx context.Context, holder string, ttl time.Duration) (fence int64, ok bool, err error) {
	err = s.db(ctx).QueryRow(ctx, `UPDATE alert_lease SET fence = fence + CASE WHEN holder = $1 THEN 0 ELSE 1 END, holder = $1,
		until = clock_timestamp() + $2 WHERE holder = $1 OR until < clock_timestamp() RETURNING fence`, holder, ttl).Scan(&fence)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, false, nil
	}
	return fence, err == nil, explain("alert lease", err)
}

// Claim gives due deliveries and counts the try: for each channel the oldest whose group has no older one
// waiting there, so that a group's messages keep their order and a stuck group does not stop its channel. A group's messages
// arrive in a channel no closer than gap, by the database's clock, and a channel that asked for a pause gets nothing before its end.
func (s *Store) Claim(ctx context.Context, fence int64, now time.Time, gap time.Duration) (out []sentinel.Delivery, err error) {
	err = s.fenced(ctx, fence, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			WITH head AS (SELECT DISTINCT ON (channel, grp) seq, channel, grp, kind, not_before FROM alert_deliveries WHERE state = 'waiting' ORDER BY channel, grp, seq),
			pick AS (SELECT DISTINCT ON (channel) seq FROM head h WHERE not_before <= $1
				AND NOT EXISTS (SELECT FROM alert_deliveries p WHERE p.channel = h.channel AND p.state = 'waiting' AND p.pause > $1)
				AND NOT (h.kind = 'message' AND EXISTS (SELECT FROM alert_deliveries t
					WHERE t.grp = h.grp AND t.channel = h.channel AND t.kind = 'message' AND t.state = 'sent' AND t.ended > clock_timestamp() - $2::interval))
				ORDER BY channel, seq)
			UPDATE alert_deliveries d SET attempts = attempts + 1 FROM pick WHERE d.seq = pick.seq
			RETURNING d.id, d.grp, d.episode, d.channel, d.kind, d.body, d.not_before, d.created, d.attempts,
				coalesce((SELECT r.ref FROM alert_deliveries r WHERE r.grp = d.grp AND r.episode = d.episode AND r.channel = d.channel AND r.ref <> '' ORDER BY r.seq LIMIT 1), '')`, now, gap)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, pgx.RowToStructByPos[sentinel.Delivery])
		return err
	})
	return out, err
}

// fenced runs a change only while its fence is the newest.
func (s *Store) fenced(ctx context.Context, fence int64, change func(pgx.Tx) error) error {
	err := pgx.BeginFunc(ctx, s.db(ctx), func(tx pgx.Tx) error {
		var newest int64
		if err := tx.QueryRow(ctx, `SELECT fence FROM alert_lease FOR SHARE`).Scan(&newest); err != nil {
			return err
		}
		if newest != fence {
			return sentinel.ErrFenced
		}
		return change(tx)
	})
	return explain("alert deliveries", err)
}

// Finish records how a try ended.
func (s *Store) Finish(ctx context.Context, fence int64, r sentinel.DeliveryResult) error {
	return s.fenced(ctx, fence, func(tx pgx.Tx) (err error) {
		fault := strings.ToValidUTF8(r.Fault, "")
		switch {
		case r.Done:
			_, err = tx.Exec(ctx, `UPDATE alert_deliveries SET state = 'sent', ended = now(), ref = $2, fault = '' WHERE id = $1`, r.ID, r.Ref)
		case r.Dead:
			_, err = tx.Exec(ctx, `UPDATE alert_deliveries SET state = 'dead', ended = now(), fault = $2 WHERE id = $1`, r.ID, fault)
		default:
			_, err = tx.Exec(ctx, `UPDATE alert_deliveries SET not_before = $2::timestamptz, fault = $3, pause = CASE WHEN $4::bool THEN $2::timestamptz END WHERE id = $1`, r.ID, r.Retry, fault, r.Pause)
		}
		return err
	})
}

// FirstSeen remembers a callback's mark until a time, and tells whether it is new.
func (s *Store) FirstSeen(ctx context.Context, mark string, until time.Time) (bool, error) {
	if _, err := s.db(ctx).Exec(ctx, `DELETE FROM alert_callbacks WHERE until < now()`); err != nil {
		return false, explain("callbacks", err)
	}
	tag, err := s.db(ctx).Exec(ctx, `INSERT INTO alert_callbacks (mark, until) VALUES ($1, $2) ON CONFLICT DO NOTHING`, mark, until)
	return err == nil && tag.RowsAffected() == 1, explain("callbacks", err)
}

// Incidents lists incidents, the newest first; open leaves out those that are resolved.
func (s *Store) Incidents(ctx context.Context, q sentinel.IncidentQuery) ([]sentinel.Incident, error) {
	rows, err := s.db(ctx).Query(ctx, `SELECT doc FROM incidents WHERE (NOT $1 OR resolved IS NULL) AND ($2 = '' OR scope = $2)
		AND ($3::timestamptz IS NULL OR (opened, id) < ($3, $4)) ORDER BY opened DESC, id DESC LIMIT $5`, q.Open, clean(q.Scope), orNull(q.After.At), clean(q.After.Row), q.Limit)
	if err != nil {
		return nil, explain("incidents", err)
	}
	docs, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		return nil, explain("incidents", err)
	}
	out := make([]sentinel.Incident, len(docs))
	for k, doc := range docs {
		if err := json.Unmarshal(doc, &out[k]); err != nil {
			return nil, fmt.Errorf("incidents: %w", err)
		}
	}
	return out, nil
}

// Turns lists when causes of incidents began, rose and ended, the newest first: those before one's number, 0 for all.
func (s *Store) Turns(ctx context.Context, before int64, limit int) ([]sentinel.IncidentTurn, error) {
	rows, err := s.db(ctx).Query(ctx, `SELECT h.seq, h.at, i.rule, i.scope, i.title, h.what = 'cleared', h.what = $3 FROM incident_history h
		CROSS JOIN LATERAL (SELECT rule, scope, doc->>'Title' AS title FROM incidents WHERE id = h.incident AND opened <= h.at ORDER BY opened DESC LIMIT 1) i
		WHERE ($1 = 0 OR h.seq < $1) AND h.what IN ('opened', 'raised', 'cleared', $3) ORDER BY h.seq DESC LIMIT $2`, before, limit, sentinel.CauseReturned)
	if err != nil {
		return nil, explain("turns of incidents", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sentinel.IncidentTurn])
	for i := range out {
		out[i].At = out[i].At.UTC()
	}
	return out, explain("turns of incidents", err)
}

// History lists what happened to an incident, the oldest first.
func (s *Store) History(ctx context.Context, incident string, limit int) ([]sentinel.IncidentChange, error) {
	rows, err := s.db(ctx).Query(ctx, `SELECT at, incident, what, by FROM incident_history WHERE incident = $1 ORDER BY seq LIMIT $2`, incident, limit)
	if err != nil {
		return nil, explain("incident history", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sentinel.IncidentChange])
	return out, explain("incident history", err)
}

// AlertMessages lists deliveries, the newest first: those before one's number, 0 for all.
func (s *Store) AlertMessages(ctx context.Context, before int64, limit int) ([]sentinel.AlertMessage, error) {
	rows, err := s.db(ctx).Query(ctx, `SELECT seq, id, grp, channel, kind, state, created, coalesce(ended, '0001-01-01 00:00:00Z'), attempts, fault FROM alert_deliveries
		WHERE $1 = 0 OR seq < $1 ORDER BY seq DESC LIMIT $2`, before, limit)
	if err != nil {
		return nil, explain("alert messages", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sentinel.AlertMessage])
	for i := range list {
		list[i].Created, list[i].Ended = list[i].Created.UTC(), list[i].Ended.UTC()
	}
	return list, explain("alert messages", err)
}
