package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// The scripts' constants.
const (
	bucketMS   = 15_000
	farthestUS = 1_000_000_000_000_000
	settledFor = 5 * time.Minute
	recordFor  = 48 * time.Hour
	windowKept = 24 * time.Hour
	limb       = 1_000_000_000_000_000
	sweepEvery = 1024 // fewest admissions between two looks for what has expired
)

// Model is the limiter in pure Go, with the semantics of the scripts: for simulation, and to judge
// the scripts by. It is safe for concurrent use and forgets what Redis would have expired.
type Model struct {
	now func() time.Time

	mu    sync.Mutex
	asked int
	since map[string]int64 // by organisation: since when its counters are known
	cells map[cellKey]*cell
	named map[limitKey]*cell // the same, found without writing a key
	calls map[callKey]call
	js    []judged // of the admission under way, as are the next
	fails []refusal
	spare [][]held // of ended calls, for the next ones: at most as many as ran at once
}

type cellKey struct{ org, key string }

// cellAt finds where a cell is: in its organisation, or in none where organisations share it.
func cellAt(org, key string) cellKey {
	if isAcross(key) {
		org = ""
	}
	return cellKey{org, key}
}

type callKey struct {
	org  string
	call sentinel.CallID
}

// limitKey tells limits apart by what their keys are made of.
type limitKey struct {
	org, cell string
	kind      sentinel.LimitKind
	start     int64
}

type call struct {
	chosen  int
	tokens  int64
	shadows []chosenBy // what each of the ask's shadows has chosen
	hold    receipt
	text    sentinel.Hold // of the hold
	settled bool
	until   time.Time
}

// chosenBy is a chosen candidate, and to how many tokens its answer was cut.
type chosenBy struct {
	index  int
	tokens int64
}

// NewModel makes an empty limiter whose only clock is now.
func NewModel(now func() time.Time) *Model {
	return &Model{now: now, since: map[string]int64{}, cells: map[cellKey]*cell{}, named: map[limitKey]*cell{}, calls: map[callKey]call{}}
}

// Reserve is as Redis.Reserve.
func (m *Model) Reserve(_ context.Context, a sentinel.Ask) (sentinel.Reservation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	m.sweep(now)
	m.js, m.fails = m.js[:0], m.fails[:0]
	id := callKey{a.Org, a.Call}
	known, found := m.call(id, now)
	out := sentinel.Reservation{Chosen: noneFits}
	switch {
	case found && known.settled:
		out.Levels = levels(a.Candidates[0].Limits, make([]judged, len(a.Candidates[0].Limits)), false)
		for range a.Shadows {
			out.Shadows = append(out.Shadows, sentinel.Reservation{Chosen: noneFits})
		}
		return out, nil
	case found:
		return known.again(a)
	}
	asked := m.choose(a.Org, a.Candidates, now)
	var shadows []choice // everything is checked before anything is committed
	for i, list := range a.Shadows {
		shadows = append(shadows, m.choose(a.Org, list, now))
		out.Shadows = append(out.Shadows, sentinel.Reservation{Chosen: shadows[i].chosen, Tokens: shadows[i].tokens, Denials: shadows[i].denials(list)})
	}
	out.Chosen, out.Tokens = asked.chosen, asked.tokens
	out.Denials = slices.Grow(out.Denials, len(asked.refused))
	for c := range asked.refused {
		m.refuse(&out, &a.Candidates[c].Limits[asked.refused[c].limit], &asked.refused[c].judged)
	}
	if out.Chosen < 0 {
		out.Levels = levels(a.Candidates[0].Limits, asked.first, false)
		return out, nil
	}
	made := call{chosen: out.Chosen, tokens: out.Tokens, until: now.Add(a.TTL + recordFor), hold: receipt{bucket: (now.UnixMilli() + a.TTL.Milliseconds()) / bucketMS, at: now.UnixMicro()}}
	if n := len(m.spare); n > 0 {
		made.hold.held, m.spare = m.spare[n-1], m.spare[:n-1]
	}
	m.hold(a, a.Candidates, asked, &made.hold, 0, now)
	for i, list := range a.Shadows {
		m.hold(a, list, shadows[i], &made.hold, i+1, now)
		made.shadows = append(made.shadows, chosenBy{shadows[i].chosen, shadows[i].tokens})
	}
	if m.since[a.Org] == 0 {
		m.since[a.Org] = made.hold.at
	}
	out.Levels = levels(a.Candidates[out.Chosen].Limits, asked.judged, true)
	made.text = made.hold.encode()
	m.calls[id] = made
	out.Hold = made.text
	return out, nil
}

