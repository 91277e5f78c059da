package detect

import (
	"math"
	"time"
)

// The baseline's constants, the same for every series.
const (
	levelMemory  = 14 * 24 // hours of the service's level
	dayPrior     = 0.5     // days that the level weighs as much as, in an hour of the day
	weekPrior    = 1.0     // weeks that the hour of the day weighs as much as, in an hour of the week
	hourMemory   = 21      // days of an hour of the day
	weekMemory   = 8       // weeks of an hour of the week
	globalSpread = 0.8     // of log rates about their baseline: the prior of all services
	globalPrior  = 24      // hours that it weighs as much as
	floorOfLevel = 0.03    // of the level, below which a rate is as good as none
	spreadPrior  = 4       // days that the service's spread weighs as much as, in an hour of the day

)

// baseline is the rate that a service is expected to have: a level, a factor for the hour of the day and one for the hour
// of the week, each shrunk to the one before it by how little was seen of it (an empirical Bayes mean,
// (n·x̄ + k·prior)/(n + k)); and the spread of log rates about it, shrunk from the hour of the day to the service to all services.
type baseline struct {
	hour    int64 // since 1970; of the one that runs
	sum, n  float64
	level   mean
	days    [24]mean
	weeks   [168]mean
	spread  mean // of squared log residuals
	spreads [24]mean
	seen    int // hours
}

// take adds a row's calls and closes the hour before it; closed tells that one ended, and calls are those in it.
func (b *baseline) take(at time.Time, rate float64) (ended int64, calls float64, closed bool) {
	hour := at.Unix() / 3600
	if hour != b.hour && b.n > 0 {
		ended, calls, closed = b.hour, b.sum, true
		b.close()
	}
	b.hour = hour
	b.sum += rate
	b.n++
	return ended, calls, closed
}

func (b *baseline) close() {
	rate, day, week := b.sum/b.n, hourOfDay(b.hour), hourOfWeek(b.hour)
	off := b.log(rate, b.hour)
	b.level.add(rate, levelMemory)
	b.days[day].add(rate, hourMemory)
	b.weeks[week].add(rate, weekMemory)
	if b.seen++; b.seen > 24 {
		off = min(max(off, -4), 4)
		b.spread.add(off*off, levelMemory)
		b.spreads[day].add(off*off, hourMemory)
	}
	b.sum, b.n = 0, 0
}

// expected is the baseline of an hour.
func (b *baseline) expected(hour int64) float64 {
	day, week := &b.days[hourOfDay(hour)], &b.weeks[hourOfWeek(hour)]
	ofDay := (day.n*day.value + dayPrior*b.level.value) / (day.n + dayPrior)
	return (week.n*week.value + weekPrior*ofDay) / (week.n + weekPrior)
}

// log is the logarithm of a rate over the hour's baseline.
func (b *baseline) log(rate float64, hour int64) float64 {
	some := floorOfLevel*b.level.value + 1e-9
	return math.Log((rate + some) / (b.expected(hour) + some))
}

// deviation is the usual size of log.
func (b *baseline) deviation(hour int64) float64 {
	service := (b.spread.n*b.spread.value + globalPrior*globalSpread*globalSpread) / (b.spread.n + globalPrior)
	h := &b.spreads[hourOfDay(hour)]
	return math.Sqrt((h.n*h.value + spreadPrior*service) / (h.n + spreadPrior))
}

func hourOfDay(hour int64) int { return int(((hour % 24) + 24) % 24) }

// hourOfWeek counts from Thursday, as Unix time does.
func hourOfWeek(hour int64) int { return int(((hour % 168) + 168) % 168) }
