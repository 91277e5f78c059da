package policy

import (
	"slices"
	"sync/atomic"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// maxLimits bounds the limits of one call: the limiter checks them all in one round trip.
// Compile refuses files in which a call could have more.
const maxLimits = 16

// limit is a compiled limit: a sentinel.Limit before its window is known.
type limit struct {
	sentinel.Limit
	cut  cut // of a window
	slot int // of the cut in Set.windows
}

// rule is a compiled policy.
type rule struct {
	name                                     string
	team, service, provider, endpoint, model globs
	tagged                                   map[string]bool // services whose tags match; nil: all
	when                                     *condition
	during, except                           []schedule
	canary                                   share // of services; 0: all
	priority                                 int
	final                                    bool // later rules do not apply to its calls
	shadow                                   bool // it is judged beside the others, and decides nothing
	per                                      []dimension
	limits                                   []limit // empty only where then, failover or capture acts by itself
	then                                     then
	downgrades                               []string
	fallbacks                                []Target
	failover                                 Failover
	capture                                  Capture
	clamp                                    int64         // on_exceed cuts an answer to no fewer tokens; 0: it does not
	delay                                    time.Duration // on_exceed lets a call wait so long
	deny                                     bool          // on_exceed says deny: not worth a retry
}

// holds tells whether a rule is about a call now. What costs most is asked last.
func (r *rule) holds(c *sentinel.Call, model string, now time.Time, scores *Scores) bool {
	return r.then.holds(scores, c.Caller.Service) && r.match(c, model) && (len(r.during) == 0 || within(r.during, now)) && !within(r.except, now) &&
		(r.canary == 0 || chosen(r.name, c.Caller.Service) < r.canary) && (r.when == nil || r.when.holds(c, model))
}

// chosen places a service within a rule's canary, from 0 to 99.99 %: evenly, and each time at the same place.
func chosen(rule, service string) share {
	h := uint64(14695981039346656037) // FNV-1a, of the two names with a zero between them
	for _, text := range [...]string{rule, "\x00", service} {
		for i := range len(text) {
			h = (h ^ uint64(text[i])) * 1099511628211
		}
	}
	h ^= h >> 32 // the low bits alone are uneven for short names
	return share(h * 0x9e3779b97f4a7c15 >> 32 % sentinel.FullShare)
}

// match tells whether a rule's plain conditions fit a call. A rule that lists models is not about those that it
// downgrades to itself: "gpt-5*, then gpt-5-mini" would otherwise refuse the model that it offers.
func (r *rule) match(c *sentinel.Call, model string) bool {
	return r.about(c.Caller) && r.provider.match(c.Provider) &&
		r.endpoint.match(c.Endpoint) && r.model.match(model) && (len(r.model) == 0 || !slices.Contains(r.downgrades, model))
}

// about tells whether a rule concerns a caller.
func (r *rule) about(c sentinel.Caller) bool {
	return r.team.match(c.Team) && r.service.match(c.Service) && (r.tagged == nil || r.tagged[c.Service])
}

// Target is a model of a provider.
type Target struct{ Provider, Model string }

// Plan is what the policy says about one call with one model.
type Plan struct {
	Limits     []sentinel.Limit // at most 16
	Downgrades []string         // cheaper models in order, without the asked one
	Fallbacks  []Target         // models of other providers in order, tried after the cheaper ones
	Clamp      int64            // the fewest tokens that an answer may be cut to where its bound does not fit; 0 where none may be
	Failover   Failover         // where the call goes when its provider fails it
	Capture    Capture          // which bodies are stored
	// Acting names the rule whose then says what becomes of the call, whatever its limits: Refuse denies it, Avoid lets it go to a
	// cheaper model only. Why is ReasonAnomaly where the rule holds because the service is unusual now, else ReasonPolicy.
	Acting        string
	Why           sentinel.Reason
	Refuse, Avoid bool

	high   bool   // the service may use what limits reserve
	look   bool   // limits are looked at, but those of rules in shadow
	deny   uint32 // bit i: Limits[i] belongs to a rule that says deny
	delays [maxLimits]time.Duration

	subjects    uint32 // bit i: Limits[i] is one of an end user or a session
	credentials uint32 // bit i: Limits[i] is one of a credential of several
}

// Patience is how long a call may wait for a limit of a pace or of concurrency; 0 for others, and where no rule says so.
func (p *Plan) Patience(l *sentinel.Limit) time.Duration {
	if l.Kind == sentinel.Window {
		return 0
	}
	for i := range p.Limits {
		if p.Limits[i].Cell == l.Cell {
			return p.delays[min(i, maxLimits-1)]
		}
	}
	return 0
}

// denies tells whether the rule of a limit wants callers to stay away instead of coming back later.
func (p *Plan) denies(cell string) bool {
	for i := range p.Limits {
		if p.deny>>i&1 == 1 && p.Limits[i].Cell == cell {
			return true
		}
	}
	return false
}

// Plan is PlanUnder while nothing is unusual.
func (s *Set) Plan(c *sentinel.Call, model string, now time.Time) Plan {
	return s.PlanUnder(nil, c, model, now)
}

// PlanUnder finds the limits of a call if it used this model now: the organisation's, its team's, its
// service's, the provider's, then those of every matching rule by priority and in the file's order. Rules about what is unusual hold by the scores.
func (s *Set) PlanUnder(scores *Scores, c *sentinel.Call, model string, now time.Time) Plan {
	return s.PlanOn(Terms{Scores: scores}, c, model, now)
}

// Terms are what a plan follows beside the call.
type Terms struct {
	Scores *Scores // nil: nothing is unusual
	// Shadows has the rules in shadow enforced. What is enforced is only looked at: the call's own plan counts it.
	Shadows bool
	Room    []sentinel.Limit // memory that the plan's limits may overwrite; nil: new memory
}

// Shadowed tells whether a rule is in shadow.
func (s *Set) Shadowed() bool { return s.shadowed }

// PlanOn is PlanUnder on terms.
func (s *Set) PlanOn(t Terms, c *sentinel.Call, model string, now time.Time) Plan {
	team, service, provider := s.teams[c.Caller.Team], s.services[c.Caller.Service], s.providers[c.Provider]
	n := len(s.org) + len(team) + len(service) + len(provider)
	var matched [maxLimits]*rule
	rules := s.index.find(s.rules, c, under{model, now, t.Scores, t.Shadows}, matched[:0])
	for _, r := range rules {
		n += len(r.limits)
	}
	p := Plan{Limits: slices.Grow(t.Room[:0], n), look: t.Shadows, high: s.high[c.Caller.Service]}
	dates := s.calendar(now)
	p.add(&dates, s.org, "")
	p.add(&dates, team, "")
	p.add(&dates, service, "")
	p.add(&dates, provider, "")
	for _, r := range rules {
		if r.deny {
			p.mark(&p.deny, r)
		}
		if r.bySubject() {
			p.mark(&p.subjects, r)
		}
		if r.byCredential() {
			p.mark(&p.credentials, r)
		}
		for i := len(p.Limits); r.delay > 0 && i < min(len(p.Limits)+len(r.limits), maxLimits); i++ {
			p.delays[i] = r.delay
		}
		if p.add(&dates, r.limits, r.suffix(c, model)); r.shadow {
			p.count(len(r.limits))
		}
		p.act(r)
		if p.Clamp == 0 {
			p.Clamp = r.clamp
		}
		if len(p.Failover.To) == 0 {
			p.Failover = r.failover
		}
		if !p.Capture.Any() {
			p.Capture = r.capture
		}
		for _, m := range r.downgrades {
			if m != model && !slices.Contains(p.Downgrades, m) {
				p.Downgrades = append(p.Downgrades, m)
			}
		}
		for _, t := range r.fallbacks {
			if t.Provider != c.Provider && !slices.Contains(p.Fallbacks, t) {
				p.Fallbacks = append(p.Fallbacks, t)
			}
		}
	}
	return p
}

// act takes what a rule's then says. The first rule that refuses is named, or else the first that avoids.
func (p *Plan) act(r *rule) {
	t := r.then
	if t.deny && !p.Refuse || t.avoid && p.Acting == "" {
		if p.Acting, p.Why = r.name, sentinel.ReasonPolicy; t.above > 0 {
			p.Why = sentinel.ReasonAnomaly
		}
	}
	p.Refuse, p.Avoid = p.Refuse || t.deny, p.Avoid || t.avoid
}

// count has the last limits counted.
func (p *Plan) count(n int) {
	for i := range p.Limits[len(p.Limits)-n:] {
		p.Limits[len(p.Limits)-1-i].Look = false
	}
}

func (p *Plan) add(dates *calendar, limits []limit, suffix string) {
	for i := range limits {
		p.Limits = append(p.Limits, limits[i].Limit)
		l := &p.Limits[len(p.Limits)-1]
		l.Look = p.look
		if suffix != "" {
			l.Cell += suffix
		}
		if p.high {
			l.Spare = 0
		}
		if l.Kind == sentinel.Window {
			w := dates.window(&limits[i])
			if l.Start, l.End = w.start, w.end; l.Rollover > 0 {
				l.Before = w.before
			}
		}
	}
}

// calendar finds the windows of one moment.
type calendar struct {
	zone  *time.Location
	now   time.Time
	known windows
}

// windows remembers, for each kind of window of a set, the one that was found last: most calls lie in it as well.
type windows []atomic.Pointer[found]

type found struct {
	cut
	start, end time.Time
	before     time.Time // begin of the window before
}

func (c *calendar) window(l *limit) *found {
	if l.slot >= len(c.known) {
		return c.find(l.cut)
	}
	w := c.known[l.slot].Load()
	if w == nil || w.cut != l.cut || c.now.Before(w.start) || !c.now.Before(w.end) {
		w = c.find(l.cut)
		c.known[l.slot].Store(w)
	}
	return w
}

func (c *calendar) find(of cut) *found {
	w := &found{cut: of}
	w.start, w.end = window(of, c.zone, c.now)
	w.before, _ = window(of, c.zone, w.start.Add(-1))
	return w
}
