package governor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/pricing"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// Outcome is what the meter saw of an answer.
type Outcome struct {
	Ticket    Ticket
	Metered   provider.Metered
	Status    int           // HTTP status that the client got
	FirstByte time.Duration // from the call's start to the response headers
}

// Settle books what a call used and ends its reservation: price → entry and limiter side by side, which
// costs the longer of the two waits. Both are done when it returns. What a crash leaves half-done is
// made good: a call without its entry is booked by the reconciler at its bound, and a limiter that
// fails leaves the hold charged until it expires.
func (g *Governor) Settle(ctx context.Context, o Outcome) (sentinel.Entry, error) {
	t := o.Ticket
	entry := sentinel.Entry{
		Call: t.Call, Attempt: t.Attempt, Asked: t.Asked, Action: t.Action, Reason: t.Reason, Status: o.Status,
		Usage: o.Metered.Usage, PriceVersion: t.PriceVersion, PolicyVersion: t.PolicyVersion,
		Source: sentinel.SourcePartial, Method: o.Metered.Method,
		FirstByte: o.FirstByte, Duration: since(t.Call.At, g.Now()), Shadow: t.Shadow.Different(),
	}
	if o.Metered.Reported {
		entry.Source = sentinel.SourceMeter
	}
	if err := g.price(&entry, o.Metered, t.TierOpen); err != nil {
		return entry, fmt.Errorf("price call %s: %w", t.Call.ID, err)
	}
	if entry.Estimated() {
		entry.Own = o.Metered.Own
	}
	if o.Metered.Sampled > 0 {
		g.outputs.learn(provider.Observed{Model: t.Call.Model, Weight: o.Metered.Sampled, Tokens: o.Metered.Usage[sentinel.OutputTokens]}, g.Now())
	}
	released, booked := g.book(ctx, &entry, func() error { return g.release(ctx, t.Hold, entry, g.inShadow(&t, entry)) })
	if booked != nil {
		booked = fmt.Errorf("book call %s: %w", t.Call.ID, booked)
	}
	return entry, errors.Join(booked, <-released)
}

// since is how long a call has taken: nothing where Redis' clock was put back in between.
func since(at, now time.Time) time.Duration { return max(0, now.Sub(at)) }

// methodUnpricedTier marks a usage under a price list that nobody knows: the one that was asked for prices it.
const methodUnpricedTier = "unpriced_tier"

// price prices an entry's usage with the price of the call's admission. A tier that the answer names takes the
// place of the one that was asked for, where it has a price list; a model that the answer names prices the call
// where it is dearer than the one that was sent for. Where neither the request nor the answer names a tier, it is the one that the policy says the
// provider's setting has.
func (g *Governor) price(e *sentinel.Entry, m provider.Metered, open bool) error {
	s := g.stateOf(e.PolicyVersion)
	route, ok := s.Routes[e.Provider+"/"+e.Endpoint]
	if !ok {
		return fmt.Errorf("no route %s/%s in policy %s", e.Provider, e.Endpoint, s.Policy.Version)
	}
	p, list, ok := s.price(&route, e.Model, &e.Call)
	if !ok {
		return fmt.Errorf("no price for %s of %s", e.Model, route.Name)
	}
	e.PriceVersion = p.Version // another than at admission when that state is forgotten: cost and version belong together
	answered, assumed := m.Tier, false
	if answered == "" && open && m.Usage != (sentinel.Usage{}) {
		answered, assumed = route.Provider.DefaultTier, true
	}
	if answered != "" && answered != e.Tier {
		call := e.Call
		call.Tier = answered
		p, other, ok := s.price(&route, e.Model, &call)
		known := ok && (p.Version == e.PriceVersion || !sentinel.Entry{PriceVersion: p.Version}.Unpriced())
		if known { // under another version where one of the two lists is agreed and the other published
			list, e.Tier, e.PriceVersion = other, answered, p.Version
		} else if !assumed { // a model without that list has the usual one
			e.Method = methodUnpricedTier
		}
	}
	var err error
	if e.Cost, err = cost(list, e); err != nil {
		return err
	}
	return s.otherModel(e, &route, m.Model)
}

// methodOtherModel marks an answer by a model that has another price than the one that was sent for.
const methodOtherModel = "other_model"

