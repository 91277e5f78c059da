package policy

import (
	"fmt"
	"slices"
	"strings"
)

// elsewhere warns of models of other providers that no call of their rule can go to: they are passed over, and the call ends as if they were not named.
func (w *warner) elsewhere() {
	if w.opt.Counterparts == nil {
		return
	}
	for _, r := range w.rules {
		for i, a := range r.yaml.OnExceed {
			for j, t := range a.Fallback {
				w.target(fmt.Sprintf("%s.on_exceed[%d].fallback[%d]", r.key, i, j), r, t)
			}
		}
		if f := r.yaml.Failover; f != nil {
			for j, t := range f.To {
				w.target(fmt.Sprintf("%s.failover.to[%d]", r.key, j), r, t)
			}
		}
	}
}

// target warns of one model, PROVIDER/MODEL, that is never used.
func (w *warner) target(key string, r written, target string) {
	name, model, _ := strings.Cut(target, "/")
	to := w.set.Providers[slices.IndexFunc(w.set.Providers, func(p Provider) bool { return p.Name == name })]
	from := matching(w.set.Providers, r.provider)
	if len(from) == 0 {
		return // said of the rule
	}
	from = slices.DeleteFunc(from, func(p Provider) bool { return p.Name == name })
	switch reaches := func(p Provider) bool { return slices.ContainsFunc(w.opt.Counterparts(p, to), r.endpoint.match) }; {
	case len(from) == 0:
		w.warn(key, "it is never used: %s is the provider that the rule itself is about; write %s under downgrade, or name another provider", clip(name), clip(model))
	case slices.ContainsFunc(from, reaches):
	case len(to.Allow) > 0:
		w.warn(key, "it is never used: none of what %s allows means the same as an endpoint of the rule; allow that as well, or name another provider", clip(name))
	default:
		w.warn(key, "it is never used: no call of the rule can be put in the words of %s (%s); OpenAI's chat completions and Anthropic's messages go to each other, and "+
			"what hosts share that speak as OpenAI does: name a model of such a provider", clip(name), to.Preset)
	}
}