// again gives the reservation that a call has.
func (c *call) again(a sentinel.Ask) (sentinel.Reservation, error) {
	marks := func(shadow int) (out []int64) {
		for _, h := range c.hold.held {
			if h.shadow == shadow {
				out = append(out, h.mark)
			}
		}
		return out
	}
	out := sentinel.Reservation{Chosen: c.chosen, Tokens: c.tokens}
	hold := receipt{bucket: c.hold.bucket, at: c.hold.at}
	same := c.chosen < len(a.Candidates) && len(c.shadows) == len(a.Shadows) && hold.add(shortened(a.Candidates, c.chosen, c.tokens), c.chosen, marks(0), 0)
	for i, s := range c.shadows {
		same = same && s.index < len(a.Shadows[i]) && hold.add(shortened(a.Shadows[i], s.index, s.tokens), s.index, marks(i+1), i+1)
		out.Shadows = append(out.Shadows, sentinel.Reservation{Chosen: s.index, Tokens: s.tokens})
	}
	if !same {
		return out, fmt.Errorf("reserve for call %s: %w", a.Call, errors.New("it was held for another ask"))
	}
	out.Hold = hold.encode()
	return out, nil
}

// hold commits the limits of a chosen candidate that are counted.
func (m *Model) hold(a sentinel.Ask, of []sentinel.Candidate, c choice, into *receipt, shadow int, now time.Time) {
	if c.chosen < 0 {
		return
	}
	subject := &shortened(of, c.chosen, c.tokens)[c.chosen]
	m.commit(a, subject, c.judged, into.bucket, now)
	into.held = slices.Grow(into.held, len(subject.Limits))
	for i := range subject.Limits {
		l, j, mark := &subject.Limits[i], &c.judged[i], int64(0)
		if l.Look {
			continue
		}
		if l.Kind == sentinel.Rate {
			mark = int64(j.rate.ahead(now.UnixMicro()) + j.rate.given)
		}
		h := heldOf(l, j.cell.key, subject.Bound[l.Measure], mark)
		h.shadow = shadow
		into.held = append(into.held, h)
	}
}

// refuse notes a denial, and that a budget refused for the first time.
func (m *Model) refuse(out *sentinel.Reservation, l *sentinel.Limit, j *judged) {
	out.Denials = append(out.Denials, sentinel.Denial{Limit: l, Remaining: j.before, RetryAfter: micros(j.wait)})
	c := j.cell
	if l.Kind != sentinel.Window || !warnsFull(l) || j.wait == 0 || c.warned >= sentinel.FullShare {
		return
	}
	c.warned = sentinel.FullShare
	out.Crossed = append(out.Crossed, sentinel.Crossing{Cell: l.Cell, Start: l.Start, Share: sentinel.FullShare, Posted: l.Max - j.before, Max: l.Max})
}

