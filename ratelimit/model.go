package ratelimit

import (
	"context"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"sync"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// The scripts' constants.
const (
	bucketMS   = 15_000
	farthestUS = 1_000_000_000_000_000
	settledFor = 30 * time.Minute
	callMargin = time.Hour
	windowKept = 24 * time.Hour
	sweepEvery = 1024 // admissions between two looks for what has expired
)

// Model is the limiter in pure Go, with the semantics of the scripts: for simulation, and to judge
// the scripts by. It is safe for concurrent use and forgets what Redis would have expired.
type Model struct {
	now func() time.Time

	mu    sync.Mutex
	asked int
	cells map[string]*cell
	calls map[string]call
}

type cell struct {
	tat     int64 // Rate: when the limit is full again, in Unix microseconds
	posted  int64
	dead    int64 // charged holds that nobody has settled
	folded  bool  // whether any hold ever died charged
	pending map[int64]int64
	until   time.Time
}

type call struct {
	chosen  int
	bucket  int64
	settled bool
	until   time.Time
}

// NewModel makes an empty limiter whose only clock is now.
func NewModel(now func() time.Time) *Model {
	return &Model{now: now, cells: map[string]*cell{}, calls: map[string]call{}}
}

// judged is what a limit says before anything is committed.
type judged struct {
	fits                         bool
	before, after                int64
	wait, reset, resetAfter, tat int64 // microseconds
}

// Reserve is as Redis.Reserve.
func (m *Model) Reserve(_ context.Context, a sentinel.Ask) (sentinel.Reservation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	m.sweep(now)
	id := prefix(a.Org) + "call:" + a.Call.String()
	known, found := m.call(id, now)
	out := sentinel.Reservation{Chosen: -1}
	switch {
	case found && known.settled:
		out.Levels = levels(a.Candidates[0].Limits, make([]judged, len(a.Candidates[0].Limits)), false)
		return out, nil
	case found && known.chosen >= len(a.Candidates):
		return out, fmt.Errorf("reserve for call %s: it was held for another ask", a.Call)
	case found:
		out.Chosen = known.chosen
		out.Hold = encodeHold(a.Candidates[known.chosen], strconv.FormatInt(known.bucket, 10))
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
		out.Denials = append(out.Denials, sentinel.Denial{Limit: candidate.Limits[refused], Remaining: js[refused].before, RetryAfter: micros(js[refused].wait)})
	}
	if out.Chosen < 0 {
		out.Levels = levels(a.Candidates[0].Limits, first, false)
		return out, nil
	}
	bucket := (now.UnixMilli() + a.TTL.Milliseconds()) / bucketMS
	m.commit(a, a.Candidates[out.Chosen], chosen, bucket, now)
	m.calls[id] = call{chosen: out.Chosen, bucket: bucket, until: now.Add(a.TTL + callMargin)}
	out.Levels = levels(a.Candidates[out.Chosen].Limits, chosen, true)
	out.Hold = encodeHold(a.Candidates[out.Chosen], strconv.FormatInt(bucket, 10))
	return out, nil
}

// Settle is as Redis.Settle.
func (m *Model) Settle(_ context.Context, s sentinel.Settlement) (sentinel.Settled, error) {
	text, entries, err := decodeHold(s.Hold)
	if err != nil {
		return sentinel.Settled{}, fmt.Errorf("settle call %s: %w", s.Call, err)
	}
	bucket, _ := strconv.ParseInt(text, 10, 64) // decodeHold has read it
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	id := prefix(s.Org) + "call:" + s.Call.String()
	if c, found := m.call(id, now); found && c.settled {
		return sentinel.Settled{Duplicate: true}, nil
	}
	var out sentinel.Settled
	for _, e := range entries {
		actual := s.Actual[e.measure]
		out.UnderReserved = out.UnderReserved || actual > e.amount
		m.settle(prefix(s.Org)+e.key, e, bucket, actual, now)
	}
	m.calls[id] = call{settled: true, until: now.Add(settledFor)}
	return out, nil
}

func (m *Model) settle(key string, e held, bucket, actual int64, now time.Time) {
	c := m.cell(key, now)
	if e.kind == 'R' {
		if back := floorDiv(e.amount-actual, e.periodUS, e.max); back < 0 || c.tat > now.UnixMicro() {
			c.tat = min(max(c.tat, now.UnixMicro())-back, now.UnixMicro()+farthestUS)
			c.until = time.UnixMicro(c.tat)
		}
		return
	}
	if _, ok := c.pending[bucket]; ok {
		if c.pending[bucket] -= e.amount; c.pending[bucket] == 0 {
			delete(c.pending, bucket)
		}
	} else if e.charge && c.folded {
		c.dead -= e.amount
	}
	if end := time.UnixMilli(e.endMS).Add(windowKept); e.kind == 'W' && end.After(now) {
		c.posted = plus(c.posted, actual)
		c.until = end
	}
}

// judge checks all limits of a candidate; refused is the first that does not fit, or −1.
func (m *Model) judge(org string, c sentinel.Candidate, now time.Time) (js []judged, refused int) {
	refused = -1
	for i, l := range c.Limits {
		at := m.cell(prefix(org)+keyOf(l), now)
		j := at.judge(l, c.Bound[l.Measure], now)
		if !j.fits && !l.Soft && refused < 0 {
			refused = i
		}
		js = append(js, j)
	}
	return js, refused
}

func (c *cell) judge(l sentinel.Limit, amount int64, now time.Time) judged {
	if l.Kind == sentinel.Rate {
		return c.judgeRate(l, amount, now.UnixMicro())
	}
	used := c.used(l.Charge, now.UnixMilli()/bucketMS)
	total := plus(used, amount)
	j := judged{fits: total <= l.Max, before: max(0, l.Max-used), after: max(0, l.Max-total), wait: time.Second.Microseconds()}
	if l.Kind == sentinel.Window {
		j.reset = max(0, l.End.UnixMilli()-now.UnixMilli()) * 1000
		j.resetAfter, j.wait = j.reset, j.reset
		if amount > l.Max {
			j.wait = 0
		}
	}
	return j
}

func (c *cell) judgeRate(l sentinel.Limit, amount, nowUS int64) judged {
	period := max(1, l.Period.Microseconds())
	ahead := max(c.tat, nowUS) - nowUS
	step := -floorDiv(-amount, period, l.Max)
	after := min(plus(ahead, step), farthestUS)
	j := judged{fits: after <= period, tat: nowUS + after, reset: ahead, resetAfter: after}
	j.before = max(0, floorDiv(period-ahead, l.Max, period))
	j.after = max(0, floorDiv(period-after, l.Max, period))
	if step <= period {
		j.wait = after - period
	}
	return j
}

// used sums what is posted and pending, as it stands before the charged holds that died become
// dead and the void ones vanish.
func (c *cell) used(charge bool, nowBucket int64) int64 {
	sum := plus(max(0, c.posted), max(0, c.dead))
	for b, amount := range c.pending {
		if b >= nowBucket || charge {
			sum = plus(sum, max(0, amount))
		}
		if b < nowBucket {
			delete(c.pending, b)
			if charge {
				c.dead, c.folded = plus(c.dead, amount), true
			}
		}
	}
	return sum
}

func (m *Model) commit(a sentinel.Ask, c sentinel.Candidate, js []judged, bucket int64, now time.Time) {
	for i, l := range c.Limits {
		at := m.cell(prefix(a.Org)+keyOf(l), now)
		switch l.Kind {
		case sentinel.Rate:
			at.tat, at.until = js[i].tat, time.UnixMicro(js[i].tat)
			continue
		case sentinel.Window:
			at.until = l.End.Add(windowKept)
		case sentinel.Concurrent:
			if life := now.Add(a.TTL + 2*bucketMS*time.Millisecond); life.After(at.until) {
				at.until = life
			}
		}
		at.pending[bucket] = plus(at.pending[bucket], c.Bound[l.Measure])
	}
}

// cell finds a cell, or begins it. One that is only looked at lives until the next sweep.
func (m *Model) cell(key string, now time.Time) *cell {
	c := m.cells[key]
	if c == nil || !c.until.After(now) {
		c = &cell{pending: map[int64]int64{}}
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

func micros(us int64) time.Duration { return time.Duration(us) * time.Microsecond }

// plus adds two amounts, and stays at the largest number.
func plus(a, b int64) int64 {
	if b > 0 && a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// floorDiv is ⌊a × b ÷ c⌋ through 128 bits, for b and c above 0, bounded by ±4 × 10^18.
func floorDiv(a, b, c int64) int64 {
	const most = 4_000_000_000_000_000_000
	size := uint64(a)
	if a < 0 {
		size = -size
	}
	hi, lo := bits.Mul64(size, uint64(b))
	if hi >= uint64(c) {
		if a < 0 {
			return -most
		}
		return most
	}
	quo, rem := bits.Div64(hi, lo, uint64(c))
	quo = min(quo, most)
	if a >= 0 {
		return int64(quo)
	}
	if rem > 0 && quo < most {
		quo++
	}
	return -int64(quo)
}
