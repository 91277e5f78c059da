package forecast

import "math"

// state is what exponential smoothing knows at a time.
type state struct {
	level, trend float64
	season       []float64 // by phase, of the times divisible by its length; nil for none
	n            int       // values so far
	damping      float64
}

// forecast goes on from the state: l + (φ + … + φʰ)·b + s.
func (s state) forecast(h int) []float64 {
	out := make([]float64, h)
	phi, reach := s.damping, 0.0
	for i := range out {
		reach += phi
		phi *= s.damping
		out[i] = s.level + reach*s.trend
		if s.season != nil {
			out[i] += s.season[(s.n+i)%len(s.season)]
		}
	}
	return out
}

// The grid of smoothing weights: those of the level, of the trend as a share of the level's, of the season as a share of what
// the level leaves, and the damping (0: no trend).
var (
	levelWeights  = []float64{0.03, 0.1, 0.25, 0.5, 0.75, 0.98}
	trendWeights  = []float64{0.05, 0.25}
	dampings      = []float64{0, 0.9, 0.98}
	seasonWeights = []float64{0.05, 0.25}
)

// smooth is exponential smoothing with a damped additive trend and an additive season, ETS(A,Ad,A) of Hyndman et
// al. (2008), its weights from a grid by the sum of squared errors one step ahead:
//
//	e = y - l - φb - s,  l ← l + φb + αe,  b ← φb + αβe,  s ← s + γ(1-α)e.
//
// Season 1 is none. Y has two seasons at least.
func smooth(y []float64, season int) state {
	best, bestLoss := state{}, math.Inf(1)
	gammas := seasonWeights
	if season == 1 {
		gammas = []float64{0}
	}
	start := begin(y, season)
	phases := make([]float64, season)
	for _, phi := range dampings {
		betas := trendWeights
		if phi == 0 {
			betas = []float64{0}
		}
		for _, beta := range betas {
			for _, gamma := range gammas {
				for _, alpha := range levelWeights {
					s := start
					s.damping, s.season = phi, phases
					copy(phases, start.season)
					if phi == 0 {
						s.trend = 0
					}
					if loss := s.follow(y, alpha, alpha*beta, gamma*(1-alpha), bestLoss); loss < bestLoss {
						bestLoss, best = loss, s
						best.season = append([]float64(nil), phases...)
					}
				}
			}
		}
	}
	return best
}

// begin gives the first state: level and trend of the first seasons, and the mean phases without them.
func begin(y []float64, season int) state {
	s := state{season: make([]float64, season)}
	if season == 1 {
		n := min(len(y), 6)
		s.trend = (y[n-1] - y[0]) / float64(max(1, n-1))
		s.level = y[0] - s.trend
		return s
	}
	first, second := mean(y[:season]), mean(y[season:2*season])
	s.trend = (second - first) / float64(season)
	s.level = first - s.trend*float64(season+1)/2
	rounds := min(len(y)/season, 4)
	for p := range s.season {
		for r := range rounds {
			at := r*season + p
			s.season[p] += (y[at] - s.level - s.trend*float64(at+1)) / float64(rounds)
		}
	}
	center := mean(s.season)
	for p := range s.season {
		s.season[p] -= center
	}
	s.level += center
	return s
}

// follow runs over y, and gives the sum of squared errors after the first season; it stops once that is above most.
func (s *state) follow(y []float64, alpha, beta, gamma, most float64) float64 {
	loss, phase, m := 0.0, 0, len(s.season)
	for i, v := range y {
		next := s.level + s.damping*s.trend
		e := v - next - s.season[phase]
		if i >= m {
			if loss += e * e; loss > most {
				return loss
			}
		}
		s.level = next + alpha*e
		s.trend = s.damping*s.trend + beta*e
		s.season[phase] += gamma * e
		if phase++; phase == m {
			phase = 0
		}
	}
	s.n = len(y)
	return loss
}

// dampedTrend is smooth's forecast.
func dampedTrend(y []float64, season, h int) []float64 {
	return smooth(y, season).forecast(h)
}

// dampedTrendOfLogs is the same for seasons and trends that grow with the level; y is above 0.
func dampedTrendOfLogs(y []float64, season, h int) []float64 {
	return inLogs(y, func(logs []float64) []float64 { return dampedTrend(logs, season, h) })
}

