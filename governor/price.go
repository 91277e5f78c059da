package governor

import (
	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/pricing"
)

// price finds what a call costs by unit: from the catalog, or as the policy says for unpriced calls. A tier
// without a price list is unpriced, too.
func (s *State) price(route *Route, model string, c *sentinel.Call) (*pricing.Price, *pricing.List, bool) {
	if p, list, ok := s.catalogPrice(route, model, c); ok {
		return p, list, true
	}
	switch s.Policy.Unpriced.Mode {
	case policy.UnpricedFlat:
		flat := sentinel.PicoUSD(s.Policy.Unpriced.Flat) * picoPerNano
		p := &pricing.Price{Version: sentinel.VersionFlat, List: pricing.List{Rates: sentinel.Rates{sentinel.Requests: flat}}}
		return p, &p.List, true
	case policy.UnpricedAlert:
		p := &pricing.Price{Version: sentinel.VersionUnpriced}
		return p, &p.List, true
	default:
		return nil, nil, false
	}
}

// catalogPrice finds a price in the catalog alone.
func (s *State) catalogPrice(route *Route, model string, c *sentinel.Call) (*pricing.Price, *pricing.List, bool) {
	if route.Endpoint.Flat {
		model = ""
	}
	known := route.Provider.Known(model)
	if route.Agreed != "" && model != "" {
		p, list, ok := s.agreedPrice(route, model, c)
		if !ok && known != model {
			p, list, ok = s.agreedPrice(route, known, c)
		}
		if ok {
			return p, list, true
		}
	}
	key := pricing.Key{Provider: route.Catalog, Endpoint: route.Endpoint.Name, Model: known, Region: route.Provider.Region}
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

// agreedPrice finds a price that the contract has under a model's or a deployment's name.
func (s *State) agreedPrice(route *Route, name string, c *sentinel.Call) (*pricing.Price, *pricing.List, bool) {
	p, ok := s.Prices.Find(pricing.Key{Provider: route.Agreed, Model: name, Region: route.Provider.Region}, c.At)
	if !ok {
		return nil, nil, false
	}
	list, ok := p.For(c.Tier, c.At)
	return p, list, ok
}
