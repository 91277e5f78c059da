// Package train chooses from how much of a service's past its detector should learn, by how each choice does on later days.
package train

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
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
var ErrShort = errors.New("three days of history are needed to train, and two from when the saved model learns")

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
	Held        int // first row of those held back
	FalseAlerts int // all alerts that are not excused: nobody said that they were right
	Bursts      int // made ones, one a day
	Found       int // of them
}

// Mistakes are false alerts and missed bursts.
func (r Result) Mistakes() int { return r.FalseAlerts + r.Bursts - r.Found }

// held is the first row of those held back: they are the last days, but the days that the incumbent needs to learn from are none of them.
func (h History) held(incumbent int) int {
	return max(len(h.Rows)-min(mostHeld, len(h.Rows)/3), incumbent+leastPast/2)
}

// Choose back-tests learning from all of the history, and from its last week or three days before the days held back; and the incumbent,
// the row from which the service's detector learns now (negative for none). A challenger must make fewer mistakes than the
// incumbent on the same days; among equals the longest past is chosen. ErrShort where there is not a day to judge by.
func Choose(h History, incumbent int) (best Result, err error) {
	held := h.held(incumbent)
	if len(h.Rows) < 3*day || held < leastPast || len(h.Rows)-held < day {
		return best, ErrShort
	}
	from := []int{0, held - 7*day, held - 3*day}
	if incumbent >= 0 {
		from = append([]int{incumbent}, from...)
	}
	tried := map[int]bool{}
	for _, row := range from {
		if row < 0 || tried[row] {
			continue
		}
		tried[row] = true
		if r := Backtest(h, row, held); len(tried) == 1 || r.Mistakes() < best.Mistakes() {
			best = r
		}
	}
	return best, nil
}

// Backtest learns from a row on and counts alerts in the days held back, from the row held on; and into each of them it puts a made burst, on its own: a burst that is found is
// learnt, and the next one of the same size would be told how well the one before it was remembered.
func Backtest(h History, from, held int) Result {
	r := Result{From: from, Held: held}
	bursts := h.bursts(held)
	r.Bursts = len(bursts)
	d := detect.New(series.Metrics)
	for i := from; i < len(h.Rows); i++ {
		if len(bursts) > 0 && i == bursts[0].row {
			if h.finds(d.Copy(), bursts[0]) {
				r.Found++
			}
			bursts = bursts[1:]
		}
		at := h.at(i)
		if d.Step(at, h.Rows[i]).Alert && i >= held && (h.Excused == nil || !h.Excused(at)) {
			r.FalseAlerts++
		}
	}
	return r
}

func (h History) at(row int) time.Time { return h.Start.Add(time.Duration(row) * time.Minute) }

// burst is what comes beside a service's own calls from a row on.
type burst struct {
	row  int
	more [4]float64 // requests, tokens of both kinds, cost, a row
}

// finds tells whether a detector that has seen the rows before a burst alerts in it.
func (h History) finds(d *detect.Detector, b burst) bool {
	for i := b.row; i < b.row+burstRows; i++ {
		row := slices.Clone(h.Rows[i])
		for c, more := range b.more {
			row[c] += more
		}
		if d.Step(h.at(i), row).Alert {
			return true
		}
	}
	return false
}

// bursts are ten minutes of many more calls of the usual kind in each day held back, at a time that is drawn.
func (h History) bursts(held int) (out []burst) {
	var sums [4]float64
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
	more := [4]float64{math.Ceil(max(20, 4*busiest))}
	for c := 1; c < len(more) && calls > 0; c++ {
		more[c] = more[0] * sums[c] / calls
	}
	r := rand.New(rand.NewPCG(uint64(h.Start.Unix()), 1)) //nolint:gosec // made bursts are to be the same again
	for begin := held; begin+day <= len(h.Rows); begin += day {
		out = append(out, burst{begin + burstWait + r.IntN(day-burstWait-burstRows), more})
	}
	return out
}
