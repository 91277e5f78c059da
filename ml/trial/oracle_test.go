package trial

import (
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/saas-sentinel/saas-sentinel/ml/series"
	"github.com/saas-sentinel/saas-sentinel/ml/synth"
)

// oracle is a likelihood-ratio test for a drip that knows what a detector cannot: the client's baseline of each hour of the week, from all of its hours, later ones
// among them, the deviation of each hour of the day, the covariance of what is left, and how the drip looks. With r the residuals of the logarithms in units of
// their deviation, Σ their covariance and s the drip's shape, 0 for the hours before it,
//
//	T = sᵀΣ⁻¹r / √(sᵀΣ⁻¹s).
type oracle struct {
	floor float64 // of the mean rate, added before the logarithm
	most  float64 // deviations that count
	after int     // hours of the drip that it sees
}

const (
	oracleBefore = 48  // hours before the drip that it sees
	oracleRidge  = .02 // of the variance, so that Σ can be inverted
	oracleFalse  = 0.2 // alarms a week and series without a drip
	dripFrom     = 7 * 24
)

// dripShapes give what a drip adds to an hour's calls, of a client's own calls and of its mean.
var dripShapes = []struct {
	kind synth.Kind
	adds func(calls, mean float64) float64
}{
	{synth.Drip, func(calls, _ float64) float64 { return 0.25 * calls }},
	{synth.SteadyDrip, func(_, mean float64) float64 { return 0.25 * mean }},
}

// statistics gives T for the hours that end at each hour, as they were, and as they are where a drip began so many hours before.
func (o oracle) statistics(calls []float64, adds func(calls, mean float64) float64) (without, with []float64) {
	mean := stat.Mean(calls, nil)
	some := o.floor*mean + 1
	logs := make([]float64, len(calls))
	for i, c := range calls {
		logs[i] = math.Log(c + some)
	}
	base := weekly(logs)
	deviation := o.deviations(logs, base)
	usual, drip, shape := make([]float64, len(calls)), make([]float64, len(calls)), make([]float64, len(calls))
	for i, c := range calls {
		d := deviation[i%24]
		usual[i] = o.cap((logs[i] - base[i]) / d)
		drip[i] = o.cap((math.Log(c+adds(c, mean)+some) - base[i]) / d)
		expected := math.Exp(base[i])
		shape[i] = math.Log(1+adds(max(0, expected-some), mean)/expected) / d
	}
	inverse := inverseCovariance(usual, oracleBefore+o.after)
	s, w := mat.NewVecDense(oracleBefore+o.after, nil), mat.NewVecDense(oracleBefore+o.after, nil)
	for at := oracleBefore; at+o.after <= len(calls); at++ {
		for k := range o.after {
			s.SetVec(oracleBefore+k, shape[at+k])
		}
		w.MulVec(inverse, s)
		size := math.Sqrt(mat.Dot(s, w))
		before, now, then := 0.0, 0.0, 0.0
		for k := range oracleBefore + o.after {
			v := w.AtVec(k) / size
			if i := at - oracleBefore + k; k < oracleBefore {
				before += v * usual[i]
			} else {
				now, then = now+v*usual[i], then+v*drip[i]
			}
		}
		without, with = append(without, before+now), append(with, before+then)
	}
	return without, with
}

func (o oracle) cap(v float64) float64 { return min(max(v, -o.most), o.most) }

// weekly is the mean of each hour of the day, and half of what the hour of the week differs from it.
func weekly(logs []float64) []float64 {
	byMean := func(values []float64, season int, prior float64) []float64 {
		sums, n, out := make([]float64, season), make([]float64, season), make([]float64, len(values))
		for i, v := range values {
			sums[i%season] += v
			n[i%season]++
		}
		for i := range out {
			out[i] = sums[i%season] / (n[i%season] + prior)
		}
		return out
	}
	base := byMean(logs, 24, 0)
	rest := make([]float64, len(logs))
	for i := range rest {
		rest[i] = logs[i] - base[i]
	}
	for i, v := range byMean(rest, 168, 1) {
		base[i] += v
	}
	return base
}

