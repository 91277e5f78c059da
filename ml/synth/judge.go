package synth

import (
	"slices"
	"time"
)

// Judge is a detector under test: it sees a series row by row and raises alerts.
type Judge interface {
	Alert(at time.Time, row []float64) bool
}

// Result is how a detector did on the series of one kind.
type Result struct {
	Kind        Kind
	Series      int
	Found       int           // series whose abuse was alerted while it ran
	MedianDelay time.Duration // of those found, from the event's first minute to the alert
	FalseAlerts int           // alerts outside of the event and the grace after it
	Weeks       float64       // of series in which an alert is a false one
}

// Recall is the share of abuses found; 0 without any.
func (r Result) Recall() float64 {
	if r.Series == 0 {
		return 0
	}
	return float64(r.Found) / float64(r.Series)
}

// FalsePerWeek is the number of false alerts a series and week.
func (r Result) FalsePerWeek() float64 {
	if r.Weeks == 0 {
		return 0
	}
	return float64(r.FalseAlerts) / r.Weeks
}

const (
	// learning is how long a detector may watch before its alerts count.
	learning = 3 * 24 * 60
	// grace is how long after an event its echo is no false alert: falling back is a change too.
	grace = 3 * 60
	week  = 7 * 24 * 60
)

// Measure runs a fresh detector over each series.
func Measure(kind Kind, set []Series, fresh func() Judge) Result {
	r := Result{Kind: kind, Series: len(set)}
	var delays []time.Duration
	for _, s := range set {
		d := fresh()
		found := false
		for i, row := range s.Rows {
			if !d.Alert(s.Start.Add(time.Duration(i)*time.Minute), row) || i < learning {
				continue
			}
			switch abuse := slices.Contains(Abuses, kind); {
			case abuse && i >= s.From && i < s.To:
				if !found {
					found = true
					delays = append(delays, time.Duration(i-s.From)*time.Minute)
				}
			case abuse && i >= s.To && i < s.To+grace:
			default:
				r.FalseAlerts++
			}
		}
		if found {
			r.Found++
		}
		r.Weeks += float64(len(s.Rows)-learning) / week
	}
	if len(delays) > 0 {
		slices.Sort(delays)
		r.MedianDelay = delays[len(delays)/2]
	}
	return r
}
