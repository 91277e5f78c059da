package forecast

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestKindsOfDays(t *testing.T) {
	c := &Calendar{Holiday: func(_ int, month time.Month, day int) bool {
		return month == time.May && (day == 1 || day == 29) || month == time.July && day == 4
	}}
	for day, want := range map[string][2]kind{
		"2026-01-31": {lastDay, ordinary}, // a Saturday
		"2026-01-30": {lastDayButOne, lastWorkingDay},
		"2026-01-29": {ordinary, lastWorkingDayButOne},
		"2026-02-01": {firstDay, ordinary}, // a Sunday
		"2026-02-02": {secondDay, firstWorkingDay},
		"2026-02-03": {ordinary, secondWorkingDay},
		"2026-02-10": {},
		"2026-03-31": {lastDay, lastWorkingDay},
		"2026-05-01": {holidayInWeek, holidayInWeek},
		"2026-05-04": {ordinary, firstWorkingDay}, // a Monday after the 1st, a holiday
		"2026-05-28": {ordinary, lastWorkingDay},  // before a holiday and a weekend
		"2026-07-04": {holidayAtWeekend, holidayAtWeekend},
	} {
		at, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.kinds(at); got != want {
			t.Errorf("%s: %v, want %v", day, got, want)
		}
	}
}

// spend is that of n days from first on: a week, noise of 8 %, and on a month's last day half as much again.
func spend(n int, first time.Time, seed uint64) []float64 {
	random := rand.New(rand.NewPCG(seed, 9))
	out := make([]float64, n)
	for i := range out {
		day := first.AddDate(0, 0, i)
		out[i] = 1000 * math.Exp(0.08*random.NormFloat64())
		if atWeekend(day) {
			out[i] *= 0.4
		}
		if day.AddDate(0, 0, 1).Month() != day.Month() {
			out[i] *= 1.5
		}
	}
	return out
}

var january = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestMonthEndsAreLearnt(t *testing.T) {
	y := spend(150, january, 1) // to the 30th of May
	o := Options{H: 40, Season: 7, Calendar: &Calendar{First: january, Step: aDay}}
	with := run(t, y, o)
	plain := run(t, y, Options{H: 40, Season: 7})
	if factor := with.Days["the last day of a month"]; math.Abs(factor-1.5) > 0.2 || len(with.Days) != 1 {
		t.Errorf("learnt %v, want 1.5 on the last day of a month alone", with.Days)
	}
	if ratio := with.Mean[30] / plain.Mean[30]; math.Abs(ratio-1.5) > 0.3 { // the 30th of June
		t.Errorf("the month's end is %.2f times what it is without a calendar, want 1.5", ratio)
	}
	if ratio := with.Mean[15] / plain.Mean[15]; math.Abs(ratio-1) > 0.05 {
		t.Errorf("a day in its middle is %.2f times what it is without a calendar, want 1", ratio)
	}
}

// A past of days before the values serves as well as values: the gateway forecasts from five weeks of hours.
func TestEarlierDaysTeach(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	days := spend(150, january, 2)
	first := time.Date(2026, 4, 20, 9, 0, 0, 0, zone) // 109 days later, at nine in the morning
	end := time.Date(2026, 5, 31, 0, 0, 0, 0, zone)
	var y []float64
	c := &Calendar{First: first, Step: time.Hour, Zone: zone}
	for at := first; at.Before(end); at = at.Add(time.Hour) {
		y = append(y, days[int(c.date(at).Sub(january)/aDay)]/24)
	}
	if f := run(t, y, Options{H: 48, Season: 24, Calendar: c}); len(f.Days) != 0 {
		t.Errorf("from six weeks: %v, want nothing", f.Days)
	}
	c.Earlier = days[:109]
	f := run(t, y, Options{H: 48, Season: 24, Season2: 168, Calendar: c})
	if factor := f.Days["the last day of a month"]; math.Abs(factor-1.5) > 0.2 {
		t.Fatalf("learnt %v, want 1.5 on the last day of a month", f.Days)
	}
	if f.Mean[1] < 1.2*f.Mean[30] { // the 31st is a Sunday, the 1st of June a Monday: what a weekend takes a month's end gives
		plain := run(t, y, Options{H: 48, Season: 24, Season2: 168})
		if ratio := f.Mean[1] / plain.Mean[1]; math.Abs(ratio-1.5) > 0.3 {
			t.Errorf("an hour of the month's end is %.2f times what it is without, want 1.5", ratio)
		}
	}
}

// Where no day is special, a calendar changes nothing, to the bit.
func TestACalendarWithoutEvidenceChangesNothing(t *testing.T) {
	o := Options{H: 40, Season: 7}
	for name, c := range map[string]struct {
		y        []float64
		calendar Calendar
	}{
		"a short past": {spend(50, january, 3), Calendar{First: january, Step: aDay}},
		"noise": {func() []float64 {
			y := spend(150, january.AddDate(0, 0, 9), 4) // month ends are at other days than the calendar thinks
			return y
		}(), Calendar{First: january, Step: aDay}},
		"steps of a week": {spend(150, january, 5), Calendar{First: january, Step: 7 * aDay}},
		"below 0":         {append(spend(149, january, 6), -1), Calendar{First: january, Step: aDay}},
		"no spend":        {make([]float64, 150), Calendar{First: january, Step: aDay}},
	} {
		plain := run(t, c.y, o)
		with := o
		with.Calendar = &c.calendar
		f := run(t, c.y, with)
		if len(f.Days) != 0 || !slices.Equal(f.Mean, plain.Mean) || !slices.Equal(f.TotalHi80, plain.TotalHi80) {
			t.Errorf("%s: learnt %v, and the forecast is another", name, f.Days)
		}
	}
}
