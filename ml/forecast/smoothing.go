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
// al. (2008), its weights from a grid by the sum of squared errors one step ahead, older ones fading:
//
//	e = y - l - φb - s,  l ← l + φb + αe,  b ← φb + αβe,  s ← s + γ(1-α)e.
//
// Season 1 is none. It gives the best at each of ends, ascending, the first of which is two seasons at least: a pass over y for
// each point of the grid serves all ends.
func smooth(y []float64, season int, ends []int) fits {
	best := unfit(len(ends), season)
	gammas := seasonWeights
	if season == 1 {
		gammas = []float64{0}
	}
	start := begin(y[:ends[0]], season)
	s := state{season: make([]float64, season)}
	for _, phi := range dampings {
		betas := trendWeights
		if phi == 0 {
			betas = []float64{0}
		}
		for _, beta := range betas {
			for _, gamma := range gammas {
				for _, alpha := range levelWeights {
					copy(s.season, start.season)
					s.level, s.trend, s.n, s.damping = start.level, start.trend, 0, phi
					if phi == 0 {
						s.trend = 0
					}
					s.follow(y, ends, alpha, alpha*beta, gamma*(1-alpha), best)
				}
			}
		}
	}
	return best
}

// fit is the best state so far, and the loss on the way to it.
type fit struct {
	state
	loss float64
}

// fits are those at several ends.
type fits []fit

// unfit are fits that anything is better than.
func unfit(n, season int) fits {
	out := make(fits, n)
	for i := range out {
		out[i] = fit{state{season: make([]float64, season)}, math.Inf(1)}
	}
	return out
}

// forecasts go on from each end.
func (all fits) forecasts(h int) [][]float64 {
	out := make([][]float64, len(all))
	for i, f := range all {
		out[i] = f.forecast(h)
	}
	return out
}

// keep takes s in place of a worse one.
func (f *fit) keep(s *state, loss float64) {
	if !(loss < f.loss) {
		return
	}
	phases := f.season
	copy(phases, s.season)
	f.state, f.loss = *s, loss
	f.season = phases
}

// fadingOf is the weight of an error relative to the next: what is as old as the models look back counts 1/e.
func fadingOf(season int) float64 { return 1 - 1/float64(max(heavyMemory, heavySeasons*season)) }

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

// follow runs over y and offers its state at each end to best, with the fading sum of squared errors after the first season.
func (s *state) follow(y []float64, ends []int, alpha, beta, gamma float64, best fits) {
	loss, phase, m := 0.0, 0, len(s.season)
	older := fadingOf(m)
	for k, end := range ends {
		for i := s.n; i < end; i++ {
			next := s.level + s.damping*s.trend
			e := y[i] - next - s.season[phase]
			if i >= m {
				loss = older*loss + e*e
			}
			s.level = next + alpha*e
			s.trend = s.damping*s.trend + beta*e
			s.season[phase] += gamma * e
			if phase++; phase == m {
				phase = 0
			}
		}
		s.n = end
		best[k].keep(s, loss)
	}
}

// dampedTrend is smooth's forecast from each end.
func dampedTrend(y []float64, season int, ends []int, h int) [][]float64 {
	return smooth(y, season, ends).forecasts(h)
}

// dampedTrendOfLogs is the same for seasons and trends that grow with the level; y is above 0.
func dampedTrendOfLogs(y []float64, season int, ends []int, h int) [][]float64 {
	out := dampedTrend(logarithms(y), season, ends, h)
	for i, end := range ends {
		out[i] = outOfLogs(out[i], y[:end])
	}
	return out
}

func logarithms(y []float64) []float64 {
	out := make([]float64, len(y))
	for i, v := range y {
		out[i] = math.Log(v)
	}
	return out
}

// outOfLogs undoes logarithms, within reason: a trend of logarithms soon leaves everything behind.
func outOfLogs(out, y []float64) []float64 {
	for i, v := range out {
		out[i] = math.Exp(v)
	}
	return within(out, y)
}

// seasonalSmoothing is additive exponential smoothing with a season and a slow level (ETS(A,N,A)), its weights from
// a small grid by the mean absolute error a season ahead:
//
//	l ← l + α(y - l - s),  s ← s + γ(y - l - s).
func seasonalSmoothing(y []float64, season int, ends []int, h int) [][]float64 {
	best := unfit(len(ends), season)
	s, behind := state{season: make([]float64, season)}, make([]float64, season) // behind: the level a season ago
	older := fadingOf(season)
	for _, alpha := range []float64{0.01, 0.05, 0.2} {
		for _, gamma := range []float64{0.1, 0.3} {
			s.level = mean(y[:season])
			for p := range behind {
				s.season[p], behind[p] = y[p]-s.level, s.level
			}
			s.n = season
			loss := 0.0
			for k, end := range ends {
				for i := s.n; i < end; i++ {
					p := i % season
					if i >= 2*season {
						loss = older*loss + math.Abs(y[i]-behind[p]-s.season[p])
					}
					off := y[i] - s.level - s.season[p]
					s.level += alpha * off
					s.season[p] += gamma * off
					behind[p] = s.level
				}
				s.n = end
				best[k].keep(&s, loss)
			}
		}
	}
	return best.forecasts(h)
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
	return outOfLogs(theta(logarithms(y), season, h), y)
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
