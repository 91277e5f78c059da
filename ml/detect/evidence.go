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

// The kinds of evidence. Each is an effect that matters by itself, such as a multiple of the usual volume, and not only an
// improbable one: in a busy series improbable trifles are frequent.
const (
	volume = iota
	hourly
	promptSize
	completionSize
	callCost
	latency
	failing
	joint
	outOfHours
	dripping
	evidences
)

var evidenceNames = [evidences]string{
	volume: "requests", hourly: "requests_for_this_hour", promptSize: "prompt_tokens_per_request", completionSize: "completion_tokens_per_request",
	callCost: "cost_usd_per_request", latency: "latency_ms", failing: "error_rate", joint: "combination", outOfHours: "requests_out_of_hours", dripping: "requests_per_day",
}

// effect is how much a row differs. Size is in units of the least that is worth an alert; against adds to that least where something
// speaks against one.
type effect struct {
	size             float64
	actual, expected float64
	against          float64
}

// evidence is the memory of one kind.
type evidence struct {
	peaks  peaks
	before float64 // size in the row before
	habits habits
	held   float64 // bar when the event that lasts began
}

// The rule's constants, the same for every series.
const (
	risk             = 0.10 / 168 // an hour and kind of evidence; the floors and the two rows keep alerts below 0.2 a week
	clearly          = 1.05       // times the record
	learnRows        = 24 * 60    // rows before which nothing is news: a day of minutes
	learnHours       = 72         // or this many rows of a coarser series, and three days
	warm             = 24         // hours of baseline from which effects against it are remembered
	habitual         = 0.5        // strength from which the calendar remembers
	expectedStrength = 0.95       // most that something habitual has
)

// strength weighs a size: over the larger of the floor (1, and what speaks against it), the size that comes by chance once in a long time
// (limit), and the record.
func (e *evidence) strength(at time.Time, size, against float64) float64 {
	s := max(0, size/max(1+against, e.bar()))
	if s >= habitual && e.habits.recurs(at) {
		s = min(s, expectedStrength)
	}
	return s
}

// bar is what a size has to exceed by the past.
func (e *evidence) bar() float64 { return max(e.peaks.limit, clearly*e.peaks.record()) }

// hold remembers the bar: an event raises it by itself at each hour's end.
func (e *evidence) hold() { e.held = e.bar() }

// raised is how much higher the bar is now than when the event began.
func (e *evidence) raised(against float64) float64 {
	return max(1+against, e.bar()) / max(1+against, e.held)
}

// lasting is the smaller size of this row and the last, and remembers this one.
func (e *evidence) lasting(size float64) float64 {
	both := min(size, e.before)
	e.before = size
	return both
}

// combine adds up what single kinds of evidence say too softly: more calls, of another kind (odds are the log odds of the usual one), that fail.
func combine(e *[evidences]effect, odds float64) effect {
	size := max(e[promptSize].size, e[completionSize].size, e[callCost].size, -odds/strangeOdds)
	return effect{
		size:   (min(1, max(e[volume].size, e[hourly].size)) + min(1, size) + min(1, max(e[failing].size, e[latency].size))) / jointFloor,
		actual: e[volume].actual, expected: e[volume].expected,
	}
}

// watch is the memory that the evidences share.
type watch struct {
	rows       int
	began      time.Time
	requests   recent
	failures   recent
	asked      recent // requests of rows with an error rate
	long       mean   // requests a row
	base       baseline
	drip       drip
	prompt     ratio
	completion ratio
	latency    ratio
	cost       ratio
	failing    mean
	lastBurst  float64 // size, ebbing
}

// take brings a row into the shared memory and measures all effects.
func (w *watch) take(at time.Time, r row) (out [evidences]effect) {
	if w.rows == 0 {
		w.began = at
	}
	w.rows++
	if !math.IsNaN(r.requests) {
		w.requests.add(r.requests)
		w.long.add(r.requests, longMean)
		if hour, calls, closed := w.base.take(at, r.requests); closed {
			w.drip.step(hour, calls, max(allowance(at), allowance(at.AddDate(0, 0, -1))))
		}
		out[volume], out[hourly] = w.burst(at), w.offHours(at)
		out[dripping] = w.drip.now
	}
	calls := r.requests
	out[promptSize] = sizeOf(w.prompt.step(r.prompt, calls), 2.2)
	out[completionSize] = sizeOf(w.completion.step(r.completion, calls), 3)
	out[callCost] = sizeOf(w.cost.step(r.cost, calls), 2.5)
	out[latency] = sizeOf(w.latency.step(r.latency*calls, calls), 4)
	out[failing] = w.failuresNow(r)
	odds := w.prompt.same() + w.completion.same()
	out[joint] = combine(&out, odds)
	out[outOfHours] = w.together(out[volume], out[hourly])
	for _, i := range []int{volume, hourly, joint} {
		out[i].against = sameKind * max(0, odds)
	}
	return out
}

