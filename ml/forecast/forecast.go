// Package forecast says how a series goes on, with intervals that hold: a pool of models, weighed by how they did on
// the series' own past, and intervals from the errors that the same mixture made there.
package forecast

import (
	"errors"
	"fmt"
	"math"
)

// Options say what to forecast. H is the number of steps; Season is the steps of a season, 1 for none; Season2 that of
// a longer one, 0 for none. With a Calendar, month ends and holidays count.
type Options struct {
	H, Season, Season2 int
	Calendar           *Calendar
}

// MaxSteps bounds the steps of a forecast and of a season.
const MaxSteps = 100_000

// The bounds of a series.
const (
	maxSeries = 2_000_000
	minSeries = 8
	largest   = 1e100 // of values: squares and sums of such stay finite
	history   = 3000  // values that models look back on at most
)

// Forecast is what is expected of each step, with the bounds that 80 and 95 of 100 stay within. Totals
// are cumulative.
type Forecast struct {
	Mean, Lo80, Hi80, Lo95, Hi95 []float64
	Total, TotalLo80, TotalHi80  []float64
	TotalLo95, TotalHi95         []float64
	Weights                      map[string]float64 // of the models
	Origins                      int                // of the back-test
	Days                         map[string]float64 // factors of special days, by what they are: those that were learnt
}

// ErrShort says that a series is too short to say anything.
var ErrShort = errors.New("too short to forecast")

// Run forecasts a series of evenly spaced, finite values, oldest first.
func Run(y []float64, o Options) (Forecast, error) {
	if o.H < 1 || o.H > MaxSteps || o.Season < 1 || o.Season > MaxSteps || o.Season2 < 0 || o.Season2 > MaxSteps {
		return Forecast{}, fmt.Errorf("steps and seasons must be within 1 and %d", MaxSteps)
	}
	if len(y) > maxSeries {
		return Forecast{}, fmt.Errorf("%d values, at most %d are read", len(y), maxSeries)
	}
	if len(y) < minSeries {
		return Forecast{}, fmt.Errorf("%w: %d values, %d are needed", ErrShort, len(y), minSeries)
	}
	for i, v := range y {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return Forecast{}, fmt.Errorf("value %d is not finite", i+1)
		}
		if math.Abs(v) > largest {
			return Forecast{}, fmt.Errorf("value %d is %g, beyond ±%g: write the series in a larger unit", i+1, v, largest)
		}
	}
	learnt := o.Calendar.learn(y)
	special := o.Calendar.factors(learnt, 0, len(y)+o.H)
	y = o.Calendar.without(special, y)
	to := len(y)
	y = y[max(0, len(y)-max(history, recentSeasons*max(o.Season, o.Season2)+o.H)):]
	pool := candidates(y, o)
	b := backtest(y, pool, o)
	weights := b.weigh(-1)
	f := Forecast{Mean: mix(b.next, weights), Weights: map[string]float64{}, Origins: len(b.origins), Days: learnt.told()}
	for i := range f.Mean {
		if special != nil {
			f.Mean[i] *= special[to+i]
		}
	}
	for i, c := range pool {
		f.Weights[c.name] += weights[i]
	}
	f.intervals(b, y, o)
	return f, nil
}
