package forecast

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// calibration is how far values stray from the forecast, learnt from the back-test: the error at step k of a level is
// (|level| + floor)^power · k^growth times a draw from quantiles. Errors of one forecast hang together, so those of totals are simulated from rows.
type calibration struct {
	floor, power float64 // of size: (|level| + floor)^power
	growth       float64 // of the error over the steps: k^growth
	quantiles    []float64
	rows         [][]float64 // the errors by origin, the latest first, in units of their scale
	independent  float64     // totals that rows are worth
	nonnegative  bool
	shared, ebb  float64 // correlation at lag k: shared + (1 - shared)·ebb^k
}

// points of the quantile function, at (i + ½)/points.
const points = 200

// calibrate learns from the errors of the back-test; y is what was forecast from, and what is left where nothing was tested.
func calibrate(t tested, y []float64, o Options) calibration {
	c := calibration{floor: 0.05*mean(absolute(y)) + 1e-9}
	misses := t.errors()
	var all int
	for _, row := range misses {
		all += len(row)
	}
	if all < 4 { // nothing was tested: the spread of the series itself, growing as a walk of half of it
		center := median(y)
		row := make([]miss, len(y))
		for i, v := range y {
			row[i] = miss{v, center}
		}
		misses = [][]miss{row}
		c.growth, c.shared, c.ebb = 0.2, 0.3, 0.7
		c.rows, c.independent = c.scores(misses), 3
		c.quantiles = spread(c.rows, c.independent)
		return c
	}
	c.fitSize(misses)
	c.fitGrowth(misses)
	c.rows = c.scores(misses)
	span := float64(t.origins[0] + len(t.actual[0]) - t.origins[len(t.origins)-1])
	c.quantiles = spread(c.rows, span)
	c.fitCorrelation(misses, span)
	longest := float64(len(c.rows[len(c.rows)-1]))
	clump := c.clumping(int(longest))
	c.quantiles, c.independent = spread(c.rows, span/clump), span/max(clump, longest/totalsPerHorizon)
	return c
}

// scale is the size of errors at step k (from 0) of a level.
func (c *calibration) scale(level float64, k int) float64 {
	return math.Pow(math.Abs(level)+c.floor, c.power) * math.Pow(float64(k+1), c.growth)
}

// scores are the errors in units of their scale.
func (c *calibration) scores(misses [][]miss) [][]float64 {
	out := make([][]float64, len(misses))
	for o, row := range misses {
		for k, m := range row {
			out[o] = append(out[o], (m.actual-m.fitted)/c.scale(m.fitted, k))
		}
	}
	return out
}

// fitSize chooses how errors grow with the level by the likelihood of Laplace's distribution.
func (c *calibration) fitSize(misses [][]miss) {
	best := math.Inf(1)
	for _, power := range []float64{0, 0.25, 0.5, 0.75, 1} {
		var logs, sum, n float64
		for _, row := range misses {
			for _, m := range row {
				s := math.Pow(math.Abs(m.fitted)+c.floor, power)
				logs += math.Log(s)
				sum += math.Abs(m.actual-m.fitted) / s
				n++
			}
		}
		if cost := logs/n + math.Log(sum/n+1e-300); cost < best {
			best, c.power = cost, power
		}
	}
}

// The prior of growth: errors of a forecast that repeats a level grow slowly; it counts as so many steps.
const (
	usualGrowth  = 0.3
	growthWeight = 0.3
)

// fitGrowth is the regression of the log of mean errors on the log of the step.
func (c *calibration) fitGrowth(misses [][]miss) {
	c.growth = 0
	scores := c.scores(misses)
	var xs, ys, ws []float64
	for k := 1; ; k = k*5/4 + 1 {
		var sum, n float64
		for _, row := range scores {
			for j := k * 4 / 5; j < min(k, len(row)); j++ {
				sum += math.Abs(row[j])
				n++
			}
		}
		if n == 0 {
			break
		}
		if sum > 0 {
			xs, ys, ws = append(xs, math.Log(float64(k))), append(ys, math.Log(sum/n)), append(ws, math.Sqrt(n))
		}
	}
	var w, mx, my float64
	for i := range xs {
		w, mx, my = w+ws[i], mx+ws[i]*xs[i], my+ws[i]*ys[i]
	}
	if w == 0 {
		return
	}
	mx, my = mx/w, my/w
	xy, xx := usualGrowth*growthWeight, growthWeight
	for i := range xs {
		xy += ws[i] / w * (xs[i] - mx) * (ys[i] - my)
		xx += ws[i] / w * (xs[i] - mx) * (xs[i] - mx)
	}
	c.growth = min(max(xy/xx, 0), 1)
}

// fitCorrelation finds how the errors of one forecast hang together, from how their sums grow with the steps.
func (c *calibration) fitCorrelation(misses [][]miss, span float64) {
	type sample struct {
		k           int
		ratio, seen float64
	}
	square := 0.0
	for _, q := range c.quantiles {
		square += q * q / points
	}
	var samples []sample
	for k := 2; ; k *= 2 {
		var sums, squares, n float64
		for _, row := range misses {
			if len(row) < k {
				continue
			}
			n++
			total := 0.0
			for j, m := range row[:k] {
				total += m.actual - m.fitted
				s := c.scale(m.fitted, j)
				squares += square * s * s
			}
			sums += math.Abs(total)
		}
		if n == 0 || squares == 0 {
			break
		}
		deviation := absoluteToDeviation * sums / n
		samples = append(samples, sample{k, deviation * deviation / (squares / n), span / float64(k)})
	}
	best := math.Inf(1)
	for _, shared := range []float64{0, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8} {
		for _, ebb := range []float64{0, 0.3, 0.6, 0.8, 0.9, 0.95, 0.98} {
			trial := calibration{shared: shared, ebb: ebb}
			cost := (shared-0.2)*(shared-0.2) + (ebb-0.6)*(ebb-0.6)
			for _, s := range samples {
				off := math.Log(trial.clumping(s.k) / max(s.ratio, 1e-3))
				cost += min(s.seen, 8) * off * off / 4
			}
			if cost < best {
				best, c.shared, c.ebb = cost, shared, ebb
			}
		}
	}
}

