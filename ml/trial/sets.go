// Package trial puts forecasts to the test: made sets of series of the kinds that a bill has, and a judge of accuracy
// and coverage.
package trial

import (
	"math"
	"math/rand/v2"

	"github.com/saas-sentinel/saas-sentinel/ml/series"
)

// Case is one series whose end is held back: the last H of Values are to be forecast from those before.
type Case struct {
	Set, Name       string
	Values          []float64
	H               int
	Season, Season2 int // steps; 1 for none, and 0 for no second one
}

// Train is what a forecaster may see.
func (c Case) Train() []float64 { return c.Values[:len(c.Values)-c.H] }

// Held is what it has to say.
func (c Case) Held() []float64 { return c.Values[len(c.Values)-c.H:] }

// Clients gives the clients with fourteen days, whose last two are to be forecast by the hour from the twelve before. Those without a call an hour
// of seasonal change have nothing to scale errors by, and are left out.
func Clients(rates []series.Rates) (out []Case) {
	const learnt, h = 12 * 24, 48
	for _, c := range rates {
		if len(c.Hourly) < learnt+h {
			continue
		}
		one := Case{Set: "clients by the hour", Name: c.Name, Values: c.Hourly[:learnt+h], H: h, Season: 24, Season2: 168}
		if scale, ok := one.scale(); ok && scale >= 1 {
			out = append(out, one)
		}
	}
	return out
}

// kind makes one series of n values.
type kind struct {
	name            string
	n, h            int // values to learn from; the shortest of a range
	more            int // at most so many besides
	season, season2 int
	value           func(r *rand.Rand, n int) []float64
}

// Made gives count series of every kind. The same seed gives the same series.
func Made(count int, seed uint64) []Case {
	var out []Case
	for k, of := range kinds {
		for i := range count {
			r := rand.New(rand.NewPCG(seed, uint64(k*100_000+i))) //nolint:gosec // the same seed is to give the same series
			n := of.n + r.IntN(of.more+1) + of.h
			out = append(out, Case{Set: of.name, Values: of.value(r, n), H: of.h, Season: of.season, Season2: of.season2})
		}
	}
	return out
}

// kinds are processes with drawn parameters: none is what a model of the pool assumes in all its parts.
var kinds = []kind{
	{"daily wave", 240, 48, 120, 24, 0, func(r *rand.Rand, n int) []float64 {
		return scaled(r, add(wave(r, n, 24, 0.5), noise(r, n, 0.15, 0.5)), 200)
	}},
	{"day and week", 504, 48, 336, 24, 168, func(r *rand.Rand, n int) []float64 {
		return scaled(r, add(wave(r, n, 24, 0.5), wave(r, n, 168, 0.4), noise(r, n, 0.15, 0.5)), 1000)
	}},
	{"counts with zeros", 240, 48, 120, 24, 0, func(r *rand.Rand, n int) []float64 {
		rate := scaled(r, add(wave(r, n, 24, 0.8), noise(r, n, 0.3, 0.7)), 1.5)
		return counted(r, rate)
	}},
	{"intermittent", 200, 28, 200, 7, 0, func(r *rand.Rand, n int) []float64 {
		chance, size := 0.05+0.3*r.Float64(), 1+9*r.Float64()
		out := make([]float64, n)
		for i := range out {
			if r.Float64() < chance {
				out[i] = math.Ceil(size * r.ExpFloat64())
			}
		}
		return out
	}},
	{"random walk", 60, 12, 200, 1, 0, func(r *rand.Rand, n int) []float64 { return walk(r, n, 0.1*r.NormFloat64(), 1) }},
	{"walk by month", 60, 18, 80, 12, 0, func(r *rand.Rand, n int) []float64 {
		level := walk(r, n, 0.01*r.NormFloat64(), 0.03)
		return exponential(r, add(level, wave(r, n, 12, 0.25), noise(r, n, 0.04, 0)), 500)
	}},
	{"quarters with a trend", 20, 8, 40, 4, 0, func(r *rand.Rand, n int) []float64 {
		level := walk(r, n, 0.015*(1+r.NormFloat64()), 0.02)
		return exponential(r, add(level, wave(r, n, 4, 0.15), noise(r, n, 0.03, 0)), 900)
	}},
	{"years", 14, 6, 26, 1, 0, func(r *rand.Rand, n int) []float64 {
		return exponential(r, add(walk(r, n, 0.03*(1+r.NormFloat64()), 0.06), noise(r, n, 0.03, 0)), 3000)
	}},
	{"days of a week", 70, 14, 120, 7, 0, func(r *rand.Rand, n int) []float64 {
		return exponential(r, add(walk(r, n, 0, 0.03), wave(r, n, 7, 0.3), noise(r, n, 0.08, 0.3)), 400)
	}},
	{"level shifts", 288, 48, 48, 24, 168, func(r *rand.Rand, n int) []float64 {
		level := make([]float64, n)
		for i := 1; i < n; i++ {
			if level[i] = level[i-1]; r.Float64() < 0.008 {
				level[i] = 0.6 * r.NormFloat64()
			}
		}
		return exponential(r, add(level, wave(r, n, 24, 0.4), noise(r, n, 0.1, 0.5)), 100)
	}},
	{"three days", 72, 24, 0, 24, 168, func(r *rand.Rand, n int) []float64 {
		return scaled(r, add(wave(r, n, 24, 0.5), noise(r, n, 0.15, 0.7)), 300)
	}},
	{"one week", 168, 72, 0, 24, 168, func(r *rand.Rand, n int) []float64 {
		return exponential(r, add(wave(r, n, 24, 0.5), noise(r, n, 0.2, 0.8)), 300)
	}},
	{"growth", 240, 72, 200, 24, 0, func(r *rand.Rand, n int) []float64 {
		level := walk(r, n, 0.004*r.Float64(), 0.005)
		return exponential(r, add(level, wave(r, n, 24, 0.3), noise(r, n, 0.1, 0.3)), 50)
	}},
	{"white noise", 60, 24, 200, 12, 0, func(r *rand.Rand, n int) []float64 { return noise(r, n, 10, 0) }},
	{"bursts", 288, 48, 48, 24, 168, func(r *rand.Rand, n int) []float64 {
		rate := exponential(r, add(wave(r, n, 24, 0.5), noise(r, n, 0.2, 0.6)), 100)
		for i := range rate {
			if r.Float64() < 0.02 {
				rate[i] *= 2 + 6*r.ExpFloat64()
			}
		}
		return counted(r, rate)
	}},
}

