package app

import (
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/pricing"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// LoadState compiles a policy file, or a folder of them, and joins it with the embedded prices. The error has every fault.
func LoadState(path string) (*governor.State, error) {
	files, err := readPolicies(path)
	if err != nil {
		return nil, err
	}
	return compile(files...)
}

// compile is LoadState of texts.
func compile(files ...policy.File) (*governor.State, error) {
	catalog, err := pricing.Embedded()
	if err != nil {
		return nil, err
	}
	set, err := policy.CompileFiles(files, policy.Options{
		Presets: provider.Names(), ModelKnown: modelKnown(catalog), Endpoints: endpointsOf, Rates: pricing.CheckRates,
	})
	if err != nil {
		return nil, err
	}
	return governor.NewState(set, catalog)
}

// endpointsOf lists what a preset offers.
func endpointsOf(preset string) []string {
	p, _ := provider.Find(preset)
	names := make([]string, len(p.Endpoints))
	for i, e := range p.Endpoints {
		names[i] = e.Name
	}
	return names
}

// modelKnown tells whether a preset's model has a price, under the preset's own name or the one that it is priced as.
func modelKnown(c *pricing.Catalog) func(preset, model string) bool {
	return func(preset, model string) bool {
		p, _ := provider.Find(preset)
		return c.Known(preset, model) || p.PricedAs != "" && c.Known(p.PricedAs, model)
	}
}
