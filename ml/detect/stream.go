package detect

import (
	"math"
	"slices"
	"time"
)

// The features of one series, each large when the series is unusual.
const (
	above    = iota // over the long mean
	below           // under it
	jump            // away from the fast level
	shift           // the short mean away from the longer one
	season          // the short mean away from the same time of earlier days
	restless        // deviation within the short window
	calm            // none of it within the longer one
	drift           // the longer mean away from the long one
	slow            // the slow mean away from the long one
	isolated        // a combination of residuals that an isolation forest parts easily
	cut             // one that displaces much of a random cut forest
	features
)

// config is the one configuration for every series.
type config struct {
	short, longer, slow int // values in the windows
	refractory          time.Duration
	weight              [features]float64
	level               float64 // of the fast level, a value
	margin              float64 // decades of surprise a range that a value lies beyond the range so far
	lowMargin           float64 // the same below it, as a share
	tailShare           float64
	early               float64 // values after which a feature has half of its say
	recurring           float64 // what remains of a surprise for each day in a row, of seven at most, on which it came at this time before
	second              float64 // what the second most unusual feature adds
	rise                float64 // within the refractory time only a surprise so many times larger counts
	decades             float64 // most that one feature says
	aftermath           int     // values after an alert that no tail learns from
}

var standard = config{
	short: 6, longer: 24, slow: 141, refractory: 7 * time.Hour,
	weight: [features]float64{above: 1.04, below: 1.2, jump: 0.95, shift: 1, season: 0.98, restless: 0.26, calm: 0.11, drift: 1.03, slow: 1.07, isolated: 0.3, cut: 0.3},
	level:  0.04, margin: 12, lowMargin: 0.96, tailShare: 0.1, early: 120, recurring: 0.7, second: 0.3, rise: 1.35, decades: 11,
	aftermath: 12,
}

const (
	tellFrom   = 150     // values from which a surprise is passed on
	stepFrom   = 20      // distances from which the step is told
	neighbours = 2       // values to either side of the same time yesterday
	longMean   = 1 << 14 // values of the long mean and range: older ones fade
	maxRange   = 3       // ranges beyond the range that count
	maxBursts  = 200     // remembered surprises
)

// burst is a surprise of the past.
type burst struct {
	at       time.Time
	surprise float64
}

// stream scores one series, in one pass and constant memory. Not safe for concurrent use.
type stream struct {
	config
	n         int
	last      time.Time       // until then
	steps     []time.Duration // until the step is known
	first     []float64       // values until then
	day, week int             // in values; 0 while unknown or below two
	past      *history
	long      float64 // mean
	fast      float64
	low, high float64
	tails     [features]tail
	forests   forests
	bursts    []burst
	told      burst // the last surprise that was passed on
	alerted   int   // values until the last alert; 0 before one
}

func newStream(c config) *stream {
	s := &stream{config: c}
	s.forests = newForests()
	for i := range s.tails {
		s.tails[i].share = c.tailShare
	}
	return s
}

// observation is what a stream says of a value: decades of surprise (-log10 of a probability, and
// more beyond the range so far), all of it and what is new in it; what all features said; and the leading one.
type observation struct {
	surprise, news float64
	said           float64
	each           [features]float64
	feature        int
	expected       float64
}

// step takes the next value in.
func (s *stream) step(at time.Time, v float64) observation {
	o := observation{expected: v}
	if s.past == nil {
		s.learnStep(at, v)
		return o
	}
	s.take(v)
	o.expected = s.expect()
	x := s.measure(v)
	x[isolated], x[cut] = s.forests.step(v-s.fast, &x)
	var second float64
	for i := range x {
		if s.weight[i] == 0 || math.IsNaN(x[i]) {
			continue
		}
		known := float64(s.tails[i].n)
		said := min(s.decades, -math.Log10(max(s.tails[i].survival(x[i]), 1e-30))) * s.weight[i] * known / (known + s.early)
		o.said += said
		o.each[i] = said
		if said > o.surprise {
			o.surprise, second, o.feature = said, o.surprise, i
		} else {
			second = max(second, said)
		}
	}
	o.surprise += s.second*second + s.beyond(v)*float64(s.n)/(float64(s.n)+s.early)
	s.learn(&x)
	s.follow(v)
	if o.surprise < 1 || s.n < tellFrom {
		return o
	}
	news := o.surprise * s.novelty(at, o.surprise)
	if at.Sub(s.told.at) >= s.refractory || news > s.told.surprise*s.rise {
		s.told = burst{at, news}
		o.news = news
		if o.news >= atThreshold {
			s.alerted = s.n
		}
	}
	return o
}

