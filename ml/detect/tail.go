package detect

import (
	"math"
	"slices"
)

const (
	tailFrom   = 50      // observations before a tail says anything
	tailMin    = 20      // excesses that are kept at least
	tailMax    = 400     // and at most
	tailForget = 1 << 15 // observations after which the older half of the evidence is dropped
	counted    = 8       // with so many larger observations, their number is the estimate
	maxShape   = 0.45    // of the Pareto tail: the variance stays finite
)

// tail estimates how improbable a value of one feature is, from its own past alone: by counting
// where there are enough larger ones, and beyond them by a generalised Pareto distribution of the
// excesses over a high threshold u (Pickands 1975; peaks over threshold as in SPOT, Siffer et al., KDD 2017):
//
//	P(X > x) = N_u/n · (1 + γ(x-u)/σ)^(-1/γ), with γ and σ by moments: γ = ½(1 - m²/s²), σ = m(1-γ).
type tail struct {
	n     int
	share float64   // of the observations that is kept
	top   []float64 // the largest, ascending
}

// survival gives the probability of a value at least as large, 1 while too little is known.
func (t *tail) survival(v float64) float64 {
	if t.n < tailFrom {
		return 1
	}
	m := len(t.top)
	at, _ := slices.BinarySearch(t.top, v)
	larger := m - at
	if at < m/2 {
		return max(0.5, float64(larger)/float64(t.n))
	}
	empirical := (float64(larger) + 0.5) / float64(t.n)
	u := t.top[m/2]
	if larger >= counted || v <= u {
		return empirical
	}
	excess := t.top[m/2:]
	var mean, square float64
	for _, x := range excess {
		mean += x - u
		square += (x - u) * (x - u)
	}
	k := float64(len(excess))
	mean /= k
	if mean <= 0 { // all of the past's largest are equal, and this is larger
		return 0.2 / float64(t.n)
	}
	shape := 0.5 * (1 - mean*mean/max(square/k-mean*mean, math.SmallestNonzeroFloat64))
	shape = min(max(shape, 0), maxShape)
	scale := mean * (1 - shape)
	beyond := math.Exp(-(v - u) / scale)
	if shape > 1e-6 {
		beyond = math.Pow(1+shape*(v-u)/scale, -1/shape)
	}
	return beyond * k / float64(t.n)
}

// add takes one observation in. Old ones lose their weight by halves.
func (t *tail) add(v float64) {
	t.n++
	at, _ := slices.BinarySearch(t.top, v)
	if keep := min(tailMax, tailMin+int(t.share*float64(t.n))); len(t.top) < keep {
		t.top = slices.Insert(t.top, at, v)
	} else if at > 0 {
		copy(t.top[:at-1], t.top[1:at])
		t.top[at-1] = v
	}
	if t.n >= tailForget {
		t.n /= 2
		half := t.top[:0]
		for i := len(t.top) % 2; i < len(t.top); i += 2 {
			half = append(half, t.top[min(i+1, len(t.top)-1)])
		}
		t.top = half
	}
}
