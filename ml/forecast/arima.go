package forecast

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// The search of arima: autoregressive terms, moving averages, one seasonal lag.
const (
	mostAR  = 3
	mostMA  = 2
	mostFit = 1 + mostAR + 1 + mostMA // columns of the regression: one, lags, the seasonal lag, residuals
)

// arima is ARIMA(p,d,q)(P,D,0) with P, D within 0 and 1, p up to 3 and q up to 2. Differences come from tests as in Hyndman and
// Khandakar (2008): D from the season's strength, d from KPSS. The orders are searched for by AICc; coefficients are those of
// Hannan and Rissanen (1982): a long autoregression gives the residuals, and least squares on lags and residuals the rest.
func arima(y []float64, season, h int) []float64 {
	w, seasonal := y, 0
	if season > 1 && len(y) >= 3*season && seasonStrength(y, season) > 0.64 {
		w, seasonal = difference(y, season), season
	}
	d := 0
	for base := w; d < 2 && len(base) > 8 && wanders(base); d++ {
		base = difference(base, 1)
		w = base
	}
	if len(w) < 10 {
		return repeat([]float64{y[len(y)-1]}, h)
	}
	fit := fitARMA(w, season, d+min(seasonal, 1) < 2)
	out := fit.forecast(w, h)
	for ; d > 0; d-- { // undo the differences, the last made first
		base := y
		if seasonal > 0 {
			base = difference(y, seasonal)
		}
		for range d - 1 {
			base = difference(base, 1)
		}
		last := base[len(base)-1]
		for i := range out {
			last += out[i]
			out[i] = last
		}
	}
	if seasonal > 0 {
		for i := range out {
			if i < seasonal {
				out[i] += y[len(y)-seasonal+i]
			} else {
				out[i] += out[i-seasonal]
			}
		}
	}
	return within(out, y)
}

// within keeps a forecast within one and a half ranges around what was: an unstable fit must not run away.
func within(out, y []float64) []float64 {
	low, high := y[0], y[0]
	for _, v := range y {
		low, high = min(low, v), max(high, v)
	}
	reach := 1.5 * (high - low)
	for i, v := range out {
		if math.IsNaN(v) {
			v = y[len(y)-1]
		}
		out[i] = min(max(v, low-reach), high+reach)
	}
	return out
}

func difference(y []float64, lag int) []float64 {
	out := make([]float64, len(y)-lag)
	for i := range out {
		out[i] = y[i+lag] - y[i]
	}
	return out
}

// seasonStrength is 1 - var(remainder)/var(season and remainder) (Wang, Smith and Hyndman 2006), from a classical decomposition.
func seasonStrength(y []float64, season int) float64 {
	flat, _ := deseasoned(y, season)
	trend := runningMean(y, season)
	var rest, all float64
	for i := season / 2; i < len(y)-season/2; i++ {
		rest += (flat[i] - trend[i]) * (flat[i] - trend[i])
		all += (y[i] - trend[i]) * (y[i] - trend[i])
	}
	if all <= 0 {
		return 0
	}
	return 1 - rest/all
}

// wanders is the KPSS test of a constant level (Kwiatkowski et al. 1992) at 5 %.
func wanders(y []float64) bool {
	n := float64(len(y))
	lags := int(3 * math.Sqrt(n) / 13)
	m := mean(y)
	var partial, sums float64
	gamma := make([]float64, lags+1)
	for i, v := range y {
		partial += v - m
		sums += partial * partial
		for k := range gamma {
			if i >= k {
				gamma[k] += (v - m) * (y[i-k] - m) / n
			}
		}
	}
	variance := gamma[0]
	for k := 1; k <= lags; k++ {
		variance += 2 * (1 - float64(k)/float64(lags+1)) * gamma[k]
	}
	return variance > 0 && sums/(n*n*variance) > 0.463
}

// arma is a fitted model of a series without trend.
type arma struct {
	use      [mostFit]bool
	weights  [mostFit]float64
	season   int
	residual []float64
}

// columns of the regression.
const (
	colLag    = 1
	colSeason = colLag + mostAR
	colMA     = colSeason + 1
)

