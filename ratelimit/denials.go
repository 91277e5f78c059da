package ratelimit

import (
	"sync"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// maxDenials bounds the refusals that a process remembers.
const maxDenials = 4096

// denials remembers for a moment which limits are full, so that a client that does not wait costs no round trip. What
// is given back in that moment is seen after it.
type denials struct {
	life time.Duration // 0: nothing is remembered

	mu   sync.Mutex
	full map[cellKey]remembered
}

type remembered struct {
	amount int64 // that did not fit
	denial sentinel.Denial
	at     time.Time
	until  time.Time
}

// remember keeps the denials of a refusal. Slots of concurrency come free at any moment: they are not kept.
func (d *denials) remember(a sentinel.Ask, r sentinel.Reservation, now time.Time) {
	if d.life == 0 || r.Chosen >= 0 || len(r.Denials) != len(a.Candidates) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full == nil || len(d.full) >= maxDenials {
		d.full = map[cellKey]remembered{}
	}
	for i, denial := range r.Denials {
		life := d.life
		if denial.Limit.Kind == sentinel.Rate && denial.RetryAfter > 0 {
			life = min(life, denial.RetryAfter)
		}
		if denial.Limit.Kind != sentinel.Concurrent {
			d.full[cellAt(a.Org, keyOf(*denial.Limit))] = remembered{fewest(&a.Candidates[i], denial.Limit.Measure), denial, now, now.Add(life)}
		}
	}
}

// refuse answers an ask of which every candidate has a limit that is known to be full.
func (d *denials) refuse(a sentinel.Ask, now time.Time) (sentinel.Reservation, bool) {
	if d.life == 0 {
		return sentinel.Reservation{}, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.full) == 0 {
		return sentinel.Reservation{}, false
	}
	out := sentinel.Reservation{Chosen: noneFits}
	for _, c := range a.Candidates {
		denial, ok := d.of(a.Org, c, now)
		if !ok {
			return sentinel.Reservation{}, false
		}
		out.Denials = append(out.Denials, denial)
	}
	first := out.Denials[0]
	out.Levels = []sentinel.Level{{Limit: first.Limit, Remaining: first.Remaining, Reset: first.RetryAfter}}
	return out, true
}

// of finds a full limit of a candidate. Another amount of the limit, or a smaller call, is worth a question.
func (d *denials) of(org string, c sentinel.Candidate, now time.Time) (sentinel.Denial, bool) {
	for i := range c.Limits {
		l := &c.Limits[i]
		if l.Soft {
			continue
		}
		m, ok := d.full[cellAt(org, keyOf(*l))]
		if !ok || !now.Before(m.until) || m.denial.Limit.Max != l.Max || m.denial.Limit.Period != l.Period || m.denial.Limit.Spare != l.Spare || fewest(&c, l.Measure) < m.amount {
			continue
		}
		denial := m.denial
		denial.Limit = l
		if denial.RetryAfter > 0 {
			denial.RetryAfter = max(1, denial.RetryAfter-now.Sub(m.at))
		}
		return denial, true
	}
	return sentinel.Denial{}, false
}

// fewest is the least that a candidate can take of a measure: with the shortest answer that is worth sending.
func fewest(c *sentinel.Candidate, m sentinel.Measure) int64 {
	if c.Cut.Most == 0 {
		return c.Bound[m]
	}
	return c.Cut.At(c.Cut.Least)[m]
}
