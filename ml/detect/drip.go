package detect

import "math"

const (
	dripDays   = 28   // that are looked back on
	dripLag    = 3    // latest days that are no part of the usual: they may be the drip already
	dripFrom   = 3    // usual days before anything is told
	dripWeek   = 7    // days
	dripPrior  = 3    // days that the prior counts as much as
	dripSpread = 0.05 // of the logarithm of a day's calls: the prior of all services
	dripSlack  = 0.5  // deviations a day that are no drip
	dripAlarm  = 6    // accumulated deviations that are one
	dripCalls  = 24   // more a day, that matter
	dripMost   = 2    // times the usual: a day of more is a burst, for others to judge
)

// drip accumulates small and lasting growth: a CUSUM (Page 1954), S = max(0, S + z - ½), of the calls of the last 24 hours, evaluated at
// each. z is the normal score (Wallace 1959) of what Student's t says of the logarithm x of a day after n usual ones of mean m and
// deviation s,
//
//	t = (x - m)/(s·√(1 + 1/n)),  z = ±√(ν·ln(1 + t²/ν))·(1 - 3/(4ν + 3)),
//
// with s shrunk to that of all services, whose days count in ν. The usual days end some days ago: a drip must not become the usual before it
// is told. After an alarm they begin anew, as the new level is the usual then.
type drip struct {
	begun bool
	hour  int64                  // that was taken last
	from  int64                  // the first hour that ends a usual day
	calls [24]float64            // of the last day, by hour
	days  [dripDays * 24]float64 // logarithms of the days that ended with each hour, a ring
	sums  [24]float64            // S as it was a day ago, by hour
	floor floor
	now   effect // of the last hour; a size of 1 is an alarm
}

// step takes an hour's calls in, granted being how many times the usual ones the calendar allows. Hours that were left out had no calls.
func (d *drip) step(hour int64, calls, granted float64) {
	if !d.begun || hour-d.hour > dripDays*24 {
		*d = drip{begun: true, hour: hour - 1, from: hour + 23}
	}
	for d.hour < hour-1 {
		d.take(0, 1)
	}
	d.take(calls, granted)
}

func (d *drip) take(calls, granted float64) {
	d.hour++
	at := hourOfDay(d.hour)
	d.calls[at] = calls
	d.floor.hours[((d.hour%(dripDays*24))+dripDays*24)%(dripDays*24)] = calls / granted
	total := 0.0
	for _, c := range d.calls {
		total += c
	}
	x := math.Log(total + dripCalls)
	*d.day(0) = x
	d.now = effect{actual: total, expected: total}
	u := d.usual()
	if u.n < dripFrom {
		d.sums[at], d.floor.sums[at] = 0, 0
		return
	}
	d.now.expected = max(0, math.Exp(u.mean)-dripCalls)
	z, night := u.score(x-math.Log(granted)), d.floor.score(d.hour, d.last())
	more := x - math.Log(granted) - u.mean
	if total-d.now.expected < dripCalls || more > math.Log(dripMost) {
		z = min(z, 0)
	}
	if total-d.now.expected < dripCalls || more > math.Log(floorMost) {
		night = min(night, 0)
	}
	d.sums[at] = max(0, d.sums[at]+z-dripSlack)
	d.floor.sums[at] = max(0, d.floor.sums[at]+night-dripSlack)
	if d.now.size = max(d.sums[at]/dripAlarm, d.floor.sums[at]/floorAlarm); d.now.size >= 1 {
		d.from, d.sums, d.floor.sums = d.hour-23, [24]float64{}, [24]float64{}
	}
}

// last is how many days ago the first usual day was.
func (d *drip) last() int { return min(dripDays-1, int((d.hour-d.from)/24)) }

// day is the place of the day that ended so many days before the last hour.
func (d *drip) day(ago int) *float64 {
	const n = dripDays * 24
	return &d.days[((d.hour-int64(24*ago))%n+n)%n]
}

// usual is what days are compared with.
type usual struct{ n, mean, variance, freedom float64 }

// usual takes all days up to some days ago, or those of the same weekday where weeks repeat: where the change from week to week says that
// less than half of the variance is left.
func (d *drip) usual() usual {
	last := d.last()
	u := usual{n: float64(last - dripLag + 1)}
	if u.n < dripFrom {
		return u
	}
	for ago := dripLag; ago <= last; ago++ {
		u.mean += *d.day(ago) / u.n
	}
	squares, weekly := 0.0, 0.0
	for ago := dripLag; ago <= last; ago++ {
		off := *d.day(ago) - u.mean
		squares += off * off
		if ago+dripWeek <= last {
			off = *d.day(ago) - *d.day(ago + dripWeek)
			weekly += off * off / 2
		}
	}
	u.shrink(squares, u.n-1, dripSpread)
	same := usual{}
	if pairs := u.n - dripWeek; pairs >= dripWeek {
		if same.shrink(weekly, pairs-1, dripSpread); same.variance < u.variance/2 {
			for ago := dripWeek; ago <= last; ago += dripWeek {
				same.n++
				same.mean += (*d.day(ago) - same.mean) / same.n
			}
			return same
		}
	}
	return u
}

func (u *usual) shrink(squares, freedom, spread float64) {
	u.freedom = freedom + dripPrior
	u.variance = (squares + dripPrior*spread*spread) / u.freedom
}

// score is the normal score of a day's logarithm.
func (u usual) score(x float64) float64 {
	t := (x - u.mean) / math.Sqrt(u.variance*(1+1/u.n))
	return math.Copysign(math.Sqrt(u.freedom*math.Log1p(t*t/u.freedom))*(1-3/(4*u.freedom+3)), t)
}
