package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Prompt is the prompt of a call whose provider reported its tokens.
type Prompt struct {
	At     time.Time
	Model  string
	Weight int64 // see provider.Request
	Tokens int64
}

var promptsQuestion = question("prompts")

// Prompts lists the newest calls after a time whose prompt was text alone, with its weight and what the provider counted.
func (s *Store) Prompts(ctx context.Context, after time.Time, limit int) ([]Prompt, error) {
	rows, err := s.db(ctx).Query(ctx, promptsQuestion, after, limit, sentinel.SourceMeter)
	if err != nil {
		return nil, explain("prompts", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p Prompt, err error) {
		var d sentinel.Demand
		err = row.Scan(&p.At, &p.Model, &d, &p.Tokens)
		wanted, _ := d.Read()
		p.At, p.Weight = p.At.UTC(), wanted.Weight
		return p, err
	})
	if err != nil {
		return nil, explain("prompts", err)
	}
	return list, nil
}
