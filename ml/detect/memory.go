package detect

import "time"

// recent remembers the last values of a count.
type recent struct {
	ring [64]float64
	n    int
}

func (r *recent) add(v float64) {
	r.ring[r.n%len(r.ring)] = v
	r.n++
}

// sum is that of w values that end ago values before the last; of fewer where fewer are there.
func (r *recent) sum(w, ago int) float64 {
	w = min(w, r.n-ago, len(r.ring)-ago)
	sum := 0.0
	for i := range max(w, 0) {
		sum += r.ring[(r.n-1-ago-i)%len(r.ring)]
	}
	return sum
}

// mean is the mean of what sum adds.
func (r *recent) mean(w, ago int) float64 {
	n := min(w, r.n-ago, len(r.ring)-ago)
	if n <= 0 {
		return 0
	}
	return r.sum(w, ago) / float64(n)
}

// mean fades: after memory values each new one counts 1/memory.
type mean struct{ n, value float64 }

func (m *mean) add(v, memory float64) {
	m.n = min(m.n+1, memory)
	m.value += (v - m.value) / m.n
}

// habits is a calendar of what recurs at the same time of day: batches, backups, reports.
type habits struct {
	seen [maxHabits]int64 // Unix seconds, a ring
	n    int
}

const (
	habitNear = 20 * 60 // seconds
	habitDays = 2       // earlier days on which it came
	maxHabits = 128
)

// recurs notes that something strong came now, and tells whether it came at this time of day before.
func (h *habits) recurs(at time.Time) bool {
	const day = 24 * 3600
	now := at.Unix()
	days, last := 0, int64(-1)
	for i := range min(h.n, maxHabits) {
		since := now - h.seen[(h.n-1-i)%maxHabits]
		if off := (since + habitNear) % day; since <= day/2 || off > 2*habitNear {
			continue
		}
		if on := (since + habitNear) / day; on != last {
			days, last = days+1, on
		}
	}
	if h.n == 0 || now-h.seen[(h.n-1)%maxHabits] > habitNear {
		h.seen[h.n%maxHabits] = now
		h.n++
	}
	return days >= habitDays
}
