// Package synth makes labelled series of a service's calls, minute by minute, from hourly rates of real
// clients: with one abuse or one legitimate surprise each, to measure detectors by.
package synth

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/saas-sentinel/saas-sentinel/ml/series"
)

// Kind is what happens in a series.
type Kind string

// The abuses, and what looks like one and is none. Rates are in units of the client's own mean.
const (
	LeakedKey  Kind = "leaked key"  // a stranger's burst: 5 to 20 times the mean rate on top, with prompts and answers of another size
	Runaway    Kind = "runaway"     // an agent in a loop: 3 to 6 times the mean rate on top, its prompts growing from 2 to 8 times the usual
	Drip       Kind = "drip"        // a quarter more of everything, from then on
	SteadyDrip Kind = "steady drip" // a stranger who takes a quarter of the mean rate, day and night, from then on
	Stuffing   Kind = "stuffing"    // prompts 4 to 16 times as long
	RetryStorm Kind = "retry storm" // 3 to 6 times the requests, half to nine tenths of them failing
	OffHours   Kind = "off hours"   // the rate of the busy hours in the quietest hours of the night
	Quiet      Kind = "quiet"       // nothing
	Cron       Kind = "cron"        // every day at the same minute, 5 times the rate for a quarter of an hour
	Deploy     Kind = "deploy"      // 40 % longer prompts and 30 % more latency from then on
	MonthEnd   Kind = "month end"   // the last two days of the month with twice the calls
	Weekend    Kind = "weekend"     // Saturdays and Sundays at 30 %
)

// Abuses are the kinds that a detector has to find; Legitimate those that it has to leave alone.
var (
	Abuses     = []Kind{LeakedKey, Runaway, Stuffing, RetryStorm, OffHours, Drip, SteadyDrip}
	Legitimate = []Kind{Quiet, Cron, Deploy, MonthEnd, Weekend}
)

// Columns are the columns of a series, in the order of its rows.
var Columns = series.Metrics

// The first rows' times: Mondays. The sources have no dates: these are assumptions.
var (
	start         = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	startMonthEnd = time.Date(2026, 3, 23, 0, 0, 0, 0, time.UTC)
)

// Series is one made series: Rows[i] is minute i after Start.
type Series struct {
	Name     string
	Kind     Kind
	Start    time.Time
	Rows     [][]float64
	From, To int // minutes of the event, To not included; both 0 without an abuse
}

// Prices of one token in dollars: an assumption, of the order of a mid-size model's.
const promptPrice, completionPrice = 0.25e-6, 2e-6

const (
	day      = 24 * 60 // minutes
	calm     = 7 * day // before an abuse begins
	leastAt  = 60      // calls an hour at which an abuse begins: it needs somebody to hide behind
	maxTries = 400     // to find such a minute
	nightly  = 0.2     // of the mean: above that a client has no off-hours
	leastHrs = 8 * 24  // of rates
)

// Usable tells whether a client's hourly rates can carry an abuse of a kind: 192 hours at least, a
// call a minute on average, calls in half of the hours, and for off-hours use a quiet night.
func Usable(hourly []float64, kind Kind) bool {
	active, total := 0, 0.0
	for _, v := range hourly {
		if total += v; v > 0 {
			active++
		}
	}
	n := float64(len(hourly))
	if n < leastHrs || total/n < leastAt || float64(active) < n/2 {
		return false
	}
	_, night := quietest(hourly)
	return kind != OffHours || night < nightly*total/n
}

// Make makes a series of kind from hourly rates. The same seed gives the same series. Even seeds draw
// the rate as a line from hour to hour, odd ones as a step at each. It needs rates for eight days at
// least, and gives an error for fewer.
func Make(name string, hourly []float64, kind Kind, seed uint64) (Series, error) {
	if len(hourly) < leastHrs {
		return Series{}, fmt.Errorf("make %s: %d hours of rates, %d are needed", name, len(hourly), leastHrs)
	}
	r := rand.New(rand.NewPCG(seed, uint64(len(name)))) //nolint:gosec // the same seed has to give the same series
	s := Series{Name: name, Kind: kind, Start: start, Rows: make([][]float64, len(hourly)*60)}
	if kind == MonthEnd {
		s.Start = startMonthEnd
	}
	rate := between
	if seed%2 == 1 {
		rate = func(hourly []float64, minute int) float64 { return hourly[minute/60] }
	}
	e := plan(kind, hourly, rate, r)
	s.From, s.To = e.from, e.to
	m := maker{r: r, prompt: math.Exp(5.5 + 1.5*r.Float64()), completion: math.Exp(4.5 + 1.2*r.Float64()), latency: 300 + 1500*r.Float64()}
	wobble := 0.0
	for i := range s.Rows {
		wobble = 0.9*wobble + 0.05*r.NormFloat64()
		s.Rows[i] = m.row(i, s.Start.Add(time.Duration(i)*time.Minute), rate(hourly, i)/60*math.Exp(wobble), e)
	}
	return s, nil
}

// between interpolates hourly rates from the middle of an hour to the middle of the next.
func between(hourly []float64, minute int) float64 {
	at := (float64(minute) - 30) / 60
	i := int(math.Floor(at))
	a, b := hourly[max(i, 0)], hourly[min(max(i+1, 0), len(hourly)-1)]
	return a + (b-a)*(at-float64(i))
}

// event is what a kind does to a series.
type event struct {
	kind               Kind
	from, to           int
	rate               float64 // requests a minute that come on top
	factor             float64 // of what the kind multiplies
	failing            float64 // share of the calls
	prompt, completion float64 // of the calls on top, in units of the usual
	minute             int     // of the day
}

