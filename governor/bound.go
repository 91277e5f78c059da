package governor

import (
	"slices"

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
	largestContext = 2_000_000
	largestOutput  = 131_072
)

// bound is the most that one candidate can use and cost.
type bound struct {
	usage sentinel.Usage
	cost  sentinel.NanoUSD
	price pricing.Price
}

// choice has the candidates of one call with their bounds, in the same order.
type choice struct {
	plan   policy.Plan // of the asked model
	asks   []sentinel.Candidate
	bounds []bound
}

// candidates lists the asked model and its cheaper stand-ins, each with its own limits and bound.
// It is not ok when the asked model has no price and the policy denies that. An unpriced stand-in is left out.
func candidates(r Request, rq provider.Request) (choice, bool) {
	c := choice{plan: r.State.Policy.Plan(&r.Call, r.Call.Model, r.Call.At)}
	b, ok := boundOf(r, rq, rq.Model)
	if !ok {
		return c, false
	}
	c.add(rq.Model, c.plan.Limits, b)
	for _, model := range c.plan.Downgrades {
		if len(c.asks) == maxCandidates {
			break
		}
		if b, ok := boundOf(r, rq, model); ok {
			c.add(model, r.State.Policy.Plan(&r.Call, model, r.Call.At).Limits, b)
		}
	}
	return c, true
}

func (c *choice) add(model string, limits []sentinel.Limit, b bound) {
	c.bounds = append(c.bounds, b)
	c.asks = append(c.asks, sentinel.Candidate{Model: model, Limits: limits, Bound: sentinel.AmountsOf(b.usage, b.cost)})
}

// boundOf prices the most that a call with this model can use.
func boundOf(r Request, rq provider.Request, model string) (bound, bool) {
	price, ok := r.State.price(r.Route, model, r.Call)
	if !ok {
		return bound{}, false
	}
	u := rq.Bound
	if u[sentinel.InputTokens] < 0 {
		u[sentinel.InputTokens] = orElse(price.ContextWindow, largestContext)
	}
	if u[sentinel.OutputTokens] < 0 {
		u[sentinel.OutputTokens] = orElse(price.MaxOutput, largestOutput) * max(rq.Choices, 1)
	}
	cost, err := sentinel.Cost(u, dearest(price.Rates))
	return bound{usage: u, cost: cost, price: price}, err == nil
}

func orElse(n, otherwise int64) int64 {
	if n > 0 {
		return n
	}
	return otherwise
}

// price finds what a call costs by unit: from the catalog, or as the policy says for unpriced calls.
func (s *State) price(route Route, model string, c sentinel.Call) (pricing.Price, bool) {
	p, ok := s.Prices.Find(pricing.Key{Provider: route.Catalog, Endpoint: route.Endpoint.Name, Model: model}, c.At)
	if ok {
		return p, true
	}
	switch s.Policy.Unpriced.Mode {
	case policy.UnpricedFlat:
		flat := sentinel.PicoUSD(s.Policy.Unpriced.Flat) * picoPerNano
		return pricing.Price{Version: "unpriced@flat", Rates: sentinel.Rates{sentinel.Requests: flat}}, true
	case policy.UnpricedAlert:
		return pricing.Price{Version: "unpriced@alert"}, true
	default:
		return pricing.Price{}, false
	}
}

// dearest prices bounds from above: before the answer nobody knows which class a token falls
// into, so every input token counts at the dearest input rate, and every output token likewise.
func dearest(rates sentinel.Rates) sentinel.Rates {
	for _, class := range [][]sentinel.Unit{sentinel.InputTokenUnits[:], sentinel.OutputTokenUnits[:]} {
		top := slices.MaxFunc(class, func(a, b sentinel.Unit) int { return int(min(1, max(-1, rates[a]-rates[b]))) })
		rates[class[0]] = rates[top]
	}
	return rates
}

// sums gathers the classes of tokens by direction: what a bound knows of them.
func sums(u sentinel.Usage) sentinel.Usage {
	in, out := u.InputTokenSum(), u.OutputTokenSum()
	for _, class := range [][]sentinel.Unit{sentinel.InputTokenUnits[:], sentinel.OutputTokenUnits[:]} {
		for _, unit := range class {
			u[unit] = 0
		}
	}
	u[sentinel.InputTokens], u[sentinel.OutputTokens] = in, out
	return u
}
