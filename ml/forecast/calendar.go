package forecast

import (
	"math"
	"slices"
	"time"
)

// Calendar says on which days the values of a series are, so that month ends and holidays can be learnt from it. Steps are a day at most.
type Calendar struct {
	First   time.Time      // begin of the first value
	Step    time.Duration  // of the values
	Zone    *time.Location // of the days; nil is UTC
	Holiday func(year int, month time.Month, day int) bool
	// Earlier are sums of whole days before that of the first value, oldest first and without a gap: a longer past than the values'.
	Earlier []float64
}

// kind is what is special about a day.
type kind int

// The kinds of days. Of a month's begin and end, days are counted as the calendar does or as business does, from Monday to Friday without holidays.
const (
	ordinary kind = iota
	holidayInWeek
	holidayAtWeekend
	firstDay
	secondDay
	lastDayButOne
	lastDay
	firstWorkingDay
	secondWorkingDay
	lastWorkingDayButOne
	lastWorkingDay
	kinds
)

// names of what is told of; empty for none.
var names = [kinds]string{
	holidayInWeek: "a holiday", holidayAtWeekend: "a holiday at a weekend",
	firstDay: "the first day of a month", secondDay: "the second day of a month", lastDayButOne: "the last day but one of a month", lastDay: "the last day of a month",
	firstWorkingDay: "the first working day of a month", secondWorkingDay: "the second working day of a month",
	lastWorkingDayButOne: "the last working day but one of a month", lastWorkingDay: "the last working day of a month",
}

// counts are the two ways in which the days of a month are counted.
var counts = [2][4]kind{{firstDay, secondDay, lastDayButOne, lastDay}, {firstWorkingDay, secondWorkingDay, lastWorkingDayButOne, lastWorkingDay}}

// Bounds of what days are learnt from.
const (
	leastDays   = 56  // two months' ends at least
	mostDays    = 800 // the latest
	aDay        = 24 * time.Hour
	mostFactor  = 10.0
	sameWeekday = 4 // weeks to either side whose weekday a day is compared with
	around      = 7 // days to either side whose level it is compared with
)

// effects are the logarithms of the factors of each kind of day; 0 is none.
type effects [kinds]float64

