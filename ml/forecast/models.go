package forecast

import (
	"fmt"
	"math"
	"slices"
)

// candidate is a model of the pool, made for one series.
type candidate struct {
	name  string
	needs int // values
	run   func(y []float64, h int) []float64
	prior float64 // its weight while nothing was tested
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
		pool = append(pool, profiles(y, m, k > 0)...)
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
		}, 1})
	}
	fit := pool[:0]
	for _, c := range pool {
		if len(y) >= c.needs {
			fit = append(fit, c)
		}
	}
	return fit
}

// profiles are the models that repeat a season in one way or another.
func profiles(y []float64, m int, longer bool) []candidate {
	var out []candidate
	for _, p := range []struct {
		name    string
		seasons int
		run     func(y []float64, season, h int) []float64
	}{
		{"seasonal naive", 1, seasonalNaive},
		{"seasonal median", 2, seasonalMedian},
		{"seasonal mean", 2, seasonalMean},
		{"profile at the last level", 2, profileAtLevel},
		{"profile at the level of the last hours", 2, profileAtRecent},
		{"half naive", 2, halfNaive},
	} {
		name := p.name
		if longer {
			name = fmt.Sprintf("%s of %d", name, m)
		}
		prior := 0.2
		if p.seasons == 1 && !longer {
			prior = 1
		}
		out = append(out, candidate{name, p.seasons * m, func(y []float64, h int) []float64 { return p.run(y, m, h) }, prior})
		if m == 1 {
			break // without a season they are all much the same
		}
	}
	return out
}

// levels are the models of level, trend and short memory.
func levels(y []float64, o Options) []candidate {
	m := o.Season
	keep := max(heavyMemory, heavySeasons*m)
	lately := func(run func(y []float64, season, h int) []float64) func([]float64, int) []float64 {
		return func(y []float64, h int) []float64 { return run(latest(y, keep), m, h) }
	}
	out := []candidate{
		{"median", 1, func(y []float64, h int) []float64 { return overallMedian(y, m, h) }, 0.1},
		{"seasonal smoothing", 3 * m, lately(seasonalSmoothing), 0.2},
		{"damped exponential smoothing", max(4, 2*m+1), lately(dampedTrend), 1},
		{"theta", max(4, 2*m+1), lately(theta), 1},
		{"ARIMA", max(10, 2*m+1), lately(arima), 0.5},
	}
	if m > 1 {
		out = append(out, candidate{"naive", 1, func(y []float64, h int) []float64 { return seasonalNaive(y, 1, h) }, 0.1})
	}
	if low := slices.Min(y); low > 0 && slices.Max(y) < 1e6*low {
		out = append(out,
			candidate{"damped exponential smoothing of logarithms", max(4, 2*m+1), lately(dampedTrendOfLogs), 1},
			candidate{"theta of logarithms", max(4, 2*m+1), lately(thetaOfLogs), 1})
	}
	if zeros := count(y, 0); zeros*5 > len(y) {
		out = append(out, candidate{"Croston's", 4, func(y []float64, h int) []float64 { return tsb(y, m, h) }, 0.5})
	}
	return out
}

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

// recentSeasons bounds what the profiles look back on.
const recentSeasons = 14

// phases gives for each phase of the next season the values of past seasons, latest first.
func phases(y []float64, season int) [][]float64 {
	out := make([][]float64, season)
	for p := range out {
		for at := len(y) - season + p; at >= 0 && len(out[p]) < recentSeasons; at -= season {
			out[p] = append(out[p], y[at])
		}
	}
	return out
}

// seasonalMedian is the median of the last seasons, each phase by itself.
func seasonalMedian(y []float64, season, h int) []float64 {
	profile := make([]float64, season)
	for p, values := range phases(y, season) {
		profile[p] = median(values)
	}
	return repeat(profile, h)
}

// fading is the weight of a season relative to the next.
const fading = 0.75

// seasonalMean is the mean of the last seasons with fading weights.
func seasonalMean(y []float64, season, h int) []float64 {
	profile := make([]float64, season)
	for p, values := range phases(y, season) {
		var sum, weights float64
		w := 1.0
		for _, v := range values {
			sum, weights, w = sum+w*v, weights+w, w*fading
		}
		profile[p] = sum / weights
	}
	return repeat(profile, h)
}

// levelKept is what remains of the last level's distance from the usual one after a season.
const levelKept = 0.7

// profileAtLevel scales the median profile to the last season's level; the factor returns to 1.
func profileAtLevel(y []float64, season, h int) []float64 {
	out := seasonalMedian(y, season, h)
	var last, usual float64
	for p, v := range seasonalMedian(y, season, season) {
		last, usual = last+y[len(y)-season+p], usual+v
	}
	return atLevel(out, last, usual, func(i int) float64 { return math.Pow(levelKept, 0.5+float64(i)/float64(season)) })
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

// seasonalSmoothing is additive exponential smoothing with a season and a slow level (ETS(A,N,A)), its weights from
// a small grid by the mean absolute error a season ahead:
//
//	l ← l + α(y - l - s),  s ← s + γ(y - l - s).
func seasonalSmoothing(y []float64, season, h int) []float64 {
	best := math.Inf(1)
	var out []float64
	for _, alpha := range []float64{0.01, 0.05, 0.2} {
		for _, gamma := range []float64{0.1, 0.3} {
			level := mean(y[:season])
			profile := make([]float64, season)
			for p := range profile {
				profile[p] = y[p] - level
			}
			behind := make([]float64, season) // the level a season ago
			for p := range behind {
				behind[p] = level
			}
			var loss float64
			for i := season; i < len(y); i++ {
				p := i % season
				if i >= 2*season {
					loss += math.Abs(y[i] - behind[p] - profile[p])
				}
				off := y[i] - level - profile[p]
				level += alpha * off
				profile[p] += gamma * off
				behind[p] = level
			}
			if loss >= best {
				continue
			}
			best = loss
			out = make([]float64, h)
			for i := range out {
				out[i] = level + profile[(len(y)+i)%season]
			}
		}
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

// halfNaive is between the last season and the median one.
func halfNaive(y []float64, season, h int) []float64 {
	out := seasonalMedian(y, season, h)
	for i, v := range seasonalNaive(y, season, h) {
		out[i] = (out[i] + v) / 2
	}
	return out
}

// profileAtRecent scales halfNaive to the level of the season's last quarter; the factor is halved twice a season.
func profileAtRecent(y []float64, season, h int) []float64 {
	out := halfNaive(y, season, h)
	profile := seasonalMedian(y, season, season)
	var last, usual float64
	for i := 1; i <= max(1, season/4); i++ {
		last, usual = last+y[len(y)-i], usual+profile[season-i]
	}
	return atLevel(out, last, usual, func(i int) float64 { return math.Pow(0.5, 0.25+2*float64(i)/float64(season)) })
}

// atLevel multiplies by last/usual to the power of kept, within a factor of e.
func atLevel(out []float64, last, usual float64, kept func(i int) float64) []float64 {
	if usual <= 0 || last <= 0 {
		return out
	}
	log := min(max(math.Log(last/usual), -1), 1)
	for i := range out {
		out[i] *= math.Exp(log * kept(i))
	}
	return out
}
