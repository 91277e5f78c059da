package forecast

import (
	"math"
	"slices"
)

// model forecasts h steps after y. Season is above 1 only where y has two seasons at least.
type model struct {
	name string
	run  func(y []float64, season, h int) []float64
	// seasons is how many seasons y needs.
	seasons int
}

var pool = []model{
	{"seasonal naive", seasonalNaive, 1},
	{"seasonal median", seasonalMedian, 2},
	{"seasonal mean", seasonalMean, 2},
	{"profile at the last level", profileAtLevel, 2},
	{"profile at the level of the last hours", profileAtRecent, 2},
	{"half naive", halfNaive, 2},
	{"damped exponential smoothing", dampedSmoothing, 3},
	{"theta", theta, 3},
	{"median", overallMedian, 0},
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

// dampedSmoothing is additive exponential smoothing with a season (Holt and Winters; ETS(A,N,A) of
// Hyndman et al. 2008), its weights from a small grid by the mean absolute error of one-season-ahead fits:
//
//	l ← l + α(y - l - s),  s ← s + γ(y - l - s).
func dampedSmoothing(y []float64, season, h int) []float64 {
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

// theta is the theta method (Assimakopoulos and Nikolopoulos 2000; as simple smoothing with half of the trend,
// Hyndman and Billah 2003) on the series without its seasonal profile.
func theta(y []float64, season, h int) []float64 {
	profile := seasonalMean(y, season, season)
	center := mean(profile)
	flat := make([]float64, len(y))
	for i := range y {
		at := ((i-len(y))%season + season) % season
		flat[i] = y[i] - profile[at] + center
	}
	n := float64(len(flat))
	var xy, xx float64
	m := mean(flat)
	for i, v := range flat {
		x := float64(i) - (n-1)/2
		xy += x * (v - m)
		xx += x * x
	}
	const alpha = 0.05
	level := mean(flat[:season])
	for _, v := range flat {
		level += alpha * (v - level)
	}
	out := make([]float64, h)
	for i := range out {
		out[i] = level + 0.5*xy/xx*float64(min(i+1, season)) + profile[i%season] - center
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