// clumping is the variance of a sum of k errors over that of independent ones.
func (c *calibration) clumping(k int) float64 {
	n, p := float64(k), c.ebb
	ar := 1.0
	if p > 0 && k > 1 {
		ar = (1+p)/(1-p) - 2*p*(1-math.Pow(p, n))/(n*(1-p)*(1-p))
	}
	return c.shared*n + (1-c.shared)*ar
}

// Of the normal distribution: how many deviations 80 of 100 stay within, and the deviation over the mean absolute error.
const (
	normal80            = 1.2816
	absoluteToDeviation = 1.2533
)

// totalsPerHorizon is how many independent totals one forecast is worth where its errors are independent: a total of h steps shares
// most of them with one of h+1.
const totalsPerHorizon = 6

// leftOut narrows for the whole mixture's errors being smaller than those of mixtures that one origin had no say in. It is a setting
// that the coverage on made series was checked with, and was not estimated by itself.
const leftOut = 0.94

// freedomOf is how many degrees of freedom so many independent errors are worth.
func freedomOf(independent float64) float64 { return max(0.8*independent-2, 1.2) }

// spread is the quantile function of scores that are worth so many independent ones: conformal (Vovk et al.; split
// form), and the fewer the wider, as Student's t is against the normal distribution.
func spread(scores [][]float64, independent float64) []float64 {
	var all []float64
	for _, row := range scores {
		all = append(all, row...)
	}
	sizes := absolute(all)
	slices.Sort(all)
	slices.Sort(sizes)
	size := quantile(sizes, 0.8) / normal80
	student := distuv.StudentsT{Sigma: 1, Nu: freedomOf(independent)}
	trust := independent / (independent + 3)
	out := make([]float64, points)
	for i := range out {
		p := (float64(i) + 0.5) / points
		z, t := distuv.UnitNormal.Quantile(p), student.Quantile(p)
		wide := 1.0
		if z != 0 {
			wide = leftOut * t / z
		}
		out[i] = trust*quantile(all, p)*wide + (1-trust)*size*t
	}
	return out
}

// at reads a quantile function; probabilities beyond its ends are those of its ends.
func at(quantiles []float64, p float64) float64 {
	x := min(max(p*points-0.5, 0), points-1)
	i := min(int(x), points-2)
	return quantiles[i] + (x-float64(i))*(quantiles[i+1]-quantiles[i])
}

// intervals fills in the bounds of steps, from the quantiles of their errors, and of totals.
func (f *Forecast) intervals(t tested, y []float64, o Options) {
	c := calibrate(t, y, o)
	bare := t.bare()
	c.nonnegative = slices.Min(y) >= 0
	for i, v := range f.Mean {
		v = c.clip(v)
		f.Mean[i] = v
		s := c.scale(v, i)
		none := bare.share(v)
		for _, b := range []struct {
			held      float64
			low, high *[]float64
		}{{0.8, &f.Lo80, &f.Hi80}, {0.95, &f.Lo95, &f.Hi95}} {
			out := (1 - b.held) / 2
			low, high := c.bound(c.quantiles, v, s, out), c.bound(c.quantiles, v, s, 1-out)
			if c.nonnegative && (low == 0 || none > 2*out) { // nothing is below
				low, high = 0, c.bound(c.quantiles, v, s, b.held)
			}
			*b.low, *b.high = append(*b.low, low), append(*b.high, high)
		}
	}
	f.simulate(&c)
}

func (c *calibration) clip(v float64) float64 {
	if c.nonnegative {
		return max(0, v)
	}
	return v
}

// bound is the quantile around a middle, never on the other side of it.
func (c *calibration) bound(quantiles []float64, middle, scale, p float64) float64 {
	v := c.clip(middle + scale*at(quantiles, p))
	if p < 0.5 {
		return min(v, middle)
	}
	return max(v, middle)
}

func absolute(v []float64) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = math.Abs(x)
	}
	return out
}

// bare are the back-tested steps by what was forecast, ascending, and whether nothing came.
type bare struct {
	fitted  []float64
	nothing []float64 // running count
}

// bareNear is how many back-tested steps of about the same forecast tell how often nothing comes.
const bareNear = 60

func (t tested) bare() (out bare) {
	var all []miss
	for _, row := range t.errors() {
		all = append(all, row...)
	}
	slices.SortFunc(all, func(a, b miss) int { return cmp.Compare(a.fitted, b.fitted) })
	out.nothing = []float64{0}
	for i, m := range all {
		some := 0.0
		if m.actual == 0 {
			some = 1
		}
		out.fitted, out.nothing = append(out.fitted, m.fitted), append(out.nothing, out.nothing[i]+some)
	}
	return out
}

// share is how often nothing came where about v was forecast: a bound above 0 that is off by little would miss all of these.
func (b bare) share(v float64) float64 {
	if len(b.fitted) < bareNear {
		return 0
	}
	at, _ := slices.BinarySearch(b.fitted, v)
	from := min(max(0, at-bareNear/2), len(b.fitted)-bareNear)
	return (b.nothing[from+bareNear] - b.nothing[from]) / bareNear
}
