// Package train chooses from how much of a service's past its detector should learn, by how each choice does on later days.
package train

import (
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"github.com/saas-sentinel/saas-sentinel/ml/detect"
	"github.com/saas-sentinel/saas-sentinel/ml/series"
)

const day = 24 * 60 // rows

// The bounds of a back-test, in rows.
const (
	mostHeld  = 7 * day
	leastPast = 2 * day // before the days that are held back
	burstRows = 10
	burstWait = 2 * 60 // after the held days begin, or a day of them does
)

// ErrShort says that there is too little history to judge by.
var ErrShort = errors.New("three days of history are needed to train")

// History is a service's past by the minute, its columns those of series.Metrics.
type History struct {
	Start time.Time
	Rows  [][]float64
	// Excused tells that an alert at this time is no false one: somebody confirmed it. Nil for never.
	Excused func(time.Time) bool
}

// Result is how a detector did on the days that were held back.
type Result struct {
	From        int // row from which it learnt
	FalseAlerts int // all alerts that are not excused: nobody said that they were right
	Bursts      int // made ones, one a day
	Found       int // of them
}

// Mistakes are false alerts and missed bursts.
func (r Result) Mistakes() int { return r.FalseAlerts + r.Bursts - r.Found }

// Held is the first row of those held back.
func (h History) Held() int { return len(h.Rows) - min(mostHeld, len(h.Rows)/3) }

// Choose back-tests learning from all of the history, and from its last week or three days before the days held back; and the incumbent,
// the row from which the service's detector learns now (negative for none). A challenger must make fewer mistakes than the
// incumbent on the same days; among equals the longest past is chosen.
func Choose(h History, incumbent int) (best Result, err error) {
	held := h.Held()
	if len(h.Rows) < 3*day || held < leastPast {
		return best, ErrShort
	}
	from := []int{0, held - 7*day, held - 3*day}
	if incumbent >= 0 && incumbent <= held-leastPast/2 {
		from = append([]int{incumbent}, from...)
	}
	tried := map[int]bool{}
	for _, row := range from {
		if row < 0 || tried[row] {
			continue
		}
		tried[row] = true
		if r := Backtest(h, row); len(tried) == 1 || r.Mistakes() < best.Mistakes() {
			best = r
		}
	}
	return best, nil
}

// Backtest learns from a row on, counts alerts in the days held back, and then again with a made burst in each of them.
func Backtest(h History, from int) Result {
	r := Result{From: from}
	held := h.Held()
	h.alerts(h.Rows, from, func(i int, at time.Time) {
		if i >= held && (h.Excused == nil || !h.Excused(at)) {
			r.FalseAlerts++
		}
	})
	rows, begins := h.withBursts(held)
	r.Bursts = len(begins)
	found := map[int]bool{}
	h.alerts(rows, from, func(i int, _ time.Time) {
		for _, b := range begins {
			if i >= b && i < b+burstRows {
				found[b] = true
			}
		}
	})
	r.Found = len(found)
	return r
}

func (h History) alerts(rows [][]float64, from int, tell func(i int, at time.Time)) {
	d := detect.New(series.Metrics)
	for i := from; i < len(rows); i++ {
		at := h.Start.Add(time.Duration(i) * time.Minute)
		if d.Step(at, rows[i]).Alert {
			tell(i, at)
		}
	}
}

// withBursts puts ten minutes of many more calls of the usual kind into each day held back, at a time that is drawn.
func (h History) withBursts(held int) (rows [][]float64, begins []int) {
	rows = append(rows, h.Rows...)
	var sums [4]float64 // requests, tokens of both kinds, cost
	for _, row := range h.Rows {
		for c := range sums {
			sums[c] += row[c]
		}
	}
	busiest, calls := 0.0, sums[0]
	for i := held; i+60 <= len(h.Rows); i += 60 {
		hour := 0.0
		for _, row := range h.Rows[i : i+60] {
			hour += row[0] / 60
		}
		busiest = max(busiest, hour)
	}
	extra := math.Ceil(max(20, 4*busiest))
	r := rand.New(rand.NewPCG(uint64(h.Start.Unix()), 1)) //nolint:gosec // made bursts are to be the same again
	for begin := held; begin+day <= len(rows); begin += day {
		b := begin + burstWait + r.IntN(day-burstWait-burstRows)
		begins = append(begins, b)
		for i := b; i < b+burstRows; i++ {
			row := append([]float64(nil), rows[i]...)
			row[0] += extra
			for c := 1; c < len(sums) && calls > 0; c++ {
				row[c] += extra * sums[c] / calls
			}
			rows[i] = row
		}
	}
	return rows, begins
}
