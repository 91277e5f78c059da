package trial

import (
	"math"
	"time"

	"github.com/saas-sentinel/saas-sentinel/ml/forecast"
)

// Score is what a set of series says of the forecasts of them.
type Score struct {
	Set    string
	Series int
	// MASE is the mean absolute error in units of the mean seasonal change within the series' past (Hyndman and Koehler
	// 2006), averaged over series; Naive is that of repeating the last season.
	MASE, Naive                      float64
	In80, In95, InTotal80, InTotal95 float64 // shares of steps within the intervals
	Refused                          int
	Took                             time.Duration // a series
}

// Forecaster forecasts a case, and says how long it took.
type Forecaster func(Case) (forecast.Forecast, time.Duration, error)

// Ours is the forecast of the package forecast.
func Ours(c Case) (forecast.Forecast, time.Duration, error) {
	began := time.Now()
	f, err := forecast.Run(c.Train(), forecast.Options{H: c.H, Season: c.Season, Season2: c.Season2})
	return f, time.Since(began), err
}

// Judge forecasts every case and gives a score for each set, in the order in which they come. Series that hardly change
// (the mean seasonal change is below a thousandth of the mean size) have no scale and are left out.
func Judge(cases []Case, run Forecaster) []Score {
	var out []Score
	at := map[string]int{}
	for _, c := range cases {
		scale, ok := c.scale()
		if !ok {
			continue
		}
		i, known := at[c.Set]
		if !known {
			i = len(out)
			at[c.Set], out = i, append(out, Score{Set: c.Set})
		}
		s := &out[i]
		f, took, err := run(c)
		if err != nil {
			s.Refused++
			continue
		}
		s.Took += took
		s.add(c, scale, f)
	}
	for i := range out {
		s := &out[i]
		n := float64(max(1, s.Series))
		for _, v := range []*float64{&s.MASE, &s.Naive, &s.In80, &s.In95, &s.InTotal80, &s.InTotal95} {
			*v /= n
		}
		s.Took /= time.Duration(max(1, s.Series))
	}
	return out
}

func (c Case) scale() (float64, bool) {
	y, m := c.Train(), min(c.Season, len(c.Train())/2)
	sum, size, zeros := 0.0, 0.0, 0
	for i := m; i < len(y); i++ {
		sum += math.Abs(y[i] - y[i-m])
		size += math.Abs(y[i])
		if y[i] == 0 {
			zeros++
		}
	}
	n := float64(len(y) - m)
	return sum / n, sum > size/1000 && zeros < (len(y)-m)*19/20
}

func (s *Score) add(c Case, scale float64, f forecast.Forecast) {
	y, held := c.Train(), c.Held()
	m := min(c.Season, len(y))
	s.Series++
	part := 1 / float64(len(held))
	in := func(v, lo, hi float64) float64 {
		if v >= lo && v <= hi {
			return part
		}
		return 0
	}
	total := 0.0
	for i, v := range held {
		total += v
		s.MASE += part * math.Abs(v-f.Mean[i]) / scale
		s.Naive += part * math.Abs(v-y[len(y)-m+i%m]) / scale
		s.In80 += in(v, f.Lo80[i], f.Hi80[i])
		s.In95 += in(v, f.Lo95[i], f.Hi95[i])
		if f.TotalLo80 != nil { // peers say nothing of totals
			s.InTotal80 += in(total, f.TotalLo80[i], f.TotalHi80[i])
			s.InTotal95 += in(total, f.TotalLo95[i], f.TotalHi95[i])
		}
	}
}
