package load

import (
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// Distribution sums up many durations. Percentiles are exact to 1 %, mean and maximum exactly.
type Distribution struct {
	Count                    int64
	P50, P90, P99, Max, Mean time.Duration
}

// String is one line for people.
func (d Distribution) String() string {
	if d.Count == 0 {
		return "none"
	}
	return fmt.Sprintf("p50 %s, p90 %s, p99 %s, max %s, mean %s of %d", d.P50, d.P90, d.P99, d.Max, d.Mean, d.Count)
}

// A histogram has 128 cells for each power of two, so its memory does not grow with the samples
// and its error is below 1/128. The last power holds hours.
const (
	cellBits = 7
	cells    = 1 << cellBits
	powers   = 44 - cellBits
)

type histogram struct {
	counts   [powers * cells]atomic.Int64
	sum, max atomic.Int64
}

// add counts a duration. A negative one, of a clock that was set back, counts as 0.
func (h *histogram) add(d time.Duration) {
	n := max(int64(d), 0)
	h.counts[cellOf(n)].Add(1)
	h.sum.Add(n)
	for old := h.max.Load(); n > old && !h.max.CompareAndSwap(old, n); old = h.max.Load() {
	}
}

// cellOf gives the cell of a number: numbers below 128 have their own, others share one with
// those of the same eight leading bits.
func cellOf(n int64) int {
	shift := max(bits.Len64(uint64(n))-cellBits-1, 0)
	return min(shift<<cellBits+int(n>>shift), powers*cells-1)
}

// valueOf gives the middle of a cell.
func valueOf(cell int) int64 {
	if cell < 2*cells {
		return int64(cell)
	}
	shift := cell>>cellBits - 1
	return int64(cell-shift<<cellBits)<<shift + 1<<shift/2
}

func (h *histogram) distribution() Distribution {
	var d Distribution
	for i := range h.counts {
		d.Count += h.counts[i].Load()
	}
	if d.Count == 0 {
		return d
	}
	d.Max, d.Mean = time.Duration(h.max.Load()), time.Duration(h.sum.Load()/d.Count)
	d.P50, d.P90, d.P99 = h.percentile(50, d), h.percentile(90, d), h.percentile(99, d)
	return d
}

// percentile gives the smallest value that p of 100 samples do not exceed.
func (h *histogram) percentile(p int64, d Distribution) time.Duration {
	rank, seen := (d.Count*p+99)/100, int64(0)
	for i := range h.counts {
		if seen += h.counts[i].Load(); seen >= rank {
			return min(time.Duration(valueOf(i)), d.Max)
		}
	}
	return d.Max
}

// maxFaults bounds the errors that are kept as text.
const maxFaults = 5

// measurements are filled by all clients at once.
type measurements struct {
	latency, firstByte, chunk, gap histogram

	mu       sync.Mutex
	requests int64
	errors   int64
	statuses map[int]int64
	faults   []string
}

func (m *measurements) count(status int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.statuses == nil {
		m.statuses = map[int]int64{}
	}
	m.requests++
	m.statuses[status]++
	if err == nil {
		return
	}
	m.errors++
	if len(m.faults) < maxFaults {
		m.faults = append(m.faults, err.Error())
	}
}

func (m *measurements) result(elapsed time.Duration, processes map[string]Use) Result {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Result{
		Requests: m.requests, Errors: m.errors, Elapsed: elapsed, Statuses: m.statuses, Faults: m.faults,
		Latency: m.latency.distribution(), FirstByte: m.firstByte.distribution(),
		Chunk: m.chunk.distribution(), Gap: m.gap.distribution(), Processes: processes,
	}
}
