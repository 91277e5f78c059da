package governor

import (
	"slices"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// maxCandidates bounds the models that one admission tries, the asked one included.
const maxCandidates = 8

// option is one way to serve a call, beside what the limiter is asked about it.
type option struct {
	bound bound
	other *fallback     // what another provider is sent; nil for the one that was asked
	pause time.Duration // for so long its provider wants no such calls
	key   int           // number of the credential that it goes out with, by which its limits count
	by    string        // that credential's fingerprint, where its provider has several
}

// choice has the options of one call, in order of preference.
type choice struct {
	plan     policy.Plan // of the asked model
	options  []option
	asks     []sentinel.Candidate // of each option
	unusable []string             // why other providers cannot serve the call
}

// hard tells whether a reservation holds a hard budget.
func (c *choice) hard(r sentinel.Reservation) bool {
	return r.Hold != "" && slices.ContainsFunc(c.asks[r.Chosen].Limits, func(l sentinel.Limit) bool { return l.Charge })
}

// candidates lists the asked model and its cheaper stand-ins, each with its own limits and bound.
// It is not ok when the asked model has no price and the policy denies that. An unpriced stand-in is left out.
func (g *Governor) candidates(r *Request, rq *provider.Request) (c choice, ok bool) {
	asked, call := g.keyed(&r.Route, &r.Call, rq.Model)
	c.plan = r.plan(0, r.Scores, call, r.Call.Model)
	if asked.bound, ok = boundOf(r, rq, rq.Model); !ok {
		return c, false
	}
	c.options, c.asks = r.room.lists(min(maxCandidates, 1+len(c.plan.Downgrades)+len(c.plan.Fallbacks)))
	c.add(sentinel.Candidate{Model: rq.Model, Limits: c.plan.Limits, Cut: r.cutOf(rq, &asked.bound, c.plan.Clamp)}, asked)
	if !rq.Fixed {
		for _, model := range c.plan.Downgrades {
			if len(c.options) == maxCandidates {
				break
			}
			if b, ok := boundOf(r, rq, model); ok {
				o, call := g.keyed(&r.Route, &r.Call, model)
				o.bound = b
				plan := r.plan(len(c.options), r.Scores, call, model)
				c.add(sentinel.Candidate{Model: model, Limits: plan.Limits}, o)
			}
		}
		targets := c.plan.Fallbacks
		if g.Pauses != nil && g.paused(r.Route, r.Call.Caller.Team, rq.Model) > 0 { // as if it had answered so
			targets = append(slices.Clip(targets), c.plan.Failover.To...)
		}
		g.addFallbacks(&c, r, rq, targets)
	}
	for i := range c.options {
		if g.Pauses == nil {
			break
		}
		o := &c.options[i]
		route := r.Route
		if o.other != nil {
			route = o.other.route
		}
		o.pause = g.paused(route, r.Call.Caller.Team, c.asks[i].Model)
	}
	return c, true
}

// add appends an option; the limiter is asked for its bound.
func (c *choice) add(ask sentinel.Candidate, o option) {
	ask.Bound = sentinel.AmountsOf(o.bound.usage, o.bound.cost)
	c.options, c.asks = append(c.options, o), append(c.asks, ask)
}

// shut tells whether an option is not to be tried: the asked model of a service that is unusual, where there is another, and what a provider
// wants no calls for.
func (c *choice) shut(i int) bool {
	return c.options[i].pause > 0 || i == 0 && c.plan.Avoid && len(c.options) > 1
}

// shuts tells whether an option is shut.
func (c *choice) shuts() bool {
	for i := range c.options {
		if c.shut(i) {
			return true
		}
	}
	return false
}

// open is the ask without the options that are shut.
func (c *choice) open(ask sentinel.Ask) sentinel.Ask {
	if !c.shuts() {
		return ask
	}
	var open []sentinel.Candidate
	for i := range c.options {
		if !c.shut(i) {
			open = append(open, c.asks[i])
		}
	}
	ask.Candidates = open
	return ask
}

// whole turns the answer to an open ask into that to the whole one.
func (c *choice) whole(r sentinel.Reservation) sentinel.Reservation {
	if !c.shuts() {
		return r
	}
	asked, denials := 0, r.Denials
	r.Denials = nil
	for i := range c.options {
		switch {
		case c.options[i].pause > 0:
			r.Denials = append(r.Denials, c.denial(i))
		case c.shut(i):
		case asked == r.Chosen:
			r.Chosen = i
			return r
		default:
			if len(denials) > 0 {
				r.Denials, denials = append(r.Denials, denials[0]), denials[1:]
			}
			asked++
		}
	}
	return r
}
