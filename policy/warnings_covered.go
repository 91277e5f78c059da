package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// maxCompared bounds the pairs of rules that are compared: a file of 10,000 rules about all services would have a hundred million.
const maxCompared = 5_000_000

// covered warns of rules that an earlier final rule leaves no calls, and of limits that are never reached because another rule holds
// the same calls to less.
func (w *warner) covered() {
	finals := make([]int, len(w.rules)+1) // how many rules before each are final
	for i, r := range w.rules {
		finals[i+1] = finals[i]
		if r.final {
			finals[i+1]++
		}
	}
	compared := 0
	for j, r := range w.rules {
		near := w.near(r)
		if compared += len(near); compared > maxCompared {
			w.warn("policies", "the rules from %s on were not compared with others: there are too many about the same calls", r.key)
			return
		}
		var over []int // rules that hold for all calls for which this one does
		hidden := false
		for _, n := range near {
			i := int(n)
			if i == j || !w.covers(w.rules[i], r) {
				continue
			}
			if i < j && w.rules[i].final {
				w.warn(r.key, "the final rule %q (%s) comes first for all its calls: this one does nothing", w.rules[i].name, w.rules[i].key)
				hidden = true
				break
			}
			if finals[max(i, j)] != finals[j] {
				continue // a final rule between them may keep it from some of the calls
			}
			if w.rules[i].denies() {
				w.warn(r.key, "the rule %q (%s) refuses all its calls: this one does nothing", w.rules[i].name, w.rules[i].key)
				hidden = true
				break
			}
			over = append(over, i)
		}
		if !hidden {
			w.outdone(j, over)
		}
	}
}

// near gives the rules that may cover another, as the index finds them for one of its calls.
func (w *warner) near(r written) []int32 {
	first := func(g globs) string {
		if g.literal() {
			return g[0]
		}
		return ""
	}
	caller := sentinel.Caller{Team: first(r.team)}
	if r.service.literal() {
		caller = w.caller(r.service[0])
		if i := slices.IndexFunc(r.service, func(name string) bool { return r.about(w.caller(name)) }); i > 0 {
			caller = w.caller(r.service[i])
		}
	}
	x := &w.set.index
	lists := [][]int32{x.service[caller.Service], x.team[caller.Team], x.endpoint[first(r.endpoint)], x.provider[first(r.provider)], x.model[first(r.model)], x.rest}
	begin := func(name string, g globs) string { // a pattern that covers another begins as it does
		if name == "" && len(g) > 0 {
			return prefix(g[0])
		}
		return name
	}
	for d, name := range [...]string{begin(caller.Service, r.service), begin(caller.Team, r.team), begin("", r.model), begin("", r.endpoint), begin("", r.provider)} {
		lists = x.patterns[d].find(name, lists)
	}
	out := slices.Concat(lists...)
	slices.Sort(out)
	return slices.Compact(out)
}

// outdone warns of a rule's limits that are never reached because of one of the rules over it.
func (w *warner) outdone(j int, over []int) {
	r := w.rules[j]
	for _, l := range r.limits {
		for _, i := range over {
			other := w.rules[i]
			if len(other.per) > 0 && !slices.EqualFunc(other.per, r.per, func(a, b dimension) bool { return a.scope == b.scope }) {
				continue
			}
			m := slices.IndexFunc(other.limits, func(o limit) bool { return !o.Soft && (outgrows(l, o) > 0 || i < j && same(l, o)) })
			if m >= 0 {
				w.warn(limitKey(r.key, l, r.yaml.Budget), "%s is never reached: the rule %q (%s) holds its calls to %s", amount(l), other.name, other.key, amount(other.limits[m]))
				break
			}
		}
	}
}

// same tells whether two limits allow the same.
func same(a, b limit) bool {
	return a.Measure == b.Measure && a.Kind == b.Kind && a.Max == b.Max && a.Period == b.Period && a.cut == b.cut
}

// covers tells whether rule a holds for every call for which b does. It may be wrong only in saying no.
func (w *warner) covers(a, b written) bool {
	return (!a.shadow || b.shadow) && a.provider.covers(b.provider) && a.endpoint.covers(b.endpoint) && w.coversModels(a, b) && w.coversCallers(a, b) &&
		coversTimes(a.yaml, b.yaml) && coversScores(a.then, b.then) && a.canary == 0 && (a.when == nil || a.yaml.Match.When == b.yaml.Match.When)
}

// coversModels: a rule that lists models is not about those that it downgrades to.
func (w *warner) coversModels(a, b written) bool {
	if !a.model.covers(b.model) {
		return false
	}
	return len(a.model) == 0 || !slices.ContainsFunc(a.downgrades, func(m string) bool {
		return b.model.match(m) && !slices.Contains(b.downgrades, m)
	})
}

func (w *warner) coversCallers(a, b written) bool {
	if b.service.literal() {
		return !slices.ContainsFunc(b.service, func(name string) bool {
			caller := w.caller(name)
			return b.about(caller) && !a.about(caller)
		})
	}
	return a.team.covers(b.team) && a.service.covers(b.service) && (a.tagged == nil || maps.Equal(a.yaml.Match.Tag, b.yaml.Match.Tag))
}

// coversScores: who was unusual for long was so for a shorter time.
func coversScores(a, b then) bool {
	return a.above == 0 || a.above <= b.above && a.minutes <= b.minutes
}

func coversTimes(a, b *ruleYAML) bool {
	missing := func(list []string) func(string) bool { return func(s string) bool { return !slices.Contains(list, s) } }
	during := len(a.During) == 0 || len(b.During) > 0 && !slices.ContainsFunc(b.During, missing(a.During))
	return during && !slices.ContainsFunc(a.Except, missing(b.Except))
}

