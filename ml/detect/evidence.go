package detect

import (
	"math"
	"time"
)

// row is one interval of a service; NaN where a column is missing.
type row struct{ requests, prompt, completion, cost, latency, errors float64 }

// readRow takes the metrics from their places among the values.
func readRow(at []int, values []float64) row {
	get := func(metric int) float64 {
		if at[metric] < 0 {
			return math.NaN()
		}
		return max(0, values[at[metric]]) // NaN stays NaN
	}
	return row{requests: get(0), prompt: get(1), completion: get(2), cost: get(3), latency: get(4), errors: get(5)}
}

// evidence is one way in which a service's rows can be unusual. It measures an effect that matters by itself,
// such as a multiple of the usual volume, and not only an improbable one: in a busy series improbable trifles
// are frequent. An effect is news when it lasts two rows, reaches its floor, and is clearly above the largest
// that the series showed before (the range-break rule).
type evidence struct {
	name    string
	measure func(w *watch, at time.Time, r row) effect
	record  float64 // the largest size so far; fades
	before  effect  // of the row before
	habits  habits
}

// effect is how much a row differs. Known is false where a measure cannot tell yet.
type effect struct {
	size, floor      float64
	actual, expected float64
	known            bool
}

// The rule's constants, the same for every series.
const (
	clearly    = 1.3     // times the record
	recordFade = 1.6e-5  // a row: half in 30 days of minutes
	learnRows  = 24 * 60 // rows before which nothing is news: a day of minutes
	learnHours = 72      // or this many rows of a coarser series, and three days

	mostStrength     = 1e6
	habitual         = 0.5  // strength from which the calendar remembers
	expectedStrength = 0.95 // most that something habitual has
)

// step gives the strength of the evidence, 1 being an alert, and what was measured.
func (e *evidence) step(w *watch, at time.Time, r row) (strength float64, now effect) {
	now = e.measure(w, at, r)
	if !now.known {
		return 0, now
	}
	lasting := max(0, min(now.size, e.before.size))
	strength = min(now.size/now.floor, e.before.size/e.before.floor)
	if e.record > 0 {
		strength = min(strength, lasting/(clearly*e.record))
	}
	if strength >= habitual && e.habits.recurs(at) {
		strength = min(strength, expectedStrength)
	}
	e.before = now
	e.record = max(e.record*(1-recordFade), lasting)
	return min(max(0, strength), mostStrength), now
}

// watch is the memory that the evidences share.
type watch struct {
	rows       int
	began      time.Time
	requests   recent
	failures   recent
	asked      recent // requests of rows with an error rate
	long       mean   // requests a row
	hours      [24]hour
	prompt     typical
	completion typical
	latency    typical
	cost       typical
	failing    mean
}

// evidences are all that is looked for.
func evidences() []*evidence {
	ratio := func(floor float64, of func(w *watch, r row) (float64, float64, float64, bool)) func(*watch, time.Time, row) effect {
		return func(w *watch, _ time.Time, r row) effect {
			size, now, usual, ok := of(w, r)
			return effect{size, math.Log(floor), now, usual, ok}
		}
	}
	return []*evidence{
		{name: "requests", measure: (*watch).burst},
		{name: "requests_for_this_hour", measure: (*watch).offHours},
		{name: "prompt_tokens_per_request", measure: ratio(2.5, func(w *watch, r row) (float64, float64, float64, bool) { return w.prompt.step(r.prompt, r.requests) })},
		{name: "completion_tokens_per_request", measure: ratio(3, func(w *watch, r row) (float64, float64, float64, bool) {
			return w.completion.step(r.completion, r.requests)
		})},
		{name: "cost_usd_per_request", measure: ratio(3, func(w *watch, r row) (float64, float64, float64, bool) { return w.cost.step(r.cost, r.requests) })},
		{name: "latency_ms", measure: ratio(4, func(w *watch, r row) (float64, float64, float64, bool) {
			return w.latency.step(r.latency*r.requests, r.requests)
		})},
		{name: "error_rate", measure: (*watch).failuresNow},
	}
}

// take brings a row into the shared memory, after which the evidences measure it.
func (w *watch) take(at time.Time, r row) {
	if w.rows == 0 {
		w.began = at
	}
	w.rows++
	if !math.IsNaN(r.requests) {
		w.requests.add(r.requests)
		w.long.add(r.requests, longMean)
	}
}

// few is how many calls are too few to be a burst.
const few = 6

// A burst has to be so many times the series' mean; one above anything of its hour of the day, a third of that.
const (
	burstFloor = 2
	newFloor   = 0.7
	unheardOf  = 1.2 // times the largest of the hour
	hourFloor  = 0.5
	failFloor  = 0.3 // share of the calls
)

// burst is how many more calls come than in the last half hour, a row.
func (w *watch) burst(at time.Time, r row) effect {
	if math.IsNaN(r.requests) || w.requests.n < 32 {
		return effect{}
	}
	now := w.requests.mean(2, 0)
	was := max(w.requests.mean(10, 2), w.requests.mean(30, 2))
	e := effect{floor: burstFloor * (w.long.value + 0.25), actual: now, expected: was, known: true}
	if most := w.mostAround(at); most > 0 && now > unheardOf*most {
		e.floor *= newFloor / burstFloor
	}
	if 2*(now-was) >= few && now >= 2*was {
		e.size = now - was
	}
	return e
}

// hour remembers the largest short mean that an hour of the day had.
type hour struct{ most, current float64 }

// mostAround is the largest ten rows' mean of earlier days at this hour and its neighbours.
func (w *watch) mostAround(at time.Time) float64 {
	h := at.UTC().Hour()
	return max(w.hours[h].most, w.hours[(h+23)%24].most, w.hours[(h+1)%24].most)
}

// offHours is how many more calls come than ever at this hour of the day, a row.
func (w *watch) offHours(at time.Time, r row) effect {
	if math.IsNaN(r.requests) || w.requests.n < 10 {
		return effect{}
	}
	h := at.UTC().Hour()
	now, was := w.requests.mean(10, 0), w.mostAround(at)
	for i := range w.hours { // a day's maximum joins the record when its hour and the next have passed
		if c := &w.hours[i]; i != h && (i+1)%24 != h && (i+23)%24 != h && c.current > 0 {
			c.most, c.current = max(c.most, c.current), 0
		}
	}
	w.hours[h].current = max(w.hours[h].current, now)
	e := effect{floor: hourFloor * (w.long.value + 0.25), actual: now, expected: was, known: true}
	if 10*(now-was) >= few && now >= 2*was {
		e.size = now - was
	}
	return e
}

// failuresNow is by how much more of the calls fail than usually.
func (w *watch) failuresNow(_ time.Time, r row) effect {
	if math.IsNaN(r.errors) {
		return effect{}
	}
	n := r.requests
	if math.IsNaN(n) {
		n = few
	}
	w.asked.add(n)
	w.failures.add(r.errors * n)
	usual := w.failing.value
	e := effect{floor: failFloor, actual: r.errors, expected: usual, known: true}
	if asked := 3 * w.asked.mean(3, 0); asked >= few {
		w.failing.add(r.errors, longMean)
		e.actual = 3 * w.failures.mean(3, 0) / asked
		e.size = e.actual - usual
	}
	return e
}
