package detect

import "math"

const (
	ratioMemory   = 7 * 24 * 60 // rows of the usual ratio
	relevelAfter  = 3 * 60      // rows of a lasting change after which it is the usual
	ratioPrior    = 30          // rows that the prior spread weighs as much as
	priorPerCall  = 1.0         // variance of log ratios a call: prompts differ
	fewCalls      = 20          // a row, from which the variance a call is learned
	ratioSigmas   = 5.0         // standard errors that a change needs
	leastRowNoise = 0.02        // variance of rows' log ratios that more calls do not lower
)

// ratio watches something a call, such as tokens, over several windows at once. What few calls say is discounted:
// the log of a window's ratio has the variance σ²/n + τ², learned from the rows' own residuals.
type ratio struct {
	top, bottom recent
	usual       mean // log of the ratio, weighed by calls
	perCall     mean // n·(log residual)² of rows: the variance a call
	rows        float64
	off         int // rows in a row that differ in the same direction
	offSum      float64
}

// windows are the rows over which a change is looked for.
var ratioWindows = [...]int{2, 5, 15}

// change is how far a ratio is from the usual: log, in standard errors, and as a plain number.
type change struct {
	log, sigmas, now, usual float64
	known                   bool
}

// step takes a row in: top over bottom, such as tokens over calls.
func (t *ratio) step(top, bottom float64) change {
	if math.IsNaN(top) || math.IsNaN(bottom) {
		return change{}
	}
	t.top.add(top)
	t.bottom.add(bottom)
	if t.usual.n == 0 {
		if bottom > 0 && top > 0 {
			t.usual.add(math.Log(top/bottom), ratioMemory)
			t.rows++
		}
		return change{}
	}
	c := t.measure()
	t.learn(top, bottom)
	return c
}

// strange is the variance of a stranger's log ratio: its calls are of any size within a factor of two or so.
const strange = 0.64

// same are the log odds that the last rows are calls of the usual kind and not of a stranger's,
//
//	½·ln((v + τ²)/v) - ½·r²·(1/v - 1/(v + τ²))
//
// for a log ratio r of variance v.
func (t *ratio) same() float64 {
	tops, n := t.top.sum(ratioWindows[0], 0), t.bottom.sum(ratioWindows[0], 0)
	if t.usual.n == 0 || !(n > 0) {
		return 0
	}
	r, v := t.over(tops, n)
	return (math.Log((v+strange)/v) - r*r*(1/v-1/(v+strange))) / 2
}

// over is the logarithm of a window's ratio over the usual, and its variance.
func (t *ratio) over(tops, n float64) (log, variance float64) {
	variance = (t.perCall.n*t.perCall.value + ratioPrior*priorPerCall) / (t.perCall.n + ratioPrior)
	pull := min(variance, 2) // calls of the usual kind that are mixed in
	now := (tops + pull*math.Exp(t.usual.value)) / (n + pull)
	return math.Log(max(now, 1e-12)) - t.usual.value, variance/(n+pull) + leastRowNoise
}

// measure takes the window that differs most from the usual, by its standard error.
func (t *ratio) measure() change {
	best := change{usual: math.Exp(t.usual.value)}
	for _, w := range ratioWindows {
		tops, n := t.top.sum(w, 0), t.bottom.sum(w, 0)
		if n <= 0 {
			continue
		}
		log, variance := t.over(tops, n)
		if z := math.Abs(log) / math.Sqrt(variance); z > best.sigmas {
			best.log, best.sigmas, best.now, best.known = log, z, best.usual*math.Exp(log), true
		}
	}
	return best
}

// learn moves the usual on, and jumps to a change that lasts.
func (t *ratio) learn(top, bottom float64) {
	if bottom <= 0 || top <= 0 {
		return
	}
	off := math.Log(top/bottom) - t.usual.value
	t.rows++
	capped := min(max(off, -2), 2)
	if bottom <= fewCalls { // in rows of many calls the spread is that of rows, not of calls
		t.perCall.add(capped*capped*bottom, ratioMemory)
	}
	t.usual.add(t.usual.value+capped, ratioMemory)
	t.relevel(off)
}

// relevel follows a deploy: a change in one direction over hours is the new usual (a change point by the mean's sign and size).
func (t *ratio) relevel(off float64) {
	t.off++
	t.offSum += off
	if t.off < relevelAfter {
		return
	}
	shift := t.offSum / float64(t.off)
	if math.Abs(shift) > 0.25 {
		t.usual.value += shift
	}
	t.off, t.offSum = 0, 0
}
