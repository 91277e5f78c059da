package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Bounds of one rule, and of the models that one admission may try besides the asked one.
const (
	maxPatterns   = 100
	maxPattern    = 200
	maxDowngrades = 7
)

func (c *compiler) policies() {
	names, tags := map[string]bool{}, tagsOf(c.in.Services)
	for i, y := range c.in.Policies {
		key := fmt.Sprintf("policies[%d]", i)
		c.name(key+".name", y.Name)
		if names[y.Name] {
			c.Fault(key+".name", "two policies are called %q", clip(y.Name))
		}
		names[y.Name] = true
		if !c.Has(key+".limits") && !c.Has(key+".budget") && !c.Has(key+".then") && !c.Has(key+".failover") && !c.Has(key+".capture") {
			c.Fault(key, "the rule has neither limits nor a budget: it would do nothing")
		}
		y.Match.Endpoint = c.grouped(key+".match.endpoint", y.Match.Endpoint, "endpoints", c.in.Groups.Endpoints)
		y.Match.Model = c.grouped(key+".match.model", y.Match.Model, "models", c.in.Groups.Models)
		r := rule{
			priority: y.Priority, final: y.Final, name: y.Name, team: y.Match.Team, service: y.Match.Service, provider: y.Match.Provider,
			endpoint: y.Match.Endpoint, model: y.Match.Model,
			limits: c.limits(key, y.cell(), y.Name, y.Limits, y.Budget), shadow: y.Mode == modeShadow,
		}
		c.set.shadowed = c.set.shadowed || r.shadow
		r.per = c.dimensions(key+".per", y.Per)
		r.tagged = c.tagged(key+".match.tag", y.Match.Tag)
		c.matches(key+".match", y.Match)
		c.across(key, y)
		c.timed(key, y, &r)
		if c.Sound(key + ".match.when") {
			var err error
			if r.when, err = compileWhen(y.Match.When, tags); err != nil {
				c.Fault(key+".match.when", "%s", err)
			}
		}
		c.actions(key+".on_exceed", y, &r)
		c.thens(key, y, &r)
		c.failover(key+".failover", y, &r)
		c.capture(key+".capture", y, &r)
		if len(r.limits) > 0 || r.then.acts() || len(r.failover.To) > 0 || r.capture.Any() {
			c.set.rules = append(c.set.rules, r)
		} else if c.Sound(key+".limits") && !c.Has(key+".budget") {
			c.Fault(key+".limits", "no limit is set: the rule would do nothing")
		}
	}
	slices.SortStableFunc(c.set.rules, func(a, b rule) int { return cmp.Compare(b.priority, a.priority) })
	c.set.index = newIndex(c.set.rules)
	if err := c.set.crowded(); err != nil {
		c.Fault("policies", "%s", err)
	}
}

const modeShadow = "shadow"

// cell begins the names of a rule's counters. A rule in shadow has its own, so that what it let pass does not count when it is enforced.
func (y ruleYAML) cell() string {
	cell := "rule/" + y.Name
	if y.Mode == modeShadow {
		cell = "shadow/" + cell
	}
	if y.Across {
		cell = sentinel.AcrossCells + cell
	}
	return cell
}

// across checks that a rule over several organisations speaks of nothing that only one of them has.
func (c *compiler) across(key string, y ruleYAML) {
	if !y.Across {
		return
	}
	c.set.across = true
	for _, own := range []string{"team", "service", "tag"} {
		if at := key + ".match." + own; c.Has(at) {
			c.Fault(at, "a rule across organisations is about no %s of one of them: leave it out", own)
		}
	}
	for i, p := range y.Per {
		if s := string(p); scope(p) == scopeTeam || scope(p) == scopeService || strings.HasPrefix(s, tagPrefix) {
			c.Fault(fmt.Sprintf("%s.per[%d]", key, i), "a rule across organisations cannot be counted by %s: it is of one of them", s)
		}
	}
}

// Across tells whether limits are shared with other organisations.
func (s *Set) Across() bool { return s.across }

// groupMark begins the name of a group where a pattern may stand.
const groupMark = "@"

// grouped writes out the groups that a list names.
func (c *compiler) grouped(key string, list []string, of string, groups map[string][]string) []string {
	if !slices.ContainsFunc(list, func(s string) bool { return strings.HasPrefix(s, groupMark) }) {
		return list
	}
	var out []string
	for i, s := range list {
		name, named := strings.CutPrefix(s, groupMark)
		group, ok := groups[name]
		switch {
		case !named:
			out = append(out, s)
		case !ok:
			out = append(out, s)
			c.Fault(fmt.Sprintf("%s[%d]", key, i), "groups.%s has no %q: known are %s", of, clip(name), known(groups))
		case len(group) == 0:
			out = append(out, s)
			c.Fault("groups."+of+"."+name, "the group is empty")
		default:
			out = append(out, group...)
		}
	}
	return out
}

