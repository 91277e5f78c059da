package detect

import "math"

const (
	dripDay    = 24   // hours of which the mean is taken
	dripSlack  = 0.5  // deviations a day that are no drip
	dripAlarm  = 5.5  // accumulated deviations that are
	dripFrom   = 4    // days before anything is told
	dripPrior  = 3    // days that the prior weighs as much as
	dripSpread = 0.35 // of daily means of hourly residuals: the prior of all services
)

// drip accumulates small and lasting growth: a CUSUM (Page 1954), S = max(0, S + u/s - k), of daily
// means u of the hourly log residuals, in units of their own day-to-day deviation s, evaluated at each hour.
type drip struct {
	hours  [dripDay]float64 // residuals of the last day, a ring
	sums   [dripDay]float64 // S as it was a day ago, by hour
	n      int
	total  float64
	square mean // of u, a sample at each hour
}

// step takes an hour's residual in, and gives S over the alarm: 1 is one.
func (d *drip) step(residual float64) float64 {
	at := d.n % dripDay
	residual = min(max(residual, -3), 3)
	d.total += residual - d.hours[at]
	d.hours[at] = residual
	d.n++
	if d.n < dripDay {
		return 0
	}
	u := d.total / dripDay
	s := math.Sqrt((d.square.n/dripDay*d.square.value + dripPrior*dripSpread*dripSpread) / (d.square.n/dripDay + dripPrior))
	now := max(0, d.sums[at]+min(u/s, 6)-dripSlack)
	d.sums[at] = now
	if d.n > 2*dripDay {
		d.square.add(u*u, 28*dripDay)
	}
	if d.n < dripFrom*dripDay {
		d.sums[at] = 0
		return 0
	}
	return now / dripAlarm
}
