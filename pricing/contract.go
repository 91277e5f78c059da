package pricing

import (
	"cmp"
	"fmt"
	"math/big"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/declare"
)

// CheckAgreed tells fault what is wrong with a contract's own prices, by their place in the list.
func CheckAgreed(models []declare.ModelYAML, fault func(at int, err error)) {
	before := newCatalog().models
	for i, m := range models {
		p, err := priceOf(m)
		if err == nil {
			err = add(before, "", m.Region, namesOf(m), &p)
		}
		if err != nil {
			fault(i, err)
		}
	}
}

// Agreement is what a contract's own prices need from the catalog.
type Agreement struct {
	Name      string              // under which they are filed
	Published []string            // the catalog's providers that have the rest, the first first
	Known     func(string) string // the catalog's name of a model
	Version   func(m declare.ModelYAML) string
}

// Agreed gives a contract's own prices for filing. Classes of tokens without a rate are billed as in the catalog's own files.
// What they do not say of searches and other things beside tokens, and of the lengths of contexts and answers, is as published.
func (c *Catalog) Agreed(a Agreement, models []declare.ModelYAML) ([]Override, error) {
	var out []Override
	for _, m := range models {
		if of, ok := c.published(a, m); ok {
			m.MaxOutput, m.Context = cmp.Or(m.MaxOutput, of.MaxOutput), cmp.Or(m.Context, of.ContextWindow)
			if !m.Free {
				m.Rates = besideTokens(m.Rates, &of.Rates)
			}
		}
		p, err := priceOf(m)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Model, err)
		}
		p.Version, p.Source = a.Version(m), "contract"
		for _, n := range namesOf(m) {
			out = append(out, Override{Key: Key{Provider: a.Name, Model: n, Region: m.Region}, Price: p})
		}
	}
	return out, nil
}

// published is the newest price of a contract's model that is published, in force or not: a model whose last day is known has no price later on,
// and what its contract does not say would be free.
func (c *Catalog) published(a Agreement, m declare.ModelYAML) (*Price, bool) {
	for _, name := range a.Published {
		if list := c.everPriced(Key{Provider: name, Model: a.Known(m.Model), Region: m.Region}); len(list) > 0 {
			return wholeDay(list), true
		}
	}
	return nil, false
}

// wholeDay is the newest price of a list that holds at any hour, or the newest one.
func wholeDay(list []*Price) *Price {
	for _, p := range list {
		if p.Hours == (Hours{}) && p.From.Equal(list[0].From) {
			return p
		}
	}
	return list[0]
}

// besideTokens adds what is charged for searches and other things that are no tokens, and of which the rates say nothing:
// without a rate they would be free.
func besideTokens(rates declare.RatesYAML, published *sentinel.Rates) declare.RatesYAML {
	out := with(nil, rates)
	var said [sentinel.UnitCount]bool
	for name := range rates {
		said[rateNames[name].unit] = true
	}
	for _, class := range [][]sentinel.Unit{sentinel.InputTokenUnits[:], sentinel.OutputTokenUnits[:]} {
		for _, unit := range class {
			said[unit] = true
		}
	}
	for name, r := range rateNames {
		if published[r.unit] > 0 && !said[r.unit] {
			dollars := new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(int64(published[r.unit])), big.NewInt(r.per)), big.NewInt(picoPerUSD))
			out[name], said[r.unit] = declare.RateYAML(dollars.FloatString(picoPlaces)), true
		}
	}
	return out
}

func namesOf(m declare.ModelYAML) []string { return append([]string{m.Model}, m.Aliases...) }
