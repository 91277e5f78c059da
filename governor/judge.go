package governor

import (
	"context"
	"errors"
	"slices"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// Judgement is what Admit would have decided on a recorded call, or on one that is described.
type Judgement struct {
	Verdict sentinel.Verdict
	Ask     sentinel.Ask
	Chosen  sentinel.Candidate // of a call that goes out
	Hold    sentinel.Hold      // to be settled by the caller
	Limited bool               // the limiter was asked
	// Avoided says that the asked model was not tried because of a rule; Denials say why the next ones were passed over.
	Avoided bool
	Denials []sentinel.Denial
}

// ErrNoDemand says that a recorded call cannot be judged again: its request was not read, or it was recorded by a release that did not
// keep what it asked for.
var ErrNoDemand = errors.New("the record does not say what the call asked for")

// Room is memory in which one call is judged after the other: a Judgement made in it holds until the next one. It is for one goroutine; its
// zero value is ready.
type Room struct {
	limits  [maxCandidates][]sentinel.Limit // of each option
	options []option
	asks    []sentinel.Candidate
}

// lists gives empty lists of options and of what the limiter is asked, with memory for n of each.
func (r *Room) lists(n int) ([]option, []sentinel.Candidate) {
	if r == nil {
		return make([]option, 0, n), make([]sentinel.Candidate, 0, n)
	}
	r.options, r.asks = slices.Grow(r.options[:0], n), slices.Grow(r.asks[:0], n)
	return r.options, r.asks
}

// Judge decides on a call of the ledger as Admit decides on a request: the same match, prices, candidates, limiter and decision. It
// writes nothing. The call's model is the one that was asked for. Without a room the judgement has memory of its own.
func (g *Governor) Judge(ctx context.Context, room *Room, c *sentinel.Call) (Judgement, error) {
	wanted, ok := c.Demand.Read()
	if !ok {
		return Judgement{}, ErrNoDemand
	}
	state := g.State()
	r := Request{State: state, Call: *c, Scores: g.Scores.Load(), room: room}
	if r.Route, ok = state.Routes[c.Provider+"/"+c.Endpoint]; !ok {
		return Judgement{Verdict: sentinel.Verdict{Action: sentinel.Deny, Reason: sentinel.ReasonUnknownEndpoint}}, nil
	}
	rq := asked(&r.Call, &wanted)
	return g.judge(ctx, &r, &rq)
}

// asked is the request of a call of the ledger, which gets the price list that the request asked for: its record has the one that it was booked by.
func asked(c *sentinel.Call, w *sentinel.Wanted) provider.Request {
	rq := provider.Request{Model: c.Model, Tier: c.Tier, Stream: c.Stream, Bound: w.Bound, Choices: w.Choices, Weight: w.Weight, Fixed: w.Fixed}
	if w.List != "" {
		rq.AskFor(w.List)
	}
	c.Tier = rq.Tier
	return rq
}

// Held is the most that a call of the ledger could use and cost, which limits hold for it while it runs. The call's model is the one that was
// asked for. It is nothing, and not ok, where that is not known, or has no price.
func (s *State) Held(c *sentinel.Call) (held sentinel.Amounts, ok bool) {
	wanted, ok := c.Demand.Read()
	if !ok {
		return held, false
	}
	r := Request{State: s, Call: *c}
	if r.Route, ok = s.Routes[c.Provider+"/"+c.Endpoint]; !ok {
		return held, false
	}
	rq := asked(&r.Call, &wanted)
	b, ok := boundOf(&r, &rq, rq.Model)
	if ok {
		held = sentinel.AmountsOf(b.usage, b.cost)
	}
	return held, ok
}

// Describe decides on a request that nobody sent, as Admit would, without a record of it. A model replaces the one that the body names;
// a call with a model and without a body may use as much as the model allows. The call may hold room in the limiter.
func (g *Governor) Describe(ctx context.Context, r Request, model string) (Judgement, error) {
	rq := provider.Request{Choices: 1, Bound: sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: provider.AsModelAllows, sentinel.OutputTokens: provider.AsModelAllows}}
	if r.Route.Endpoint.Flat {
		rq.Bound, rq.Fixed = sentinel.Usage{sentinel.Requests: 1}, true
	} else if r.Route.Preset.DefaultTiers() != nil {
		rq.AskFor(sentinel.ListUnnamed)
	}
	if r.Raw.Body != nil || model == "" {
		var err error
		if rq, err = r.Route.Preset.ReadRequest(r.Route.Endpoint, r.Raw); err != nil {
			return Judgement{Verdict: sentinel.Verdict{Action: sentinel.Deny, Reason: sentinel.ReasonBadRequest, Detail: err.Error()}}, nil //nolint:nilerr // a body that cannot be read is a verdict
		}
	}
	if model != "" {
		rq.Model = model
	}
	r.Call.Model, r.Call.Tier, r.Call.Stream = rq.Model, rq.Tier, rq.Stream
	r.Call.Demand = r.wanted(rq).Demand()
	return g.judge(ctx, &r, &rq)
}

// judge matches, prices, asks the limiter and decides.
func (g *Governor) judge(ctx context.Context, r *Request, rq *provider.Request) (Judgement, error) {
	found, ok := g.candidates(r, rq)
	if !ok {
		return Judgement{Verdict: sentinel.Verdict{Action: sentinel.Deny, Reason: sentinel.ReasonUnpriced, Detail: unpriced(r.Call)}}, nil
	}
	j := Judgement{Ask: g.ask(r, &found)}
	if found.plan.Refuse {
		j.Verdict = policy.Decide(found.plan, j.Ask, sentinel.Reservation{})
		return j, nil
	}
	j.Avoided = found.plan.Avoid && len(found.options) > 1
	waited := false
	reserved, err := g.reserve(ctx, &found, j.Ask)
	if err == nil && reserved.Chosen < 0 {
		reserved, waited, err = g.patiently(ctx, j.Ask, &found, reserved)
	}
	if err != nil {
		return Judgement{}, err
	}
	for _, candidate := range j.Ask.Candidates {
		j.Limited = j.Limited || len(candidate.Limits) > 0
	}
	j.Verdict, j.Denials = policy.Decide(found.plan, j.Ask, reserved), reserved.Denials
	if waited && j.Verdict.Action == sentinel.Allow {
		j.Verdict.Action = sentinel.Delay
	}
	if !j.Verdict.Action.Refused() {
		j.Chosen, j.Hold = j.Ask.Candidates[reserved.Chosen], reserved.Hold
		if reserved.Tokens > 0 {
			j.Chosen.Bound = j.Chosen.Cut.At(reserved.Tokens)
		}
	}
	return j, nil
}
