package forecast

import "math"

// The windows of mstl in cycles, by season (Bandara, Hyndman and Bergmeir 2021).
var cycleWindows = []int{11, 15}

// decompose splits y into seasons of several lengths, shortest first, and the rest, as MSTL does: STL (Cleveland et al.
// 1990) for each season in turn on what the others leave, twice. It gives y without seasons, and each season's last cycle
// in the order in which it goes on.
func decompose(y []float64, seasons []int) (adjusted []float64, cycles [][]float64) {
	parts := make([][]float64, len(seasons))
	adjusted = append([]float64(nil), y...)
	rounds := 2
	if len(seasons) == 1 {
		rounds = 1
	}
	for range rounds {
		for k, m := range seasons {
			if parts[k] != nil {
				for i, v := range parts[k] {
					adjusted[i] += v
				}
			}
			parts[k] = seasonOf(adjusted, m, cycleWindows[min(k, len(cycleWindows)-1)])
			for i, v := range parts[k] {
				adjusted[i] -= v
			}
		}
	}
	for k, m := range seasons {
		cycles = append(cycles, parts[k][len(y)-m:])
	}
	return adjusted, cycles
}

// seasonOf is the inner loop of STL, twice: each phase is smoothed over the cycles, what is no season is taken off it by a running
// mean, and the trend is smoothed from what is left.
func seasonOf(y []float64, m, window int) []float64 {
	trend, season := make([]float64, len(y)), make([]float64, len(y))
	phase := make([]float64, 0, len(y)/m+1)
	for round := range 2 {
		for p := range m {
			phase = phase[:0]
			for i := p; i < len(y); i += m {
				phase = append(phase, y[i]-trend[i])
			}
			for k, v := range loess(phase, window) {
				season[p+k*m] = v
			}
		}
		low := runningMean(season, m)
		for i := range season {
			season[i] -= low[i]
			trend[i] = y[i] - season[i]
		}
		if round == 0 {
			trend = loess(runningMean(trend, m), 1+3*m/2)
		}
	}
	return season
}

// loess is locally linear regression on an even grid with tricube weights over the nearest window values. Windows wider than a
// few dozens are evaluated at every tenth of them, and joined by lines, as STL does.
func loess(y []float64, window int) []float64 {
	n := len(y)
	out := make([]float64, n)
	jump := max(1, window/10)
	last := 0
	for at := 0; ; at = min(at+jump, n-1) {
		out[at] = local(y, at, window)
		for i := last + 1; i < at; i++ {
			out[i] = out[last] + (out[at]-out[last])*float64(i-last)/float64(at-last)
		}
		if last = at; at == n-1 {
			return out
		}
	}
}

func local(y []float64, at, window int) float64 {
	half := window / 2
	from := max(0, min(at-half, len(y)-window))
	to := min(len(y), from+window)
	reach := float64(max(at-from, to-1-at)) + 1
	if window > len(y) {
		reach += float64(window-len(y)) / 2
	}
	var s, sx, sy, sxx, sxy float64
	for i := from; i < to; i++ {
		x := float64(i - at)
		u := math.Abs(x) / reach
		w := 1 - u*u*u
		w = w * w * w
		s, sx, sy = s+w, sx+w*x, sy+w*y[i]
		sxx, sxy = sxx+w*x*x, sxy+w*x*y[i]
	}
	det := s*sxx - sx*sx
	if det <= 1e-9*s*s {
		return sy / s
	}
	return (sxx*sy - sx*sxy) / det
}

// mstl forecasts the adjusted series by damped smoothing, and repeats the last cycles.
func mstl(y []float64, seasons []int, h int) []float64 {
	adjusted, cycles := decompose(y, seasons)
	lately := latest(adjusted, heavyMemory)
	out := smooth(lately, 1, []int{len(lately)})[0].forecast(h)
	for k, m := range seasons {
		for i := range out {
			out[i] += cycles[k][i%m]
		}
	}
	return out
}
