package pricing

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Listed is one price by its name.
type Listed struct {
	Key
	Price *Price
}

// Listing gives the prices that are in force at a time, by provider and name. An empty provider is all that are published;
// a name holds as a part of a model's or an endpoint's.
func (c *Catalog) Listing(provider, name string, at time.Time) []Listed {
	var out []Listed
	take := func(k filed, prices []*Price, key Key) {
		if provider != "" && k.provider != provider || !strings.Contains(k.name, name) || provider == "" && strings.HasPrefix(k.provider, "contract/") {
			return
		}
		if p, ok := pick(prices, at); ok {
			out = append(out, Listed{key, p})
		}
	}
	for k, prices := range c.models {
		take(k, prices, Key{Provider: k.provider, Model: k.name, Region: k.region})
	}
	for k, prices := range c.endpoints {
		take(k, prices, Key{Provider: k.provider, Endpoint: k.name, Region: k.region})
	}
	slices.SortFunc(out, func(a, b Listed) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Endpoint, b.Endpoint), cmp.Compare(a.Model, b.Model), cmp.Compare(a.Region, b.Region))
	})
	return out
}

// Providers lists the providers that have prices.
func (c *Catalog) Providers() []string {
	var out []string
	for k := range c.models {
		out = append(out, k.provider)
	}
	for k := range c.endpoints {
		out = append(out, k.provider)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Lists gives all price lists of a price that hold at a time, the standard one first.
func (p *Price) Lists(at time.Time) []List {
	out := []List{p.List}
	for _, l := range p.Others {
		known := slices.ContainsFunc(out, func(o List) bool { return o.Tier == l.Tier })
		if !known && l.holds(at) {
			out = append(out, l)
		}
	}
	return out
}
