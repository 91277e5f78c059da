package policy

import (
	"fmt"
	"slices"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// index finds the rules that may be about a call without trying all of them. Each rule stands under
// the names of its most selective condition that is a list of plain names, or else in rest.
// The numbers are places in Set.rules, in ascending order.
type index struct {
	service, team, endpoint, provider, model map[string][]int32
	rest                                     []int32
}

func newIndex(rules []rule) index {
	x := index{service: map[string][]int32{}, team: map[string][]int32{}, endpoint: map[string][]int32{}, provider: map[string][]int32{}, model: map[string][]int32{}}
	put := func(under map[string][]int32, names globs, i int) {
		for _, n := range names {
			if l := under[n]; len(l) == 0 || l[len(l)-1] != int32(i) { // a name may be listed twice
				under[n] = append(l, int32(i))
			}
		}
	}
	for i := range rules {
		switch r := &rules[i]; {
		case r.service.literal():
			put(x.service, r.service, i)
		case r.team.literal():
			put(x.team, r.team, i)
		case r.model.literal():
			put(x.model, r.model, i)
		case r.endpoint.literal():
			put(x.endpoint, r.endpoint, i)
		case r.provider.literal():
			put(x.provider, r.provider, i)
		default:
			x.rest = append(x.rest, int32(i))
		}
	}
	return x
}

// find appends the rules that hold, in their order, up to a final one: it merges the sorted lists.
func (x *index) find(rules []rule, c *sentinel.Call, model string, now time.Time, scores *Scores, out []*rule) []*rule {
	lists := [...][]int32{x.service[c.Caller.Service], x.team[c.Caller.Team], x.endpoint[c.Endpoint], x.provider[c.Provider], x.model[model], x.rest}
	for {
		var first *[]int32
		for i := range lists {
			if l := &lists[i]; len(*l) > 0 && (first == nil || (*l)[0] < (*first)[0]) {
				first = l
			}
		}
		if first == nil {
			return out
		}
		if r := &rules[(*first)[0]]; r.holds(c, model, now, scores) {
			if out = append(out, r); r.final {
				return out
			}
		}
		*first = (*first)[1:]
	}
}

// crowded finds a service and a provider between which a call could fall under more than maxLimits limits.
// It never overlooks one; it may count patterns together that no one name matches. What concerns every caller is counted
// once a provider, because it is most of a large file.
func (s *Set) crowded() error {
	var everybody []*rule
	var general []int32 // rules for some callers that the index does not find by service or team
	for i := range s.rules {
		switch r := &s.rules[i]; {
		case len(r.service) == 0 && len(r.team) == 0 && r.tagged == nil:
			everybody = append(everybody, r)
		case !r.service.literal() && !r.team.literal():
			general = append(general, int32(i))
		}
	}
	shared := make(map[string][]*rule, len(s.Providers))
	atOnce := make(map[string]int, len(s.Providers))
	for _, p := range s.Providers {
		shared[p.Name] = to(p.Name, everybody)
		atOnce[p.Name] = mostAtOnce(shared[p.Name])
	}
	for _, caller := range s.callers {
		base := len(s.org) + len(s.teams[caller.Team]) + len(s.services[caller.Service])
		var own []*rule
		for _, list := range [][]int32{s.index.service[caller.Service], s.index.team[caller.Team], general} {
			for _, i := range list {
				if r := &s.rules[i]; r.about(caller) {
					own = append(own, r)
				}
			}
		}
		var last []*rule
		most := 0
		for _, p := range s.Providers {
			base, some := base+len(s.providers[p.Name]), to(p.Name, own)
			if !slices.Equal(some, last) {
				last, most = some, mostAtOnce(some)
			}
			if base+atOnce[p.Name]+most <= maxLimits {
				continue
			}
			if n := base + mostAtOnce(append(some, shared[p.Name]...)); n > maxLimits {
				return fmt.Errorf("a call of service %s to %s could fall under %d limits at once: at most %d are possible; merge rules, or let them match fewer calls",
					caller.Service, p.Name, n, maxLimits)
			}
		}
	}
	return nil
}

// to gives the rules about a provider.
func to(provider string, rules []*rule) []*rule {
	var out []*rule
	for _, r := range rules {
		if r.provider.match(provider) {
			out = append(out, r)
		}
	}
	return out
}

func limitsOf(rules []*rule) int {
	n := 0
	for _, r := range rules {
		n += len(r.limits)
	}
	return n
}

// mostAtOnce bounds from above how many limits of these rules can meet on one endpoint and model. Of the patterns
// that match a name, one has the longest prefix: trying each pattern as that one tries every name.
func mostAtOnce(rules []*rule) int {
	if n := limitsOf(rules); n <= maxLimits/2 {
		return n
	}
	models := map[string][]*rule{"": nil} // with the rules that list a plain name, which meet on no other
	var patterns []*rule
	for _, r := range rules {
		literal := r.model.literal()
		if !literal {
			patterns = append(patterns, r)
		}
		for i, p := range r.model {
			if list := models[p]; literal && !slices.Contains(r.model[:i], p) {
				models[p] = append(list, r)
			} else {
				models[p] = list
			}
		}
	}
	most := 0
	for m, some := range models {
		some = slices.Clip(some)
		for _, r := range patterns {
			if r.model.meets(m) {
				some = append(some, r)
			}
		}
		if limitsOf(some) <= most {
			continue
		}
		endpoints := map[string]bool{"": true}
		for _, r := range some {
			for _, p := range r.endpoint {
				endpoints[p] = true
			}
		}
		for e := range endpoints {
			n := 0
			for _, r := range some {
				if r.endpoint.meets(e) {
					n += len(r.limits)
				}
			}
			most = max(most, n)
		}
	}
	return most
}
