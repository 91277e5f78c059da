package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/strictyaml"
)

// maxWarnings bounds what Check says besides faults.
const maxWarnings = 100

// Check is CompileFiles that also warns of what compiles and is hardly meant: rules, limits and actions that can never come into
// play, models of other providers that no call can go to, budgets above their parent's, models without a price, price lists of contracts that never hold or end unnoticed, their prices under a name with two meanings, and times that clocks skip or pass twice within two years from now. At
// most 100 warnings are given, and how many more there are.
func Check(files []File, o Options, now time.Time) (*Set, []strictyaml.Fault, error) {
	c, err := compiled(files, o)
	if err != nil {
		return nil, nil, err
	}
	w := &warner{compiler: c, now: now, rules: c.read()}
	w.parents()
	w.contracts()
	w.providers()
	w.slips()
	w.conditions()
	w.elsewhere()
	w.covered()
	w.unused()
	if w.unsaid > 0 {
		w.found = append(w.found, strictyaml.Fault{File: files[0].Name, Message: fmt.Sprintf("%d more warnings", w.unsaid)})
	}
	return c.set, w.found, nil
}

// warner collects warnings about a file that has compiled.
type warner struct {
	*compiler
	now    time.Time
	rules  []written // in the order in which they are tried
	found  []strictyaml.Fault
	unsaid int // warnings past maxWarnings
}

// written is a compiled rule and what its operator wrote.
type written struct {
	*rule
	key  string // policies[2]
	yaml *ruleYAML
}

// denies tells whether the rule refuses all its calls, at all times.
func (r written) denies() bool { return r.then.deny && r.then.above == 0 }

func (w *warner) warn(key, format string, args ...any) {
	if len(w.found) == maxWarnings {
		w.unsaid++
		return
	}
	w.found = append(w.found, w.Finding(key, format, args...))
}

// read finds what was written for each rule. Names are unique in what compiles.
func (c *compiler) read() []written {
	at := make(map[string]int, len(c.in.Policies))
	for i, y := range c.in.Policies {
		at[y.Name] = i
	}
	out := make([]written, len(c.set.rules))
	for i := range c.set.rules {
		r := &c.set.rules[i]
		out[i] = written{r, fmt.Sprintf("policies[%d]", at[r.name]), &c.in.Policies[at[r.name]]}
	}
	return out
}

// contracts warns of price lists that were agreed in vain, and of prices whose name means two things.
func (w *warner) contracts() {
	for i := range w.set.Providers {
		w.namesakes(&w.set.Providers[i])
	}
	for _, name := range slices.Sorted(maps.Keys(w.in.Providers)) {
		y := w.in.Providers[name].Contract
		if w.opt.Idle == nil || len(y.Models) == 0 {
			continue
		}
		w.opt.Idle(y.Models, func(model, list int, why string) {
			w.warn(fmt.Sprintf("providers.%s.contract.models[%d].lists[%d]", name, model, list), "%s", why)
		})
	}
}

// namesakes warns of a contract's prices under a name that is a deployment of another model, and a model as well: they hold for both.
func (w *warner) namesakes(p *Provider) {
	key, y := "providers."+p.Name+".contract", w.in.Providers[p.Name].Contract
	for _, name := range slices.Sorted(maps.Keys(y.Prices)) {
		w.namesake(p, key+".prices."+name, name)
	}
	for i, m := range y.Models {
		for _, name := range append([]string{m.Model}, m.Aliases...) {
			w.namesake(p, fmt.Sprintf("%s.models[%d]", key, i), name)
		}
	}
}

func (w *warner) namesake(p *Provider, key, name string) {
	of := p.Models[name]
	if of == "" || of == name {
		return
	}
	var others []string // deployments of the model
	for _, deployment := range slices.Sorted(maps.Keys(p.Models)) {
		if p.Models[deployment] == name {
			others = append(others, deployment)
		}
	}
	const rename = "give the deployment a name that no model has, under models"
	switch {
	case len(others) > 0:
		w.warn(key, "%s is a deployment of %s, and the model of %s: this price holds for all of them; %s", clip(name), clip(of), list(others), rename)
	case w.opt.ModelKnown != nil && p.Preset != "" && w.known(p, name):
		w.warn(key, "%s is a deployment of %s, and a model: this price holds for the deployment; %s", clip(name), clip(of), rename)
	}
}

