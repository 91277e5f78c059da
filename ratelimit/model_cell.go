package ratelimit

import (
	"math"
	"math/big"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// cell is one counter of the Model. Sums are unbounded: a soft budget may be overspent without end.
type cell struct {
	rate    rate
	posted  *big.Int
	pending map[pendingKey]*big.Int
	warned  int64     // the highest share that was reported
	ends    time.Time // of a concurrency's key
	until   time.Time
}

type pendingKey struct {
	bucket int64
	charge bool
}

func newCell() *cell { return &cell{posted: new(big.Int), pending: map[pendingKey]*big.Int{}} }

// judged is what a limit says before anything is committed.
type judged struct {
	fits                    bool
	before, after           int64
	wait, reset, resetAfter int64 // microseconds
	rate                    rate  // as it would be
	cell                    *cell
}

func (c *cell) judge(l sentinel.Limit, amount int64, now time.Time) judged {
	if l.Kind == sentinel.Rate {
		return c.rate.judge(l, amount, now.UnixMicro())
	}
	used := c.used(now.UnixMilli() / bucketMS)
	total := new(big.Int).Add(used, big.NewInt(amount))
	limit := big.NewInt(l.Max)
	left := func(used *big.Int) int64 {
		if d := new(big.Int).Sub(limit, used); d.Sign() > 0 {
			return d.Int64()
		}
		return 0
	}
	j := judged{fits: total.Cmp(limit) <= 0, before: left(used), after: left(total), wait: time.Second.Microseconds()}
	if l.Kind == sentinel.Window {
		j.reset = max(0, l.End.UnixMilli()-now.UnixMilli()) * 1000
		j.resetAfter, j.wait = j.reset, j.reset
		if amount > l.Max {
			j.wait = 0
		}
	}
	return j
}

// used sums what is posted, what is held, and the charged holds that died.
func (c *cell) used(nowBucket int64) *big.Int {
	sum := new(big.Int).Set(c.posted)
	for k, amount := range c.pending {
		if k.charge || k.bucket >= nowBucket {
			sum.Add(sum, amount)
		}
	}
	return sum
}

// hold adds a pending amount, and forgets the void ones that died.
func (c *cell) hold(k pendingKey, amount, nowBucket int64) {
	if c.pending[k] == nil {
		c.pending[k] = new(big.Int)
	}
	c.pending[k].Add(c.pending[k], big.NewInt(amount))
	for k := range c.pending {
		if !k.charge && k.bucket < nowBucket {
			delete(c.pending, k)
		}
	}
}

// settle takes a known call's hold off and posts what it took.
func (c *cell) settle(h held, bucket, actual int64, known bool, now time.Time) (crossed []sentinel.Crossing) {
	if k := (pendingKey{bucket, h.charge}); known && c.pending[k] != nil {
		if c.pending[k].Sub(c.pending[k], big.NewInt(h.amount)); c.pending[k].Sign() == 0 {
			delete(c.pending, k)
		}
	}
	end := time.UnixMilli(h.endMS).Add(windowKept)
	if h.kind != 'W' || actual == 0 || !end.After(now) {
		return nil
	}
	c.posted.Add(c.posted, big.NewInt(actual))
	c.until = end
	top := c.warned
	for _, share := range h.warnAt {
		if share > c.warned && c.posted.Cmp(big.NewInt(threshold(h.max, share))) >= 0 {
			posted := int64(math.MaxInt64)
			if c.posted.IsInt64() {
				posted = c.posted.Int64()
			}
			crossed = append(crossed, h.crossing(share, posted))
			top = share
		}
	}
	c.warned = top
	return crossed
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

func (r rate) judge(l sentinel.Limit, amount, nowUS int64) judged {
	r, _ = r.at(nowUS)
	limit, period := float64(l.Max), float64(periodOf(l))
	ahead := r.ahead(nowUS)
	product := float64(amount) * period // a statement of its own: no fused multiply-add, as in Lua
	step := product / limit
	after := min(ahead+step, farthestUS)
	half := 0.5 * period
	slack := min(0.5, half/limit)
	left := func(ahead float64) int64 {
		product := (period - ahead) * limit
		return max(0, int64(math.Floor(product/period+0.000001)))
	}
	j := judged{
		fits: after <= period+slack, before: left(ahead), after: left(after),
		reset: int64(math.Ceil(ahead)), resetAfter: int64(math.Ceil(after)),
		rate: rate{idle: r.idle, over: after + float64(nowUS-r.idle), given: r.given},
	}
	if step <= period+slack {
		j.wait = max(0, int64(math.Ceil(after-period)))
	}
	return j
}

// settle gives back what was not used and has not decayed, or takes what was used beyond the hold.
func (r *rate) settle(h held, admitted, actual, nowUS int64) (changed bool) {
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
