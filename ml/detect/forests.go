package detect

import (
	"math"

	"github.com/saas-sentinel/saas-sentinel/ml/detect/forest"
)

// The forests' sizes: a point costs about 20 µs.
const (
	residuals     = 4
	forestSeed    = 1
	isolationSize = 128 // points a tree
	isolationTall = 25  // trees
	cutSize       = 64
	cutTall       = 6
	forestFrom    = 150 // points before their scores count
	widest        = 20  // deviations of a residual that count
)

// forests score the combination of a value's residuals, which no single tail sees. Raw values would make them score
// at the level of chance; residuals are what is left after level, season and restlessness, in units of their deviation.
type forests struct {
	isolation *forest.Isolation
	cut       *forest.Cut
	scale     [residuals]mean
	point     [residuals]float64
	n         int
}

func newForests() forests {
	isolation, errI := forest.NewIsolation(residuals, isolationTall, isolationSize, forestSeed)
	cut, errC := forest.NewCut(residuals, cutTall, cutSize, forestSeed)
	if errI != nil || errC != nil {
		panic("detect: the forests' sizes are constants within their bounds")
	}
	return forests{isolation: isolation, cut: cut}
}

// step scores the residuals of a value and takes them in; NaN while too few are known.
func (f *forests) step(off float64, x *[features]float64) (isolation, displacement float64) {
	for i, v := range [residuals]float64{off, x[shift], x[season], x[restless]} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			v = 0
		}
		usual := f.scale[i].value
		f.scale[i].add(math.Abs(v), longMean)
		f.point[i] = 0
		if usual > 0 {
			f.point[i] = min(max(v/usual, -widest), widest)
		}
	}
	isolation, displacement = f.isolation.Score(f.point[:]), f.cut.Score(f.point[:])
	f.isolation.Add(f.point[:])
	f.cut.Add(f.point[:])
	if f.n++; f.n < forestFrom {
		return math.NaN(), math.NaN()
	}
	return isolation, displacement
}
