// Package forest holds two forests that score points by how easily chance tells them apart from the past: an
// Isolation Forest and a Random Cut Forest. Both are seeded, and live in flat arrays.
package forest

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// Bounds of a forest's sizes.
const (
	maxTrees  = 1000
	maxSample = 4096
	maxDims   = 64
)

func check(dims, trees, sample int) error {
	if dims < 1 || dims > maxDims || trees < 1 || trees > maxTrees || sample < 4 || sample > maxSample {
		return fmt.Errorf("forest of %d trees over %d points of %d dimensions: want 1 to %d trees, 4 to %d points, 1 to %d dimensions",
			trees, sample, dims, maxTrees, maxSample, maxDims)
	}
	return nil
}

// Isolation is an Isolation Forest (Liu, Ting and Zhou, ICDM 2008) over a sliding window of the past: each tree isolates a
// sample of the window by random splits, and is built anew in turn, so that the forest follows the stream. The
// score of a point is 2^(-E[h]/c(ψ)), h being its path's length and c(ψ) = 2H(ψ-1) - 2(ψ-1)/ψ the mean length in a
// random tree of ψ points: near 1 is anomalous, below 0.5 is ordinary. Not safe for concurrent use.
type Isolation struct {
	r            *rand.Rand
	dims, sample int
	window       []float64 // dims values a point, a ring
	seen         int
	every        int // points between two rebuilt trees
	next         int // tree to rebuild
	trees        []isolationTree
	scratch      []int32
}

// isolationTree has its nodes in the order of their making; dim -1 marks a leaf.
type isolationTree struct {
	dim         []int16
	cut         []float64 // of a leaf: what is added to its depth
	left, right []int32
}

// NewIsolation makes a forest of trees over samples of the last 4·sample points.
func NewIsolation(dims, trees, sample int, seed uint64) (*Isolation, error) {
	if err := check(dims, trees, sample); err != nil {
		return nil, err
	}
	return &Isolation{
		r: rand.New(rand.NewPCG(seed, 1)), dims: dims, sample: sample, //nolint:gosec // the same seed has to give the same scores
		window: make([]float64, 4*sample*dims), every: max(1, 4*sample/trees), trees: make([]isolationTree, trees), scratch: make([]int32, sample),
	}, nil
}

// Score is that of a point by the points added so far; 0 until the trees are there. The point is not kept.
func (f *Isolation) Score(p []float64) float64 {
	if f.seen < f.sample {
		return 0
	}
	depth := 0.0
	for i := range f.trees {
		depth += f.trees[i].depth(p)
	}
	return math.Exp2(-depth / float64(len(f.trees)) / meanDepth(f.sample))
}

// Add takes a point in and renews a tree when it is its turn.
func (f *Isolation) Add(p []float64) {
	kept := len(f.window) / f.dims
	copy(f.window[f.seen%kept*f.dims:], p[:f.dims])
	f.seen++
	switch {
	case f.seen == f.sample:
		for i := range f.trees {
			f.grow(&f.trees[i])
		}
	case f.seen > f.sample && f.seen%f.every == 0:
		f.grow(&f.trees[f.next])
		f.next = (f.next + 1) % len(f.trees)
	}
}

// meanDepth is the mean length of an unsuccessful search in a binary tree of n points.
func meanDepth(n int) float64 {
	if n < 2 {
		return 0
	}
	m := float64(n - 1)
	return 2*(math.Log(m)+0.5772156649) - 2*m/float64(n)
}

func (f *Isolation) grow(t *isolationTree) {
	kept := min(f.seen, len(f.window)/f.dims)
	for i := range f.scratch {
		f.scratch[i] = int32(f.r.IntN(kept)) // below maxSample·4
	}
	t.dim, t.cut, t.left, t.right = t.dim[:0], t.cut[:0], t.left[:0], t.right[:0]
	f.split(t, f.scratch, int(math.Ceil(math.Log2(float64(f.sample)))))
}

// split makes the node of some points and gives its place; height levels are left under it.
func (f *Isolation) split(t *isolationTree, points []int32, height int) int32 {
	at := int32(len(t.dim)) // at most twice maxSample
	t.dim, t.cut = append(t.dim, -1), append(t.cut, meanDepth(len(points)))
	t.left, t.right = append(t.left, 0), append(t.right, 0)
	if height == 0 || len(points) < 2 {
		return at
	}
	first := f.r.IntN(f.dims)
	for try := range f.dims { // a dimension without spread cannot be cut
		dim := (first + try) % f.dims
		low, high := math.Inf(1), math.Inf(-1)
		for _, p := range points {
			v := f.window[int(p)*f.dims+dim]
			low, high = min(low, v), max(high, v)
		}
		if !(low < high) {
			continue
		}
		cut := low + (high-low)*f.r.Float64()
		n := 0
		for i, p := range points {
			if f.window[int(p)*f.dims+dim] <= cut {
				points[i], points[n] = points[n], p
				n++
			}
		}
		if n == 0 || n == len(points) {
			return at
		}
		left := f.split(t, points[:n], height-1)
		right := f.split(t, points[n:], height-1)
		t.dim[at], t.cut[at], t.left[at], t.right[at] = int16(dim), cut, left, right // below maxDims
		return at
	}
	return at
}

func (t *isolationTree) depth(p []float64) float64 {
	at, d := int32(0), 0.0
	for t.dim[at] >= 0 {
		if p[t.dim[at]] <= t.cut[at] {
			at = t.left[at]
		} else {
			at = t.right[at]
		}
		d++
	}
	return d + t.cut[at]
}
