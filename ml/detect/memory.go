package detect

import (
	"math"
	"time"
)

// recent remembers the last values of a count.
type recent struct {
	ring [64]float64
	n    int
}

func (r *recent) add(v float64) {
	r.ring[r.n%len(r.ring)] = v
	r.n++
}

// mean is that of w values that end ago values before the last; fewer where fewer are there.
func (r *recent) mean(w, ago int) float64 {
	w = min(w, r.n-ago, len(r.ring)-ago)
	if w <= 0 {
		return 0
	}
	sum := 0.0
	for i := range w {
		sum += r.ring[(r.n-1-ago-i)%len(r.ring)]
	}
	return sum / float64(w)
}

// mean fades: after memory values each new one counts 1/memory.
type mean struct{ n, value float64 }

func (m *mean) add(v, memory float64) {
	m.n = min(m.n+1, memory)
	m.value += (v - m.value) / m.n
}

// typical watches a ratio, such as tokens a request, over three rows.
type typical struct {
	top, bottom recent
	log         mean // of the ratio
}

const (
	ratioMemory = 7 * 24 * 60 // rows
	// typicalWeight is how many requests of the usual kind are mixed in: one odd call among three is no news.
	typicalWeight = 5
)

// step gives the logarithm of the ratio over the usual one.
func (t *typical) step(top, bottom float64) (log, now, usual float64, known bool) {
	if math.IsNaN(top) || math.IsNaN(bottom) {
		return 0, 0, 0, false
	}
	t.top.add(top)
	t.bottom.add(bottom)
	n := 3 * t.bottom.mean(3, 0)
	if n <= 0 {
		return 0, 0, 0, false
	}
	usual = math.Exp(t.log.value)
	if t.log.n == 0 {
		usual = top / max(bottom, 1)
	}
	now = (3*t.top.mean(3, 0) + typicalWeight*usual) / (n + typicalWeight)
	if bottom > 0 && top > 0 {
		t.log.add(math.Log(top/bottom), ratioMemory)
	}
	return math.Log(max(now, 1e-12) / max(usual, 1e-12)), now, usual, true
}

// habits is a calendar of what recurs at the same time of day: batches, backups, reports.
type habits struct{ seen []time.Time }

const (
	habitNear = 20 * time.Minute
	habitDays = 2 // earlier days on which it came
	maxHabits = 128
)

// recurs notes that something strong came now, and tells whether it came at this time of day before.
func (h *habits) recurs(at time.Time) bool {
	const day = 24 * time.Hour
	days := map[int]bool{}
	for _, t := range h.seen {
		since := at.Sub(t)
		if off := (since + habitNear) % day; since > day/2 && off <= 2*habitNear {
			days[int((since+habitNear)/day)] = true
		}
	}
	if n := len(h.seen); n == 0 || at.Sub(h.seen[n-1]) > habitNear {
		if n == maxHabits {
			h.seen = append(h.seen[:0], h.seen[1:]...)
		}
		h.seen = append(h.seen, at)
	}
	return len(days) >= habitDays
}
