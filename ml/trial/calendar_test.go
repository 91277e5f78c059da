package trial

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/ml/forecast"
)

// company makes the spend of a company by the day: a week, a trend, noise, and what special days do.
type company struct {
	days, h            int
	firstDay, lastDay  float64 // factors
	lastWorking        float64
	holiday            float64
	noise              float64
	holidaysAreUnknown bool
}

// companyBegin is a Monday.
var companyBegin = time.Date(2025, 1, 6, 0, 0, 0, 0, time.UTC)

// holidays are two drawn days of each month.
func holidays(seed uint64) func(int, time.Month, int) bool {
	return func(year int, month time.Month, day int) bool {
		r := rand.New(rand.NewPCG(seed, uint64(year*12+int(month))))
		return day == 3+r.IntN(12) || day == 15+r.IntN(11)
	}
}

func (c company) make(seed uint64) (Case, *forecast.Calendar) {
	r := rand.New(rand.NewPCG(seed, 1))
	calendar := &forecast.Calendar{First: companyBegin.AddDate(0, 0, r.IntN(40)), Step: 24 * time.Hour, Holiday: holidays(seed)}
	week := [7]float64{0.3 + 0.3*r.Float64(), 1, 1, 1.1, 1.05, 0.9, 0.35 + 0.3*r.Float64()}
	n := c.days + r.IntN(60) + c.h
	y, errors := make([]float64, n), noise(r, n, c.noise, 0.4)
	level, drift := math.Log(1000), 0.001*r.NormFloat64()
	for i := range y {
		day := calendar.First.AddDate(0, 0, i)
		level += drift + 0.005*r.NormFloat64()
		y[i] = math.Exp(level+errors[i]) * week[day.Weekday()]
		next := day.AddDate(0, 0, 1)
		lastWorking := day.Weekday() >= time.Monday && day.Weekday() <= time.Friday
		for at := next; lastWorking && at.Month() == day.Month(); at = at.AddDate(0, 0, 1) {
			lastWorking = at.Weekday() == time.Saturday || at.Weekday() == time.Sunday
		}
		switch {
		case calendar.Holiday(day.Year(), day.Month(), day.Day()):
			y[i] *= c.holiday
		case next.Month() != day.Month():
			y[i] *= c.lastDay
		case day.Day() == 1:
			y[i] *= c.firstDay
		}
		if lastWorking {
			y[i] *= c.lastWorking
		}
	}
	if c.holidaysAreUnknown {
		calendar.Holiday = nil
	}
	return Case{Set: "company", Values: y, H: c.h, Season: 7}, calendar
}

// TestCalendarsPayWhereDaysAreSpecial holds, on made companies that no constant was chosen by, that month ends and holidays are learnt where there are some, and
// that hardly any company without them is forecast otherwise.
func TestCalendarsPayWhereDaysAreSpecial(t *testing.T) {
	const none, series = 1.0, 60
	for name, c := range map[string]struct {
		company        company
		from, to       float64 // of the error over that without a calendar
		leastUnchanged float64
	}{
		"nothing, eight weeks":                  {company{56, 35, none, none, none, none, 0.12, false}, 0.999, 1.001, 0.95},
		"nothing, half a year":                  {company{180, 35, none, none, none, none, 0.12, false}, 0.999, 1.001, 0.95},
		"month end x1.5, ten weeks":             {company{70, 35, none, 1.5, none, none, 0.12, false}, 0, 0.97, 0},
		"month end x1.5, half a year":           {company{180, 35, none, 1.5, none, none, 0.12, false}, 0, 0.94, 0},
		"last working day x1.5, half a year":    {company{180, 35, none, none, 1.5, none, 0.12, false}, 0, 0.95, 0},
		"first x1.6 and last x1.3, half a year": {company{180, 35, 1.6, 1.3, none, none, 0.12, false}, 0, 0.88, 0},
		"holidays x0.4, ten weeks":              {company{70, 35, none, none, none, 0.4, 0.12, false}, 0, 0.78, 0},
		"holidays x0.4, half a year":            {company{180, 35, none, none, none, 0.4, 0.12, false}, 0, 0.75, 0},
		"holidays that nobody told of":          {company{180, 35, none, none, none, 0.4, 0.12, true}, 0.995, 1.005, 0.9},
		"month end x1.2 under noise":            {company{180, 35, none, 1.2, none, none, 0.25, false}, 0, 1.003, 0},
	} {
		var with, without, same, held float64
		for seed := range uint64(series) {
			one, calendar := c.company.make(9000 + seed)
			scale, _ := one.scale()
			o := forecast.Options{H: one.H, Season: one.Season}
			plain, err := forecast.Run(one.Train(), o)
			if err != nil {
				t.Fatal(err)
			}
			o.Calendar = calendar
			f, err := forecast.Run(one.Train(), o)
			if err != nil {
				t.Fatal(err)
			}
			if len(f.Days) == 0 {
				same += 1.0 / series
			}
			part := 1 / float64(series*one.H)
			for i, v := range one.Held() {
				with += part * math.Abs(v-f.Mean[i]) / scale
				without += part * math.Abs(v-plain.Mean[i]) / scale
				if v >= f.Lo80[i] && v <= f.Hi80[i] {
					held += part
				}
			}
		}
		t.Logf("%-38s MASE %.3f, without a calendar %.3f; unchanged %.2f; 80 %% hold %.3f", name, with, without, same, held)
		if ratio := with / without; ratio < c.from || ratio > c.to || same < c.leastUnchanged || math.Abs(held-0.8) > 0.06 {
			t.Errorf("%s: the error is %.4f of that without a calendar, want %.3f to %.3f; %.2f are unchanged; 80 %% hold %.3f", name, ratio, c.from, c.to, same, held)
		}
	}
}
