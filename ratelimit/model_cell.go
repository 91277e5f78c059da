package ratelimit

import (
	"math"
	"math/bits"
	"slices"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// cell is one counter of the Model.
type cell struct {
	key     string
	rate    rate
	posted  sum
	pending []pending
	warned  int64 // the highest share that was reported
	over    int64 // taken over from the window before, once it is known
	took    bool
	ends    time.Time // of a concurrency's key
	until   time.Time
}

// pending is what is held until a bucket dies.
type pending struct {
	bucket int64
	charge bool
	amount sum
}

// renew begins a cell anew that has expired.
func (c *cell) renew(now time.Time) {
	if !c.until.After(now) {
		*c = cell{key: c.key, pending: c.pending[:0]}
	}
}

// judged is what a limit says before anything is committed.
type judged struct {
	fits                    bool
	before, after           int64
	wait, reset, resetAfter int64 // microseconds
	rate                    rate  // as it would be
	over                    int64 // taken over from the window before
	cell                    *cell
}

func (c *cell) judge(l *sentinel.Limit, over, amount int64, now time.Time) judged {
	if l.Kind == sentinel.Rate {
		return c.rate.judge(l, amount, now.UnixMicro())
	}
	used := c.used(now.UnixMilli() / bucketMS)
	total := used.plus(amount)
	most := l.Max - l.Kept() + over
	j := judged{fits: total.atMost(most), before: used.leaves(most), after: total.leaves(most), wait: time.Second.Microseconds(), over: over}
	if l.Kind == sentinel.Window {
		j.reset = max(0, l.End.UnixMilli()-now.UnixMilli()) * 1000
		j.resetAfter, j.wait = j.reset, j.reset
		if amount > most {
			j.wait = 0
		}
	}
	return j
}

// used sums what is posted, what is held, and the charged holds that died.
func (c *cell) used(nowBucket int64) sum {
	used := c.posted
	for i := range c.pending {
		if p := &c.pending[i]; p.charge || p.bucket >= nowBucket {
			used = used.and(p.amount)
		}
	}
	return used
}

// hold adds a pending amount, and forgets the void ones that died.
func (c *cell) hold(bucket int64, charge bool, amount, nowBucket int64) {
	kept := c.pending[:0]
	found := false
	for _, p := range c.pending {
		if !p.charge && p.bucket < nowBucket {
			continue
		}
		if p.bucket == bucket && p.charge == charge {
			p.amount, found = p.amount.plus(amount), true
		}
		kept = append(kept, p)
	}
	if c.pending = kept; !found {
		c.pending = append(c.pending, pending{bucket, charge, sum{}.plus(amount)})
	}
}

// settle takes a known call's hold off and posts what it took.
func (c *cell) settle(h *held, bucket, actual int64, known bool, now time.Time) (crossed []sentinel.Crossing) {
	at := slices.IndexFunc(c.pending, func(p pending) bool { return p.bucket == bucket && p.charge == h.charge })
	if known && at >= 0 {
		if p := &c.pending[at]; p.amount == (sum{}).plus(h.amount) {
			c.pending = slices.Delete(c.pending, at, at+1)
		} else {
			p.amount = p.amount.minus(h.amount)
		}
	}
	end := time.UnixMilli(h.endMS).Add(windowKept)
	if h.kind != 'W' || actual == 0 || !end.After(now) {
		return nil
	}
	c.posted = c.posted.plus(actual)
	c.until = end
	top := c.warned
	for _, share := range h.warnAt {
		if share > c.warned && !c.posted.atMost(threshold(h.max, share)-1) {
			crossed = append(crossed, h.crossing(share, c.posted.int64()))
			top = share
		}
	}
	c.warned = top
	return crossed
}

// sum is an amount of up to 128 bits: a soft budget may be overspent without end.
type sum struct{ high, low uint64 }

func (s sum) and(o sum) sum {
	low, carry := bits.Add64(s.low, o.low, 0)
	return sum{s.high + o.high + carry, low}
}

// plus adds an amount of 0 or more.
func (s sum) plus(n int64) sum { return s.and(sum{0, uint64(n)}) }

// minus takes an amount of 0 or more off, down to nothing.
func (s sum) minus(n int64) sum {
	low, borrow := bits.Sub64(s.low, uint64(n), 0)
	if s.high < borrow {
		return sum{}
	}
	return sum{s.high - borrow, low}
}

func (s sum) atMost(n int64) bool { return s.high == 0 && n >= 0 && s.low <= uint64(n) }

// leaves is what is left of a limit.
func (s sum) leaves(limit int64) int64 {
	if !s.atMost(limit) {
		return 0
	}
	return limit - int64(s.low) // at most the limit
}

// int64 is the sum, or the largest number.
func (s sum) int64() int64 {
	if !s.atMost(math.MaxInt64) {
		return math.MaxInt64
	}
	return int64(s.low) // compared above
}

// rate is GCRA's theoretical arrival time: idle + over. Fractions of a microsecond are kept, so that a limit
// of 7 a minute admits 7 at one instant.
type rate struct {
	idle  int64   // when the cell was last idle, Unix microseconds
	over  float64 // microseconds
	given float64 // given back since idle, microseconds
}

// ahead is how far the arrival time lies ahead.
func (r rate) ahead(nowUS int64) float64 { return r.over - float64(nowUS-r.idle) }

// at is the cell as it is now: an idle one begins anew.
func (r rate) at(nowUS int64) (now rate, busy bool) {
	if r.over <= float64(nowUS-r.idle) {
		return rate{idle: nowUS}, false
	}
	return r, true
}

func (r rate) until(now time.Time) time.Time {
	return now.Add(max(time.Minute, time.Duration(math.Ceil(r.ahead(now.UnixMicro())/1000))*time.Millisecond))
}

func (r rate) judge(l *sentinel.Limit, amount, nowUS int64) judged {
	r, _ = r.at(nowUS)
	limit, period := float64(l.Max), float64(periodOf(*l))
	ahead := r.ahead(nowUS)
	product := float64(amount) * period // a statement of its own: no fused multiply-add, as in Lua
	step := product / limit
	after := min(ahead+step, farthestUS)
	most := period
	if kept := l.Kept(); kept > 0 {
		product := float64(kept) * period
		most = period - product/limit
	}
	half := 0.5 * period
	slack := min(0.5, half/limit)
	left := func(ahead float64) int64 {
		product := (most - ahead) * limit
		return max(0, int64(math.Floor(product/period+0.000001)))
	}
	j := judged{
		fits: after <= most+slack, before: left(ahead), after: left(after),
		reset: int64(math.Ceil(ahead)), resetAfter: int64(math.Ceil(after)),
		rate: rate{idle: r.idle, over: after + float64(nowUS-r.idle), given: r.given},
	}
	if step <= most+slack {
		j.wait = max(0, int64(math.Ceil(after-most)))
	}
	return j
}

// settle gives back what was not used and has not decayed, or takes what was used beyond the hold.
func (r *rate) settle(h *held, admitted, actual, nowUS int64) (changed bool) {
	if h.amount == actual {
		return false
	}
	now, busy := r.at(nowUS)
	product := float64(h.amount-actual) * float64(h.periodUS)
	back := product / float64(h.max)
	ahead := now.ahead(nowUS)
	if back > 0 {
		if !busy || now.idle > admitted {
			return false
		}
		back = min(back, float64(h.mark-(nowUS-admitted))-now.given, ahead)
		if back <= 0 {
			return false
		}
		now.given += back
	}
	ahead = min(ahead-back, farthestUS)
	*r = rate{idle: now.idle, over: ahead + float64(nowUS-now.idle), given: now.given}
	return true
}
