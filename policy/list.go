package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Limits lists every limit with one counter as it is now: the organisation's, teams', services' and providers', then those
// of rules that count all their calls together. Rules that count by service, model and so on have as many
// counters as there are calls to tell apart: Plan finds a call's.
func (s *Set) Limits(now time.Time) []sentinel.Limit {
	p := Plan{}
	dates := s.calendar(now)
	p.add(&dates, s.org, "")
	for _, of := range []map[string][]limit{s.teams, s.services, s.providers} {
		for _, name := range slices.Sorted(maps.Keys(of)) {
			p.add(&dates, of[name], "")
		}
	}
	for i := range s.rules {
		if len(s.rules[i].per) == 0 {
			p.add(&dates, s.rules[i].limits, "")
		}
	}
	return p.Limits
}

// Limit finds a limit as it is now by its cell, those of rules that count by service, model and so on included.
func (s *Set) Limit(cell string, now time.Time) (sentinel.Limit, bool) {
	for _, l := range s.Limits(now) {
		if l.Cell == cell {
			return l, true
		}
	}
	for i := range s.rules {
		r := &s.rules[i]
		for _, l := range r.limits {
			if suffix, ok := strings.CutPrefix(cell, l.Cell+"/"); ok && len(r.per) > 0 && strings.HasPrefix(suffix, string(r.per[0].scope)+"/") {
				p := Plan{}
				dates := s.calendar(now)
				p.add(&dates, []limit{l}, "/"+suffix)
				return p.Limits[0], true
			}
		}
	}
	return sentinel.Limit{}, false
}

// ParseMax reads a limit's amount as a policy file has it: dollars of a budget, else a count such as 200k.
func ParseMax(m sentinel.Measure, text string) (int64, error) {
	if m != sentinel.MeasureCost {
		var n count
		err := n.UnmarshalText([]byte(text))
		return int64(n), err
	}
	var u usd
	if err := u.UnmarshalText([]byte(text)); err != nil {
		return 0, err
	}
	if u == 0 {
		return 0, fmt.Errorf("%s is no amount above 0", clip(text))
	}
	return int64(u), nil
}

// Callers lists every service, by name.
func (s *Set) Callers() []sentinel.Caller { return slices.Clone(s.callers) }

// KeptTags lists the tags that the ledger keeps, as dimensions of usage: "tag.env".
func (s *Set) KeptTags() []string {
	out := make([]string, len(s.kept))
	for i, name := range s.kept {
		out[i] = tagPrefix + name
	}
	return out
}

// Caller finds a service by its name.
func (s *Set) Caller(service string) (sentinel.Caller, bool) {
	i := slices.IndexFunc(s.callers, func(c sentinel.Caller) bool { return c.Service == service })
	if i < 0 {
		return sentinel.Caller{}, false
	}
	return s.callers[i], true
}

// Windows lists the first moments of all calendar windows in which now lies, each once and sorted.
func (s *Set) Windows(now time.Time) []time.Time {
	dates := s.calendar(now)
	seen := map[time.Time]bool{}
	add := func(limits []limit) {
		for i := range limits {
			if limits[i].Kind == sentinel.Window {
				seen[dates.window(&limits[i]).start] = true
			}
		}
	}
	add(s.org)
	for _, of := range []map[string][]limit{s.teams, s.services, s.providers} {
		for _, limits := range of {
			add(limits)
		}
	}
	for i := range s.rules {
		add(s.rules[i].limits)
	}
	return slices.SortedFunc(maps.Keys(seen), time.Time.Compare)
}

// Rules lists the policies by name, in the file's order.
func (s *Set) Rules() []string {
	out := make([]string, len(s.rules))
	for i, r := range s.rules {
		out[i] = r.name
	}
	return out
}

// Matching lists the rules that hold for a call if it used this model now, by name and in the order in which they apply: up to a
// final one.
func (s *Set) Matching(scores *Scores, c *sentinel.Call, model string, now time.Time) []string {
	var out []string
	for _, r := range s.index.find(s.rules, c, under{model: model, now: now, scores: scores}, nil) {
		out = append(out, r.name)
	}
	return out
}
