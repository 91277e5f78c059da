package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

var chargesQuestion = question("charges", "{units}", summed())

// summed are the sums of every unit.
func summed() string {
	var units []string
	for u := range sentinel.Unit(sentinel.UnitCount) {
		units = append(units, "sum("+u.String()+")::bigint")
	}
	return strings.Join(units, ", ")
}

// ChargeQuery asks what was consumed, by payer and by what was called.
type ChargeQuery struct {
	From, To time.Time // [From, To), both required
	Period   string    // "hour" or "day", in UTC
}

// Charges gives each sum to use, in the order of time, and reads the entries themselves: late rows count at once, and
// the total is the ledger's to the nano-dollar. Refused calls that cost nothing are no charges. An error of
// use ends the query.
func (s *Store) Charges(ctx context.Context, q ChargeQuery, use func(sentinel.Charge) error) error {
	width := map[string]time.Duration{"hour": time.Hour, "day": 24 * time.Hour}[q.Period]
	switch {
	case width == 0:
		return fmt.Errorf("charges by %q: choose day or hour", q.Period)
	case q.From.IsZero() || !q.From.Before(q.To):
		return fmt.Errorf("charges from %s to %s: the period is empty", q.From.Format(time.DateOnly), q.To.Format(time.DateOnly))
	}
	rows, err := s.db(ctx).Query(ctx, chargesQuestion, q.From, q.To, q.Period)
	if err != nil {
		return explain("charges", err)
	}
	var c sentinel.Charge
	targets := []any{&c.Start, &c.Caller.Org, &c.Caller.Team, &c.Caller.Service, &c.Provider, &c.Endpoint, &c.Model, &c.Tier,
		&c.Calls, &c.Estimated, &c.Cost, &c.Doubted, &c.Own.Input, &c.Own.Output}
	for u := range c.Usage {
		targets = append(targets, &c.Usage[u])
	}
	_, err = pgx.ForEachRow(rows, targets, func() error {
		c.Start = c.Start.UTC()
		c.End = c.Start.Add(width)
		return use(c)
	})
	return explain("charges", err)
}
