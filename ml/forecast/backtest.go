package forecast

import (
	"math"
	"slices"
)

// tested is the past forecast again from several origins, the latest first.
type tested struct {
	pool    []candidate
	next    [][]float64 // by candidate: from the series' end
	origins []int
	runs    [][][]float64 // by origin, by candidate; nil where the past was too short
	actual  [][]float64   // by origin
	loss    [][]float64   // by origin, by candidate: the sum of absolute errors
	kept    float64       // of the mixture; the rest is the last season
}

// naive is the place of seasonal naive in the pool.
func (t tested) naive() int {
	return slices.IndexFunc(t.pool, func(c candidate) bool { return c.name == naiveName })
}

// The test of a gain: how many origins it takes, and standard errors of which nothing is kept.
const (
	gainFrom   = 4
	gainErrors = 0.5
)

// gains is how much of the mixture is kept, the rest being the last value repeated: 1 - (s/2g)² of a mean gain g with the standard error s, and nothing of what
// gains less than half of that (after the positive part of James and Stein's estimator, 1961). The gain is that of mean absolute errors, of
// mixtures that the origin had no say in; as many origins are independent as forecasts fit into the tested steps.
func (t tested) gains() float64 {
	n := float64(len(t.origins))
	if n < gainFrom {
		return 1
	}
	naive := t.naive()
	var mean, square float64
	longest := 0
	for o, row := range t.errors() {
		gain := t.loss[o][naive]
		for _, m := range row {
			gain -= math.Abs(m.actual - m.fitted)
		}
		gain /= float64(len(row))
		mean += gain / n
		square += gain * gain / n
		longest = max(longest, len(row))
	}
	if mean <= 0 {
		return 0
	}
	span := float64(t.origins[0] + len(t.actual[0]) - t.origins[len(t.origins)-1])
	independent := min(n, max(1, span/float64(longest)))
	return max(0, 1-gainErrors*gainErrors*(square-mean*mean)*n/(n-1)/independent/(mean*mean))
}

// The back-test: origins are apart by a part of a season, the oldest leaves two seasons to learn from.
const (
	mostOrigins = 24
	perSeason   = 4
)

func backtest(y []float64, pool []candidate, o Options) tested {
	t := tested{pool: pool, kept: 1}
	step := max(1, o.Season/perSeason)
	first := max(minSeries-2, 2*o.Season+1, len(y)/3)
	if first >= len(y) {
		first = max(2, len(y)/2, min(o.Season+1, len(y)-1))
	}
	if most := (len(y) - first) / step; most > mostOrigins {
		step = (len(y) - first) / mostOrigins
	}
	ends := []int{len(y)}
	for at := len(y) - step; at >= first; at -= step {
		ends = append(ends, at)
	}
	slices.Reverse(ends) // the oldest first
	runs := make([][][]float64, len(pool))
	for i, c := range pool {
		runs[i] = c.runs(y, ends, o.H)
		t.next = append(t.next, runs[i][len(ends)-1])
	}
	for e := len(ends) - 2; e >= 0; e-- {
		at := ends[e]
		h := min(o.H, len(y)-at)
		actual, loss, tried := y[at:at+h], make([]float64, len(pool)), make([][]float64, len(pool))
		for i := range pool {
			if runs[i][e] == nil {
				continue
			}
			tried[i] = runs[i][e][:h]
			for j, v := range tried[i] {
				loss[i] += math.Abs(v - actual[j])
			}
		}
		t.origins, t.runs = append(t.origins, at), append(t.runs, tried)
		t.actual, t.loss = append(t.actual, actual), append(t.loss, loss)
	}
	if o.Season == 1 { // of a walk nobody knows more than its last value; seasons are worth averaging
		t.kept = t.gains()
	}
	return t
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
	if out == nil { // what has a weight could not be run
		return runs[slices.IndexFunc(runs, func(r []float64) bool { return r != nil })]
	}
	for j := range out {
		out[j] /= total
	}
	return out
}

// Weights are prior·(1/mean absolute error)^sharpness; an origin's errors count recency times those of the next. Sharp weights are
// nearly a choice: right where much was tested, so that the sharpness grows with the steps that were.
const (
	sharpest = 32.0
	halfway  = 120.0 // tested steps at which the weights are half as sharp
	recency  = 0.85
)

// weigh gives the candidates their weights from the back-test, as if origin without had not been tested; -1 for all. What did not show a gain
// gives its part to the last season.
func (t tested) weigh(without int) []float64 {
	out := t.compare(without)
	if t.kept < 1 {
		for i := range out {
			out[i] *= t.kept
		}
		out[t.naive()] += 1 - t.kept
	}
	return out
}

// compare weighs the candidates by their errors alone.
func (t tested) compare(without int) []float64 {
	loss, n := make([]float64, len(t.pool)), make([]float64, len(t.pool))
	steps := 0.0
	for o, runs := range t.runs {
		if o == without {
			continue
		}
		steps = max(steps, float64(t.origins[0]+len(t.actual[0])-t.origins[o]))
		w := math.Pow(recency, float64(o))
		for i, r := range runs {
			if r != nil {
				loss[i] += w * t.loss[o][i]
				n[i] += w * float64(len(r))
			}
		}
	}
	best := math.Inf(1)
	for i := range loss {
		if n[i] > 0 {
			loss[i] /= n[i]
			best = min(best, loss[i])
		}
	}
	sharpness := sharpest * steps / (steps + halfway)
	out := make([]float64, len(t.pool))
	sum := 0.0
	for i, c := range t.pool {
		switch {
		case math.IsInf(best, 1): // nothing could be tested
			out[i] = c.prior
		case n[i] > 0:
			out[i] = c.prior * math.Pow((best+1e-12)/(loss[i]+1e-12), sharpness)
		}
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}

// miss is the error of one back-tested step.
type miss struct{ actual, fitted float64 }

// errors gives by origin what the mixture missed. Each origin's mixture is weighed by the other origins: errors that
// had a say in the weights would look better than what is to come.
func (t tested) errors() [][]miss {
	out := make([][]miss, 0, len(t.runs))
	for o, runs := range t.runs {
		var row []miss
		for j, v := range mix(runs, t.weigh(o)) {
			row = append(row, miss{t.actual[o][j], v})
		}
		out = append(out, row)
	}
	return out
}
