package detect

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestForestsSeeCombinations feeds two residuals that go together; apart, each within its own range, they score higher.
func TestForestsSeeCombinations(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	f := newForests()
	score := func(off, moved float64) (isolation, displacement float64) {
		return f.step(off, &[features]float64{shift: moved, season: math.NaN(), restless: 1})
	}
	if i, d := score(1, 1); !math.IsNaN(i) || !math.IsNaN(d) {
		t.Errorf("the first point scores %v and %v, want none", i, d)
	}
	for range 1000 {
		v := r.NormFloat64()
		score(v, v+0.1*r.NormFloat64())
	}
	isolation, displacement := score(0.5, 0.5)
	oddIsolation, oddDisplacement := score(2, -2)
	if oddIsolation <= isolation || oddDisplacement <= displacement {
		t.Errorf("isolation %.3f and displacement %.2f of a broken combination, %.3f and %.2f of a usual one", oddIsolation, oddDisplacement, isolation, displacement)
	}
}
