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
func Effects(ctx context.Context, past simulate.Past, from, to time.Time, now *governor.State, list []Suggestion, add func(rules string) (*governor.State, error)) error {
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
		sims[i] = simulate.New(s, past.Unusual)
	}
	worst := make([]simulate.Worst, len(list))
	return past.Calls(ctx, simulate.Begin(from, states...), to, func(e sentinel.Entry) error {
		was, _, err := sims[0].Judge(ctx, &e)
		if err != nil {
			return err
		}
		for i, sim := range sims[1:] {
			is, _, err := sim.Judge(ctx, &e)
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
				worst[i].Count(e.At)
				effect.Worst = worst[i].Refused
			}
		}
		return nil
	})
}
