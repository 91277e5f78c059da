package store

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// ShadowSum counts the calls that one rule of a shadow would have made something else of.
type ShadowSum struct {
	Policy  string // the candidate's version; empty for rules in shadow of the policy in force
	Rule    string // or scope, whose limit decides; empty where none does
	Live    sentinel.Action
	Verdict sentinel.Action
	Reason  sentinel.Reason
	Calls   int64
}

// mostShadowTexts bounds the kinds of differences that are summed.
const mostShadowTexts = 100_000

var shadowsQuestion = question("shadows")

// ShadowSums counts the differences in [from, to), most calls first.
func (s *Store) ShadowSums(ctx context.Context, from, to time.Time) ([]ShadowSum, error) {
	if from.IsZero() || !from.Before(to) {
		return nil, errors.New("shadows: the period is empty")
	}
	rows, err := s.db(ctx).Query(ctx, shadowsQuestion,
		from, to, mostShadowTexts)
	if err != nil {
		return nil, explain("shadows", err)
	}
	sums := map[ShadowSum]int64{}
	var text sentinel.Shadows
	var live sentinel.Action
	var calls int64
	_, err = pgx.ForEachRow(rows, []any{&text, actionText{&live}, &calls}, func() error {
		for _, d := range text.Read() {
			sums[ShadowSum{Policy: d.Policy, Rule: d.Rule(), Live: live, Verdict: d.Action, Reason: d.Reason}] += calls
		}
		return nil
	})
	if err != nil {
		return nil, explain("shadows", err)
	}
	out := make([]ShadowSum, 0, len(sums))
	for k := range maps.Keys(sums) {
		k.Calls = sums[k]
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b ShadowSum) int {
		return cmp.Or(cmp.Compare(b.Calls, a.Calls), cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Live, b.Live),
			cmp.Compare(a.Verdict, b.Verdict), cmp.Compare(a.Reason, b.Reason))
	})
	return out, nil
}
