package governor

import (
	"context"
	"errors"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// Judgement is what Admit would have decided on a recorded call.
type Judgement struct {
	Verdict sentinel.Verdict
	Ask     sentinel.Ask
	Chosen  sentinel.Candidate // of a call that goes out
	Hold    sentinel.Hold      // to be settled by the caller
	Limited bool               // the limiter was asked
}

// ErrNoDemand says that a recorded call cannot be judged again: its request was not read, or it was recorded by a release that did not
// keep what it asked for.
var ErrNoDemand = errors.New("the record does not say what the call asked for")

// Judge decides on a call of the ledger as Admit decides on a request: the same match, prices, candidates, limiter and decision. It
// writes nothing. The call's model is the one that was asked for.
func (g *Governor) Judge(ctx context.Context, c sentinel.Call) (Judgement, error) {
	wanted, ok := c.Demand.Read()
	if !ok {
		return Judgement{}, ErrNoDemand
	}
	state := g.State()
	r := Request{State: state, Call: c}
	if r.Route, ok = state.Routes[c.Provider+"/"+c.Endpoint]; !ok {
		return Judgement{Verdict: sentinel.Verdict{Action: sentinel.Deny, Reason: sentinel.ReasonUnknownEndpoint}}, nil
	}
	rq := provider.Request{Model: c.Model, Tier: c.Tier, Stream: c.Stream, Bound: wanted.Bound, Choices: wanted.Choices, TextBytes: wanted.TextBytes, Fixed: wanted.Fixed}
	found, ok := g.candidates(r, rq)
	if !ok {
		return Judgement{Verdict: sentinel.Verdict{Action: sentinel.Deny, Reason: sentinel.ReasonUnpriced, Detail: unpriced(c)}}, nil
	}
	j := Judgement{Ask: g.ask(r, found)}
	if found.plan.Refuse {
		j.Verdict = policy.Decide(found.plan, j.Ask, sentinel.Reservation{})
		return j, nil
	}
	reserved, err := g.reserve(ctx, &found, j.Ask)
	if err != nil {
		return Judgement{}, err
	}
	for _, candidate := range j.Ask.Candidates {
		j.Limited = j.Limited || len(candidate.Limits) > 0
	}
	j.Verdict = policy.Decide(found.plan, j.Ask, reserved)
	if !j.Verdict.Action.Refused() {
		j.Chosen, j.Hold = j.Ask.Candidates[reserved.Chosen], reserved.Hold
	}
	return j, nil
}
