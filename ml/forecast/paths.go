package forecast

import (
	"math"
	"math/rand/v2"
	"slices"
	"sort"
)

// Totals are simulated: so many futures, each of which also happens with its errors the other way round: a back-test of a few forecasts that were all
// too low says how far totals stray, and not to which side. The seed is fixed: the same series has the same totals.
const (
	futures  = 250
	pathSeed = 1
)

// future is one way in which the errors of a forecast may go on: a mixture of two of the back-test's, of which each is followed step by step, and
// a little of an autoregressive course, as wide as few errors leave open.
type future struct {
	rows       [2]int
	parts      [2]float64 // their squares add up to what the course leaves
	wide       float64
	shared, ar float64 // the course
	error      float64 // of the total
}

// courseWeight is how many independent totals the course counts as, beside those of the back-test.
const courseWeight = 1

// simulate fills in the bounds of totals: the quantiles of the sums of simulated errors. What the back-test missed keeps its order within a
// future, so that errors that hang together add up and those that take turns cancel out.
func (f *Forecast) simulate(c *calibration) {
	random := rand.New(rand.NewPCG(pathSeed, futures)) //nolint:gosec // the same seed is to give the same totals
	paths, course := c.begin(random), c.course()
	fresh := math.Sqrt(1 - c.ebb*c.ebb)
	shared, own := math.Sqrt(c.shared), math.Sqrt(1-c.shared)
	sizes := make([]float64, futures)
	total := 0.0
	for k, v := range f.Mean {
		scale := c.scale(v, k)
		for i := range paths { // in the order of the step before: hardly any has to move
			p := &paths[i]
			e := course * (shared*p.shared + own*p.ar)
			for j := range p.rows {
				e += p.parts[j] * c.follow(&p.rows[j], k, random)
			}
			p.ar = c.ebb*p.ar + fresh*random.NormFloat64()
			p.error += scale * p.wide * e
			size := math.Abs(p.error)
			for j := i; j > 0 && math.Abs(paths[j-1].error) > size; j-- {
				paths[j-1], paths[j] = paths[j], paths[j-1]
			}
		}
		for i := range paths {
			sizes[i] = math.Abs(paths[i].error)
		}
		total += v
		f.Total = append(f.Total, total)
		for _, b := range []struct {
			held    float64
			low, hi *[]float64
		}{{0.8, &f.TotalLo80, &f.TotalHi80}, {0.95, &f.TotalLo95, &f.TotalHi95}} {
			size := quantile(sizes, b.held)
			*b.low, *b.hi = append(*b.low, min(total, c.clip(total-size))), append(*b.hi, total+size)
		}
	}
	if c.nonnegative {
		f.neverFalls()
	}
}

// neverFalls widens the bounds of totals where they fall from a step to the next: a total that only grows was above its later lower bound before, and is
// above its earlier upper one later.
func (f *Forecast) neverFalls() {
	for _, low := range [][]float64{f.TotalLo80, f.TotalLo95} {
		for k := len(low) - 2; k >= 0; k-- {
			low[k] = min(low[k], low[k+1])
		}
	}
	for _, high := range [][]float64{f.TotalHi80, f.TotalHi95} {
		for k := 1; k < len(high); k++ {
			high[k] = max(high[k], high[k-1])
		}
	}
}

// begin draws the futures. Their widths are those of Student's t for as many independent totals as the back-test is worth.
func (c *calibration) begin(random *rand.Rand) []future {
	tested := math.Sqrt(c.independent / (c.independent + courseWeight))
	freedom := max(2, int(math.Round(freedomOf(c.independent))))
	out := make([]future, futures)
	for i := range out {
		share, square := random.Float64(), 0.0
		for range freedom {
			z := random.NormFloat64()
			square += z * z
		}
		out[i] = future{
			rows:   [2]int{random.IntN(len(c.rows)), random.IntN(len(c.rows))},
			parts:  [2]float64{tested * math.Sqrt(share), tested * math.Sqrt(1-share)},
			wide:   leftOut * math.Sqrt(float64(freedom)/square),
			shared: random.NormFloat64(), ar: random.NormFloat64(),
		}
	}
	return out
}

// course is the size of the autoregressive course: what the back-test's errors leave of their own size.
func (c *calibration) course() float64 {
	var sizes []float64
	for _, row := range c.rows {
		sizes = append(sizes, absolute(row)...)
	}
	slices.Sort(sizes)
	return quantile(sizes, 0.8) / normal80 * math.Sqrt(courseWeight/(c.independent+courseWeight))
}

// follow is the error of a back-tested forecast at a step. The older ones were longer: where one ends, another of those that go on does, and beyond
// the longest they begin anew.
func (c *calibration) follow(row *int, k int, random *rand.Rand) float64 {
	if longest := len(c.rows[len(c.rows)-1]); k >= longest {
		k %= longest
	}
	if k >= len(c.rows[*row]) {
		from := sort.Search(len(c.rows), func(i int) bool { return len(c.rows[i]) > k })
		*row = from + random.IntN(len(c.rows)-from)
	}
	return c.rows[*row][k]
}