// known lists a mapping's names for a message.
func known[V any](m map[string]V) string { return list(slices.Sorted(maps.Keys(m))) }

// matches checks the patterns of a rule, and that a plain name exists.
func (c *compiler) matches(key string, m matchYAML) {
	check := func(field string, list []string, what string, known func(string) bool) {
		at := key + "." + field
		if len(list) > maxPatterns {
			c.Fault(at, "%d patterns: at most %d are allowed", len(list), maxPatterns)
			return
		}
		if len(list) == 0 && c.Has(at) {
			c.Fault(at, "an empty list matches nothing: leave the key out to match all")
		}
		for i, p := range list {
			at := fmt.Sprintf("%s[%d]", at, i)
			switch {
			case p == "" || len(p) > maxPattern:
				c.Fault(at, "%q is not a name or a pattern of 1 to %d bytes", clip(p), maxPattern)
			case strings.ContainsAny(p, `[]\`):
				c.Fault(at, "%q: only * and ? have a meaning in a pattern", clip(p))
			case known != nil && !strings.ContainsAny(p, wild) && !known(p):
				c.Fault(at, "there is no %s %q", what, clip(p))
			}
		}
	}
	check("team", m.Team, "team", func(s string) bool { _, ok := c.in.Teams[s]; return ok })
	check("service", m.Service, "service", func(s string) bool { _, ok := c.in.Services[s]; return ok })
	check("provider", m.Provider, "provider", func(s string) bool { _, ok := c.in.Providers[s]; return ok })
	check("endpoint", m.Endpoint, "", nil)
	check("model", m.Model, "", nil)
}

// actions reads what happens past a limit: models to try, then throttle or deny.
func (c *compiler) actions(key string, y ruleYAML, r *rule) {
	for i, a := range y.OnExceed {
		at := fmt.Sprintf("%s[%d]", key, i)
		if a.action != sentinel.Allow {
			r.deny = a.action == sentinel.Deny
			if i < len(y.OnExceed)-1 {
				c.Fault(at, "%s ends the list: what follows is never reached", a.action)
			}
			continue
		}
		switch {
		case c.Has(at + ".clamp"):
			c.clamp(at, a, r)
		case c.Has(at + ".delay"):
			c.delay(at, a, r)
		case c.Has(at + ".fallback"):
			c.fallbacks(at, a, r)
		case len(a.Downgrade) == 0 && c.Sound(at):
			c.Fault(at+".downgrade", "name at least one model")
		}
		for j, m := range a.Downgrade {
			c.downgrade(fmt.Sprintf("%s.downgrade[%d]", at, j), m, y.Match)
			r.downgrades = append(r.downgrades, m)
		}
	}
	if n := len(r.downgrades) + len(r.fallbacks); n > maxDowngrades {
		c.Fault(key, "%d other models: at most %d can be tried", n, maxDowngrades)
	}
}

// maxDelay bounds how long a call waits for a limit: its client waits, too.
const maxDelay = 2 * time.Second

func (c *compiler) delay(at string, a actionYAML, r *rule) {
	switch {
	case len(a.Downgrade) > 0, len(a.Fallback) > 0:
		c.Fault(at, "delay and another action stand in one: write each on a line of its own")
	case a.Delay <= 0 || a.Delay > maxDelay:
		c.Fault(at+".delay", "%s is not a wait of up to %s", a.Delay, maxDelay)
	case r.delay > 0:
		c.Fault(at+".delay", "two delays: keep one")
	case !slices.ContainsFunc(r.limits, func(l limit) bool { return l.Kind != sentinel.Window }):
		c.Fault(at+".delay", "the rule has only limits that begin anew by the calendar: nothing is worth a wait of %s", a.Delay)
	}
	r.delay = a.Delay
}

// clamp reads to how many tokens an answer may be cut.
func (c *compiler) clamp(at string, a actionYAML, r *rule) {
	if len(a.Downgrade) > 0 || len(a.Fallback) > 0 || a.Delay > 0 {
		c.Fault(at, "clamp and another action stand in one: write each on a line of its own")
	}
	if r.clamp > 0 {
		c.Fault(at+".clamp", "two clamps: keep one")
	}
	if a.Clamp != nil {
		r.clamp = int64(a.Clamp.OutputTokens)
	}
	if !slices.ContainsFunc(r.limits, func(l limit) bool { return bySize(l.Measure) }) {
		c.Fault(at+".clamp", "the rule has only limits that a shorter answer does not help: clamp belongs to tokens, output_tokens or a budget")
	}
}

// bySize tells whether a measure grows with the length of an answer.
func bySize(m sentinel.Measure) bool {
	return m == sentinel.MeasureTokens || m == sentinel.MeasureOutputTokens || m == sentinel.MeasureCost
}

// fallbacks reads the models of other providers that an action names.
func (c *compiler) fallbacks(at string, a actionYAML, r *rule) {
	if len(a.Downgrade) > 0 {
		c.Fault(at, "fallback and downgrade are two actions: write each on a line of its own")
	}
	if len(a.Fallback) == 0 {
		c.Fault(at+".fallback", "name at least one model of another provider, as in anthropic/claude-haiku-4-5")
	}
	for j, t := range a.Fallback {
		r.fallbacks = append(r.fallbacks, c.fallback(fmt.Sprintf("%s.fallback[%d]", at, j), t))
	}
}

// fallback reads PROVIDER/MODEL, and checks that there is such a provider.
func (c *compiler) fallback(key, text string) Target {
	name, model, ok := strings.Cut(text, "/")
	to, known := c.in.Providers[name]
	switch {
	case !ok || model == "" || len(model) > maxPattern || strings.ContainsAny(model, wild):
		c.Fault(key, "%q is not PROVIDER/MODEL, as in anthropic/claude-haiku-4-5", clip(text))
	case !known:
		c.Fault(key, "there is no provider %q", clip(name))
	case to.Preset == "":
		c.Fault(key, "%s has no preset: only requests of known APIs can be put in each other's words", clip(name))
	case c.opt.ModelKnown != nil && c.set.Unpriced.Mode == UnpricedDeny && to.Models[model] == "" && !c.written(to, model):
		c.Fault(key, "no price is known for model %s at %s: calls without a price are denied", clip(model), to.Preset)
	}
	return Target{name, model}
}

// written tells whether a provider, as the file writes it, has a price for a model of the catalog's name.
func (c *compiler) written(y providerYAML, model string) bool {
	return len(y.Contract.Prices[model]) > 0 || Contract{Models: y.Contract.Models}.prices(model) ||
		c.opt.ModelKnown(y.Preset, model, y.Region) || y.PricedAs != "" && c.opt.ModelKnown(y.PricedAs, model, y.Region)
}

// downgrade checks a cheaper model: it must not be one that the rule is about, and where calls without a price
// are denied, a provider of the rule must have a price for it.
func (c *compiler) downgrade(key, model string, m matchYAML) {
	switch {
	case model == "" || len(model) > maxPattern || strings.ContainsAny(model, wild):
		c.Fault(key, "%q is not the name of a model", clip(model))
		return
	case slices.Contains(m.Model, model):
		c.Fault(key, "%s is a model that the rule itself is about", clip(model))
		return
	case c.opt.ModelKnown == nil || c.set.Unpriced.Mode != UnpricedDeny:
		return
	}
	if presets := c.unpriced(model, m.Provider); len(presets) > 0 {
		c.Fault(key, "no price is known for model %s at %s: calls without a price are denied", clip(model), list(presets))
	}
}

// unpriced lists the presets of the providers that match when none of them has a price for a model.
func (c *compiler) unpriced(model string, providers globs) []string {
	var presets []string
	for i := range c.set.Providers {
		p := &c.set.Providers[i]
		if !providers.match(p.Name) || p.Preset == "" || slices.Contains(presets, p.Preset) {
			continue
		}
		if c.prices(p, model) {
			return nil
		}
		presets = append(presets, p.Preset)
	}
	return presets
}

// prices tells whether a provider with a preset has a price for a model, by the contract's rates or the catalog's.
func (c *compiler) prices(p *Provider, model string) bool {
	known := p.Known(model)
	return p.Contract.prices(model) || p.Contract.prices(known) || c.known(p, known)
}

// known tells whether a model of a provider's preset is published.
func (c *compiler) known(p *Provider, model string) bool {
	return c.opt.ModelKnown(p.Preset, model, p.Region) || p.PricedAs != "" && c.opt.ModelKnown(p.PricedAs, model, p.Region)
}
