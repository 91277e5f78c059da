package pricing

import "github.com/saas-sentinel/saas-sentinel/declare"

// Declared gives the price of an endpoint that is described in YAML: its first price list stands for the standard one,
// and every one is found by its SKU.
func Declared(provider string, e *declare.Endpoint, version string) Override {
	return Override{Key: Key{Provider: provider, Endpoint: e.Name}, Price: declared(e.Lists(), version)}
}

func declared(lists []declare.List, version string) Price {
	p := Price{Version: version}
	for i, l := range lists {
		list := List{Tier: l.SKU, Rates: l.Rates}
		if i == 0 {
			p.List = list
		}
		p.Others = append(p.Others, list)
	}
	return p
}

// addPresets files the prices of the presets that are described in YAML.
func (c *Catalog) addPresets() error {
	presets, err := declare.Presets()
	if err != nil {
		return err
	}
	for _, d := range presets {
		for _, e := range d.Endpoints {
			regions := d.Regional
			if regions == nil {
				regions = map[string][]declare.List{"": e.Lists()}
			}
			for region, lists := range regions {
				if err := c.preset(d, e.Name, region, lists); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// preset files the price of a preset's endpoint in a region, or everywhere.
func (c *Catalog) preset(d declare.Preset, endpoint, region string, lists []declare.List) error {
	name := endpoint
	if region != "" {
		name += "." + region
	}
	p := declared(lists, version(d.Name, name, "", d.Read))
	p.Source, p.Read = d.Source, d.Read
	return add(c.endpoints, d.Name, region, []string{endpoint}, &p)
}