// date is a day of the calendar's zone, at midnight of UTC.
func (c *Calendar) date(at time.Time) time.Time {
	zone := c.Zone
	if zone == nil {
		zone = time.UTC
	}
	year, month, day := at.In(zone).Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

func (c *Calendar) holiday(day time.Time) bool {
	return c.Holiday != nil && c.Holiday(day.Year(), day.Month(), day.Day())
}

func (c *Calendar) working(day time.Time) bool {
	return !atWeekend(day) && !c.holiday(day)
}

func atWeekend(day time.Time) bool {
	return day.Weekday() == time.Saturday || day.Weekday() == time.Sunday
}

// kinds of a day by both counts. A holiday is one, whatever else the day is.
func (c *Calendar) kinds(day time.Time) (out [2]kind) {
	if c.holiday(day) {
		if atWeekend(day) {
			return [2]kind{holidayAtWeekend, holidayAtWeekend}
		}
		return [2]kind{holidayInWeek, holidayInWeek}
	}
	for count, of := range counts {
		if count == 1 && !c.working(day) {
			continue
		}
		before, after := 0, 0 // days of this month that count, 2 at most
		for at := day.AddDate(0, 0, -1); at.Month() == day.Month() && before < 2; at = at.AddDate(0, 0, -1) {
			if count == 0 || c.working(at) {
				before++
			}
		}
		for at := day.AddDate(0, 0, 1); at.Month() == day.Month() && after < 2; at = at.AddDate(0, 0, 1) {
			if count == 0 || c.working(at) {
				after++
			}
		}
		switch {
		case before == 0:
			out[count] = of[0]
		case after == 0:
			out[count] = of[3]
		case before == 1:
			out[count] = of[1]
		case after == 1:
			out[count] = of[2]
		}
	}
	return out
}

// daily sums the values by day: whole days only, oldest first, and the date of the first.
func (c *Calendar) daily(y []float64) (sums []float64, first time.Time) {
	first = c.date(c.First).AddDate(0, 0, -len(c.Earlier))
	sums = slices.Clone(c.Earlier)
	steps := 0 // of the day that runs
	for i, v := range y {
		at := int(c.date(c.First.Add(time.Duration(i)*c.Step)).Sub(first) / aDay)
		if at >= len(sums) {
			sums, steps = append(sums, make([]float64, at+1-len(sums))...), 0
		}
		sums[at] += v
		steps++
	}
	// The last day is seldom whole, nor is the first one: an hour more or less of summer time is no matter.
	if len(y) > 0 && time.Duration(steps)*c.Step < aDay-time.Hour {
		sums = sums[:len(sums)-1]
	}
	if begin := c.First.Add(-c.Step); len(sums) > len(c.Earlier) && c.Step < aDay && c.date(begin).Equal(c.date(c.First)) {
		if len(c.Earlier) > 0 { // what the day had before its first value is not known
			sums[len(c.Earlier)] = math.NaN()
		} else {
			sums, first = sums[1:], first.AddDate(0, 0, 1)
		}
	}
	if skip := len(sums) - mostDays; skip > 0 {
		sums, first = sums[skip:], first.AddDate(0, 0, skip)
	}
	return sums, first
}

// learn finds what special days do, from the values and what was before them.
func (c *Calendar) learn(y []float64) (out effects) {
	if c == nil || c.Step <= 0 || c.Step > aDay || aDay%c.Step != 0 || len(y) == 0 || slices.Min(y) < 0 {
		return out
	}
	sums, first := c.daily(y)
	if len(sums) < leastDays {
		return out
	}
	of := make([][2]kind, len(sums))
	for i := range sums {
		of[i] = c.kinds(first.AddDate(0, 0, i))
	}
	changes := unusual(sums, of)
	var usual, n float64
	var found [kinds][]float64
	for i, v := range changes {
		switch k := of[i]; {
		case math.IsNaN(v):
		case k == [2]kind{}:
			usual += v * v
			n++
		default:
			for count, one := range k {
				if one != ordinary && (count == 0 || one != k[0]) {
					found[one] = append(found[one], v)
				}
			}
		}
	}
	if n < leastDays/2 {
		return out
	}
	usual /= n
	var gains [2]float64
	for count, some := range counts {
		for _, k := range some {
			gains[count] += gainOf(found[k], usual)
		}
	}
	kept := counts[0]
	if gains[1] > gains[0] {
		kept = counts[1]
	}
	for _, k := range append(kept[:], holidayInWeek, holidayAtWeekend) {
		if gainOf(found[k], usual) > 0 {
			out[k] = min(max(shrunk(found[k], usual), -math.Log(mostFactor)), math.Log(mostFactor))
		}
	}
	return out
}

// unusual is by how much the logarithm of each day's sum differs from that of its weekday among the ordinary days of the four weeks before and after, less
// that of the ordinary days around; not a number where there are too few.
func unusual(sums []float64, of [][2]kind) []float64 {
	size, n := 0.0, 0.0
	for _, v := range sums {
		if !math.IsNaN(v) {
			size, n = size+v, n+1
		}
	}
	floor := 0.02*size/n + 1e-9
	logs, raw, out := make([]float64, len(sums)), make([]float64, len(sums)), make([]float64, len(sums))
	for i, v := range sums {
		logs[i] = math.Log(v + floor)
	}
	pick := func(from []float64, at, reach, step, least int) float64 {
		var near []float64
		for j := at - reach*step; j <= at+reach*step; j += step {
			if j >= 0 && j < len(from) && j != at && of[j] == [2]kind{} && !math.IsNaN(from[j]) {
				near = append(near, from[j])
			}
		}
		if len(near) < least {
			return math.NaN()
		}
		return median(near)
	}
	for i := range raw {
		raw[i] = logs[i] - pick(logs, i, sameWeekday, 7, 2)
	}
	for i := range out {
		out[i] = raw[i] - pick(raw, i, around, 1, 4)
	}
	return out
}

// What a mean of few days keeps: 1 - (c·s/m)² of a mean m with the standard error s, nothing below c of them; s from the days' own variance, as that of
// usualWeight ordinary days.
const (
	keepErrors  = 3.5
	usualWeight = 4
	leastFound  = 2
)

// shrunk is what is kept of the mean.
func shrunk(found []float64, usual float64) float64 {
	if len(found) == 0 {
		return 0
	}
	n, m := float64(len(found)), mean(found)
	square := usualWeight * usual
	for _, v := range found {
		square += (v - m) * (v - m)
	}
	error2 := square / (n - 1 + usualWeight) / n
	return m * max(0, 1-keepErrors*keepErrors*error2/(m*m+1e-300))
}

// gainOf is the back-test: by how much less all days of a kind would have been missed, each with what the others tell of it.
func gainOf(found []float64, usual float64) float64 {
	if len(found) < leastFound {
		return 0
	}
	sum := 0.0
	for i, v := range found {
		others := slices.Concat(found[:i], found[i+1:])
		sum += math.Abs(v) - math.Abs(v-shrunk(others, usual))
	}
	return sum
}

// factors are those of n values from the at-th value of the series on; nil where no day is special.
func (c *Calendar) factors(e effects, at, n int) []float64 {
	if e == (effects{}) {
		return nil
	}
	out := make([]float64, n)
	var day time.Time
	factor := 1.0
	for i := range out {
		if now := c.date(c.First.Add(time.Duration(at+i) * c.Step)); !now.Equal(day) {
			day, factor = now, 1
			k := c.kinds(day)
			for count, one := range k {
				if one != ordinary && (count == 0 || one != k[0]) {
					factor *= math.Exp(e[one])
				}
			}
		}
		out[i] = factor
	}
	return out
}

// without takes the factors off the values.
func (c *Calendar) without(factors, y []float64) []float64 {
	if factors == nil {
		return y
	}
	out := make([]float64, len(y))
	for i, v := range y {
		out[i] = v / factors[i]
	}
	return out
}

// told names the factors.
func (e effects) told() map[string]float64 {
	out := map[string]float64{}
	for k, v := range e {
		if v != 0 {
			out[names[k]] = math.Exp(v)
		}
	}
	return out
}
