package ratelimit

import (
	"slices"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// choice is what became of a list of candidates.
type choice struct {
	chosen        int
	tokens        int64
	first, judged []judged // of the first candidate, and of the chosen one
	refused       []refusal
}

// refusal is the first limit of a candidate that does not fit.
type refusal struct {
	limit int
	judged
}

func (c choice) denials(of []sentinel.Candidate) (out []sentinel.Denial) {
	for i, r := range c.refused {
		out = append(out, sentinel.Denial{Limit: &of[i].Limits[r.limit], Remaining: r.before, RetryAfter: micros(r.wait)})
	}
	return out
}

// choose finds the first candidate whose limits all fit.
func (m *Model) choose(org string, list []sentinel.Candidate, now time.Time) choice {
	out, from := choice{chosen: noneFits}, len(m.fails)
	for c := range list {
		js, refused := m.judge(org, &list[c], now)
		if c == 0 {
			out.first = js
		}
		if refused < 0 {
			out.chosen, out.judged = c, js
			return out
		}
		was := refusal{refused, js[refused]}
		if tokens := tokensOf(&list[c], js); tokens > 0 && tokens >= list[c].Cut.Least {
			short := list[c]
			short.Bound = short.Cut.At(tokens)
			if js, refused = m.judge(org, &short, now); refused < 0 {
				out.chosen, out.tokens, out.judged = c, tokens, js
				return out
			}
		}
		m.fails = append(m.fails, was)
		out.refused = m.fails[from:]
	}
	return out
}

// tokensOf is how long an answer all limits of a candidate leave room for; 0 where it cannot be cut.
func tokensOf(c *sentinel.Candidate, js []judged) int64 {
	if c.Cut.Most == 0 {
		return 0
	}
	n := c.Cut.Most
	for i := range c.Limits {
		l := &c.Limits[i]
		base, step := c.Cut.Base[l.Measure], c.Cut.Step[l.Measure]
		switch left := js[i].before; {
		case l.Soft:
		case left < base:
			return 0
		case step > 0:
			n = min(n, (min(left, limbs(left, base))-base)/step)
		}
	}
	return n
}

// limbs bounds what is left as the scripts do, which count it in two parts: of what is beyond the first, only the first is used.
func limbs(left, base int64) int64 {
	if left-base >= limb {
		return base + limb - 1
	}
	return left
}

// judge checks all limits of a candidate; refused is the first that does not fit, or −1.
func (m *Model) judge(org string, c *sentinel.Candidate, now time.Time) (js []judged, refused int) {
	from := len(m.js)
	m.js = slices.Grow(m.js, len(c.Limits))[:from+len(c.Limits)] // what stands before stays where it is, or is left behind as it was
	js, refused = m.js[from:], -1
	for i := range c.Limits {
		l := &c.Limits[i]
		at := m.cellOf(org, l, now)
		js[i] = at.judge(l, m.over(org, l, at, now), c.Bound[l.Measure], now)
		js[i].cell = at
		if !js[i].fits && !l.Soft && refused < 0 {
			refused = i
		}
	}
	return js, refused
}

// over is what a window takes over of the one before it, as it is kept or as it is found now.
func (m *Model) over(org string, l *sentinel.Limit, at *cell, now time.Time) int64 {
	if l.Rollover == 0 {
		return 0
	}
	if at.took {
		return at.over
	}
	last := m.cells[cellAt(org, keyOf(before(*l)))]
	if last == nil || !last.until.After(now) {
		return 0
	}
	return min(last.used(now.UnixMilli()/bucketMS).leaves(l.Max), sentinel.ShareOf(l.Max, l.Rollover))
}