// otherModel marks an entry whose answer came from a model with another price, and takes that where it is dearer:
// the provider may bill by it. A name without a price tells nothing: many are spellings of the same model.
func (s *State) otherModel(e *sentinel.Entry, route *Route, model string) error {
	if model == "" || model == e.Model {
		return nil
	}
	var priced *pricing.Price
	var list *pricing.List
	ok := false
	if zone, _, in := strings.Cut(route.Provider.Known(e.Model), "/"); in { // an answer names the model alone, not the data zone that it is in
		priced, list, ok = s.catalogPrice(route, zone+"/"+model, &e.Call)
	}
	if !ok {
		priced, list, ok = s.catalogPrice(route, model, &e.Call)
	}
	if !ok || priced.Version == e.PriceVersion {
		return nil
	}
	if known, _, ok := s.catalogPrice(route, route.Provider.Known(e.Model), &e.Call); ok && known.Version == priced.Version {
		return nil // a deployment that the contract has a price for by its own name
	}
	cost, err := list.Cost(e.Usage)
	if err != nil {
		return err
	}
	e.Method = methodOtherModel
	if cost > e.Cost {
		e.Cost, e.PriceVersion = cost, priced.Version
	}
	return nil
}

// release ends a reservation with the amounts of an entry, and those in shadow.
func (g *Governor) release(ctx context.Context, hold sentinel.Hold, e sentinel.Entry, shadows []sentinel.Amounts) error {
	if hold == "" {
		return nil
	}
	s := sentinel.Settlement{Org: e.Caller.Org, Call: e.ID.Attempt(e.Attempt), Hold: hold, Actual: sentinel.AmountsOf(e.Usage, e.Cost), Shadows: shadows}
	if _, err := g.Limiter.Settle(ctx, s); err != nil {
		return fmt.Errorf("settle call %s of %s: %w", e.ID, e.Caller.Service, err)
	}
	return nil
}

// Lost is a call whose answer nobody metered, with what Envoy's access log says of it.
type Lost struct {
	sentinel.Intent
	Evidence Evidence
}

// Evidence is what a second witness saw of a call. The zero value is nothing.
type Evidence struct {
	Seen      bool
	Delivered bool          // the provider got something of it
	Status    int           // HTTP status that the client got
	Duration  time.Duration // until the client had the last byte, or had gone
}

// Unseen is the usage of an attempt that may have been served, and whose answer nobody saw: the provider may bill its bound.
func Unseen(t *Ticket) provider.Metered { return provider.Metered{Usage: t.Bound, Method: methodBound} }

// Methods of entries whose answer nobody metered.
const (
	methodBound   = "bound"   // nobody saw the answer: the provider may have charged the bound
	methodWitness = "witness" // Envoy saw the answer, and not what it used: the bound, with the status that the client got
)

// Reconcile books calls whose answer nobody metered, each at the bound of its admission: the
// provider may have charged that much. A call that the witness saw end before it reached its provider is booked as
// refused, at nothing. A metered entry that arrives later supersedes both.
func (g *Governor) Reconcile(ctx context.Context, lost []Lost) error {
	for _, in := range lost {
		entry := in.entry(g.Now())
		if err := g.Journal.Append(ctx, sentinel.Record{Entry: &entry}); err != nil {
			return fmt.Errorf("book lost call %s: %w", in.ID, err)
		}
		if err := g.release(ctx, in.Hold, entry, nil); err != nil {
			return err
		}
	}
	return nil
}

// entry is what is booked.
func (in Lost) entry(now time.Time) sentinel.Entry {
	e := sentinel.Entry{
		Call: in.Call, Attempt: in.Attempt, Asked: in.Asked, Action: in.Action, Reason: in.Reason,
		Usage: in.Bound, Cost: in.BoundCost, PriceVersion: in.PriceVersion, PolicyVersion: in.PolicyVersion,
		Source: sentinel.SourceReconciler, Method: methodBound, Duration: since(in.At, now),
	}
	w := in.Evidence
	if !w.Seen {
		return e
	}
	e.Status, e.Duration, e.Method = w.Status, w.Duration, methodWitness
	if !w.Delivered {
		e.Action, e.Reason, e.Usage, e.Cost, e.Method = sentinel.Deny, sentinel.ReasonUndelivered, sentinel.Usage{}, 0, ""
	}
	return e
}
