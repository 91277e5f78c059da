// Package pricing is the dated catalog of what third-party APIs charge, in integer pico-dollars
// a unit, with the source of every figure. It is embedded, immutable and pure.
package pricing

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Key names a price: of a model, or of an endpoint where the API has no models.
type Key struct{ Provider, Endpoint, Model, Region string }

// Override is a price that an operator sets, for instance for a custom API.
type Override struct {
	Key
	Price
}

// Catalog finds prices. It never changes.
type Catalog struct {
	models    map[filed][]*Price // by model, newest first
	endpoints map[filed][]*Price // by endpoint, newest first
}

// filed is where a price stands. A struct, because joined texts would be allocated at every look-up.
type filed struct{ provider, region, name string }

func newCatalog() *Catalog {
	return &Catalog{models: map[filed][]*Price{}, endpoints: map[filed][]*Price{}}
}

// Find gives the price of a key at a time. A model is found by its exact name or as a dated
// snapshot of it ("gpt-5-mini-2025-08-07"), never by a looser guess. A call without a model is priced by its
// endpoint. A price of the call's own region stands before the one that holds everywhere.
func (c *Catalog) Find(k Key, at time.Time) (*Price, bool) {
	if k.Region != "" {
		if p, ok := c.find(k, at); ok {
			return p, true
		}
		k.Region = ""
	}
	return c.find(k, at)
}

func (c *Catalog) find(k Key, at time.Time) (*Price, bool) {
	if p, ok := pick(c.endpoints[filed{k.Provider, k.Region, k.Endpoint}], at); ok || k.Model == "" {
		return p, ok
	}
	if p, ok := pick(c.models[filed{k.Provider, k.Region, k.Model}], at); ok {
		return p, ok
	}
	if name, ok := Undated(k.Model); ok {
		return pick(c.models[filed{k.Provider, k.Region, name}], at)
	}
	return nil, false
}

// Undated takes the date off a model's snapshot: -2025-08-07, -20250807 or @20250807.
func Undated(model string) (string, bool) {
	for _, length := range [...]int{len("-2025-08-07"), len("-20250807")} {
		at := len(model) - length
		if at <= 0 || model[at] != '-' && (model[at] != '@' || length != len("@20250807")) {
			continue
		}
		if isDate(model[at+1:]) {
			return model[:at], true
		}
	}
	return "", false
}

// isDate tells 2025-08-07 and 20250807 from other digits.
func isDate(s string) bool {
	if len(s) == len("2025-08-07") {
		if s[4] != '-' || s[7] != '-' {
			return false
		}
		return isDay(s[:4], s[5:7], s[8:])
	}
	return isDay(s[:4], s[4:6], s[6:])
}

func isDay(year, month, day string) bool {
	for _, part := range [...]string{year, month, day} {
		for i := range len(part) {
			if part[i] < '0' || part[i] > '9' {
				return false
			}
		}
	}
	return year[:2] == "20" && month >= "01" && month <= "12" && day >= "01" && day <= "31"
}

// Known tells whether a model has a price in a region, or everywhere, at whatever time.
func (c *Catalog) Known(provider, model, region string) bool {
	return len(c.everPriced(Key{Provider: provider, Model: model, Region: region})) > 0
}

// everPriced gives a model's prices of whatever time, from the first of the places where Find looks that has any.
func (c *Catalog) everPriced(k Key) []*Price {
	names := []string{k.Model}
	if name, ok := Undated(k.Model); ok {
		names = append(names, name)
	}
	for _, region := range []string{k.Region, ""} {
		for _, name := range names {
			if list := c.models[filed{k.Provider, region, name}]; len(list) > 0 {
				return list
			}
		}
	}
	return nil
}

// pick finds the newest price that is in force.
func pick(list []*Price, at time.Time) (*Price, bool) {
	for _, p := range list {
		if p.holds(at) && p.Hours.holds(at) {
			return p, true
		}
	}
	return nil, false
}

// With gives a new catalog in which overrides stand in place of the published prices of their name and region. Several of
// one name hold from their dates.
func (c *Catalog) With(overrides []Override) (*Catalog, error) {
	if len(overrides) == 0 {
		return c, nil
	}
	out := &Catalog{models: c.models, endpoints: c.endpoints} // catalogs share what no override is of: a process keeps several
	if slices.ContainsFunc(overrides, func(o Override) bool { return o.Model != "" }) {
		out.models = maps.Clone(c.models)
	}
	if slices.ContainsFunc(overrides, func(o Override) bool { return o.Model == "" }) {
		out.endpoints = maps.Clone(c.endpoints)
	}
	for _, o := range overrides {
		into, name := out.filing(o.Key)
		delete(into, filed{o.Provider, o.Region, name})
	}
	for _, o := range overrides {
		p := o.Price
		p.Source = cmp.Or(p.Source, "policy")
		into, name := out.filing(o.Key)
		if err := add(into, o.Provider, o.Region, []string{name}, &p); err != nil {
			return nil, fmt.Errorf("prices of %s: %w", o.Provider, err)
		}
	}
	return out, nil
}

// filing says among which prices a key stands, and by what name.
func (c *Catalog) filing(k Key) (into map[filed][]*Price, name string) {
	if k.Model != "" {
		return c.models, k.Model
	}
	return c.endpoints, k.Endpoint
}

// add files one price under all its names, newest first, and the hours of a day before the whole day. Two prices of one
// name from one date are a fault, because only their order in the file would decide between them.
func add(into map[filed][]*Price, provider, region string, names []string, p *Price) error {
	for _, n := range names {
		k := filed{provider, region, n}
		for _, other := range into[k] {
			if other.From.Equal(p.From) && other.Hours == p.Hours {
				return fmt.Errorf("%s has another price from the same date: keep one of the two, or give one a later from", n)
			}
		}
		into[k] = append(into[k], p)
		slices.SortStableFunc(into[k], func(a, b *Price) int {
			return cmp.Or(b.From.Compare(a.From), cmp.Compare(b.Hours.To, a.Hours.To))
		})
	}
	return nil
}