// wave is a season of random form: three harmonics of the given size in all.
func wave(r *rand.Rand, n, season int, size float64) []float64 {
	out := make([]float64, n)
	for h := 1.0; h <= 3 && 2*h <= float64(season); h++ {
		part, phase := size/h*(0.5+r.Float64()), 2*math.Pi*r.Float64()
		for i := range out {
			out[i] += part * math.Sin(2*math.Pi*h*float64(i)/float64(season)+phase)
		}
	}
	return out
}

// noise is autoregressive of first order, its parameter drawn from 0 to memory; the tails are those of Student's t with six
// degrees of freedom.
func noise(r *rand.Rand, n int, size, memory float64) []float64 {
	out := make([]float64, n)
	phi, last := memory*r.Float64(), 0.0
	for i := range out {
		chi := 0.0
		for range 6 {
			z := r.NormFloat64()
			chi += z * z / 6
		}
		last = phi*last + size*math.Sqrt(1-phi*phi)*r.NormFloat64()/math.Sqrt(1.5*chi)
		out[i] = last
	}
	return out
}

func walk(r *rand.Rand, n int, drift, size float64) []float64 {
	out := make([]float64, n)
	for i := 1; i < n; i++ {
		out[i] = out[i-1] + drift + size*r.NormFloat64()
	}
	return out
}

func add(parts ...[]float64) []float64 {
	out := make([]float64, len(parts[0]))
	for _, p := range parts {
		for i, v := range p {
			out[i] += v
		}
	}
	return out
}

// scaled is level·(1+x), not below 0; the level is drawn within a factor of e of the given one.
func scaled(r *rand.Rand, x []float64, level float64) []float64 {
	level *= math.Exp(2*r.Float64() - 1)
	for i := range x {
		x[i] = max(0, level*(1+x[i]))
	}
	return x
}

// exponential is level·exp(x).
func exponential(r *rand.Rand, x []float64, level float64) []float64 {
	level *= math.Exp(2*r.Float64() - 1)
	for i := range x {
		x[i] = level * math.Exp(x[i])
	}
	return x
}

// counted draws counts of the given rates (Poisson; above 50 its normal approximation).
func counted(r *rand.Rand, rate []float64) []float64 {
	out := make([]float64, len(rate))
	for i, l := range rate {
		if l > 50 {
			out[i] = max(0, math.Round(l+math.Sqrt(l)*r.NormFloat64()))
			continue
		}
		for p := r.Float64(); p > math.Exp(-l); p *= r.Float64() {
			out[i]++
		}
	}
	return out
}
