package detect

import "math"

const (
	floorShare  = 0.25 // of the mean rate, that a steady stranger takes
	floorMost   = 4    // such strangers, and times the usual calls of a day: more is a burst, for others to judge
	floorAlarm  = 7    // accumulated deviations that are one
	floorSpread = 0.4  // of a day's estimate of the stranger's size: the prior of all services, in strangers
	floorHours  = 4    // days that the spread of all hours weighs as much as, in an hour of the day
	floorLeast  = 0.02 // variance of an hour's logarithm that is there in any case, with the weight of 0.3 days
	floorWeight = 0.3
)

// floor remembers a service's hours, and estimates from those of a day how large a stranger is who takes a share of the mean rate by day and by night. Quiet hours
// tell it best, and a day's sum drowns them. With x the logarithms of the hours, m and s their usual mean and deviation at that hour of the day, and
// a = ln(1 + ¼·rate/usual) what the stranger would add, the estimate is that of weighted least squares,
//
//	Σ (a/s²)·x / Σ a²/s².
type floor struct {
	hours [dripDays * 24]float64 // calls, a ring
	sums  [24]float64            // the CUSUM of its scores as it was a day ago, by hour
}

func (f *floor) at(hour int64, ago, back int) float64 {
	const n = dripDays * 24
	return f.hours[((hour-int64(24*ago+back))%n+n)%n]
}

// score is the normal score of the last day's estimate among those of the usual days, which are the ones from dripLag to last days ago; 0 where it is too large for a drip.
func (f *floor) score(hour int64, last int) float64 {
	n := float64(last - dripLag + 1)
	level := 0.0
	for ago := dripLag; ago <= last; ago++ {
		for back := range 24 {
			level += f.at(hour, ago, back) / (24 * n)
		}
	}
	if level <= 0 {
		return 0
	}
	weight, some := f.weights(hour, last, level)
	estimate := func(ago int) (x float64) {
		for back, w := range weight {
			x += w * math.Log(f.at(hour, ago, back)+some)
		}
		return x
	}
	u := usual{n: n}
	var days [dripDays]float64
	for ago := dripLag; ago <= last; ago++ {
		days[ago] = estimate(ago)
		u.mean += days[ago] / n
	}
	squares := 0.0
	for _, x := range days[dripLag : last+1] {
		squares += (x - u.mean) * (x - u.mean)
	}
	u.shrink(squares, n-1, floorSpread)
	now := estimate(0)
	if now-u.mean > floorMost {
		return 0
	}
	return u.score(now)
}

// weights of the last day's hours in the estimate, and what is added to an hour's calls before the logarithm.
func (f *floor) weights(hour int64, last int, level float64) (weight [24]float64, some float64) {
	n := float64(last - dripLag + 1)
	some = floorOfLevel*level + 0.5
	var mean, squares [24]float64
	all := 0.0
	for back := range mean {
		for ago := dripLag; ago <= last; ago++ {
			mean[back] += math.Log(f.at(hour, ago, back)+some) / n
		}
		for ago := dripLag; ago <= last; ago++ {
			off := math.Log(f.at(hour, ago, back)+some) - mean[back]
			squares[back] += off * off
		}
		all += squares[back] / (24 * (n - 1))
	}
	norm := 0.0
	for back := range weight {
		variance := (squares[back] + floorHours*all + floorWeight*floorLeast) / (n - 1 + floorHours + floorWeight)
		adds := math.Log1p(floorShare * level / math.Exp(mean[back]))
		weight[back] = adds / variance
		norm += adds * weight[back]
	}
	for back := range weight {
		weight[back] /= norm
	}
	return weight, some
}
