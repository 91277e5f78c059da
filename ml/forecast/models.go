package forecast

import (
	"fmt"
	"slices"
)

// candidate is a model of the pool, made for one series.
type candidate struct {
	name  string
	needs int // values
	run   func(y []float64, h int) []float64
	prior float64 // its weight while nothing was tested
	// sweep gives run's results for y[:end] of each end, ascending, from one pass over y; nil where run has to be called for each.
	sweep func(y []float64, ends []int, h int) [][]float64
}

// runs forecasts from each end; nil where the past is too short.
func (c candidate) runs(y []float64, ends []int, h int) [][]float64 {
	out := make([][]float64, len(ends))
	from := 0
	for from < len(ends) && ends[from] < c.needs {
		from++
	}
	if c.sweep != nil && from < len(ends) {
		copy(out[from:], c.sweep(y, ends[from:], h))
		return out
	}
	for i := from; i < len(ends); i++ {
		out[i] = c.run(y[:ends[i]], h)
	}
	return out
}

// heavyMemory bounds what the models look back on whose work grows with a grid: so many values, or so many seasons.
const (
	heavyMemory  = 250
	heavySeasons = 5
)

// candidates is the pool for a series of n values: what it can feed.
func candidates(y []float64, o Options) []candidate {
	pool := levels(y, o)
	seasons := []int{o.Season}
	if o.Season2 > o.Season {
		seasons = append(seasons, o.Season2)
	}
	for k, m := range seasons {
		pool = append(pool, profiles(m, k > 0)...)
	}
	for k := range seasons {
		s := seasons[:k+1]
		if s[0] < 2 {
			continue
		}
		name, keep := "MSTL", max(heavyMemory, heavySeasons*s[k])
		if len(s) > 1 {
			name = fmt.Sprintf("MSTL with %d", s[k])
		}
		pool = append(pool, candidate{name, 2*s[k] + 1, func(y []float64, h int) []float64 {
			return mstl(latest(y, keep), s, h)
		}, 1, nil})
	}
	fit := pool[:0]
	for _, c := range pool {
		if len(y) >= c.needs {
			fit = append(fit, c)
		}
	}
	return fit
}

// levels are the models of level, trend and short memory.
func levels(y []float64, o Options) []candidate {
	m := o.Season
	keep := max(heavyMemory, heavySeasons*m)
	lately := func(run func(y []float64, season, h int) []float64) func([]float64, int) []float64 {
		return func(y []float64, h int) []float64 { return run(latest(y, keep), m, h) }
	}
	out := []candidate{
		{"median", 1, func(y []float64, h int) []float64 { return overallMedian(y, m, h) }, 0.1, nil},
		{"theta", max(4, 2*m+1), lately(theta), 1, nil},
		{"ARIMA", max(10, 2*m+1), lately(arima), 0.5, nil},
		swept("seasonal smoothing", 3*m, 0.2, func(y []float64, ends []int, h int) [][]float64 { return seasonalSmoothing(y, m, ends, h) }),
		swept("damped exponential smoothing", max(4, 2*m+1), 1, func(y []float64, ends []int, h int) [][]float64 { return dampedTrend(y, m, ends, h) }),
	}
	if m > 1 {
		out = append(out, candidate{"naive", 1, func(y []float64, h int) []float64 { return seasonalNaive(y, 1, h) }, 0.1, nil})
	}
	if low := slices.Min(y); low > 0 && slices.Max(y) < mostLogs*low {
		out = append(out,
			swept("damped exponential smoothing of logarithms", max(4, trendSeasons*m), 1, func(y []float64, ends []int, h int) [][]float64 {
				return dampedTrendOfLogs(y, m, ends, h)
			}),
			candidate{"theta of logarithms", max(4, trendSeasons*m), lately(thetaOfLogs), 1, nil})
	}
	if zeros := count(y, 0); zeros*5 > len(y) {
		out = append(out, candidate{"Croston's", 4, func(y []float64, h int) []float64 { return tsb(y, m, h) }, 0.5, nil})
	}
	return out
}

// swept is a candidate that forecasts from many ends in one pass.
func swept(name string, needs int, prior float64, sweep func(y []float64, ends []int, h int) [][]float64) candidate {
	run := func(y []float64, h int) []float64 { return sweep(y, []int{len(y)}, h)[0] }
	return candidate{name, needs, run, prior, sweep}
}

// mostLogs is the ratio of the largest value to the smallest above which logarithms say more of trifles than of the series.
const mostLogs = 500

// trendSeasons are seasons that a trend of logarithms needs: from two or three, one odd day makes it explode.
const trendSeasons = 4

func latest(y []float64, n int) []float64 { return y[max(0, len(y)-n):] }

func count(y []float64, of float64) (n int) {
	for _, v := range y {
		if v == of {
			n++
		}
	}
	return n
}

// seasonalNaive repeats the last season.
func seasonalNaive(y []float64, season, h int) []float64 {
	out := make([]float64, h)
	for i := range out {
		out[i] = y[len(y)-season+i%season]
	}
	return out
}

// overallMedian is one number: the best of a series without memory.
func overallMedian(y []float64, season, h int) []float64 {
	m := median(y[max(0, len(y)-recentSeasons*max(season, 24)):])
	out := make([]float64, h)
	for i := range out {
		out[i] = m
	}
	return out
}

func repeat(profile []float64, h int) []float64 {
	out := make([]float64, h)
	for i := range out {
		out[i] = profile[i%len(profile)]
	}
	return out
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

func median(v []float64) float64 {
	s := slices.Clone(v)
	slices.Sort(s)
	n := len(s)
	if n%2 == 1 {
		return s[n/2]
	}
	return (s[n/2-1] + s[n/2]) / 2
}

// quantile interpolates; sorted is ascending and not empty.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := min(int(at), len(sorted)-1)
	j := min(i+1, len(sorted)-1)
	return sorted[i] + (at-float64(i))*(sorted[j]-sorted[i])
}