// deviations are those of each hour of the day, shrunk to that of all hours with the weight of four days.
func (o oracle) deviations(logs, base []float64) [24]float64 {
	var squares, n [24]float64
	all := 0.0
	for i := range logs {
		r := logs[i] - base[i]
		squares[i%24] += r * r
		n[i%24]++
		all += r * r / float64(len(logs))
	}
	for h := range squares {
		squares[h] = math.Sqrt((squares[h] + 4*all) / (n[h] + 4))
	}
	return squares
}

// inverseCovariance is that of so many hours in a row, from the residuals' autocovariances.
func inverseCovariance(r []float64, size int) *mat.SymDense {
	mean := stat.Mean(r, nil)
	lags := make([]float64, size)
	for k := range lags {
		for i := k; i < len(r); i++ {
			lags[k] += (r[i] - mean) * (r[i-k] - mean) / float64(len(r))
		}
	}
	sigma := mat.NewSymDense(size, nil)
	for i := range size {
		for j := range i + 1 {
			sigma.SetSym(i, j, lags[i-j])
		}
		sigma.SetSym(i, i, lags[0]*(1+oracleRidge))
	}
	var c mat.Cholesky
	out := mat.NewSymDense(size, nil)
	if !c.Factorize(sigma) || c.InverseTo(out) != nil {
		return nil
	}
	return out
}

// threshold is what T exceeds without a drip as often as is allowed: exceedances within a day are one alarm.
func threshold(all [][]float64) float64 {
	hours := 0
	var peaks []float64
	for _, series := range all {
		hours += len(series)
		for i, v := range series {
			if v == slices.Max(series[max(0, i-24):min(len(series), i+24)]) {
				peaks = append(peaks, v)
			}
		}
	}
	slices.Sort(peaks)
	return peaks[len(peaks)-1-int(oracleFalse*float64(hours)/168)]
}

// TestWhatAnyDetectorOfDripsCouldFind holds what the documentation says of drips: that within a day the oracle, a yardstick and no bound, finds less than 0.8 of those of
// real clients by their calls, which are all that a drip of the client's own kind of calls changes.
func TestWhatAnyDetectorOfDripsCouldFind(t *testing.T) {
	clients := benchRates(t)
	for _, shape := range dripShapes {
		for _, hours := range []int{24, 72, 96} {
			var best, bestOwn float64
			for _, o := range []oracle{{0.03, 2, hours}, {0.03, 100, hours}, {0.2, 2, hours}, {0.2, 100, hours}} {
				common, own := o.recall(clients, shape.adds)
				best, bestOwn = max(best, common), max(bestOwn, own)
			}
			t.Logf("%-12s within %d h: %.2f at one threshold and %.1f false alarms a week, %.2f above the client's own maximum", shape.kind, hours, best, oracleFalse, bestOwn)
			if hours == 24 && max(best, bestOwn) > 0.75 {
				t.Errorf("%s: %.2f within a day: the documentation says that the oracle finds less than 0.8", shape.kind, max(best, bestOwn))
			}
		}
	}
}

// recall is the share of drips, from the second week on, that T tells: at one threshold for all clients, and above the largest that each has without a drip.
func (o oracle) recall(clients []series.Rates, adds func(calls, mean float64) float64) (common, own float64) {
	var without, with [][]float64
	for _, c := range clients {
		if synth.Usable(c.Hourly, synth.Quiet) {
			usual, drip := o.statistics(c.Hourly, adds)
			without, with = append(without, usual), append(with, drip)
		}
	}
	limit := threshold(without)
	for i, drips := range with {
		most := slices.Max(without[i])
		drips = drips[min(dripFrom-oracleBefore, len(drips)):]
		for _, v := range drips {
			share := 1 / float64(len(drips)*len(with))
			if v > limit {
				common += share
			}
			if v > most {
				own += share
			}
		}
	}
	return common, own
}
