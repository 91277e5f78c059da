package forest

import (
	"math/rand/v2"
	"testing"
)

// scorer is what both forests can do.
type scorer interface {
	Score(p []float64) float64
	Add(p []float64)
}

func forests(t testing.TB, seed uint64) map[string]scorer {
	t.Helper()
	isolation, errI := NewIsolation(3, 50, 128, seed)
	cut, errC := NewCut(3, 30, 64, seed)
	if errI != nil || errC != nil {
		t.Fatal(errI, errC)
	}
	return map[string]scorer{"isolation": isolation, "cut": cut}
}

// cloud feeds correlated points: the third coordinate is the first.
func cloud(f scorer, n int) {
	r := rand.New(rand.NewPCG(3, 3))
	for range n {
		x := r.NormFloat64()
		f.Add([]float64{x, r.NormFloat64(), x + 0.1*r.NormFloat64()})
	}
}

func TestOutliersScoreHigher(t *testing.T) {
	for name, f := range forests(t, 1) {
		cloud(f, 2000)
		usual := f.Score([]float64{0.1, -0.2, 0.1})
		for what, p := range map[string][]float64{"far away": {8, 8, 8}, "against the correlation": {2, 0, -2}} {
			if got := f.Score(p); got < 1.15*usual {
				t.Errorf("%s: %s scores %.3f, the middle %.3f", name, what, got, usual)
			}
		}
	}
}

func TestForestsForget(t *testing.T) {
	for name, f := range forests(t, 1) {
		cloud(f, 2000)
		far := []float64{30, 30, 30}
		before := f.Score(far)
		r := rand.New(rand.NewPCG(4, 4))
		for range 2000 {
			f.Add([]float64{30 + r.NormFloat64(), 30 + r.NormFloat64(), 30 + r.NormFloat64()})
		}
		if now := f.Score(far); now > 0.8*before {
			t.Errorf("%s: what became usual scores %.3f, %.3f before", name, now, before)
		}
	}
}

func TestTheSameSeedGivesTheSameScores(t *testing.T) {
	a, b, c := forests(t, 7), forests(t, 7), forests(t, 8)
	for name := range a {
		for _, f := range []scorer{a[name], b[name], c[name]} {
			cloud(f, 500)
		}
		p := []float64{1, 2, 3}
		x, y, z := a[name].Score(p), b[name].Score(p), c[name].Score(p)
		if x != y {
			t.Errorf("%s: %v and %v from one seed", name, x, y)
		}
		if x == z {
			t.Errorf("%s: another seed gives the same score", name)
		}
	}
}

// TestCutTreeStaysWhole holds the tree's shape while points come and go, equal ones among them.
func TestCutTreeStaysWhole(t *testing.T) {
	f, err := NewCut(2, 3, 8, 1)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 5))
	for i := range 500 {
		f.Add([]float64{float64(r.IntN(3)), float64(r.IntN(3))})
		for k := range f.trees {
			tree := &f.trees[k]
			if tree.root == none {
				continue
			}
			if got := whole(t, tree, tree.root); got != min(tree.leaves, tree.sample) || int(tree.mass[tree.root]) != got {
				t.Fatalf("after %d points tree %d has %d leaves and mass %d", i+1, k, got, tree.mass[tree.root])
			}
		}
	}
}

// whole counts the leaves under a node and checks boxes and parents on the way.
func whole(t *testing.T, tree *cutTree, n int32) int {
	t.Helper()
	if int(n) < tree.sample {
		return 1
	}
	low, high := tree.box(n)
	for _, child := range []int32{tree.left[n], tree.right[n]} {
		if tree.parent[child] != n {
			t.Fatalf("node %d's parent is %d, want %d", child, tree.parent[child], n)
		}
		l, h := tree.box(child)
		for d := range l {
			if l[d] < low[d] || h[d] > high[d] {
				t.Fatalf("the box of %d lies outside of its parent's", child)
			}
		}
	}
	return whole(t, tree, tree.left[n]) + whole(t, tree, tree.right[n])
}

func TestSizesAreBounded(t *testing.T) {
	for name, size := range map[string][3]int{"no trees": {1, 0, 64}, "no dimensions": {0, 1, 64}, "a huge sample": {1, 1, 1 << 20}} {
		if _, err := NewIsolation(size[0], size[1], size[2], 1); err == nil {
			t.Errorf("isolation: %s was accepted", name)
		}
		if _, err := NewCut(size[0], size[1], size[2], 1); err == nil {
			t.Errorf("cut: %s was accepted", name)
		}
	}
}

func BenchmarkForests(b *testing.B) {
	for name, f := range forests(b, 1) {
		b.Run(name, func(b *testing.B) {
			r := rand.New(rand.NewPCG(6, 6))
			p := make([]float64, 3)
			b.ReportAllocs()
			for b.Loop() {
				for d := range p {
					p[d] = r.NormFloat64()
				}
				f.Score(p)
				f.Add(p)
			}
		})
	}
}
