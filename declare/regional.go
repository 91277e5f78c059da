package declare

import (
	"fmt"
	"slices"
)

// regionalYAML says what a preset's prices are region by region.
type regionalYAML struct {
	SKUs []string    `yaml:"skus"` // of what is counted once; without any, every price is
	USD  []placeYAML `yaml:"usd,required"`
}

// placeYAML is a figure in the place of a charge's own, and the regions in which it holds.
type placeYAML struct {
	USD *Dollars `yaml:"usd,required"`
	In  []string `yaml:"in,required"`
}

// regionOfFigures is the region whose figures the prices of an endpoint themselves have.
const regionOfFigures = "us-east-1"

// regional gives the price lists of the preset's endpoint in each region that has a figure; nil where one figure holds everywhere. A list without
// a figure there is not among them, unless no region has one.
func (y presetYAML) regional(e *Endpoint, fault Fault) map[string][]List {
	if len(y.Regional) == 0 {
		return nil
	}
	if len(y.Endpoints) != 1 || len(e.prices) != len(y.Endpoints[0].Price) {
		fault("regional", "prices by region are those of one endpoint")
		return nil
	}
	lists := map[string]map[int]List{} // by region and place of the price
	named := map[int]bool{}
	for i, group := range y.Regional {
		key := fmt.Sprintf("regional[%d]", i)
		for at, p := range e.prices {
			if len(group.SKUs) > 0 && !slices.Contains(group.SKUs, p.sku) {
				continue
			}
			c, one := p.priced()
			if named[at] || !one {
				fault(key+".skus", "%q has a figure by region already, or does not count one thing", p.sku)
				continue
			}
			named[at] = true
			y.inRegions(group, key, at, p, c, lists, fault)
		}
	}
	return inOrder(e, lists, named)
}

// priced finds the only charge of a price that has a rate; those that cost nothing are counted for others.
func (p *price) priced() (at int, one bool) {
	n := 0
	for i, c := range p.charges {
		if p.rates[c.unit] > 0 {
			at, n = i, n+1
		}
	}
	return at, n == 1
}

// inRegions files one price's list in every region that has a figure for its charge.
func (y presetYAML) inRegions(group regionalYAML, key string, at int, p price, charge int, into map[string]map[int]List, fault Fault) {
	unit := p.charges[charge].unit
	for j, place := range group.USD {
		rate, err := place.USD.rate(unit, max(y.Endpoints[0].Price[at].Charges[charge].Per, 1))
		if err != nil {
			fault(fmt.Sprintf("%s.usd[%d].usd", key, j), "%s", err)
		}
		for _, region := range place.In {
			if into[region] == nil {
				into[region] = map[int]List{}
			}
			if _, twice := into[region][at]; twice {
				fault(fmt.Sprintf("%s.usd[%d].in", key, j), "%s has another figure already", region)
			}
			if region == regionOfFigures && rate != p.rates[unit] {
				fault(fmt.Sprintf("%s.usd[%d].usd", key, j), "the price %q itself has another figure, which is that of %s", p.sku, region)
			}
			rates := p.rates
			rates[unit] = rate
			into[region][at] = List{p.sku, rates}
		}
	}
}

// inOrder gives each region's lists in the order of the endpoint's prices, with those that have no figure by region.
func inOrder(e *Endpoint, lists map[string]map[int]List, named map[int]bool) map[string][]List {
	out := make(map[string][]List, len(lists))
	for region, here := range lists {
		for at, p := range e.prices {
			if l, ok := here[at]; ok {
				out[region] = append(out[region], l)
			} else if !named[at] {
				out[region] = append(out[region], List{p.sku, p.rates})
			}
		}
	}
	return out
}
