package governor

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// Chain is a way by which Envoy takes a call to a second provider when the first one fails it; to the same one, with another credential, where
// First is Then.
type Chain struct {
	Name        string // "openai~anthropic~30s": Envoy's paths begin with it
	First, Then string
	Routes      []string // of First: those that have a counterpart at Then
	Silence     time.Duration
}

// chainName names a way. No provider's name has its sign.
func chainName(first string, w policy.Way) string {
	name := first + "~" + w.To
	if w.Timeout > 0 {
		name += "~" + w.Timeout.String()
	}
	return name
}

// chain collects the ways that the policy's rules may send calls.
func (s *State) chain() {
	for _, w := range s.Policy.Ways() {
		for _, r := range s.Ordered {
			if _, ok := s.counterpart(r, w.To); !ok || r.Provider.Name == w.To || signs(r) {
				continue
			}
			n := len(s.Chains)
			if name := chainName(r.Provider.Name, w); n == 0 || s.Chains[n-1].Name != name {
				s.Chains = append(s.Chains, Chain{Name: name, First: r.Provider.Name, Then: w.To, Silence: w.Timeout})
				n++
			}
			s.Chains[n-1].Routes = append(s.Chains[n-1].Routes, r.Name)
		}
	}
	s.chainKeys()
}

// chainKeys collects the routes of providers with several credentials: a call that one is refused for goes on with the next. What is uploaded
// past the gateway is not kept for that.
func (s *State) chainKeys() {
	for _, r := range s.Ordered {
		inBody := r.Endpoint.Body == provider.BodyNone && r.Endpoint.Method != http.MethodGet
		if len(r.Provider.Spares) == 0 || signs(r) || r.Provider.Credential.Kind == policy.CredentialQuery || inBody {
			continue
		}
		n := len(s.Chains)
		if name := keyChain(r.Provider.Name); n == 0 || s.Chains[n-1].Name != name {
			s.Chains = append(s.Chains, Chain{Name: name, First: r.Provider.Name, Then: r.Provider.Name})
			n++
		}
		s.Chains[n-1].Routes = append(s.Chains[n-1].Routes, r.Name)
	}
}

// keyChain names the way of a provider to itself.
func keyChain(provider string) string { return chainName(provider, policy.Way{To: provider}) }

// counterpart finds the endpoint of another provider that means the same as a route's.
func (s *State) counterpart(r Route, to string) (Route, bool) {
	for _, other := range s.Ordered {
		if other.Provider.Name != to {
			continue
		}
		speech, ok := r.speech().Counterpart(other.Preset)
		if !ok {
			return Route{}, false
		}
		found, open := s.Routes[to+"/"+speech.Endpoint.Name]
		return found, open && !signs(found)
	}
	return Route{}, false
}

// Counterparts lists the endpoints of a provider whose calls can go to another one.
func Counterparts(from, to policy.Provider) []string {
	preset, _, err := presetOf(from)
	other, _, fault := presetOf(to)
	if err != nil || fault != nil || signs(Route{Provider: to, Preset: other}) {
		return nil
	}
	there := offered(to, other)
	var out []string
	for _, e := range offered(from, preset) {
		s, ok := Route{Preset: preset, Endpoint: e}.speech().Counterpart(other)
		if ok && slices.ContainsFunc(there, func(e provider.Endpoint) bool { return e.Name == s.Endpoint.Name }) {
			out = append(out, e.Name)
		}
	}
	return out
}

// speech is how a route's provider is spoken to.
func (r Route) speech() provider.Speech {
	return provider.Speech{Preset: r.Preset, Endpoint: r.Endpoint}
}

// signs tells whether a route's requests carry a signature of their body: the stage of an attempt does not see the first one's.
func signs(r Route) bool {
	if k := r.Provider.Credential.Kind; k != policy.CredentialDefault {
		return k == policy.CredentialSigV4
	}
	return r.Preset.Credential == string(policy.CredentialSigV4)
}

// way finds a chain that has a route, and that Envoy has.
func (s *State) way(name, route string) (Chain, bool) {
	i := slices.IndexFunc(s.Chains, func(c Chain) bool { return c.Name == name && slices.Contains(c.Routes, route) })
	if i < 0 || !s.leads(s.Routes[route].by(name)) {
		return Chain{}, false
	}
	return s.Chains[i], true
}

// next finds who serves a call when its provider fails it: the first of the rule's that has such an endpoint, knows a price for the model and
// takes calls now. Whether the call can be put in its words is found out when that is needed. Where there is none, it is the same provider
// with another of its credentials.
func (g *Governor) next(d departure) (policy.Target, policy.Failures, Chain, bool) {
	if d.option.other != nil || d.attempt > 0 {
		return policy.Target{}, 0, Chain{}, false
	}
	for _, t := range d.failover.To {
		name := chainName(d.Route.Provider.Name, policy.Way{To: t.Provider, Timeout: d.failover.Timeout})
		chain, ok := d.State.way(name, d.Route.Name)
		if !ok || d.read.Fixed {
			continue
		}
		route, _ := d.State.counterpart(d.Route, t.Provider)
		call := d.Call
		call.Provider, call.Endpoint = route.Provider.Name, route.Endpoint.Name
		if _, _, priced := d.State.price(&route, t.Model, &call); priced && g.paused(route, d.Call.Caller.Team, t.Model) <= 0 {
			return t, d.failover.On, chain, true
		}
	}
	model := cmp.Or(d.verdict.Model, d.Call.Model)
	if !g.another(d.Route, d.Call.Caller.Team, model, d.option.key) {
		return policy.Target{}, 0, Chain{}, false
	}
	chain, ok := d.State.way(keyChain(d.Route.Provider.Name), d.Route.Name)
	if !ok {
		return policy.Target{}, 0, Chain{}, false
	}
	return policy.Target{Provider: d.Route.Provider.Name, Model: model}, policy.FailureRefused | policy.FailureLimited, chain, true
}
