package pricing

import "github.com/saas-sentinel/saas-sentinel/declare"

// Declared gives the price of an endpoint that is described in YAML: its first price list stands for the standard one,
// and every one is found by its SKU.
func Declared(provider string, e *declare.Endpoint, version string) Override {
	p := Price{Version: version}
	for i, l := range e.Lists() {
		list := List{Tier: l.SKU, Rates: l.Rates}
		if i == 0 {
			p.List = list
		}
		p.Others = append(p.Others, list)
	}
	return Override{Key: Key{Provider: provider, Endpoint: e.Name}, Price: p}
}

// addPresets files the prices of the presets that are described in YAML.
func (c *Catalog) addPresets() error {
	presets, err := declare.Presets()
	if err != nil {
		return err
	}
	for _, d := range presets {
		for _, e := range d.Endpoints {
			p := Declared(d.Name, e, version(d.Name, e.Name, "", d.Read)).Price
			p.Source, p.Read = d.Source, d.Read
			if err := add(c.endpoints, d.Name, "", []string{e.Name}, &p); err != nil {
				return err
			}
		}
	}
	return nil
}
