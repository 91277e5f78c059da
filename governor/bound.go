package governor

import (
	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/pricing"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

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

// boundOf prices the most that a call with this model can use.
func boundOf(r *Request, rq *provider.Request, model string) (bound, bool) {
	price, list, ok := r.State.price(&r.Route, model, &r.Call)
	if !ok {
		return bound{}, false
	}
	u := rq.Bound
	for _, unit := range [...]sentinel.Unit{sentinel.WebSearches, sentinel.FileSearches, sentinel.Characters, sentinel.Seconds, sentinel.Pages} {
		if unit == sentinel.Characters && u[sentinel.OutputTokens] != 0 {
			continue // of a text that is spoken for tokens: what is booked where the answer breaks off follows from them
		}
		if u[unit] > 0 && list.Rates[unit] == 0 && price.Version != sentinel.VersionFlat && price.Version != sentinel.VersionUnpriced && r.Route.Preset.Name != "generic" {
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
	tiers := rq.Tiers
	if set := r.Route.Provider.DefaultTier; set != "" && rq.TierOpen {
		tiers = []string{set}
	}
	for _, tier := range tiers {
		call := r.Call
		call.Tier = tier
		if _, other, ok := r.State.catalogPrice(&r.Route, model, &call); ok && err == nil {
			var dearer sentinel.NanoUSD
			dearer, err = other.Bound(u)
			cost = max(cost, dearer)
		}
	}
	return bound{usage: u, cost: cost, price: price}, err == nil
}

func orElse(n, otherwise int64) int64 {
	if n > 0 {
		return n
	}
	return otherwise
}