// fitARMA searches the orders; the constant is left out of differences of second order.
func fitARMA(w []float64, season int, constant bool) arma {
	a := arma{season: season, residual: longResiduals(w)}
	var gram [mostFit][mostFit]float64
	var right [mostFit]float64
	var square, n float64
	from := min(max(mostAR, mostMA, season), len(w)/3)
	seasonal := season > mostAR && from == season && len(w) >= 3*season
	for t := max(from, mostAR); t < len(w); t++ {
		row := a.row(w, t, seasonal)
		for i := range row {
			for j := i; j < mostFit; j++ {
				gram[i][j] += row[i] * row[j]
			}
			right[i] += row[i] * w[t]
		}
		square += w[t] * w[t]
		n++
	}
	best := math.Inf(1)
	for p := range mostAR + 1 {
		for q := range mostMA + 1 {
			for s := range 2 {
				if s == 1 && !seasonal {
					continue
				}
				var use [mostFit]bool
				use[0] = constant
				for i := range p {
					use[colLag+i] = true
				}
				use[colSeason] = s == 1
				for i := range q {
					use[colMA+i] = true
				}
				k := float64(p + q + s + 1)
				if n-k-2 <= 0 {
					continue
				}
				weights, left, ok := solve(gram, right, square, use)
				if !ok {
					continue
				}
				aicc := n*math.Log(max(left, 1e-12*square+1e-300)/n) + 2*k + 2*k*(k+1)/(n-k-1)
				if aicc < best {
					best, a.use, a.weights = aicc, use, weights
				}
			}
		}
	}
	return a
}

// row is what value t is explained by.
func (a *arma) row(w []float64, t int, seasonal bool) (row [mostFit]float64) {
	row[0] = 1
	for i := range mostAR {
		row[colLag+i] = w[t-1-i]
	}
	if seasonal {
		row[colSeason] = w[t-a.season]
	}
	for i := range mostMA {
		row[colMA+i] = a.residual[t-1-i]
	}
	return row
}

// forecast goes on with residuals of 0.
func (a *arma) forecast(w []float64, h int) []float64 {
	all := append(append(make([]float64, 0, len(w)+h), w...), make([]float64, h)...)
	a.residual = append(a.residual, make([]float64, h)...)
	for t := len(w); t < len(all); t++ {
		row := a.row(all, t, a.use[colSeason])
		for i, used := range a.use {
			if used {
				all[t] += a.weights[i] * row[i]
			}
		}
	}
	return all[len(w):]
}

// longResiduals are those of an autoregression of high order, by Levinson and Durbin; 0 for the first values.
func longResiduals(w []float64) []float64 {
	order := min(12, len(w)/4)
	m := mean(w)
	gamma := make([]float64, order+1)
	for k := range gamma {
		for i := k; i < len(w); i++ {
			gamma[k] += (w[i] - m) * (w[i-k] - m)
		}
	}
	phi, previous := make([]float64, order), make([]float64, order)
	variance := gamma[0]
	for k := 0; k < order && variance > 0; k++ {
		r := gamma[k+1]
		for j := range k {
			r -= phi[j] * gamma[k-j]
		}
		r /= variance
		copy(previous, phi)
		phi[k] = r
		for j := range k {
			phi[j] = previous[j] - r*previous[k-1-j]
		}
		variance *= 1 - r*r
	}
	out := make([]float64, len(w))
	for i := order; i < len(w); i++ {
		out[i] = w[i] - m
		for j, f := range phi {
			out[i] -= f * (w[i-1-j] - m)
		}
	}
	return out
}

// solve is least squares on the columns in use, by Cholesky with a trace of a ridge: the weights and the sum of squares left.
func solve(gram [mostFit][mostFit]float64, right [mostFit]float64, square float64, use [mostFit]bool) (weights [mostFit]float64, left float64, ok bool) {
	at := make([]int, 0, mostFit)
	for i, u := range use {
		if u {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		return weights, square, true
	}
	a, b := mat.NewSymDense(len(at), nil), mat.NewVecDense(len(at), nil)
	for i := range at {
		for j := range i + 1 {
			a.SetSym(i, j, gram[at[j]][at[i]])
		}
		a.SetSym(i, i, a.At(i, i)*(1+1e-8))
		b.SetVec(i, right[at[i]])
	}
	var l mat.Cholesky
	var x mat.VecDense
	if !l.Factorize(a) || l.SolveVecTo(&x, b) != nil { // columns that depend on one another
		return weights, 0, false
	}
	for i, column := range at {
		weights[column] = x.AtVec(i)
	}
	return weights, square - mat.Dot(b, &x), true
}
