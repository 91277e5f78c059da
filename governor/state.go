package governor

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/saas-sentinel/saas-sentinel/declare"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/pricing"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// Route is one endpoint of one configured provider: the only places that calls can go to.
type Route struct {
	Name     string // "openai/chat.completions"
	Place    string // names the provider's host, with how it is reached: Envoy has it behind the @ of the route's name
	Provider policy.Provider
	Preset   provider.Preset
	Endpoint provider.Endpoint
	// Catalog is the name under which prices are found: the preset, or the provider of a custom API.
	Catalog string
	// Currencies are the policy's exchange rates.
	Currencies provider.Currencies
	// Agreed is the name under which the contract's own prices are found; empty where there are none.
	Agreed string
}

// State is an immutable set of rules, prices and routes.
type State struct {
	Policy *policy.Set
	Prices *pricing.Catalog
	Routes map[string]Route
	// Ordered has the same routes by provider, the specific before the general.
	Ordered []Route
	// Candidate judges calls beside this state, and decides nothing; nil for none.
	Candidate *State
	// Chains are the ways of calls that their provider fails.
	Chains []Chain
	ways   *ways             // that Envoy has of them; nil: all
	places map[string]string // of the routes, by provider
}

// NewState joins a policy set with the catalog: presets become routes, and the flat prices of
// custom APIs become prices. It fails when a preset or an allowed endpoint does not exist.
func NewState(set *policy.Set, catalog *pricing.Catalog) (*State, error) {
	s := &State{Policy: set, Routes: map[string]Route{}, places: map[string]string{}}
	var overrides []pricing.Override
	for _, p := range set.Providers {
		preset, name, err := presetOf(p)
		if err != nil {
			return nil, err
		}
		if p.Host == "" {
			p.Host = strings.ReplaceAll(preset.Host, "{region}", p.Region)
		}
		s.places[p.Name] = placeAt(p)
		for _, e := range offered(p, preset) {
			route := p.Name + "/" + e.Name
			agreed := ""
			if len(p.Contract.Models) > 0 {
				agreed = agreedPrefix + p.Name
			}
			s.Routes[route] = Route{Agreed: agreed, Name: route, Place: s.places[p.Name], Provider: p, Preset: preset, Endpoint: e, Catalog: name, Currencies: set.Currencies}
			s.Ordered = append(s.Ordered, s.Routes[route])
		}
		agreed, err := catalog.Agreed(pricing.Agreement{
			Name: agreedPrefix + p.Name, Published: []string{name, preset.PricedAs}, Known: p.Known,
			Version: func(m declare.ModelYAML) string {
				return p.Name + "/" + m.Model + "@" + strings.TrimPrefix(m.From+"/policy-"+set.Version, "/")
			},
		}, p.Contract.Models)
		if err != nil {
			return nil, fmt.Errorf("provider %s: contract: %w", p.Name, err)
		}
		overrides = append(overrides, agreed...)
		for _, e := range p.Endpoints {
			overrides = append(overrides, pricing.Declared(name, e, name+"/"+e.Name+"@policy-"+set.Version))
		}
	}
	var err error
	if s.Prices, err = catalog.With(overrides); err != nil {
		return nil, err
	}
	s.chain()
	return s, nil
}

// offered lists the endpoints of a provider that calls may go to.
func offered(p policy.Provider, preset provider.Preset) []provider.Endpoint {
	var out []provider.Endpoint
	for _, e := range preset.Endpoints {
		if named := slices.Contains(p.Allow, e.Name); named || !e.Closed && len(p.Allow) == 0 {
			out = append(out, e)
		}
	}
	return out
}

// placeAt names where a provider is, so that a credential never goes to a place that the policy has left.
func placeAt(p policy.Provider) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %v %q", p.Host, p.Address, p.Plaintext, p.CAFile))
	return hex.EncodeToString(sum[:4])
}

// Placed finds a route by Envoy's name of it. Where Envoy has another place of the provider than the policy, it is not there.
func (s *State) Placed(name string) (r Route, known, there bool) {
	name, place, _ := strings.Cut(name, "@")
	r, known = s.Routes[name]
	return r, known, known && r.Place == place
}

// agreedPrefix keeps the prices of contracts apart from those of the catalog: no provider's name has a slash.
const agreedPrefix = "contract/"

// presetOf finds how a provider speaks, and the name of its prices.
func presetOf(p policy.Provider) (provider.Preset, string, error) {
	if p.Preset == "" {
		custom := provider.Generic(p.Endpoints)
		custom.SigningName = p.Credential.Service
		return custom, p.Name, nil
	}
	preset, ok := provider.Find(p.Preset)
	if !ok {
		return preset, "", fmt.Errorf("provider %s: no preset %q: use one of %s", p.Name, p.Preset, strings.Join(provider.Names(), ", "))
	}
	if preset.Host == "" && p.Host == "" {
		return preset, "", fmt.Errorf("provider %s: preset %s has no host of its own: add host", p.Name, p.Preset)
	}
	for _, name := range p.Allow {
		if _, ok := preset.Endpoint(name); !ok {
			return preset, "", fmt.Errorf("provider %s: preset %s has no endpoint %q", p.Name, p.Preset, name)
		}
	}
	if p.PricedAs != "" {
		preset.PricedAs = p.PricedAs
	}
	return preset, p.Preset, nil
}

// picoPerNano turns an amount into a rate.
const picoPerNano = 1000