// inLogs forecasts the logarithms, not further than twice their range beyond them.
func inLogs(y []float64, run func([]float64) []float64) []float64 {
	logs := make([]float64, len(y))
	low, high := math.Inf(1), math.Inf(-1)
	for i, v := range y {
		logs[i] = math.Log(v)
		low, high = min(low, logs[i]), max(high, logs[i])
	}
	out := run(logs)
	reach := 2*(high-low) + 0.1
	for i, v := range out {
		out[i] = math.Exp(min(max(v, low-reach), high+reach))
	}
	return out
}

// theta is the theta method (Assimakopoulos and Nikolopoulos 2000): simple smoothing with half of the linear trend as its
// drift (Hyndman and Billah 2003), on the series without its season.
func theta(y []float64, season, h int) []float64 {
	flat, profile := deseasoned(y, season)
	n := float64(len(flat))
	var xy, xx float64
	m := mean(flat)
	for i, v := range flat {
		x := float64(i) - (n-1)/2
		xy += x * (v - m)
		xx += x * x
	}
	drift := 0.5 * xy / xx
	best, level, weight := math.Inf(1), 0.0, 1.0
	for _, alpha := range levelWeights {
		l, loss := flat[0], 0.0
		for _, v := range flat[1:] {
			e := v - l
			loss += e * e
			l += alpha * e
		}
		if loss < best {
			best, level, weight = loss, l, alpha
		}
	}
	out := make([]float64, h)
	left := (1 - math.Pow(1-weight, n)) / weight
	for i := range out {
		out[i] = level + drift*(float64(i)+left) + profile[i%season]
	}
	return out
}

// thetaOfLogs is theta for seasons and trends that grow with the level; y is above 0.
func thetaOfLogs(y []float64, season, h int) []float64 {
	return inLogs(y, func(logs []float64) []float64 { return theta(logs, season, h) })
}

// deseasoned takes the usual deviation of each phase from the running mean of a season off (classical decomposition), and gives
// it for the phases that come next.
func deseasoned(y []float64, season int) (flat, next []float64) {
	flat, next = append([]float64(nil), y...), make([]float64, season)
	if season == 1 || len(y) < 2*season {
		return flat, next
	}
	sums, counts := make([]float64, season), make([]float64, season)
	trend := runningMean(y, season)
	for i := season / 2; i < len(y)-season/2; i++ {
		sums[i%season] += y[i] - trend[i]
		counts[i%season]++
	}
	total := 0.0
	for p := range sums {
		sums[p] /= max(1, counts[p])
		total += sums[p] / float64(season)
	}
	for i := range flat {
		flat[i] -= sums[i%season] - total
	}
	for i := range next {
		next[i] = sums[(len(y)+i)%season] - total
	}
	return flat, next
}

// runningMean is the centred mean over a season (of 2×m where m is even), undefined at the ends, where it repeats the nearest.
func runningMean(y []float64, season int) []float64 {
	out := make([]float64, len(y))
	half := season / 2
	sum := 0.0
	for _, v := range y[:2*half+1] {
		sum += v
	}
	for i := half; i < len(y)-half; i++ {
		if i > half {
			sum += y[i+half] - y[i-half-1]
		}
		out[i] = sum
		if season%2 == 0 {
			out[i] -= (y[i-half] + y[i+half]) / 2
		}
		out[i] /= float64(season)
	}
	for i := range half {
		out[i], out[len(y)-1-i] = out[half], out[len(y)-1-half]
	}
	return out
}

// tsb is the method of Teunter, Syntetos and Babai (2011) for intermittent demand, after Croston (1972): the chance of a demand
// and its size are smoothed by themselves.
func tsb(y []float64, _, h int) []float64 {
	best, rate := math.Inf(1), 0.0
	for _, alpha := range []float64{0.02, 0.1, 0.3} {
		for _, beta := range []float64{0.05, 0.2} {
			chance, size, loss := 0.0, 0.0, 0.0
			for i, v := range y {
				if i > 0 {
					loss += math.Abs(v - chance*size)
				}
				some := 0.0
				if v != 0 {
					some = 1
					if size == 0 {
						size = v
					}
					size += beta * (v - size)
				}
				a := max(alpha, 1/float64(i+1))
				chance += a * (some - chance)
			}
			if loss < best {
				best, rate = loss, chance*size
			}
		}
	}
	return repeat([]float64{rate}, h)
}
