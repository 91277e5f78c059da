package store

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// maxMinutes bounds one read of Minutes: two months.
const maxMinutes = 62 * 24 * 60

// detailed is the age up to which Minutes reads latencies and failures, which only the entries have.
const detailed = 24 * time.Hour

var (
	callersQuestion = question("callers")
	minutesQuestion = question("minutes", "{input}", added(sentinel.InputTokenUnits[:]), "{output}", added(sentinel.OutputTokenUnits[:]))
)

// Callers gives the services that called in [from, to), those with the most calls first.
func (s *Store) Callers(ctx context.Context, from, to time.Time, limit int) ([]sentinel.Caller, error) {
	rows, err := s.db(ctx).Query(ctx, callersQuestion, from, to, limit)
	if err != nil {
		return nil, explain("services", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c sentinel.Caller, err error) {
		return c, row.Scan(&c.Org, &c.Team, &c.Service)
	})
	return list, explain("services", err)
}

// Minutes gives a service's minutes with calls in [from, to), the oldest first. Each is divided by the number of processes that scored
// the service in it, so that it is what one of them saw.
func (s *Store) Minutes(ctx context.Context, service string, from, to time.Time) ([]sentinel.Minute, error) {
	rows, err := s.db(ctx).Query(ctx, minutesQuestion, service, from, to, to.Add(-detailed), maxMinutes)
	if err != nil {
		return nil, explain("minutes", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m sentinel.Minute, err error) {
		var latency, errorRate *float64
		err = row.Scan(&m.At, &m.Calls, &m.Prompt, &m.Completion, &m.CostUSD, &latency, &errorRate)
		m.LatencyMS, m.ErrorRate = orNaN(latency), orNaN(errorRate)
		return m, err
	})
	return list, explain("minutes", err)
}

func orNaN(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}

// Models gives the saved models by service.
func (s *Store) Models(ctx context.Context) (map[string]sentinel.Model, error) {
	rows, err := s.db(ctx).Query(ctx, `SELECT service, learns_from, judged_from, judged_until, version, features, false_alerts, bursts, found, trained FROM models`)
	if err != nil {
		return nil, explain("models", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sentinel.Model])
	out := make(map[string]sentinel.Model, len(list))
	for _, m := range list {
		out[m.Service] = m
	}
	return out, explain("models", err)
}

// PutModel saves a model in the place of the service's last one, which it was judged beside and learns from was (the zero time for none). It is not saved
// where another one is there by now.
func (s *Store) PutModel(ctx context.Context, m sentinel.Model, was time.Time) (saved bool, err error) {
	tag, err := s.db(ctx).Exec(ctx, `INSERT INTO models (service, learns_from, judged_from, judged_until, version, features, false_alerts, bursts, found, trained)
		VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10) ON CONFLICT (service) DO UPDATE SET learns_from = $2, judged_from = $3, judged_until = $4,
		version = $5, features = $6, false_alerts = $7, bursts = $8, found = $9, trained = $10 WHERE models.learns_from = $11`,
		m.Service, m.LearnsFrom, m.JudgedFrom, m.JudgedUntil, m.Version, m.Features, m.FalseAlerts, m.Bursts, m.Found, m.Trained, was)
	return tag.RowsAffected() == 1, explain("model of "+m.Service, err)
}

// TakeChore gives a periodic piece of work to one process: true when it is due by the database's clock, and then not before next has passed.
func (s *Store) TakeChore(ctx context.Context, name string, next time.Duration) (mine bool, err error) {
	err = s.db(ctx).QueryRow(ctx, `INSERT INTO chores (name, due) VALUES ($1, clock_timestamp() + $2)
		ON CONFLICT (name) DO UPDATE SET due = clock_timestamp() + $2 WHERE chores.due <= clock_timestamp() RETURNING true`, name, next).Scan(&mine)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return mine, explain("chore "+name, err)
}

// PostponeChore makes a piece of work due after next.
func (s *Store) PostponeChore(ctx context.Context, name string, next time.Duration) error {
	_, err := s.db(ctx).Exec(ctx, `UPDATE chores SET due = clock_timestamp() + $2 WHERE name = $1`, name, next)
	return explain("chore "+name, err)
}
