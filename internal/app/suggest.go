package app

import (
	"context"
	"slices"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/internal/simulate"
	"github.com/saas-sentinel/saas-sentinel/internal/suggest"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

// Suggest proposes budgets and limits from the calls of [from, to), each with what it would have done to them beside the policy of files.
func Suggest(ctx context.Context, past simulate.Past, from, to time.Time, files []policy.File, o suggest.Options) ([]suggest.Suggestion, error) {
	now, err := compile(files...)
	if err != nil {
		return nil, err
	}
	history, err := suggest.Read(ctx, past.Calls, from, to, now)
	if err != nil {
		return nil, err
	}
	o.Known = func(team, service string) bool {
		return slices.ContainsFunc(now.Policy.Callers(), func(c sentinel.Caller) bool { return c.Team == team && (service == "" || c.Service == service) })
	}
	list, err := history.Suggest(o)
	if err != nil {
		return nil, err
	}
	add := func(rules string) (*governor.State, error) {
		return compile(append(append([]policy.File{}, files...), policy.File{Name: "suggested.yaml", Data: []byte(rules)})...)
	}
	return list, suggest.Effects(ctx, past, from, to, now, list, add)
}
