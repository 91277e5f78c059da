package policy

import (
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

// under is when rules are asked about a call: with a model, now and under scores; those in shadow only with shadows. The call is not part of
// it, so that it can stay on its stack.
type under struct {
	model   string
	now     time.Time
	scores  *Scores
	shadows bool
}

// find appends the rules that hold, in their order, up to a final one: it merges the sorted lists.
func (x *index) find(rules []rule, c *sentinel.Call, u under, out []*rule) []*rule {
	lists := [...][]int32{x.service[c.Caller.Service], x.team[c.Caller.Team], x.endpoint[c.Endpoint], x.provider[c.Provider], x.model[u.model], x.rest}
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
		if r := &rules[(*first)[0]]; (u.shadows || !r.shadow) && r.holds(c, u.model, u.now, u.scores) {
			if out = append(out, r); r.final {
				return out
			}
		}
		*first = (*first)[1:]
	}
}
