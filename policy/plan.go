package policy

import (
	"path"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// maxLimits bounds the limits of one call: the limiter checks them all in one round trip.
const maxLimits = 16

// limit is a compiled limit: a sentinel.Limit before its window is known.
type limit struct {
	sentinel.Limit
	span span // of a window
}

// at gives the limit as it holds now. suffix tells apart the cells of a rule with `per`.
func (l limit) at(zone *time.Location, now time.Time, suffix string) sentinel.Limit {
	out := l.Limit
	out.Cell += suffix
	if out.Kind == sentinel.Window {
		out.Start, out.End = window(l.span, zone, now)
	}
	return out
}

// rule is a compiled policy.
type rule struct {
	name                                       string
	team, service, provider, endpoint, modelOf globs
	perTeam, perService                        bool
	limits                                     []limit
	downgrades                                 []string
	deny                                       bool // on_exceed says deny: not worth a retry
}

// globs matches a text when it is empty or one of its patterns does.
type globs []string

func (g globs) match(s string) bool {
	if len(g) == 0 {
		return true
	}
	for _, p := range g {
		if p == s || p == "*" {
			return true
		}
		// path.Match stops * at slashes; names of models may have them.
		if ok, _ := path.Match(strings.ReplaceAll(p, "/", "\x00"), strings.ReplaceAll(s, "/", "\x00")); ok {
			return true
		}
	}
	return false
}

func (r *rule) match(c *sentinel.Call, model string) bool {
	return r.team.match(c.Caller.Team) && r.service.match(c.Caller.Service) && r.provider.match(c.Provider) &&
		r.endpoint.match(c.Endpoint) && r.modelOf.match(model)
}

func (r *rule) suffix(c *sentinel.Call) string {
	switch {
	case r.perService:
		return "/service/" + c.Caller.Service
	case r.perTeam:
		return "/team/" + c.Caller.Team
	default:
		return ""
	}
}

// Plan is what the policy says about one call with one model.
type Plan struct {
	Limits     []sentinel.Limit
	Downgrades []string // cheaper models in order, without the asked one
	deny       map[string]bool
}

// Plan finds the limits of a call if it used this model now: the organisation's, its team's, its
// service's, then those of every matching rule in the file's order.
func (s *Set) Plan(c *sentinel.Call, model string, now time.Time) Plan {
	p := Plan{Limits: make([]sentinel.Limit, 0, 8)}
	p.add(s, s.org, now, "")
	p.add(s, s.teams[c.Caller.Team], now, "")
	p.add(s, s.services[c.Caller.Service], now, "")
	for i := range s.rules {
		r := &s.rules[i]
		if !r.match(c, model) {
			continue
		}
		before := len(p.Limits)
		p.add(s, r.limits, now, r.suffix(c))
		if r.deny {
			p.denies(p.Limits[before:])
		}
		for _, m := range r.downgrades {
			if m != model && !contains(p.Downgrades, m) {
				p.Downgrades = append(p.Downgrades, m)
			}
		}
	}
	return p
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func (p *Plan) add(s *Set, limits []limit, now time.Time, suffix string) {
	for _, l := range limits {
		if len(p.Limits) == maxLimits { // compile refuses files in which this could happen
			return
		}
		p.Limits = append(p.Limits, l.at(s.Zone, now, suffix))
	}
}

func (p *Plan) denies(limits []sentinel.Limit) {
	if p.deny == nil {
		p.deny = map[string]bool{}
	}
	for _, l := range limits {
		p.deny[l.Cell] = true
	}
}