// learnStep keeps the first values until the series' step is known.
func (s *stream) learnStep(at time.Time, v float64) {
	if len(s.first) > 0 && at.After(s.last) {
		s.steps = append(s.steps, at.Sub(s.last))
	}
	s.first, s.last = append(s.first, v), at
	if len(s.first) <= stepFrom {
		return
	}
	length := s.slow
	if len(s.steps) > 0 {
		slices.Sort(s.steps)
		step := s.steps[len(s.steps)/2]
		s.day, s.week = int(24*time.Hour/step), int(7*24*time.Hour/step)
		if s.day < 2 {
			s.day, s.week = 0, 0
		}
		length = max(length, s.week+s.short+neighbours)
	}
	s.past = newHistory(length + 1)
	if s.week+s.short+neighbours > maxHistory {
		s.week = 0
	}
	if s.day+s.short+neighbours > maxHistory {
		s.day = 0
	}
	s.long, s.fast, s.low, s.high = s.first[0], s.first[0], s.first[0], s.first[0]
	for _, v := range s.first {
		s.take(v)
		s.follow(v)
	}
	s.steps, s.first = nil, nil
}

func (s *stream) take(v float64) {
	s.n++
	s.past.add(v)
	s.long += (v - s.long) / float64(min(s.n, longMean))
}

// learn shows the tails what was measured. They see an event once, as SPOT's see none of what it alerts: its echo in all windows
// would make the next one look usual.
func (s *stream) learn(x *[features]float64) {
	if s.alerted > 0 && s.n < s.alerted+s.aftermath {
		return
	}
	for i := range x {
		if s.weight[i] != 0 && !math.IsNaN(x[i]) {
			s.tails[i].add(x[i])
		}
	}
}

// follow moves level and range on, after the value was judged by them.
func (s *stream) follow(v float64) {
	s.fast += s.level * (v - s.fast)
	if s.alerted > 0 && s.n == s.alerted+s.short { // what came may stay
		s.fast = s.past.mean(s.short, 0)
	}
	fade := (s.high - s.low) / (4 * longMean)
	s.low, s.high = min(s.low+fade, v), max(s.high-fade, v)
}

// measure computes the features; NaN where the past does not reach.
func (s *stream) measure(v float64) (x [features]float64) {
	short, restlessness := s.past.moments(s.short, 0)
	longer, calmness := s.past.moments(s.longer, 0)
	x[above], x[below] = v-s.long, s.long-v
	x[jump] = math.Abs(v - s.fast)
	x[shift] = math.Abs(short - longer)
	x[season] = s.offSeason(short)
	x[restless], x[calm] = restlessness, -calmness
	x[drift] = math.Abs(longer - s.long)
	x[slow] = math.Abs(s.past.mean(s.slow, 0) - s.long)
	return x
}

// offSeason is the distance to the nearest short mean around the same time of yesterday and, once
// it is known, of a week ago: a weekend is like the last one, not like Friday.
func (s *stream) offSeason(short float64) float64 {
	nearest := math.NaN()
	if s.day == 0 || s.n < 2*s.day {
		return nearest
	}
	for _, lag := range []int{s.day, s.week} {
		if lag == 0 || s.n < lag+s.short+neighbours {
			continue
		}
		for d := -min(neighbours, lag-1); d <= neighbours; d++ {
			if off := math.Abs(short - s.past.mean(s.short, lag+d)); !(off >= nearest) {
				nearest = off
			}
		}
	}
	return nearest
}

// expect is what the series was expected to show: the same time of yesterday, or the fast level.
func (s *stream) expect() float64 {
	if s.day > 0 && s.n > s.day+s.short {
		return s.past.mean(s.short, s.day)
	}
	return s.fast
}

// beyond adds surprise for a value outside of the range so far, by the share of the range that it lies outside.
func (s *stream) beyond(v float64) float64 {
	width := s.high - s.low
	switch {
	case width <= 0:
		return 0
	case v > s.high:
		return s.margin * min(maxRange, (v-s.high)/width)
	case v < s.low:
		return s.margin * s.lowMargin * min(maxRange, (s.low-v)/width)
	}
	return 0
}

// novelty lowers a surprise that came at this time of day before, and more for each day in a row: backups and batches recur.
func (s *stream) novelty(at time.Time, surprise float64) float64 {
	const day, near = 24 * time.Hour, 42 * time.Minute
	factor, days, last := 1.0, 0, time.Duration(0)
	for i := len(s.bursts) - 1; i >= 0 && days < 7; i-- {
		since := at.Sub(s.bursts[i].at) + near
		if on := since / day; on > 0 && (days == 0 || on == last+1) && since%day < 2*near && s.bursts[i].surprise > 0.6*surprise {
			factor, days, last = factor*s.recurring, days+1, on
		}
	}
	if n := len(s.bursts); n == 0 || at.Sub(s.bursts[n-1].at) > time.Hour || surprise > s.bursts[n-1].surprise {
		if n == maxBursts {
			s.bursts = append(s.bursts[:0], s.bursts[1:]...)
		}
		s.bursts = append(s.bursts, burst{at, surprise})
	}
	return factor
}
