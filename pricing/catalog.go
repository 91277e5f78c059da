// Package pricing is the dated catalog of what third-party APIs charge, in integer pico-dollars
// a unit, with the source of every figure. It is embedded, immutable and pure.
package pricing

import (
	"regexp"
	"slices"
	"strings"
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
	models    map[string][]Price // "provider\x00model", newest first
	endpoints map[string][]Price // "provider\x00endpoint", newest first
}

// dated is the date that providers append to a model's snapshots.
var dated = regexp.MustCompile(`-20\d\d-[01]\d-[0-3]\d$`)

// Find gives the price of a key at a time. A model is found by its exact name or as a dated
// snapshot of it ("gpt-5-mini-2025-08-07"), never by a looser guess. A call without a model is priced by its endpoint.
func (c *Catalog) Find(k Key, at time.Time) (Price, bool) {
	if p, ok := pick(c.endpoints[k.Provider+"\x00"+k.Endpoint], at); ok || k.Model == "" {
		return p, ok
	}
	if p, ok := pick(c.models[k.Provider+"\x00"+k.Model], at); ok {
		return p, ok
	}
	if len(k.Model) > len("-2025-01-01") && k.Model[len(k.Model)-3] == '-' && dated.MatchString(k.Model) {
		return pick(c.models[k.Provider+"\x00"+k.Model[:len(k.Model)-len("-2025-01-01")]], at)
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
	out := &Catalog{models: clone(c.models), endpoints: clone(c.endpoints)}
	for _, o := range overrides {
		p := Price{Version: o.Version, Rates: o.Rates, Source: "policy"}
		if o.Model != "" {
			out.models[o.Provider+"\x00"+o.Model] = []Price{p}
		} else {
			out.endpoints[o.Provider+"\x00"+o.Endpoint] = []Price{p}
		}
	}
	return out
}

func clone(m map[string][]Price) map[string][]Price {
	out := make(map[string][]Price, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// add files a price under its names, newest first.
func (c *Catalog) add(into map[string][]Price, provider string, names []string, p Price) {
	for _, n := range names {
		k := provider + "\x00" + n
		into[k] = append(into[k], p)
		slices.SortStableFunc(into[k], func(a, b Price) int { return b.From.Compare(a.From) })
	}
}

// Models lists a provider's priced models by name.
func (c *Catalog) Models(provider string) []string {
	var out []string
	for k := range c.models {
		if p, m, _ := strings.Cut(k, "\x00"); p == provider {
			out = append(out, m)
		}
	}
	slices.Sort(out)
	return out
}