// Settle is as Redis.Settle.
func (m *Model) Settle(_ context.Context, s sentinel.Settlement) (sentinel.Settled, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	id := callKey{s.Org, s.Call}
	known, found := m.call(id, now)
	var hold receipt
	var err error
	if found && !known.settled && known.text == s.Hold {
		hold = known.hold
	} else if hold, err = decodeHold(s.Hold); err != nil {
		return sentinel.Settled{}, fmt.Errorf("settle call %s: %w", s.Call, err)
	}
	if since, ok := m.since[s.Org]; found && (known.settled || known.hold.at != hold.at) || !found && ok && hold.at >= since {
		return sentinel.Settled{Duplicate: true}, nil
	}
	out := sentinel.Settled{UnderReserved: underReserved(hold, s.Actual)}
	for i := range hold.held {
		h := &hold.held[i]
		c := m.cell(cellAt(s.Org, h.key), now)
		switch {
		case h.kind != 'R':
			out.Crossed = append(out.Crossed, c.settle(h, hold.bucket, h.actual(s), found, now)...)
		case found:
			if c.rate.settle(h, hold.at, h.actual(s), now.UnixMicro()) {
				c.until = c.rate.until(now)
			}
		}
	}
	life := settledFor
	if !found {
		life = recordFor
	}
	if kept := known.hold.held; kept != nil { // what was found is not settled
		m.spare = append(m.spare, kept[:0])
	}
	m.calls[id] = call{settled: true, until: now.Add(life)}
	return out, nil
}

func (m *Model) commit(a sentinel.Ask, c *sentinel.Candidate, js []judged, bucket int64, now time.Time) {
	for i := range c.Limits {
		l := &c.Limits[i]
		amount := c.Bound[l.Measure]
		if amount == 0 || l.Look {
			continue
		}
		at := js[i].cell
		switch l.Kind {
		case sentinel.Rate:
			at.rate = js[i].rate
			at.until = at.rate.until(now)
			continue
		case sentinel.Window:
			at.until = l.End.Add(keptFor(*l))
			if l.Rollover > 0 {
				at.over, at.took = js[i].over, true
			}
		case sentinel.Concurrent:
			if life := now.Add(a.TTL + 2*bucketMS*time.Millisecond); life.After(at.ends) {
				at.ends = now.Add(2*a.TTL + 4*bucketMS*time.Millisecond)
				at.until = at.ends
			}
		}
		at.hold(bucket, l.Charge, amount, now.UnixMilli()/bucketMS)
	}
}

// cellOf finds a limit's cell.
func (m *Model) cellOf(org string, l *sentinel.Limit, now time.Time) *cell {
	id := limitKey{org: org, cell: l.Cell, kind: l.Kind}
	if l.Kind == sentinel.Window {
		id.start = l.Start.Unix()
	}
	c := m.named[id]
	if c == nil {
		c = m.cell(cellAt(org, keyOf(*l)), now)
		m.named[id] = c
	}
	c.renew(now)
	return c
}

// cell finds a cell, or begins it. One that is only looked at lives until the next sweep.
func (m *Model) cell(key cellKey, now time.Time) *cell {
	c := m.cells[key]
	if c == nil {
		c = &cell{key: key.key}
		m.cells[key] = c
	}
	c.renew(now)
	return c
}

func (m *Model) call(id callKey, now time.Time) (call, bool) {
	c, ok := m.calls[id]
	return c, ok && c.until.After(now)
}

// sweep forgets what has expired, as often as there are so many calls again as are kept: a call then costs the same however many there are.
func (m *Model) sweep(now time.Time) {
	if m.asked++; m.asked < max(sweepEvery, len(m.calls)) {
		return
	}
	m.asked = 0
	for k, c := range m.named {
		if !c.until.After(now) {
			delete(m.named, k)
		}
	}
	for k, c := range m.cells {
		if !c.until.After(now) {
			delete(m.cells, k)
		}
	}
	for k, c := range m.calls {
		if !c.until.After(now) {
			delete(m.calls, k)
		}
	}
}

func levels(limits []sentinel.Limit, js []judged, committed bool) []sentinel.Level {
	if len(limits) == 0 {
		return nil
	}
	out := make([]sentinel.Level, len(limits))
	for i := range limits {
		remaining, reset := js[i].before, js[i].reset
		if committed {
			remaining, reset = js[i].after, js[i].resetAfter
		}
		out[i] = sentinel.Level{Limit: &limits[i], Remaining: remaining, Reset: micros(reset)}
	}
	return out
}