// providers warns of models without a price. Where calls without one are denied, the model cannot be called at all.
func (w *warner) providers() {
	if w.opt.ModelKnown == nil {
		return
	}
	for i := range w.set.Providers {
		p := &w.set.Providers[i]
		for _, name := range slices.Sorted(maps.Keys(p.Models)) {
			if p.Preset != "" && !w.prices(p, name) {
				w.warn("providers."+p.Name+".models."+name, "no price is known for model %s: %s", clip(p.Models[name]), w.fate())
			}
		}
	}
	for _, r := range w.rules {
		for j, m := range r.yaml.Match.Model {
			if strings.HasPrefix(m, groupMark) {
				continue // said once, of the group
			}
			if presets := w.unpriced(m, r.provider); !wildcard(m) && len(presets) > 0 {
				w.warn(fmt.Sprintf("%s.match.model[%d]", r.key, j), "no price is known for model %s at %s: %s", clip(m), list(presets), w.fate())
			}
		}
		if w.set.Unpriced.Mode == UnpricedDeny {
			continue // cheaper models without a price are faults
		}
		for _, m := range r.downgrades {
			if presets := w.unpriced(m, r.provider); len(presets) > 0 {
				w.warn(r.key+".on_exceed", "no price is known for the cheaper model %s at %s: %s", clip(m), list(presets), w.fate())
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.in.Groups.Models)) {
		for j, m := range w.in.Groups.Models[name] {
			if presets := w.unpriced(m, nil); !wildcard(m) && len(presets) > 0 {
				w.warn(fmt.Sprintf("groups.models.%s[%d]", name, j), "no price is known for model %s at %s: %s", clip(m), list(presets), w.fate())
			}
		}
	}
}

// fate says what becomes of calls without a price.
func (w *warner) fate() string {
	switch w.set.Unpriced.Mode {
	case UnpricedDeny:
		return "its calls are denied (defaults.unpriced)"
	case UnpricedFlat:
		return fmt.Sprintf("its calls cost %s each (defaults.unpriced)", w.set.Unpriced.Flat)
	default:
		return "its calls count as free (defaults.unpriced)"
	}
}

// conditions warns of rules that no call can meet, and of actions that no call can reach.
func (w *warner) conditions() {
	for _, r := range w.rules {
		match := r.key + ".match"
		if !w.anyone(r.rule) {
			w.warn(match, "no service meets this: the rule does nothing")
		}
		offered := matching(w.set.Providers, r.provider)
		if len(offered) == 0 {
			w.warn(match+".provider", "no provider meets this: the rule does nothing")
		}
		for j, e := range r.yaml.Match.Endpoint {
			if !strings.HasPrefix(e, groupMark) && len(offered) > 0 && !w.offers(offered, e) {
				w.warn(fmt.Sprintf("%s.endpoint[%d]", match, j), "no provider of the rule offers an endpoint %s: known are %s", clip(e), list(w.endpoints(offered)))
			}
		}
		w.actions(r)
	}
	for _, name := range slices.Sorted(maps.Keys(w.in.Groups.Endpoints)) {
		for j, e := range w.in.Groups.Endpoints[name] {
			if !w.offers(w.set.Providers, e) {
				w.warn(fmt.Sprintf("groups.endpoints.%s[%d]", name, j), "no provider offers an endpoint %s", clip(e))
			}
		}
	}
}

// matching gives the providers that patterns name.
func matching(all []Provider, names globs) []Provider {
	var out []Provider
	for _, p := range all {
		if names.match(p.Name) {
			out = append(out, p)
		}
	}
	return out
}

// endpoints lists what providers offer to callers; a preset's is unknown, and left out, when the house does not say.
func (w *warner) endpoints(of []Provider) []string {
	var out []string
	for _, p := range of {
		switch {
		case len(p.Allow) > 0:
			out = append(out, p.Allow...)
		case p.Preset != "" && w.opt.Endpoints != nil:
			out = append(out, w.opt.Endpoints(p.Preset)...)
		}
		for _, e := range p.Endpoints {
			out = append(out, e.Name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// offers tells whether a pattern may meet an endpoint of the providers.
func (w *warner) offers(of []Provider, pattern string) bool {
	return w.opt.Endpoints == nil || slices.ContainsFunc(w.endpoints(of), globs{pattern}.match)
}

// anyone tells whether a rule concerns one of the services.
func (w *warner) anyone(r *rule) bool {
	if r.service.literal() {
		return slices.ContainsFunc(r.service, func(name string) bool { return r.about(w.caller(name)) })
	}
	return slices.ContainsFunc(w.set.callers, r.about)
}

// caller is a service of the file.
func (w *warner) caller(service string) sentinel.Caller {
	return sentinel.Caller{Team: w.in.Services[service].Team, Service: service}
}

// actions warns of what on_exceed says in vain.
func (w *warner) actions(r written) {
	if r.denies() && len(r.limits) > 0 {
		w.warn(r.key+".then", "deny refuses the rule's calls before they are counted: its limits are never reached")
	}
	if len(r.yaml.OnExceed) == 0 {
		return
	}
	if len(r.limits) == 0 {
		w.warn(r.key+".on_exceed", "the rule has no limit to exceed: its actions are never reached")
		return
	}
	if !slices.ContainsFunc(r.limits, func(l limit) bool { return !l.Soft }) {
		w.warn(r.key+".on_exceed", "the rule has soft budgets only, which refuse nothing: its actions are never reached")
		return
	}
	sameForAll := func(l limit) bool {
		return l.Soft || l.Measure == sentinel.MeasureRequests || l.Measure == sentinel.MeasureConcurrent
	}
	byModel := slices.ContainsFunc(r.per, func(d dimension) bool { return d.scope == scopeModel })
	if len(r.downgrades) > 0 && len(r.model) == 0 && !byModel && !slices.ContainsFunc(r.limits, func(l limit) bool { return !sameForAll(l) }) {
		w.warn(r.key+".on_exceed", "the rule counts calls, whatever their model, and cheaper models count as well: "+
			"downgrade is never reached; let match.model name the dear ones")
	}
}

// unused warns of names that nothing speaks of.
func (w *warner) unused() {
	used := map[string]bool{}
	for _, y := range w.in.Policies {
		for _, name := range slices.Concat(y.During, y.Except) {
			used["schedules."+name] = true
		}
		for _, name := range y.Match.Model {
			used["groups.models."+strings.TrimPrefix(name, groupMark)] = true
		}
		for _, name := range y.Match.Endpoint {
			used["groups.endpoints."+strings.TrimPrefix(name, groupMark)] = true
		}
	}
	var names []string
	for name := range w.in.Schedules {
		names = append(names, "schedules."+name)
	}
	for name := range w.in.Groups.Models {
		names = append(names, "groups.models."+name)
	}
	for name := range w.in.Groups.Endpoints {
		names = append(names, "groups.endpoints."+name)
	}
	slices.Sort(names)
	for _, name := range names {
		if !used[name] {
			w.warn(name, "no rule speaks of this")
		}
	}
}
