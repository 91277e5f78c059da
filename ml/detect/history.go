package detect

import "math"

// maxHistory bounds what one series remembers: a week of minutes.
const maxHistory = 7*24*60 + 64

// history answers for the mean and deviation of the last w values, and for means of the past, in
// constant time: it keeps running sums in a ring. Values are taken from the first one as origin,
// and the sums are rebased once a round, so that they stay small.
type history struct {
	n      int // values so far
	origin float64
	sum    []float64 // sum[i%len]: of the values before value i
	square []float64
}

func newHistory(length int) *history {
	length = min(length, maxHistory)
	return &history{sum: make([]float64, length+1), square: make([]float64, length+1)}
}

func (h *history) add(v float64) {
	if h.n == 0 {
		h.origin = v
	}
	v -= h.origin
	size := len(h.sum)
	at, next := h.n%size, (h.n+1)%size
	h.sum[next], h.square[next] = h.sum[at]+v, h.square[at]+v*v
	h.n++
	if next == 0 {
		sum, square := h.sum[0], h.square[0]
		for i := range h.sum {
			h.sum[i] -= sum
			h.square[i] -= square
		}
	}
}

// kept is how many values can be asked for.
func (h *history) kept() int { return min(h.n, len(h.sum)-1) }

// mean gives the mean of the w values that end ago values before the last.
func (h *history) mean(w, ago int) float64 {
	m, _ := h.moments(w, ago)
	return m
}

// moments gives mean and standard deviation of the w values that end ago values before the last.
// Where fewer are there, those count.
func (h *history) moments(w, ago int) (mean, deviation float64) {
	w = min(w, h.kept()-ago)
	if w <= 0 {
		return math.NaN(), math.NaN()
	}
	size := len(h.sum)
	to, from := (h.n-ago)%size, (h.n-ago-w)%size
	mean = (h.sum[to] - h.sum[from]) / float64(w)
	return mean + h.origin, math.Sqrt(max(0, (h.square[to]-h.square[from])/float64(w)-mean*mean))
}
