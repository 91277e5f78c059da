package detect

import (
	"math"
	"slices"
)

const (
	maxPeaks   = 32    // excesses that a fit uses
	leastPeaks = 4     // peaks before which a fit is the prior alone
	peakShare  = 0.15  // of the blocks, that count as peaks
	priorShape = 0.10  // of the Pareto tail: the shape that all series share
	priorPeaks = 16    // peaks that the prior weighs as much as
	unfitted   = 2     // times the record, until there are enough peaks
	peakFade   = 0.999 // a block: half in a month of hours
)

// peaks tells how large a statistic has to be to come by chance once in a given number of blocks of time, from the
// series' own past alone: a generalised Pareto tail over a high threshold u, as in SPOT (Siffer et al., KDD 2017), on
// the maxima of blocks, because neighbouring rows are not independent (declustering; Coles 2001, ch. 5):
//
//	z_q = u + σ/γ·((q·N/k)^(-γ) - 1)
//
// with N blocks, k of them over u, and γ and σ by the moments of the excesses, γ shrunk to a prior that all series share.
type peaks struct {
	block  int64
	most   float64 // in the current block
	blocks float64
	top    [maxPeaks + 1]float64 // descending
	n      int
	limit  float64 // cached z_q
}

// add takes a statistic in; when a block ends its maximum joins the peaks and the limit is fitted again.
func (p *peaks) add(block int64, size, risk float64) {
	if block != p.block {
		p.commit(risk)
		p.block, p.most = block, 0
	}
	p.most = max(p.most, size)
}

func (p *peaks) commit(risk float64) {
	p.blocks++
	for i := range p.n {
		p.top[i] *= peakFade
	}
	at, _ := slices.BinarySearchFunc(p.top[:p.n], p.most, func(a, b float64) int {
		switch {
		case a > b:
			return -1
		case a < b:
			return 1
		}
		return 0
	})
	if at < len(p.top) {
		p.n = min(p.n+1, len(p.top))
		copy(p.top[at+1:p.n], p.top[at:p.n-1])
		p.top[at] = p.most
	}
	p.limit = p.quantile(risk)
}

// record is the largest block but the current one.
func (p *peaks) record() float64 { return p.top[0] }

// quantile is what a block exceeds with probability risk.
func (p *peaks) quantile(risk float64) float64 {
	k := min(p.n-1, maxPeaks, int(peakShare*p.blocks))
	if k < leastPeaks {
		return unfitted * p.record()
	}
	u, mean, square := p.top[k], 0.0, 0.0
	for _, x := range p.top[:k] {
		mean += (x - u) / float64(k)
		square += (x - u) * (x - u) / float64(k)
	}
	if mean <= 0 {
		return u
	}
	shape := 0.5 * (1 - mean*mean/max(square-mean*mean, 1e-9*mean*mean))
	shape = (float64(k)*shape + priorPeaks*priorShape) / float64(k+priorPeaks)
	shape = min(max(shape, 0), maxShape)
	scale := mean * (1 - shape)
	r := risk * p.blocks / float64(k)
	if r >= 1 {
		return u
	}
	if shape < 1e-6 {
		return u - scale*math.Log(r)
	}
	return u + scale/shape*(math.Pow(r, -shape)-1)
}
