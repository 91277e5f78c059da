package suggest

import (
	"context"
	"fmt"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/internal/simulate"
)

// Effects judges the calls of [from, to) again in one pass: by the policy in force, and by that with each suggestion alone, which add
// compiles.
func Effects(ctx context.Context, record simulate.Record, from, to time.Time, now *governor.State, list []Suggestion, add func(rules string) (*governor.State, error)) error {
	states := []*governor.State{now}
	for _, s := range list {
		then, err := add("policies:\n" + s.Rule(false) + "\n")
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		states = append(states, then)
	}
	sims := make([]*simulate.Simulator, len(states))
	for i, s := range states {
		sims[i] = simulate.New(s)
	}
	fives := make([]five, len(list))
	return record(ctx, simulate.Begin(from, states...), to, func(e sentinel.Entry) error {
		was, _, err := sims[0].Judge(ctx, e)
		if err != nil {
			return err
		}
		for i, sim := range sims[1:] {
			is, _, err := sim.Judge(ctx, e)
			if err != nil {
				return err
			}
			if e.At.Before(from) {
				continue
			}
			effect := &list[i].Effect
			effect.Calls++
			effect.Avoided += was.Cost - is.Cost
			if is.Verdict.Action.Refused() && !was.Verdict.Action.Refused() {
				effect.Refused++
				effect.Worst = max(effect.Worst, fives[i].count(e.At))
			}
		}
		return nil
	})
}

// five counts what is refused in the five minutes that run.
type five struct {
	from time.Time
	n    int64
}

func (f *five) count(at time.Time) int64 {
	if from := at.Truncate(5 * time.Minute); !from.Equal(f.from) {
		*f = five{from: from}
	}
	f.n++
	return f.n
}
