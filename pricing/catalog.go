// Package pricing is the dated catalog of what third-party APIs charge, in integer pico-dollars
// a unit, with the source of every figure. It is embedded, immutable and pure.
package pricing

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Key names a price: of a model, or of an endpoint where the API has no models.
type Key struct{ Provider, Endpoint, Model string }

// Price is what a provider charges from a date on.
type Price struct {
	Version       string // "openai/gpt-5-mini@2025-08-07": stored on every entry
	Rates         sentinel.Rates
	MaxOutput     int64     // most tokens that one answer can have; 0 when not known
	ContextWindow int64     // most tokens that one call can take; 0 when not known
	From          time.Time // UTC; zero for "always so far"
	Source        string    // where the figure was published
}

// Override is a price that an operator sets, for instance for a custom API.
type Override struct {
	Key
	Rates   sentinel.Rates
	Version string
}

// Catalog finds prices. It never changes.
type Catalog struct {
	models    map[filed][]Price // by model, newest first
	endpoints map[filed][]Price // by endpoint, newest first
}

// filed is where a price stands. A struct, because joined texts would be allocated at every look-up.
type filed struct{ provider, name string }

func newCatalog() *Catalog {
	return &Catalog{models: map[filed][]Price{}, endpoints: map[filed][]Price{}}
}

// dated is the date that providers append to a model's snapshots.
var dated = regexp.MustCompile(`-20\d\d-[01]\d-[0-3]\d$`)

// Find gives the price of a key at a time. A model is found by its exact name or as a dated
// snapshot of it ("gpt-5-mini-2025-08-07"), never by a looser guess. A call without a model is priced by its endpoint.
func (c *Catalog) Find(k Key, at time.Time) (Price, bool) {
	if p, ok := pick(c.endpoints[filed{k.Provider, k.Endpoint}], at); ok || k.Model == "" {
		return p, ok
	}
	if p, ok := pick(c.models[filed{k.Provider, k.Model}], at); ok {
		return p, ok
	}
	if len(k.Model) > len("-2025-01-01") && k.Model[len(k.Model)-3] == '-' && dated.MatchString(k.Model) {
		return pick(c.models[filed{k.Provider, k.Model[:len(k.Model)-len("-2025-01-01")]}], at)
	}
	return Price{}, false
}

// Known tells whether any price of a model is known.
func (c *Catalog) Known(provider, model string) bool {
	_, ok := c.Find(Key{Provider: provider, Model: model}, farFuture)
	return ok
}

var farFuture = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// pick finds the newest price that is in force.
func pick(list []Price, at time.Time) (Price, bool) {
	for _, p := range list {
		if !p.From.After(at) {
			return p, true
		}
	}
	return Price{}, false
}

// With gives a new catalog in which overrides stand before published prices.
func (c *Catalog) With(overrides []Override) *Catalog {
	out := &Catalog{models: maps.Clone(c.models), endpoints: maps.Clone(c.endpoints)}
	for _, o := range overrides {
		p := Price{Version: o.Version, Rates: o.Rates, Source: "policy"}
		if o.Model != "" {
			out.models[filed{o.Provider, o.Model}] = []Price{p}
		} else {
			out.endpoints[filed{o.Provider, o.Endpoint}] = []Price{p}
		}
	}
	return out
}

// add files a price under its names, newest first. Two prices of one name from one date are a fault,
// because only their order in the file would decide between them.
func add(into map[filed][]Price, provider string, names []string, p Price) error {
	for _, n := range names {
		k := filed{provider, n}
		for _, other := range into[k] {
			if other.From.Equal(p.From) {
				return fmt.Errorf("%s has another price from the same date", n)
			}
		}
		into[k] = append(into[k], p)
		slices.SortStableFunc(into[k], func(a, b Price) int { return b.From.Compare(a.From) })
	}
	return nil
}

// Models lists a provider's priced models by name.
func (c *Catalog) Models(provider string) []string {
	var out []string
	for k := range c.models {
		if k.provider == provider {
			out = append(out, k.name)
		}
	}
	slices.Sort(out)
	return out
}
