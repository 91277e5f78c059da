package forecast

import (
	"fmt"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// candidate is a model of the pool, made for one series.
type candidate struct {
	name  string
	needs int // values
	run   sweep
	prior float64 // its weight while nothing was tested
}

// sweep forecasts h steps from each of ends, ascending: of each what it makes of y[:end] alone.
type sweep func(y []float64, ends []int, h int) [][]float64

// each is the sweep of a model for which one pass over y does not serve many ends.
func each(run func(y []float64, h int) []float64) sweep {
	return func(y []float64, ends []int, h int) [][]float64 {
		out := make([][]float64, len(ends))
		for i, end := range ends {
			out[i] = run(y[:end], h)
		}
		return out
	}
}

// runs forecasts from each end; nil where the past is too short.
func (c candidate) runs(y []float64, ends []int, h int) [][]float64 {
	out := make([][]float64, len(ends))
	from := 0
	for from < len(ends) && ends[from] < c.needs {
		from++
	}
	if from < len(ends) {
		copy(out[from:], c.run(y, ends[from:], h))
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
		pool = append(pool, candidate{name, 2*s[k] + 1, each(func(y []float64, h int) []float64 {
			return mstl(latest(y, keep), s, h)
		}), 1})
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
	lately := func(run func(y []float64, season, h int) []float64) sweep {
		return each(func(y []float64, h int) []float64 { return run(latest(y, keep), m, h) })
	}
	out := []candidate{
		{"median", 1, each(func(y []float64, h int) []float64 { return overallMedian(y, m, h) }), 0.1},
		{"theta", max(4, 2*m+1), lately(theta), 1},
		{"ARIMA", max(10, 2*m+1), lately(arima), 0.5},
		{"seasonal smoothing", 3 * m, func(y []float64, ends []int, h int) [][]float64 { return seasonalSmoothing(y, m, ends, h) }, 0.2},
		{"damped exponential smoothing", max(4, 2*m+1), func(y []float64, ends []int, h int) [][]float64 { return dampedTrend(y, m, ends, h) }, 1},
	}
	if m > 1 {
		out = append(out, candidate{"naive", 1, each(func(y []float64, h int) []float64 { return seasonalNaive(y, 1, h) }), 0.1})
	}
	if low := slices.Min(y); low > 0 && slices.Max(y) < mostLogs*low {
		out = append(out,
			candidate{"damped exponential smoothing of logarithms", max(4, trendSeasons*m), func(y []float64, ends []int, h int) [][]float64 {
				return dampedTrendOfLogs(y, m, ends, h)
			}, 1},
			candidate{"theta of logarithms", max(4, trendSeasons*m), lately(thetaOfLogs), 1})
	}
	if zeros := count(y, 0); zeros*5 > len(y) {
		out = append(out, candidate{"Croston's", 4, each(func(y []float64, h int) []float64 { return tsb(y, m, h) }), 0.5})
	}
	return out
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

func mean(v []float64) float64 { return stat.Mean(v, nil) }

func median(v []float64) float64 {
	s := slices.Clone(v)
	slices.Sort(s)
	n := len(s)
	if n%2 == 1 {
		return s[n/2]
	}
	return (s[n/2-1] + s[n/2]) / 2
}

// quantile interpolates between order statistics at q·(n-1) (type 7 of Hyndman and Fan 1996), as the middle of two values is their mean; stat.Quantile
// knows types 1 and 4 alone, by which it is the smaller one. sorted is ascending and not empty.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := min(int(at), len(sorted)-1)
	j := min(i+1, len(sorted)-1)
	return sorted[i] + (at-float64(i))*(sorted[j]-sorted[i])
}
