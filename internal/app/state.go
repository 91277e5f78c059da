package app

import (
	"time"

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

// CheckState is LoadState that also warns of what compiles and is hardly meant.
func CheckState(path string, now time.Time) (*governor.State, []error, error) {
	files, err := readPolicies(path)
	if err != nil {
		return nil, nil, err
	}
	return check(now, files...)
}

// check is CheckState of texts.
func check(now time.Time, files ...policy.File) (*governor.State, []error, error) {
	catalog, err := pricing.Embedded()
	if err != nil {
		return nil, nil, err
	}
	set, found, err := policy.Check(files, house(catalog), now)
	if err != nil {
		return nil, nil, err
	}
	warnings := make([]error, len(found))
	for i, f := range found {
		warnings[i] = f
	}
	state, err := governor.NewState(set, catalog)
	return state, warnings, err
}

// compile is LoadState of texts.
func compile(files ...policy.File) (*governor.State, error) {
	catalog, err := pricing.Embedded()
	if err != nil {
		return nil, err
	}
	set, err := policy.CompileFiles(files, house(catalog))
	if err != nil {
		return nil, err
	}
	return governor.NewState(set, catalog)
}

// house is what a policy is checked against: the presets and the prices.
func house(catalog *pricing.Catalog) policy.Options {
	return policy.Options{Presets: provider.Names(), ModelKnown: modelKnown(catalog), Endpoints: endpointsOf, Agreed: pricing.CheckAgreed, Idle: pricing.Idle, Counterparts: governor.Counterparts, DefaultTiers: defaultTiers}
}

// defaultTiers lists the price lists that a setting at a preset's provider may choose.
func defaultTiers(preset string) []string {
	p, _ := provider.Find(preset)
	return p.DefaultTiers()
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

// modelKnown tells whether a preset's model has a price in a region, under the preset's own name or the one that it is priced as.
func modelKnown(c *pricing.Catalog) func(preset, model, region string) bool {
	return func(preset, model, region string) bool {
		p, _ := provider.Find(preset)
		return c.Known(preset, model, region) || p.PricedAs != "" && c.Known(p.PricedAs, model, region)
	}
}
