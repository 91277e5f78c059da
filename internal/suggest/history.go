// Package suggest proposes budgets and limits from what the ledger has: quantiles with head-room and forecasts, each with what it would
// have done to the same calls, judged by the code that judges live ones.
package suggest

import (
	"context"
	"maps"
	"math"
	"slices"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/internal/simulate"
)

// maxScopes bounds the teams and services that are kept apart.
const maxScopes = 20_000

// scope is whose calls are counted: the organisation's (both empty), a team's or a service's.
type scope struct{ team, service string }

// past is what a scope used. Money by the day of the policy's zone, rates by the minute.
type past struct {
	days             map[int]float64 // nano-dollars, by the day's number
	minute           time.Time       // that is counted now
	requests, tokens int64           // in it
	perMinute        [2]spread       // requests, tokens: of minutes with a call
	held             [2]spread       // nano-dollars, tokens: the most that a call may use, which is held of a limit while it runs
	spent            sentinel.NanoUSD
}

// History is what calls of a period used, kept in memory that does not grow with the calls.
type History struct {
	from, to time.Time
	zone     *time.Location
	calls    int64
	scopes   map[scope]*past
}

// Read reads the calls of [from, to), whose days are those of the zone of the policy in force.
func Read(ctx context.Context, record simulate.Record, from, to time.Time, now *governor.State) (*History, error) {
	h := &History{from: from, to: to, zone: now.Policy.Zone, scopes: map[scope]*past{}}
	err := record(ctx, from, to, func(e sentinel.Entry) error {
		if e.Action.Refused() {
			return nil
		}
		if e.Attempt == 0 {
			h.calls++
		}
		call := e.Call
		call.Model = e.Asked
		held, _ := now.Held(&call)
		h.take(scope{}, &e, held)
		h.take(scope{team: e.Caller.Team}, &e, held)
		h.take(scope{e.Caller.Team, e.Caller.Service}, &e, held)
		return nil
	})
	for _, p := range h.scopes {
		p.turn(time.Time{})
	}
	return h, err
}

func (h *History) take(s scope, e *sentinel.Entry, held sentinel.Amounts) {
	p := h.scopes[s]
	if p == nil {
		if len(h.scopes) >= maxScopes || s.team == "" && s.service == "" && s != (scope{}) {
			return
		}
		p = &past{days: map[int]float64{}}
		h.scopes[s] = p
	}
	p.spent += e.Cost
	p.days[h.day(e.At)] += float64(e.Cost)
	if minute := e.At.Truncate(time.Minute); !minute.Equal(p.minute) {
		p.turn(minute)
	}
	amounts := sentinel.AmountsOf(e.Usage, e.Cost)
	if e.Attempt == 0 {
		p.requests++
	}
	p.tokens += amounts[sentinel.MeasureTokens]
	p.held[0].add(held[sentinel.MeasureCost])
	p.held[1].add(held[sentinel.MeasureTokens])
}

// turn ends a minute.
func (p *past) turn(next time.Time) {
	if !p.minute.IsZero() {
		p.perMinute[0].add(p.requests)
		p.perMinute[1].add(p.tokens)
	}
	p.minute, p.requests, p.tokens = next, 0, 0
}

// day numbers the days of the zone.
func (h *History) day(at time.Time) int {
	y, m, d := at.In(h.zone).Date()
	return int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86_400)
}

// daily lists what the whole days of the period cost, the first one that cost anything first.
func (h *History) daily(p *past) []float64 {
	first, last := h.day(h.from), h.day(h.to.Add(-1))
	if begin := h.from.In(h.zone); begin.Hour()+begin.Minute()+begin.Second() > 0 {
		first++ // half a day would pull the quantiles down
	}
	if end := h.to.In(h.zone); end.Hour()+end.Minute()+end.Second() > 0 {
		last--
	}
	var out []float64
	for d := first; d <= last; d++ {
		if len(out) > 0 || p.days[d] > 0 {
			out = append(out, p.days[d])
		}
	}
	return out
}

// spread counts values in steps of a percent, so that a quantile is at most one percent too high.
type spread struct {
	counts map[int]int64
	n      int64
}

const spreadStep = 1.01

func (s *spread) add(v int64) {
	if v <= 0 {
		return
	}
	if s.counts == nil {
		s.counts = map[int]int64{}
	}
	s.counts[int(math.Ceil(math.Log(float64(v))/math.Log(spreadStep)-1e-9))]++
	s.n++
}

// quantile is a value that at least a share q of what was added does not exceed; 0 where nothing was.
func (s *spread) quantile(q float64) float64 {
	left := int64(math.Ceil(q * float64(s.n)))
	for _, step := range slices.Sorted(maps.Keys(s.counts)) {
		if left -= s.counts[step]; left <= 0 {
			return math.Round(math.Pow(spreadStep, float64(step)))
		}
	}
	return 0
}
