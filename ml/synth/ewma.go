package synth

import (
	"math"
	"time"
)

// EWMA is the usual alarm to compare with: requests above the exponentially weighted mean of the last hours
// by so many deviations, quiet for two hours after an alert.
type EWMA struct {
	n              int
	mean, variance float64
	quiet          time.Time
}

const (
	ewmaWeight     = 1.0 / 240 // a minute's: the last four hours
	ewmaDeviations = 6
	ewmaQuiet      = 2 * time.Hour
)

// Alert judges a row by its requests.
func (e *EWMA) Alert(at time.Time, row []float64) bool {
	off := row[0] - e.mean
	strange := e.n > 240 && off > ewmaDeviations*math.Sqrt(e.variance) && off > 3
	e.n++
	e.mean += ewmaWeight * off
	e.variance += ewmaWeight * (off*off - e.variance)
	if !strange || at.Before(e.quiet) {
		return false
	}
	e.quiet = at.Add(ewmaQuiet)
	return true
}
