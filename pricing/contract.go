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

// Agreed gives a contract's own prices for filing under a name. Classes of tokens without a rate are billed as in the catalog's own files.
// What they do not say of searches and other things beside tokens, and of the lengths of contexts and answers, is as published.
func (c *Catalog) Agreed(name, published string, models []declare.ModelYAML, version func(m declare.ModelYAML) string) ([]Override, error) {
	var out []Override
	for _, m := range models {
		if of, ok := c.Find(Key{Provider: published, Model: m.Model, Region: m.Region}, farFuture); ok {
			m.MaxOutput, m.Context = cmp.Or(m.MaxOutput, of.MaxOutput), cmp.Or(m.Context, of.ContextWindow)
			if !m.Free {
				m.Rates = besideTokens(m.Rates, &of.Rates)
			}
		}
		p, err := priceOf(m)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Model, err)
		}
		p.Version, p.Source = version(m), "contract"
		for _, n := range namesOf(m) {
			out = append(out, Override{Key: Key{Provider: name, Model: n, Region: m.Region}, Price: p})
		}
	}
	return out, nil
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