// covers tells whether all that h matches is matched by one of the patterns. It may be wrong only in saying no.
func (g globs) covers(h globs) bool {
	if len(g) == 0 {
		return true
	}
	return len(h) > 0 && !slices.ContainsFunc(h, func(q string) bool {
		return !slices.ContainsFunc(g, func(p string) bool { return p == q || globCovers(p, q) })
	})
}

// globCovers tells whether pattern p matches all that q does: it then matches q's own text, of which its stars may take the stars. A
// question mark must not, because a star may stand for no character.
func globCovers(p, q string) bool {
	return globMatch(p, q) && (!strings.Contains(p, "?") || !strings.Contains(q, "*"))
}

// parents warns of limits above those of the parent that they are a part of.
func (w *warner) parents() {
	check := func(key string, own []limit, budgets []budgetYAML, parent string, of []limit) {
		for _, l := range own {
			for _, p := range of {
				n := outgrows(l, p)
				if n == 0 {
					continue
				}
				times := ""
				if n > 1 {
					times = fmt.Sprintf("%d times ", n)
				}
				w.warn(limitKey(key, l, budgets), "%s is more than %sthe %s of the %s, which is past first", amount(l), times, amount(p), parent)
				break
			}
		}
	}
	org := "organisation"
	for _, name := range slices.Sorted(maps.Keys(w.in.Teams)) {
		check("teams."+name, w.set.teams[name], w.in.Teams[name].Budget, org, w.set.org)
	}
	for _, name := range slices.Sorted(maps.Keys(w.in.Providers)) {
		check("providers."+name, w.set.providers[name], w.in.Providers[name].Budget, org, w.set.org)
	}
	for _, name := range slices.Sorted(maps.Keys(w.in.Services)) {
		y := w.in.Services[name]
		check("services."+name, w.set.services[name], y.Budget, "team "+y.Team, w.set.teams[y.Team])
		check("services."+name, w.set.services[name], y.Budget, org, w.set.org)
	}
	for _, r := range w.rules {
		check(r.key, r.limits, r.yaml.Budget, org, w.set.org)
		if len(r.team) == 1 && r.team.literal() {
			check(r.key, r.limits, r.yaml.Budget, "team "+r.team[0], w.set.teams[r.team[0]])
		}
		if len(r.provider) == 1 && r.provider.literal() {
			check(r.key, r.limits, r.yaml.Budget, "provider "+r.provider[0], w.set.providers[r.provider[0]])
		}
		if len(r.service) == 1 && r.service.literal() {
			check(r.key, r.limits, r.yaml.Budget, "service "+r.service[0], w.set.services[r.service[0]])
		}
	}
}

// limitKey is where a limit of a scope is written.
func limitKey(key string, l limit, budgets []budgetYAML) string {
	if l.Measure != sentinel.MeasureCost {
		return key + ".limits." + l.Measure.String()
	}
	if i := slices.IndexFunc(budgets, func(b budgetYAML) bool { return b.USD.span == l.cut.span }); len(budgets) > 1 && i >= 0 {
		return fmt.Sprintf("%s.budget[%d].usd", key, i)
	}
	return key + ".budget.usd"
}

// amount shows a limit as its operator would read it.
func amount(l limit) string {
	switch l.Measure { // the others are counted by a span of time
	case sentinel.MeasureCost:
		return fmt.Sprintf("%s/%s", sentinel.NanoUSD(l.Max), l.cut.span)
	case sentinel.MeasureConcurrent:
		return fmt.Sprintf("%d calls at once", l.Max)
	default:
		return fmt.Sprintf("%d %s/%s", l.Max, strings.ReplaceAll(l.Measure.String(), "_", " "), l.cut.span)
	}
}

// outgrows gives how many windows of a parent a window of the child meets at most, when the child's limit is above what the parent
// allows in all of these; else 0.
func outgrows(child, parent limit) int64 {
	switch {
	case child.Measure != parent.Measure || child.Kind != parent.Kind:
		return 0
	case child.Kind == sentinel.Rate:
		// Of two paces, the one with the lower burst and the lower pace is met first.
		slower := parent.Max*int64(child.Period/time.Second) < child.Max*int64(parent.Period/time.Second)
		if parent.Max < child.Max && slower {
			return 1
		}
	case child.Kind == sentinel.Window:
		if n := windowsIn(child.cut, parent.cut); n > 0 && child.Max/n > parent.Max {
			return n
		}
	case child.Max > parent.Max:
		return 1
	}
	return 0
}

// Lengths of spans in days of 23 to 25 hours: the longest of each, and the shortest.
var (
	mostDays  = map[span]int64{day: 1, week: 7, month: 31, quarter: 92, year: 366}
	leastDays = map[span]int64{day: 1, week: 7, month: 28, quarter: 90, year: 365}
	inYear    = map[span]int64{month: 12, quarter: 4, year: 1}
)

// windowsIn gives how many windows of outer a window of inner meets at most; 0 when there is no bound.
func windowsIn(inner, outer cut) int64 {
	switch {
	case outer.span == fixed || inner == outer:
		return 1
	case inner.span == fixed:
		return 0
	case inner.span == hour:
		return 1
	case outer.span == hour:
		return mostDays[inner.span]*24 + 1 // a day of 25 hours
	case inner.span == day:
		return 1
	case outer.span == day:
		return mostDays[inner.span]
	case inner.day == outer.day && inner.span >= month && outer.span >= month && (inner.fiscal == outer.fiscal || outer.span == month):
		return max(inYear[outer.span]/inYear[inner.span], 1)
	default: // neither begins with the other
		return mostDays[inner.span]/leastDays[outer.span] + 2
	}
}
