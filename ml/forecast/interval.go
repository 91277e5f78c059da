package forecast

import (
	"math"
	"slices"
)

// miss is the error of one back-tested step.
type miss struct {
	step           int
	actual, fitted float64
	total          float64 // of the steps up to it: actual minus fitted
}

// errors gives what the mixture missed, by origin.
func (t tested) errors(weights []float64) [][]miss {
	out := make([][]miss, 0, len(t.runs))
	for o, runs := range t.runs {
		fitted := mix(runs, weights)
		var row []miss
		total := 0.0
		for j, v := range fitted {
			total += t.actual[o][j] - v
			row = append(row, miss{j, t.actual[o][j], v, total})
		}
		out = append(out, row)
	}
	return out
}

// Intervals are conformal (Vovk et al.; split form): quantiles of the back-test's errors, in units of a
// scale that grows with the level, widened for the few origins that a short history gives.
const (
	widen      = 1.12
	widenTail  = 1.25
	widenTotal = 0.8 // cumulative errors of overlapping origins repeat each other
)

func (f *Forecast) intervals(misses [][]miss, y []float64, o Options, positive bool) {
	floor := 0.05*mean(absolute(y)) + 1e-9
	scale := func(level float64) float64 { return math.Sqrt(math.Abs(level)+floor) * math.Sqrt(floor*20) }
	var scores []float64
	for _, row := range misses {
		for _, m := range row {
			scores = append(scores, (m.actual-m.fitted)/scale(m.fitted))
		}
	}
	if len(scores) < 4 { // nothing was tested: the spread of the series itself
		center := median(y)
		for _, v := range y {
			scores = append(scores, (v-center)/scale(center))
		}
	}
	slices.Sort(scores)
	lo80, hi80 := widen*quantile(scores, 0.1), widen*quantile(scores, 0.9)
	lo95, hi95 := widenTail*quantile(scores, 0.025), widenTail*quantile(scores, 0.975)
	clip := func(v float64) float64 {
		if positive {
			return max(0, v)
		}
		return v
	}
	total := 0.0
	spread := totalSpread(misses, y, o)
	for i, v := range f.Mean {
		v = clip(v)
		f.Mean[i] = v
		s := scale(v)
		f.Lo80, f.Hi80 = append(f.Lo80, clip(min(v, v+lo80*s))), append(f.Hi80, max(v, v+hi80*s))
		f.Lo95, f.Hi95 = append(f.Lo95, clip(min(f.Lo80[i], v+lo95*s))), append(f.Hi95, max(f.Hi80[i], v+hi95*s))
		total += v
		f.Total = append(f.Total, total)
		w := spread(i + 1)
		f.TotalLo80, f.TotalHi80 = append(f.TotalLo80, clip(total-w)), append(f.TotalHi80, total+w)
	}
}

// totalSpread fits the size of cumulative errors as c·k^p over the steps k, from the back-test, and
// gives the half width that 80 of 100 stay within.
func totalSpread(misses [][]miss, y []float64, o Options) func(k int) float64 {
	const normal80 = 1.2816
	var xs, ys []float64
	for k := 1; k <= o.H; k = k*5/4 + 1 {
		var sum, n float64
		for _, row := range misses {
			if len(row) >= k {
				sum += math.Abs(row[k-1].total)
				n++
			}
		}
		if n >= 3 && sum > 0 {
			xs, ys = append(xs, math.Log(float64(k))), append(ys, math.Log(sum/n*1.2533)) // mean absolute to deviation
		}
	}
	deviation := func(v []float64) float64 {
		m, s := mean(v), 0.0
		for _, x := range v {
			s += (x - m) * (x - m)
		}
		return math.Sqrt(s / float64(len(v)))
	}
	if len(xs) < 2 {
		d := deviation(y)
		return func(k int) float64 { return normal80 * widenTail * d * math.Pow(float64(k), 0.75) }
	}
	mx, my := mean(xs), mean(ys)
	var xy, xx float64
	for i := range xs {
		xy += (xs[i] - mx) * (ys[i] - my)
		xx += (xs[i] - mx) * (xs[i] - mx)
	}
	p := min(max(xy/xx, 0.5), 1)
	c := my - p*mx
	return func(k int) float64 { return normal80 * widenTotal * math.Exp(c+p*math.Log(float64(k))) }
}

func absolute(v []float64) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = math.Abs(x)
	}
	return out
}