func plan(kind Kind, hourly []float64, rate func([]float64, int) float64, r *rand.Rand) event {
	mean := 0.0
	for _, v := range hourly {
		mean += v / float64(len(hourly)) / 60
	}
	minutes := len(hourly) * 60
	pick := func(rest int) int { return calm + r.IntN(max(1, minutes-calm-rest)) }
	e := event{kind: kind, minute: r.IntN(day), prompt: 1, completion: 1}
	between := func(least, most float64) float64 { return least + (most-least)*r.Float64() }
	begin := func(least, most int) {
		for try := 0; try == 0 || try < maxTries && rate(hourly, e.from) < leastAt; try++ {
			e.from = pick(most)
		}
		e.to = e.from + least + r.IntN(most-least)
	}
	switch kind { //nolint:exhaustive // the others need no plan
	case LeakedKey:
		begin(30, 120)
		e.rate = max(mean, 1) * between(5, 20)
		e.prompt, e.completion = math.Exp(between(-1.2, 1.2)), math.Exp(between(-1.2, 1.2))
	case Runaway:
		begin(60, 360)
		e.rate = max(mean, 1) * between(3, 6)
	case Drip, SteadyDrip:
		begin(4*day-1, 4*day)
		e.factor, e.to = 1.25, minutes
		e.rate = 0.25 * mean
	case Stuffing:
		begin(60, 180)
		e.factor = between(4, 16)
	case RetryStorm:
		begin(20, 60)
		e.factor, e.failing = between(3, 6), between(0.5, 0.9)
	case OffHours:
		hour, _ := quietest(hourly)
		e.from = pick(day)/day*day + hour*60 + r.IntN(60)
		e.to = e.from + 90 + r.IntN(90)
		e.rate = busy(hourly) / 60
	case Deploy:
		e.from = pick(day)
	}
	return e
}

// quietest gives the hour of the day from which four hours have the fewest calls, and their mean.
func quietest(hourly []float64) (hour int, mean float64) {
	profile := dayProfile(hourly)
	sums := make([]float64, 24)
	for h := range sums {
		for k := range 4 {
			sums[h] += profile[(h+k)%24] / 4
		}
	}
	mean = slices.Min(sums)
	return slices.Index(sums, mean), mean
}

// busy is the mean of the eight busiest hours of the day.
func busy(hourly []float64) float64 {
	profile := dayProfile(hourly)
	slices.Sort(profile)
	sum := 0.0
	for _, v := range profile[16:] {
		sum += v / 8
	}
	return sum
}

// dayProfile is the mean of each hour of the day.
func dayProfile(hourly []float64) []float64 {
	sums, n := make([]float64, 24), make([]float64, 24)
	for i, v := range hourly {
		sums[i%24] += v
		n[i%24]++
	}
	for h := range sums {
		sums[h] /= max(n[h], 1)
	}
	return sums
}

// maker draws rows.
type maker struct {
	r                           *rand.Rand
	prompt, completion, latency float64 // means a call
}

func (m *maker) row(i int, at time.Time, rate float64, e event) []float64 {
	on := i >= e.from && i < e.to
	prompt, completion, latency, failing, extra := m.prompt, m.completion, m.latency, 0.005, 0.0
	strangePrompt := prompt * e.prompt
	switch {
	case e.kind == Cron && (i-e.minute+day)%day < 15:
		rate *= 5
	case e.kind == Weekend && (at.Weekday() == time.Saturday || at.Weekday() == time.Sunday):
		rate *= 0.3
	case e.kind == MonthEnd && at.AddDate(0, 0, 2).Month() != at.Month():
		rate *= 2
	case e.kind == Deploy && i >= e.from:
		prompt, latency = prompt*1.4, latency*1.3
	case !on:
	case e.kind == LeakedKey || e.kind == OffHours || e.kind == SteadyDrip:
		extra = e.rate
	case e.kind == Runaway:
		extra = e.rate
		strangePrompt *= 2 + 6*float64(i-e.from)/float64(max(1, e.to-e.from))
	case e.kind == Drip:
		rate *= e.factor
	case e.kind == Stuffing:
		prompt *= e.factor
	case e.kind == RetryStorm:
		rate, failing, latency, completion = rate*e.factor, e.failing, latency*2, completion*(1-0.9*e.failing)
	}
	usual, strange := m.poisson(rate), m.poisson(extra)
	n := usual + strange
	if n == 0 {
		return []float64{0, 0, 0, 0, 0, 0}
	}
	in := m.total(usual, prompt) + m.total(strange, strangePrompt)
	failed := 0.0
	for range int(min(n, 400)) {
		if m.r.Float64() < failing {
			failed++
		}
	}
	out := m.total(usual, completion) + m.total(strange, completion*e.completion)
	return []float64{n, math.Round(in), math.Round(out), in*promptPrice + out*completionPrice,
		latency * math.Exp(0.15*m.r.NormFloat64()), failed / min(n, 400)}
}

// total draws the tokens of n calls, log-normal each.
func (m *maker) total(n, mean float64) float64 {
	const spread = 0.8
	if n > 50 { // the sum of many is nearly normal
		return max(0, n*mean*(1+math.Sqrt(math.Exp(spread*spread)-1)/math.Sqrt(n)*m.r.NormFloat64()))
	}
	sum := 0.0
	for range int(n) {
		sum += mean * math.Exp(spread*m.r.NormFloat64()-spread*spread/2)
	}
	return sum
}

func (m *maker) poisson(mean float64) float64 {
	if mean <= 0 {
		return 0
	}
	if mean > 50 {
		return max(0, math.Round(mean+math.Sqrt(mean)*m.r.NormFloat64()))
	}
	limit, p, k := math.Exp(-mean), 1.0, 0.0
	for p > limit {
		p *= m.r.Float64()
		k++
	}
	return k - 1
}
