package app

import (
	"math"
	"time"

	"github.com/saas-sentinel/saas-sentinel/policy"
)

// Steps of a histogram of waits: four to a doubling, from a millisecond to over four minutes.
const (
	stepsADoubling = 4
	waitSteps      = 18*stepsADoubling + 1
	slowShare      = 0.95
)

// waits is how long a provider took to begin its answers, in this half minute and in the one before.
type waits struct{ now, before [waitSteps]int64 }

// stepOf finds the step whose upper edge is the first that is no less than d.
func stepOf(d time.Duration) int {
	ms := float64(d) / float64(time.Millisecond)
	if ms <= 1 {
		return 0
	}
	return min(int(math.Ceil(stepsADoubling*math.Log2(ms))), waitSteps-1)
}

// edgeOf is a step's upper edge, in seconds.
func edgeOf(step int) float64 { return math.Exp2(float64(step)/stepsADoubling) / 1000 }

// within gives the time in seconds within which a share of the waits ended, up to a fifth too long, and how many there were.
func (w *waits) within(share float64) (seconds float64, n int64) {
	for i := range waitSteps {
		n += w.now[i] + w.before[i]
	}
	want, sum := int64(math.Ceil(share*float64(n))), int64(0)
	for i := range waitSteps {
		if sum += w.now[i] + w.before[i]; sum >= want {
			return edgeOf(i), n
		}
	}
	return 0, n
}

// wait counts how long a provider took to begin an answer. It is on the path of a call: a lock, and no I/O.
func (f *facts) wait(provider string, d time.Duration) {
	if d <= 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.waits[provider]
	if w == nil {
		if len(f.waits) >= maxFacts {
			return
		}
		if f.waits == nil {
			f.waits = map[string]*waits{}
		}
		w = &waits{}
		f.waits[provider] = w
	}
	w.now[stepOf(d)]++
}

// slow gives the latency of every provider. It turns the half minute where the counters do; the lock is held.
func (f *facts) slow(turn bool) (out []seen) {
	for provider, w := range f.waits {
		seconds, n := w.within(slowShare)
		if n == 0 {
			delete(f.waits, provider)
			continue
		}
		out = append(out, seen{factKey{kind: "latency", provider: provider}, policy.AlertFact{Kind: "latency", Provider: provider, Count: n, Seconds: seconds}})
		if turn {
			*w = waits{before: w.now}
		}
	}
	return out
}