// sizeOf gives growth its size: the log over that of the floor, and the standard errors over those that are needed.
func sizeOf(c change, floor float64) effect {
	e := effect{actual: c.now, expected: c.usual}
	if c.known && c.log > 0 {
		e.size = min(c.log/math.Log(floor), c.sigmas/ratioSigmas)
	}
	return e
}

// few is how many calls are too few to be a burst.
const few = 6

// The least that matters.
const (
	burstFloor    = 1.0  // square roots of the mean rate
	hourFloor     = 3.0  // deviations
	failFloor     = 0.3  // share of the calls
	strangeOdds   = 8.0  // nats that they are not
	quietHour     = 0.33 // of the mean rate, below which an hour is out of hours
	togetherFloor = 1.5  // a burst and hours together
	burstMost     = 1.2
	burstEbbs     = 0.97 // a row
	sameKind      = 0.12 // larger, a nat of the odds that the calls are of the usual kind
	jointFloor    = 1.2  // floors of three groups of evidence, each counting one at most
	monthEnd      = 2.0  // times the calls that the last two days of a month and its first may have: books are closed
)

// burst is how many more calls come than in the last half hour and than usually at this hour. It is measured in square
// roots, in which counts have the same deviation at every rate (Anscombe 1948), in units of the mean rate's.
func (w *watch) burst(at time.Time) effect {
	if w.requests.n < 33 {
		return effect{}
	}
	now := w.requests.mean(2, 0)
	usual := allowance(at) * w.base.expected(at.Unix()/3600)
	was := max(w.requests.mean(10, 3), w.requests.mean(30, 3), usual)
	e := effect{actual: now, expected: was}
	if 2*(now-was) >= few && now >= 1.5*was {
		e.size = (math.Sqrt(now) - math.Sqrt(was)) / math.Sqrt(w.long.value+0.25) / burstFloor
	}
	return e
}

// offHours is how many more calls come than usually at this hour of the week, in deviations of the log.
func (w *watch) offHours(at time.Time) effect {
	if w.requests.n < 10 {
		return effect{}
	}
	hour := at.Unix() / 3600
	now := w.requests.mean(10, 0) / allowance(at)
	e := effect{actual: now, expected: w.base.expected(hour)}
	if 10*(now-e.expected) >= few && now >= 2*e.expected && now-e.expected > 0.3*w.long.value {
		e.size = w.base.log(now, hour) / w.base.deviation(hour) / hourFloor
	}
	return e
}

// together adds a burst of the last rows to what is too much for this hour: a stranger at night begins suddenly, and stays. Each alone
// is often too small beside what the client itself does at other hours.
func (w *watch) together(burst, hour effect) effect {
	w.lastBurst = max(burst.size, w.lastBurst*burstEbbs)
	hour.size = (min(w.lastBurst, burstMost) + hour.size) / togetherFloor
	if hour.expected > quietHour*w.long.value {
		hour.size = 0
	}
	return hour
}

// allowance is what the calendar grants: a month's history is rarely there when its first end comes.
func allowance(at time.Time) float64 {
	if at = at.UTC(); at.Day() == 1 || at.AddDate(0, 0, 2).Month() != at.Month() {
		return monthEnd
	}
	return 1
}

// failuresNow is by how much more of the calls fail than usually.
func (w *watch) failuresNow(r row) effect {
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
	e := effect{actual: r.errors, expected: usual}
	if asked := w.asked.sum(3, 0); asked >= few {
		w.failing.add(r.errors, longMean)
		e.actual = w.failures.sum(3, 0) / asked
		e.size = (e.actual - usual) / failFloor
	}
	return e
}
