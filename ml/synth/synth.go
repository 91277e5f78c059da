// Package synth makes labelled series of a service's calls, minute by minute, from hourly rates of real
// clients: with one abuse or one legitimate surprise each, to measure detectors by.
package synth

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Kind is what happens in a series.
type Kind string

// The abuses, and what looks like one and is none.
const (
	LeakedKey  Kind = "leaked key"  // a stranger's burst: 5 to 20 times the mean rate
	Runaway    Kind = "runaway"     // an agent in a loop: 3 to 6 times the mean rate, its prompts growing
	Drip       Kind = "drip"        // a quarter more, from then on
	Stuffing   Kind = "stuffing"    // prompts 8 to 20 times as long
	RetryStorm Kind = "retry storm" // 3 to 6 times the requests, most of them failing
	OffHours   Kind = "off hours"   // the day's rate in the quietest hours of the night

	Quiet    Kind = "quiet"     // nothing
	Cron     Kind = "cron"      // every day at the same minute, 5 times the rate for a quarter of an hour
	Deploy   Kind = "deploy"    // 40 % longer prompts from then on
	MonthEnd Kind = "month end" // one day with twice the calls
	Weekend  Kind = "weekend"   // Saturdays and Sundays at 30 %
)

// Abuses are the kinds that a detector has to find; Legitimate those that it has to leave alone.
var (
	Abuses     = []Kind{LeakedKey, Runaway, Drip, Stuffing, RetryStorm, OffHours}
	Legitimate = []Kind{Quiet, Cron, Deploy, MonthEnd, Weekend}
)

// Columns are the columns of a series, in the order of its rows.
var Columns = []string{"requests", "prompt_tokens", "completion_tokens", "cost_usd", "latency_ms", "error_rate"}

// Start is the time of the first row, a Monday. The sources have no dates: this one is an assumption.
var Start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// Series is one made series: Rows[i] is minute i after Start.
type Series struct {
	Name     string
	Kind     Kind
	Rows     [][]float64
	From, To int // minutes of the event, To not included; both 0 without an abuse
}

// Prices of one token in dollars: an assumption, of the order of a mid-size model's.
const promptPrice, completionPrice = 0.25e-6, 2e-6

// Make makes a series of kind from hourly rates. The same seed gives the same series. It needs
// rates for eight days at least, and gives an error for fewer.
func Make(name string, hourly []float64, kind Kind, seed uint64) (Series, error) {
	if len(hourly) < 8*24 {
		return Series{}, fmt.Errorf("make %s: %d hours of rates, 192 are needed", name, len(hourly))
	}
	r := rand.New(rand.NewPCG(seed, uint64(len(name)))) //nolint:gosec // the same seed has to give the same series
	s := Series{Name: name, Kind: kind, Rows: make([][]float64, len(hourly)*60)}
	e := plan(kind, hourly, r)
	s.From, s.To = e.from, e.to
	m := maker{r: r, prompt: math.Exp(5.5 + 1.5*r.Float64()), completion: math.Exp(4.5 + 1.2*r.Float64()), latency: 300 + 1500*r.Float64()}
	wobble := 0.0
	for i := range s.Rows {
		wobble = 0.9*wobble + 0.05*r.NormFloat64()
		rate := between(hourly, i) / 60 * math.Exp(wobble)
		s.Rows[i] = m.row(i, rate, e)
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
	kind     Kind
	from, to int
	rate     float64 // requests a minute that come on top
	factor   float64 // of what the kind multiplies
	minute   int     // of the day
}

func plan(kind Kind, hourly []float64, r *rand.Rand) event {
	total := 0.0
	for _, v := range hourly {
		total += v
	}
	perMinute := total / float64(len(hourly)) / 60
	minutes := len(hourly) * 60
	e := event{kind: kind, from: 7*24*60 + r.IntN(minutes-7*24*60-12*60), minute: r.IntN(24 * 60)}
	for try := 0; try < 200 && between(hourly, e.from) < 60; try++ { // an abuse needs somebody to abuse
		e.from = 7*24*60 + r.IntN(minutes-7*24*60-12*60)
	}
	lasts := func(least, most int) { e.to = min(minutes, e.from+least+r.IntN(most-least)) }
	switch kind { //nolint:exhaustive // the others need no plan
	case LeakedKey:
		e.rate = max(perMinute, 1) * (5 + 15*r.Float64())
		lasts(30, 120)
	case Runaway:
		e.rate = max(perMinute, 1) * (3 + 3*r.Float64())
		lasts(60, 360)
	case Drip:
		e.from = 7*24*60 + r.IntN(max(1, minutes-7*24*60-4*24*60))
		e.factor, e.to = 1.25, minutes
	case Stuffing:
		e.factor = 8 + 12*r.Float64()
		lasts(60, 180)
	case RetryStorm:
		e.factor = 3 + 3*r.Float64()
		lasts(20, 60)
	case OffHours:
		e.from = quietest(hourly)*60 + (e.from/(24*60))*24*60
		e.rate = max(perMinute, 1)
		lasts(120, 240)
	case MonthEnd:
		e.from = (e.from / (24 * 60)) * 24 * 60
		e.to = e.from + 24*60
	}
	return e
}

// quietest gives the hour of the day from which four hours have the fewest calls.
func quietest(hourly []float64) int {
	var day [24]float64
	for i, v := range hourly {
		day[i%24] += v
	}
	sums := make([]float64, 24)
	for h := range sums {
		for k := range 4 {
			sums[h] += day[(h+k)%24]
		}
	}
	return slices.Index(sums, slices.Min(sums))
}

// maker draws rows.
type maker struct {
	r                           *rand.Rand
	prompt, completion, latency float64 // means a call
}

func (m *maker) row(i int, rate float64, e event) []float64 {
	on := i >= e.from && i < e.to
	prompt, completion, latency, failing, extra := m.prompt, m.completion, m.latency, 0.005, 0.0
	day := Start.Add(time.Duration(i) * time.Minute)
	switch {
	case e.kind == Cron && (i-e.minute+24*60)%(24*60) < 15:
		rate *= 5
	case e.kind == Weekend && (day.Weekday() == time.Saturday || day.Weekday() == time.Sunday):
		rate *= 0.3
	case e.kind == Deploy && i >= e.from:
		prompt *= 1.4
	case on && e.kind == MonthEnd:
		rate *= 2
	case on && (e.kind == LeakedKey || e.kind == Runaway || e.kind == OffHours):
		extra = e.rate
	case on && e.kind == Drip:
		rate *= e.factor
	case on && e.kind == Stuffing:
		prompt *= e.factor
	case on && e.kind == RetryStorm:
		rate, failing, latency, completion = rate*e.factor, 0.7, latency*2, completion*0.3
	}
	usual, strange := m.poisson(rate), m.poisson(extra)
	strangePrompt := prompt
	if e.kind == Runaway {
		strangePrompt *= 2 + 6*float64(i-e.from)/float64(max(1, e.to-e.from))
	}
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
	out := m.total(n, completion)
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
