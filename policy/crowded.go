package policy

import (
	"fmt"
	"slices"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// crowded finds a service and a provider between which a call could fall under more than maxLimits limits. It never overlooks one. Rules
// that can never meet are not counted together: those that a final rule hides, those of schedules that have no moment in common, and
// those of canaries that have no service in common. What concerns every caller is counted once a provider, because it is most of a
// large file, and only what that leaves in doubt is looked at closely.
func (s *Set) crowded() error {
	c := newCrowd(s)
	for _, caller := range s.callers {
		base := len(s.org) + len(s.teams[caller.Team]) + len(s.services[caller.Service])
		own := c.own(caller)
		var last []int32
		most := 0
		for _, p := range s.Providers {
			base, some := base+len(s.providers[p.Name]), c.to(p.Name, own)
			if !slices.Equal(some, last) {
				last, most = some, c.mostAtOnce(some)
			}
			if base+c.atOnce[p.Name]+most <= maxLimits {
				continue
			}
			if n := c.closely(caller, slices.Concat(some, c.shared[p.Name]), maxLimits-base); base+n > maxLimits {
				return fmt.Errorf("a call of service %s to %s could fall under %d limits at once: at most %d are possible; merge rules, or let them match fewer calls",
					caller.Service, p.Name, base+n, maxLimits)
			}
		}
	}
	return nil
}

// maxClosely bounds the work on what is in doubt, in pairs of rules; past it rules count together that may never meet.
const maxClosely = 50_000_000

// crowd counts limits that meet. Rules are places in Set.rules, in their order.
type crowd struct {
	*Set
	shared  map[string][]int32 // rules about everybody, by provider
	atOnce  map[string]int     // how many limits of these meet at most
	general []int32            // rules for some callers that the index does not find by service or team
	spent   int
}

func newCrowd(s *Set) *crowd {
	c := &crowd{Set: s, shared: make(map[string][]int32, len(s.Providers)), atOnce: make(map[string]int, len(s.Providers))}
	var everybody []int32
	for i := range s.rules {
		switch r := &s.rules[i]; {
		case len(r.service) == 0 && len(r.team) == 0 && r.tagged == nil:
			everybody = append(everybody, int32(i))
		case !r.service.literal() && !r.team.literal():
			c.general = append(c.general, int32(i))
		}
	}
	for _, p := range s.Providers {
		c.shared[p.Name] = c.to(p.Name, everybody)
		c.atOnce[p.Name] = c.mostAtOnce(c.shared[p.Name])
	}
	return c
}

// own are the rules about a caller that are not about everybody.
func (c *crowd) own(caller sentinel.Caller) []int32 {
	var own []int32
	for _, list := range [][]int32{c.index.service[caller.Service], c.index.team[caller.Team], c.general} {
		for _, i := range list {
			if c.rules[i].about(caller) {
				own = append(own, i)
			}
		}
	}
	return own
}

// to gives the rules about a provider.
func (c *crowd) to(provider string, rules []int32) []int32 {
	var out []int32
	for _, i := range rules {
		if c.rules[i].provider.match(provider) {
			out = append(out, i)
		}
	}
	return out
}

func (c *crowd) limitsOf(rules []int32) int {
	n := 0
	for _, i := range rules {
		n += len(c.rules[i].limits)
	}
	return n
}

func modelsOf(r *rule) globs    { return r.model }
func endpointsOf(r *rule) globs { return r.endpoint }

// meeting lists names, and patterns as the closest one of a name, with the rules that can meet on each. Of the patterns that match a
// name, one has the longest prefix: trying each as that one tries every name. Patterns may be counted together that no one name matches.
func (c *crowd) meeting(rules []int32, of func(*rule) globs, use func(name string, some []int32)) {
	by := map[string][]int32{"": nil}
	var patterns starts
	var loose []int32 // rules whose patterns may begin with anything
	for _, i := range rules {
		list := of(&c.rules[i])
		literal := list.literal()
		if !literal && !patterns.add(list, int(i)) {
			loose = append(loose, i)
		}
		for k, p := range list {
			if some := by[p]; literal && !slices.Contains(list[:k], p) {
				by[p] = append(some, i)
			} else {
				by[p] = some
			}
		}
	}
	for name, some := range by {
		some = slices.Clip(some)
		near := slices.Concat(append(patterns.find(prefix(name), nil), loose)...)
		slices.Sort(near)
		for _, i := range slices.Compact(near) { // a rule with several patterns may be near by several
			if of(&c.rules[i]).meets(name) {
				some = append(some, i)
			}
		}
		use(name, some)
	}
}

// mostAtOnce bounds from above how many limits of these rules can meet on one endpoint and model.
func (c *crowd) mostAtOnce(rules []int32) int {
	if n := c.limitsOf(rules); n <= maxLimits/2 {
		return n
	}
	most := 0
	c.meeting(rules, modelsOf, func(_ string, some []int32) {
		if c.limitsOf(some) <= most {
			return
		}
		c.meeting(some, endpointsOf, func(_ string, some []int32) { most = max(most, c.limitsOf(some)) })
	})
	return most
}

// closely counts again what mostAtOnce leaves in doubt for one caller: with finals, canaries and schedules. Counts up to enough are not
// told apart.
func (c *crowd) closely(caller sentinel.Caller, rules []int32, enough int) int {
	if c.spent += len(rules) * len(rules); c.spent > maxClosely {
		return c.mostAtOnce(rules)
	}
	rules = slices.DeleteFunc(rules, func(i int32) bool {
		r := &c.rules[i]
		return r.canary > 0 && chosen(r.name, caller.Service) >= r.canary
	})
	most := 0
	c.meeting(rules, modelsOf, func(model string, some []int32) {
		if c.limitsOf(some) <= max(most, enough) {
			return
		}
		c.meeting(some, endpointsOf, func(endpoint string, some []int32) {
			if c.limitsOf(some) <= max(most, enough) {
				return
			}
			slices.Sort(some)
			on := named{model, endpoint}
			if n := c.through(some, on, nil); n > max(most, enough) {
				most = max(most, c.atSomeTime(some, on, n))
			}
		})
	})
	return most
}

// named is what a call's names are like.
type named struct{ model, endpoint string }

// through counts limits up to a final rule that surely holds; of one that may hold, both ways are counted. With a moment, schedules are
// known.
func (c *crowd) through(rules []int32, on named, local *time.Time) int {
	most, n := 0, 0
	for _, i := range rules {
		r := &c.rules[i]
		if local != nil && !r.timely(*local) {
			continue
		}
		n += len(r.limits)
		if !r.final {
			continue
		}
		if r.surely(on) && (local != nil || len(r.during)+len(r.except) == 0) {
			return max(most, n)
		}
		most = max(most, n)
		n -= len(r.limits)
	}
	return max(most, n)
}

// surely tells whether a rule holds for every call of such names that is of its callers, provider and times. One in shadow holds only
// among the rules as they would be.
func (r *rule) surely(on named) bool {
	return !r.shadow && r.when == nil && r.then.above == 0 && r.endpoint.covers(globs{on.endpoint}) && r.model.covers(globs{on.model}) &&
		(len(r.model) == 0 || len(r.downgrades) == 0)
}

// timely tells whether a rule's schedules let it hold at what the clock on the wall shows.
func (r *rule) timely(local time.Time) bool {
	shows := func(s schedule) bool { return s.shows(local) }
	return (len(r.during) == 0 || slices.ContainsFunc(r.during, shows)) && !slices.ContainsFunc(r.except, shows)
}

// atSomeTime is the most of through at any moment; n, which is that without schedules, where there are none.
func (c *crowd) atSomeTime(rules []int32, on named, n int) int {
	var all []schedule
	for _, i := range rules {
		all = append(append(all, c.rules[i].during...), c.rules[i].except...)
	}
	if len(all) == 0 {
		return n
	}
	moments := momentsOf(all)
	if c.spent += len(moments) * len(rules); c.spent > maxClosely {
		return n
	}
	most := 0
	for _, local := range moments {
		most = max(most, c.through(rules, on, &local))
	}
	return most
}

// momentsOf lists moments of the clock on the wall, one of every kind that schedules tell apart: each time of day at which one begins or
// ends, on the days of the week after each first and last day, and of one week that is before all of them.
func momentsOf(all []schedule) []time.Time {
	minutes := map[int]bool{0: true}
	turns := map[time.Time]bool{}
	first := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, s := range all {
		minutes[s.from%dayMinutes], minutes[s.to%dayMinutes] = true, true
		for _, d := range []date{s.begin, s.end} {
			if d == (date{}) {
				continue
			}
			at := time.Date(d.year, d.month, d.day, 0, 0, 0, 0, time.UTC)
			turns[at] = true
			if at.Before(first) {
				first = at
			}
		}
	}
	turns[first.AddDate(0, 0, -16)] = true
	days := map[time.Time]bool{}
	for at := range turns {
		for d := range 9 { // a last day's night ends on the next one
			days[at.AddDate(0, 0, d)] = true
		}
	}
	out := make([]time.Time, 0, len(days)*len(minutes))
	for day := range days {
		for m := range minutes {
			out = append(out, day.Add(time.Duration(m)*time.Minute))
		}
	}
	return out
}
