package ratelimit

import (
	"context"
	"errors"
	"fmt"
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
	sweepEvery = 1024 // admissions between two looks for what has expired
)

// Model is the limiter in pure Go, with the semantics of the scripts: for simulation, and to judge
// the scripts by. It is safe for concurrent use and forgets what Redis would have expired.
type Model struct {
	now func() time.Time

	mu    sync.Mutex
	asked int
	since map[string]int64 // by organisation: since when its counters are known
	cells map[string]*cell
	calls map[string]call
}

type call struct {
	chosen     int
	bucket, at int64
	marks      []int64
	settled    bool
	until      time.Time
}

// NewModel makes an empty limiter whose only clock is now.
func NewModel(now func() time.Time) *Model {
	return &Model{now: now, since: map[string]int64{}, cells: map[string]*cell{}, calls: map[string]call{}}
}

// Reserve is as Redis.Reserve.
func (m *Model) Reserve(_ context.Context, a sentinel.Ask) (sentinel.Reservation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	m.sweep(now)
	id := recordKey(a.Org, a.Call)
	known, found := m.call(id, now)
	out := sentinel.Reservation{Chosen: noneFits}
	switch {
	case found && known.settled:
		out.Levels = levels(a.Candidates[0].Limits, make([]judged, len(a.Candidates[0].Limits)), false)
		return out, nil
	case found && (known.chosen >= len(a.Candidates) || len(a.Candidates[known.chosen].Limits) != len(known.marks)):
		return out, fmt.Errorf("reserve for call %s: %w", a.Call, errors.New("it was held for another ask"))
	case found:
		out.Chosen = known.chosen
		out.Hold = receiptOf(a.Candidates[known.chosen], known.bucket, known.at, known.marks).encode()
		return out, nil
	}
	var first, chosen []judged
	for c, candidate := range a.Candidates {
		js, refused := m.judge(a.Org, candidate, now)
		if c == 0 {
			first = js
		}
		if refused < 0 {
			out.Chosen, chosen = c, js
			break
		}
		m.refuse(&out, candidate.Limits[refused], js[refused])
	}
	if out.Chosen < 0 {
		out.Levels = levels(a.Candidates[0].Limits, first, false)
		return out, nil
	}
	made := call{chosen: out.Chosen, bucket: (now.UnixMilli() + a.TTL.Milliseconds()) / bucketMS, at: now.UnixMicro(), until: now.Add(a.TTL + recordFor)}
	subject := a.Candidates[out.Chosen]
	m.commit(a, subject, chosen, made.bucket, now)
	for i, l := range subject.Limits {
		mark := int64(0)
		if l.Kind == sentinel.Rate {
			mark = int64(chosen[i].rate.ahead(now.UnixMicro()) + chosen[i].rate.given)
		}
		made.marks = append(made.marks, mark)
	}
	m.calls[id] = made
	if m.since[a.Org] == 0 {
		m.since[a.Org] = made.at
	}
	out.Levels = levels(subject.Limits, chosen, true)
	out.Hold = receiptOf(subject, made.bucket, made.at, made.marks).encode()
	return out, nil
}

// refuse notes a denial, and that a budget refused for the first time.
func (m *Model) refuse(out *sentinel.Reservation, l sentinel.Limit, j judged) {
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
	hold, err := decodeHold(s.Hold)
	if err != nil {
		return sentinel.Settled{}, fmt.Errorf("settle call %s: %w", s.Call, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	id := recordKey(s.Org, s.Call)
	known, found := m.call(id, now)
	if since, ok := m.since[s.Org]; found && (known.settled || known.at != hold.at) || !found && ok && hold.at >= since {
		return sentinel.Settled{Duplicate: true}, nil
	}
	out := sentinel.Settled{UnderReserved: underReserved(hold, s.Actual)}
	for _, h := range hold.held {
		c := m.cell(prefix(s.Org)+h.key, now)
		switch {
		case h.kind != 'R':
			out.Crossed = append(out.Crossed, c.settle(h, hold.bucket, s.Actual[h.measure], found, now)...)
		case found:
			if c.rate.settle(h, hold.at, s.Actual[h.measure], now.UnixMicro()) {
				c.until = c.rate.until(now)
			}
		}
	}
	life := settledFor
	if !found {
		life = recordFor
	}
	m.calls[id] = call{settled: true, until: now.Add(life)}
	return out, nil
}

// judge checks all limits of a candidate; refused is the first that does not fit, or −1.
func (m *Model) judge(org string, c sentinel.Candidate, now time.Time) (js []judged, refused int) {
	refused = -1
	for i, l := range c.Limits {
		at := m.cell(prefix(org)+keyOf(l), now)
		j := at.judge(l, c.Bound[l.Measure], now)
		j.cell = at
		if !j.fits && !l.Soft && refused < 0 {
			refused = i
		}
		js = append(js, j)
	}
	return js, refused
}

func (m *Model) commit(a sentinel.Ask, c sentinel.Candidate, js []judged, bucket int64, now time.Time) {
	for i, l := range c.Limits {
		amount := c.Bound[l.Measure]
		if amount == 0 {
			continue
		}
		at := js[i].cell
		switch l.Kind {
		case sentinel.Rate:
			at.rate = js[i].rate
			at.until = at.rate.until(now)
			continue
		case sentinel.Window:
			at.until = l.End.Add(windowKept)
		case sentinel.Concurrent:
			if life := now.Add(a.TTL + 2*bucketMS*time.Millisecond); life.After(at.ends) {
				at.ends = now.Add(2*a.TTL + 4*bucketMS*time.Millisecond)
				at.until = at.ends
			}
		}
		at.hold(pendingKey{bucket, l.Charge}, amount, now.UnixMilli()/bucketMS)
	}
}

// cell finds a cell, or begins it. One that is only looked at lives until the next sweep.
func (m *Model) cell(key string, now time.Time) *cell {
	c := m.cells[key]
	if c == nil || !c.until.After(now) {
		c = newCell()
		m.cells[key] = c
	}
	return c
}

func (m *Model) call(id string, now time.Time) (call, bool) {
	c, ok := m.calls[id]
	return c, ok && c.until.After(now)
}

func (m *Model) sweep(now time.Time) {
	if m.asked++; m.asked%sweepEvery != 0 {
		return
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
	var out []sentinel.Level
	for i, l := range limits {
		remaining, reset := js[i].before, js[i].reset
		if committed {
			remaining, reset = js[i].after, js[i].resetAfter
		}
		out = append(out, sentinel.Level{Limit: l, Remaining: remaining, Reset: micros(reset)})
	}
	return out
}
