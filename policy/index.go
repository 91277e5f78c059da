package policy

import (
	"math"
	"math/bits"
	"slices"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// index finds the rules that may be about a call without trying all of them. Each rule stands under
// the names of its most selective condition that is a list of plain names, or else under what the patterns of one begin with, or else in
// rest. The numbers are places in Set.rules, in ascending order.
type index struct {
	service, team, endpoint, provider, model map[string][]int32
	patterns                                 [5]starts // of service, team, model, endpoint and provider
	rest                                     []int32
}

// starts finds rules by what a pattern of theirs begins with: a power of two of bytes, so that few lengths are tried.
type starts struct {
	lengths []int // those that are there
	rules   map[string][]int32
}

// longestStart bounds the bytes of a pattern that rules are found by.
const longestStart = 32

func newIndex(rules []rule) index {
	x := index{service: map[string][]int32{}, team: map[string][]int32{}, endpoint: map[string][]int32{}, provider: map[string][]int32{}, model: map[string][]int32{}}
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
		case !x.begin(r, i):
			x.rest = append(x.rest, int32(i))
		}
	}
	return x
}

func put(under map[string][]int32, names []string, i int) {
	for _, n := range names {
		if l := under[n]; len(l) == 0 || l[len(l)-1] != int32(i) { // a name may be listed twice
			under[n] = append(l, int32(i))
		}
	}
}

// begin files a rule by what its patterns begin with, and tells whether it has such ones.
func (x *index) begin(r *rule, i int) bool {
	for d, patterns := range [...]globs{r.service, r.team, r.model, r.endpoint, r.provider} {
		if x.patterns[d].add(patterns, i) {
			return true
		}
	}
	return false
}

// add files a rule by what each of its patterns begins with; it does not where one of them may begin with anything.
func (s *starts) add(patterns globs, i int) bool {
	begins := make([]string, 0, len(patterns))
	for _, p := range patterns {
		n := len(prefix(p))
		if n == 0 {
			return false
		}
		begins = append(begins, p[:min(longestStart, 1<<(bits.Len(uint(n))-1))])
	}
	if len(begins) == 0 {
		return false
	}
	if s.rules == nil {
		s.rules = map[string][]int32{}
	}
	for _, b := range begins {
		if !slices.Contains(s.lengths, len(b)) {
			s.lengths = append(s.lengths, len(b))
		}
	}
	put(s.rules, begins, i)
	return true
}

// find appends the lists of a name.
func (s *starts) find(name string, out [][]int32) [][]int32 {
	for _, n := range s.lengths {
		if n <= len(name) {
			if l := s.rules[name[:n]]; len(l) > 0 {
				out = append(out, l)
			}
		}
	}
	return out
}

// under is when rules are asked about a call: with a model, now and under scores; those in shadow only with shadows. The call is not part of
// it, so that it can stay on its stack.
type under struct {
	model   string
	now     time.Time
	scores  *Scores
	shadows bool
}

// maxLists is how many lists a call may be found in: of five names, of as many beginnings of each as there are lengths, and rest.
const maxLists = 5 + 5*6 + 1

// find appends the rules that hold, in their order, up to a final one: it merges the sorted lists.
func (x *index) find(rules []rule, c *sentinel.Call, u under, out []*rule) []*rule {
	var room [maxLists][]int32
	lists := room[:0]
	for _, l := range [...][]int32{x.service[c.Caller.Service], x.team[c.Caller.Team], x.endpoint[c.Endpoint], x.provider[c.Provider], x.model[u.model], x.rest} {
		if len(l) > 0 {
			lists = append(lists, l)
		}
	}
	for d, name := range [...]string{c.Caller.Service, c.Caller.Team, u.model, c.Endpoint, c.Provider} {
		if len(x.patterns[d].lengths) > 0 {
			lists = x.patterns[d].find(name, lists)
		}
	}
	for {
		first := int32(math.MaxInt32)
		for _, l := range lists {
			if len(l) > 0 {
				first = min(first, l[0])
			}
		}
		if first == math.MaxInt32 {
			return out
		}
		for i := range lists { // a rule with several patterns may stand in several
			if l := &lists[i]; len(*l) > 0 && (*l)[0] == first {
				*l = (*l)[1:]
			}
		}
		if r := &rules[first]; (u.shadows || !r.shadow) && r.holds(c, u.model, u.now, u.scores) {
			if out = append(out, r); r.final {
				return out
			}
		}
	}
}
