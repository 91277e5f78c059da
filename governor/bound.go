package governor

import (
	"errors"
	"fmt"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/pricing"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// maxCandidates bounds the models that one admission tries, the asked one included.
const maxCandidates = 8

// Where the catalog does not say how much a model takes or gives, these bound it from above:
// no model of the catalog has more.
const (
	largestContext = 10_000_000
	largestOutput  = 272_000
)

// bound is the most that one candidate can use and cost.
type bound struct {
	usage sentinel.Usage
	cost  sentinel.NanoUSD
	price *pricing.Price
}

// choice has the candidates of one call with their bounds, in the same order.
type choice struct {
	plan   policy.Plan // of the asked model
	asks   []sentinel.Candidate
	bounds []bound
	// fallbacks has what a candidate of another provider is sent, and nil for the others.
	fallbacks []*fallback
	unusable  []string // why other providers cannot serve the call
}

// candidates lists the asked model and its cheaper stand-ins, each with its own limits and bound.
// It is not ok when the asked model has no price and the policy denies that. An unpriced stand-in is left out.
func candidates(r Request, rq provider.Request) (choice, bool) {
	c := choice{plan: r.State.Policy.PlanUnder(r.Scores, &r.Call, r.Call.Model, r.Call.At)}
	b, ok := boundOf(r, rq, rq.Model)
	if !ok {
		return c, false
	}
	c.add(rq.Model, c.plan.Limits, b)
	if rq.Fixed {
		return c, true
	}
	for _, model := range c.plan.Downgrades {
		if len(c.asks) == maxCandidates {
			break
		}
		if b, ok := boundOf(r, rq, model); ok {
			c.add(model, r.State.Policy.PlanUnder(r.Scores, &r.Call, model, r.Call.At).Limits, b)
		}
	}
	c.addFallbacks(r, rq)
	return c, true
}

// fallback is a call in another provider's words.
type fallback struct {
	route Route
	provider.Translated
}

// addFallbacks lists the models of other providers that can serve the call, each under the limits of that provider.
// A recorded call has no body: its demand stands for the translated one.
func (c *choice) addFallbacks(r Request, rq provider.Request) {
	for _, t := range c.plan.Fallbacks {
		if len(c.asks) == maxCandidates {
			return
		}
		f, b, err := fallbackTo(r, rq, t)
		if err != nil {
			c.unusable = append(c.unusable, fmt.Sprintf("%s/%s: %s", t.Provider, t.Model, err))
			continue
		}
		call := f.call(r.Call)
		c.add(t.Model, r.State.Policy.Plan(&call, t.Model, call.At).Limits, b)
		last := len(c.asks) - 1
		c.asks[last].Provider, c.fallbacks[last] = t.Provider, f
	}
}

// call is the call as it goes to the other provider.
func (f *fallback) call(c sentinel.Call) sentinel.Call {
	c.Provider, c.Endpoint, c.Model, c.Tier = f.route.Provider.Name, f.route.Endpoint.Name, f.Request.Model, f.Request.Tier
	return c
}

var errNoPrice = errors.New("no price is known")

// fallbackTo translates a call and prices the most that it can use there.
func fallbackTo(r Request, rq provider.Request, t policy.Target) (*fallback, bound, error) {
	from := provider.Speech{Preset: r.Route.Preset, Endpoint: r.Route.Endpoint}
	var to provider.Speech
	found := false
	for _, route := range r.State.Ordered {
		if route.Provider.Name == t.Provider {
			to, found = from.Counterpart(route.Preset)
			break
		}
	}
	route, open := r.State.Routes[t.Provider+"/"+to.Endpoint.Name]
	if !found || !open {
		return nil, bound{}, fmt.Errorf("it has no endpoint like %s", r.Route.Endpoint.Name)
	}
	f := &fallback{route: route}
	there := r
	there.Route, there.Call.Provider, there.Call.Endpoint = route, route.Provider.Name, route.Endpoint.Name
	var most int64
	if price, _, ok := r.State.price(route, t.Model, there.Call); ok {
		most = price.MaxOutput
	}
	if r.Raw.Body == nil {
		f.Request = rq
		f.Request.Model = t.Model
	} else {
		var err error
		if f.Translated, err = provider.Translate(from, to, r.Raw, rq, t.Model, most); err != nil {
			return nil, bound{}, err
		}
	}
	b, ok := boundOf(there, f.Request, t.Model)
	if !ok {
		return nil, bound{}, errNoPrice
	}
	return f, b, nil
}

func (c *choice) add(model string, limits []sentinel.Limit, b bound) {
	c.bounds, c.fallbacks = append(c.bounds, b), append(c.fallbacks, nil)
	c.asks = append(c.asks, sentinel.Candidate{Model: model, Limits: limits, Bound: sentinel.AmountsOf(b.usage, b.cost)})
}

// boundOf prices the most that a call with this model can use.
func boundOf(r Request, rq provider.Request, model string) (bound, bool) {
	price, list, ok := r.State.price(r.Route, model, r.Call)
	if !ok {
		return bound{}, false
	}
	u := rq.Bound
	for _, unit := range [...]sentinel.Unit{sentinel.WebSearches, sentinel.FileSearches, sentinel.Characters} {
		if u[unit] > 0 && list.Rates[unit] == 0 && price.Version != VersionFlat && price.Version != VersionUnpriced && r.Route.Preset.Name != "generic" {
			return bound{}, false // the catalog has the model without this class, which is not free
		}
	}
	context := orElse(price.ContextWindow, largestContext)
	if u[sentinel.InputTokens] < 0 {
		u[sentinel.InputTokens] = context
	}
	if u[sentinel.OutputTokens] < 0 {
		u[sentinel.OutputTokens] = orElse(price.MaxOutput, min(context, largestOutput)) * max(rq.Choices, 1)
	}
	cost, err := list.Bound(u)
	return bound{usage: u, cost: cost, price: price}, err == nil
}

func orElse(n, otherwise int64) int64 {
	if n > 0 {
		return n
	}
	return otherwise
}

// price finds what a call costs by unit: from the catalog, or as the policy says for unpriced calls. A tier
// without a price list is unpriced, too.
func (s *State) price(route Route, model string, c sentinel.Call) (*pricing.Price, *pricing.List, bool) {
	if p, list, ok := s.catalogPrice(route, model, c); ok {
		return p, list, true
	}
	switch s.Policy.Unpriced.Mode {
	case policy.UnpricedFlat:
		flat := sentinel.PicoUSD(s.Policy.Unpriced.Flat) * picoPerNano
		p := &pricing.Price{Version: VersionFlat, List: pricing.List{Rates: sentinel.Rates{sentinel.Requests: flat}}}
		return p, &p.List, true
	case policy.UnpricedAlert:
		p := &pricing.Price{Version: VersionUnpriced}
		return p, &p.List, true
	default:
		return nil, nil, false
	}
}

// catalogPrice finds a price in the catalog alone.
func (s *State) catalogPrice(route Route, model string, c sentinel.Call) (*pricing.Price, *pricing.List, bool) {
	if m, ok := route.Provider.Models[model]; ok {
		model = m
	}
	if route.Agreed != "" && c.Tier == "" {
		if p, ok := s.Prices.Find(pricing.Key{Provider: route.Agreed, Model: model}, c.At); ok && model != "" {
			return p, &p.List, true
		}
	}
	key := pricing.Key{Provider: route.Catalog, Endpoint: route.Endpoint.Name, Model: model, Region: route.Provider.Region}
	p, ok := s.Prices.Find(key, c.At)
	if !ok && route.Preset.PricedAs != "" {
		key.Provider = route.Preset.PricedAs
		p, ok = s.Prices.Find(key, c.At)
	}
	if ok {
		if list, ok := p.For(c.Tier, c.At); ok {
			return p, list.With(route.Provider.Contract.Factor), true
		}
	}
	return nil, nil, false
}

// The versions of prices that no catalog has: the policy's flat one, and none at all.
const (
	VersionFlat     = "unpriced@flat"
	VersionUnpriced = "unpriced@alert"
)
