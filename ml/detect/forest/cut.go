package forest

import (
	"math/rand/v2"
)

// Cut is a Random Cut Forest (Guha, Mishra, Roy and Schrijvers, ICML 2016): each tree holds a window of the stream, cut in
// proportion to the widths of its boxes, and takes points in and out as they come and go. The score is the collusive
// displacement: the most, over the point's ancestors, of the sibling's mass over the subtree's own, averaged over the
// trees. Trees keep windows of different phase by accepting every k-th point, k in 1 to 3. Not safe for concurrent use.
type Cut struct {
	r     *rand.Rand
	dims  int
	trees []cutTree
	seen  int
}

// none marks the lack of a node.
const none = int32(-1)

// cutTree has room for sample leaves, nodes 0 to sample-1, and sample-1 branches behind them.
type cutTree struct {
	dims, sample int
	every        int
	boxes        []float64 // low and high of each dimension, for each node; a leaf's are its point
	mass         []int32
	parent       []int32
	left, right  []int32 // of branches
	dim          []int16
	cut          []float64
	root         int32
	free         []int32 // branches
	leaves       int     // taken in so far; the oldest is leaves%sample once full
}

// NewCut makes a forest of trees over the last sample points that each accepts.
func NewCut(dims, trees, sample int, seed uint64) (*Cut, error) {
	if err := check(dims, trees, sample); err != nil {
		return nil, err
	}
	f := &Cut{r: rand.New(rand.NewPCG(seed, 2)), dims: dims, trees: make([]cutTree, trees)} //nolint:gosec // the same seed has to give the same scores
	for i := range f.trees {
		nodes := 2*sample - 1
		f.trees[i] = cutTree{
			dims: dims, sample: sample, every: 1 + i%3, boxes: make([]float64, 2*dims*nodes), mass: make([]int32, nodes), parent: make([]int32, nodes),
			left: make([]int32, nodes), right: make([]int32, nodes), dim: make([]int16, nodes), cut: make([]float64, nodes), root: none,
		}
		for b := nodes - 1; b >= sample; b-- {
			f.trees[i].free = append(f.trees[i].free, int32(b)) // below 2·maxSample
		}
	}
	return f, nil
}

// Score is the mean collusive displacement that a point would have, in ordinary points; the forest stays as it is
// but for its generator. 0 while the forest is empty.
func (f *Cut) Score(p []float64) float64 {
	sum := 0.0
	for i := range f.trees {
		sum += f.trees[i].displacement(p, f.r)
	}
	return sum / float64(len(f.trees))
}

// Add takes a point in, and the oldest out of the trees that are full.
func (f *Cut) Add(p []float64) {
	for i := range f.trees {
		t := &f.trees[i]
		if (f.seen+i)%t.every != 0 {
			continue
		}
		leaf := int32(t.leaves % t.sample) // below maxSample
		if t.leaves >= t.sample {
			t.remove(leaf)
		}
		t.leaves++
		t.insert(leaf, p[:f.dims], f.r)
	}
	f.seen++
}

func (t *cutTree) box(n int32) (low, high []float64) {
	at := int(n) * 2 * t.dims
	return t.boxes[at : at+t.dims], t.boxes[at+t.dims : at+2*t.dims]
}

// drawCut cuts the box of a node, grown by a point, in proportion to its widths. Splits tells whether the cut parts the
// point from the box; it never does where the point equals a box without width.
func (t *cutTree) drawCut(n int32, p []float64, r *rand.Rand) (dim int, cut float64, splits bool) {
	low, high := t.box(n)
	total := 0.0
	for d, v := range p {
		total += max(high[d], v) - min(low[d], v)
	}
	if total <= 0 {
		return 0, 0, false
	}
	at := total * r.Float64()
	for d, v := range p {
		bottom := min(low[d], v)
		width := max(high[d], v) - bottom
		if at > width && d < len(p)-1 {
			at -= width
			continue
		}
		cut = bottom + min(at, width)
		return d, cut, v <= cut && cut < low[d] || high[d] <= cut && cut < v
	}
	return 0, 0, false
}

// displacement walks down as an insertion would, and back up in thought.
func (t *cutTree) displacement(p []float64, r *rand.Rand) float64 {
	if t.root == none {
		return 0
	}
	n, most := t.root, 0.0
	for {
		if _, _, splits := t.drawCut(n, p, r); splits || int(n) < t.sample {
			return max(most, float64(t.mass[n]))
		}
		next, sibling := t.right[n], t.left[n]
		if p[t.dim[n]] <= t.cut[n] {
			next, sibling = sibling, next
		}
		most = max(most, float64(t.mass[sibling])/float64(t.mass[next]+1))
		n = next
	}
}

func (t *cutTree) insert(leaf int32, p []float64, r *rand.Rand) {
	low, high := t.box(leaf)
	copy(low, p)
	copy(high, p)
	t.mass[leaf], t.parent[leaf] = 1, none
	if t.root == none {
		t.root = leaf
		return
	}
	n := t.root
	for {
		dim, cut, splits := t.drawCut(n, p, r)
		if splits || int(n) < t.sample {
			t.graft(n, leaf, p, dim, cut, splits)
			return
		}
		if p[t.dim[n]] <= t.cut[n] {
			n = t.left[n]
		} else {
			n = t.right[n]
		}
	}
}

// graft puts a branch over node n and a new leaf, and widens what is above.
func (t *cutTree) graft(n, leaf int32, p []float64, dim int, cut float64, splits bool) {
	b := t.free[len(t.free)-1]
	t.free = t.free[:len(t.free)-1]
	above := t.parent[n]
	low, _ := t.box(n)
	if !splits { // equal points: any cut tells them apart no better
		dim, cut = 0, min(low[0], p[0])
	}
	t.dim[b], t.cut[b], t.parent[b] = int16(dim), cut, above // below maxDims
	if splits && p[dim] <= cut || !splits {
		t.left[b], t.right[b] = leaf, n
	} else {
		t.left[b], t.right[b] = n, leaf
	}
	t.parent[n], t.parent[leaf] = b, b
	t.replace(above, n, b)
	for b != none {
		t.refresh(b)
		b = t.parent[b]
	}
}

// remove takes a leaf and its branch out, and narrows what is above.
func (t *cutTree) remove(leaf int32) {
	b := t.parent[leaf]
	if b == none {
		t.root = none
		return
	}
	sibling := t.left[b]
	if sibling == leaf {
		sibling = t.right[b]
	}
	above := t.parent[b]
	t.parent[sibling] = above
	t.replace(above, b, sibling)
	t.free = append(t.free, b)
	for above != none {
		t.refresh(above)
		above = t.parent[above]
	}
}

// replace puts a node in another's place under a parent.
func (t *cutTree) replace(parent, old, now int32) {
	switch {
	case parent == none:
		t.root = now
	case t.left[parent] == old:
		t.left[parent] = now
	default:
		t.right[parent] = now
	}
}

// refresh computes a branch's mass and box from its two sides.
func (t *cutTree) refresh(b int32) {
	l, r := t.left[b], t.right[b]
	t.mass[b] = t.mass[l] + t.mass[r]
	low, high := t.box(b)
	lowL, highL := t.box(l)
	lowR, highR := t.box(r)
	for d := range low {
		low[d], high[d] = min(lowL[d], lowR[d]), max(highL[d], highR[d])
	}
}
