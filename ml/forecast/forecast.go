// Package forecast says how a series goes on, with intervals that hold: a pool of models, weighed by how they did on
// the series' own past, and intervals from the errors that the same mixture made there.
package forecast

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Options say what to forecast. H is the number of steps; Season is the steps of a season, 1 for none; Season2 that of
// a longer one, 0 for none.
type Options struct{ H, Season, Season2 int }

// The bounds of Options and of a series.
const (
	maxSteps  = 100_000
	maxSeries = 2_000_000
	minSeries = 8
	history   = 3000 // values that models look back on at most
)

// Forecast is what is expected of each step, with the bounds that 80 and 95 of 100 stay within. Totals
// are cumulative.
type Forecast struct {
	Mean, Lo80, Hi80, Lo95, Hi95 []float64
	Total, TotalLo80, TotalHi80  []float64
	Weights                      map[string]float64 // of the models
	Origins                      int                // of the back-test
}

// ErrShort says that a series is too short to say anything.
var ErrShort = errors.New("too short to forecast")

// Run forecasts a series of evenly spaced, finite values, oldest first.
func Run(y []float64, o Options) (Forecast, error) {
	if o.H < 1 || o.H > maxSteps || o.Season < 1 || o.Season > maxSteps || o.Season2 < 0 || o.Season2 > maxSteps {
		return Forecast{}, fmt.Errorf("steps and seasons must be within 1 and %d", maxSteps)
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
	}
	y = y[max(0, len(y)-max(history, recentSeasons*max(o.Season, o.Season2)+o.H)):]
	m := candidates(len(y), o)
	b := backtest(y, m, o)
	weights := weigh(b, m)
	f := Forecast{Mean: mix(runAll(m, y, o.H), weights), Weights: map[string]float64{}, Origins: len(b.origins)}
	for i, c := range m {
		f.Weights[c.name] += weights[i]
	}
	positive := slices.Min(y) >= 0
	f.intervals(b.errors(weights), y, o, positive)
	return f, nil
}

// candidate is a model with its season.
type candidate struct {
	model
	season int
}

// candidates are the models that a series of n values can feed.
func candidates(n int, o Options) []candidate {
	var out []candidate
	seasons := []int{o.Season}
	if o.Season2 > o.Season {
		seasons = append(seasons, o.Season2)
	}
	for _, s := range seasons {
		for _, m := range pool {
			if n >= m.seasons*s && (m.seasons > 0 || s == o.Season) {
				name := m.name
				if s != o.Season {
					name = fmt.Sprintf("%s of %d", m.name, s)
				}
				out = append(out, candidate{model{name, m.run, m.seasons}, s})
			}
		}
	}
	return out
}

func runAll(m []candidate, y []float64, h int) [][]float64 {
	out := make([][]float64, len(m))
	for i, c := range m {
		if len(y) >= max(1, c.seasons*c.season) {
			out[i] = c.run(y, c.season, h)
		}
	}
	return out
}

// mix is the weighted mean of the forecasts that are there.
func mix(runs [][]float64, weights []float64) []float64 {
	var out []float64
	total := 0.0
	for i, r := range runs {
		if r == nil || weights[i] == 0 {
			continue
		}
		if out == nil {
			out = make([]float64, len(r))
		}
		total += weights[i]
		for j, v := range r {
			out[j] += weights[i] * v
		}
	}
	for j := range out {
		out[j] /= total
	}
	return out
}

// tested is the past forecast again from several origins.
type tested struct {
	origins []int
	runs    [][][]float64 // by origin, by candidate
	actual  [][]float64   // by origin
}

// The back-test: origins are apart by a part of a season, the oldest leaves two seasons to learn from.
const (
	mostOrigins = 24
	perSeason   = 4
)

func backtest(y []float64, m []candidate, o Options) tested {
	var t tested
	step := max(1, o.Season/perSeason)
	first := max(minSeries-2, 2*o.Season+1, len(y)/3)
	if first >= len(y) {
		first = max(2, len(y)/2, min(o.Season+1, len(y)-1))
	}
	if most := (len(y) - first) / step; most > mostOrigins {
		step = (len(y) - first) / mostOrigins
	}
	for at := len(y) - step; at >= first; at -= step {
		h := min(o.H, len(y)-at)
		t.origins = append(t.origins, at)
		t.runs = append(t.runs, runAll(m, y[:at], h))
		t.actual = append(t.actual, y[at:at+h])
	}
	return t
}

// Weights are (1/mean absolute error)^sharpness, each origin's errors counting recency times those of the
// next. Sharp weights are nearly a choice, which did better than mixtures on series that change their ways.
const (
	sharpness = 32
	recency   = 0.85
)

// weigh gives the candidates their weights from the back-test.
func weigh(t tested, m []candidate) []float64 {
	loss, n := make([]float64, len(m)), make([]float64, len(m))
	for o, runs := range t.runs { // the latest origin comes first
		w := math.Pow(recency, float64(o))
		for i, r := range runs {
			for j, v := range r {
				loss[i] += w * math.Abs(v-t.actual[o][j])
				n[i] += w
			}
		}
	}
	best := math.Inf(1)
	for i := range m {
		if n[i] > 0 {
			loss[i] /= n[i]
			best = min(best, loss[i])
		}
	}
	out := make([]float64, len(m))
	sum := 0.0
	for i := range m {
		switch {
		case math.IsInf(best, 1): // nothing could be tested
			out[i] = 1
		case n[i] > 0:
			out[i] = math.Pow((best+1e-12)/(loss[i]+1e-12), sharpness)
		}
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}
