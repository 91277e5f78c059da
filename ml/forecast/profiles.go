package forecast

import (
	"fmt"
	"math"
	"slices"
)

// naivePrior is what all forecasts are shrunk to the last season by: what is better has to show it.
const naivePrior = 3

const naiveName = "seasonal naive"

// profiles are the models that repeat a season in one way or another.
func profiles(m int, longer bool) []candidate {
	past := &profiler{season: m, medians: map[int][]float64{}}
	var out []candidate
	for _, p := range []struct {
		name    string
		seasons int
		run     func(y []float64, h int) []float64
	}{
		{naiveName, 1, func(y []float64, h int) []float64 { return seasonalNaive(y, m, h) }},
		{"seasonal median", 2, func(y []float64, h int) []float64 { return repeat(past.median(y), h) }},
		{"seasonal mean", 2, func(y []float64, h int) []float64 { return repeat(past.mean(y), h) }},
		{"profile at the last level", 2, past.atLevel},
		{"profile at the level of the last hours", 2, past.atRecent},
		{"half naive", 2, past.halfNaive},
	} {
		name := p.name
		if longer {
			name = fmt.Sprintf("%s of %d", name, m)
		}
		prior := 0.2
		if p.seasons == 1 && !longer {
			prior = naivePrior
		}
		out = append(out, candidate{name, p.seasons * m, each(p.run), prior})
		if m == 1 {
			break // without a season they are all much the same
		}
	}
	return out
}

// profiler makes the profiles of one season. Several models ask for the median of the same past, so that it is kept by the number of values.
type profiler struct {
	season  int
	medians map[int][]float64
}

// recentSeasons bounds what the profiles look back on.
const recentSeasons = 14

// phase gives the values of past seasons of the next season's phase p, latest first, in into.
func (f *profiler) phase(y []float64, p int, into []float64) []float64 {
	into = into[:0]
	for at := len(y) - f.season + p; at >= 0 && len(into) < recentSeasons; at -= f.season {
		into = append(into, y[at])
	}
	return into
}

// median is that of the last seasons, each phase by itself.
func (f *profiler) median(y []float64) []float64 {
	if known, ok := f.medians[len(y)]; ok {
		return known
	}
	out, values := make([]float64, f.season), make([]float64, 0, recentSeasons)
	for p := range out {
		values = f.phase(y, p, values)
		slices.Sort(values)
		out[p] = quantile(values, 0.5)
	}
	f.medians[len(y)] = out
	return out
}

// fading is the weight of a season relative to the next.
const fading = 0.75

// mean is that of the last seasons with fading weights.
func (f *profiler) mean(y []float64) []float64 {
	out, values := make([]float64, f.season), make([]float64, 0, recentSeasons)
	for p := range out {
		values = f.phase(y, p, values)
		var sum, weights float64
		w := 1.0
		for _, v := range values {
			sum, weights, w = sum+w*v, weights+w, w*fading
		}
		out[p] = sum / weights
	}
	return out
}

// levelKept is what remains of the last level's distance from the usual one after a season.
const levelKept = 0.7

// atLevel scales the median profile to the last season's level; the factor returns to 1.
func (f *profiler) atLevel(y []float64, h int) []float64 {
	profile := f.median(y)
	var last, usual float64
	for p, v := range profile {
		last, usual = last+y[len(y)-f.season+p], usual+v
	}
	return scaleTo(repeat(profile, h), last, usual, math.Sqrt(levelKept), math.Pow(levelKept, 1/float64(f.season)))
}

// atRecent scales halfNaive to the level of the season's last quarter; the factor is halved twice a season.
func (f *profiler) atRecent(y []float64, h int) []float64 {
	profile := f.median(y)
	var last, usual float64
	for i := 1; i <= max(1, f.season/4); i++ {
		last, usual = last+y[len(y)-i], usual+profile[f.season-i]
	}
	return scaleTo(f.halfNaive(y, h), last, usual, math.Pow(0.5, 0.25), math.Pow(0.25, 1/float64(f.season)))
}

// halfNaive is between the last season and the median one.
func (f *profiler) halfNaive(y []float64, h int) []float64 {
	out := repeat(f.median(y), h)
	for i := range out {
		out[i] = (out[i] + y[len(y)-f.season+i%f.season]) / 2
	}
	return out
}

// scaleTo multiplies by last/usual, within a factor of e, to the power of kept, which falls by ebb a step.
func scaleTo(out []float64, last, usual, kept, ebb float64) []float64 {
	if usual <= 0 || last <= 0 {
		return out
	}
	log := min(max(math.Log(last/usual), -1), 1) * kept
	for i := range out {
		out[i] *= math.Exp(log)
		log *= ebb
	}
	return out
}
