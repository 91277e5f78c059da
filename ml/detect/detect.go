// Package detect finds what is unusual in the series of a service while they run: one pass, constant
// memory, no labels, one configuration for every series. A value is judged by the rows up to its own.
package detect

import (
	"math"
	"slices"
	"time"

	"github.com/saas-sentinel/saas-sentinel/ml/series"
)

// Threshold is the score from which a point is an alert.
const Threshold = 0.5

// atThreshold is the surprise that scores Threshold, in decades.
const atThreshold = 4

// Point is what the detector says of one row.
type Point struct {
	// Score is in [0, 1): 0 for nothing new, Threshold for an alert. Within the refractory time of an
	// event only what is clearly more unusual scores again, so an event alerts once.
	Score float64
	P     float64 // share of rows as unusual as this one by the series' own past; 1 while too little is known
	Alert bool
	// Feature says what was most unusual, and Share its part in (0, 1] of all that was; empty and 0 where nothing was.
	Feature          string
	Share            float64
	Actual, Expected float64 // of Feature, in its own unit
}

// Detector judges the rows of one service or of one plain series. Not safe for concurrent use.
type Detector struct {
	at    []int   // of each of series.Metrics among the columns, or of series.Value alone; -1 where there is none
	plain *stream // of series.Value
	watch watch
	ways  [evidences]evidence
	ranks ranks
	quiet time.Time // until when nothing is told again

	said   [mostFeatures]float64 // by each feature of the last row
	rising time.Time             // when the last row's surprise began; zero while there is none
	last   time.Time
	step   time.Duration // between the last two rows
	row    row
}

// New makes a detector for rows with these columns: series.Value, or any of series.Metrics.
func New(columns []string) *Detector {
	if at := slices.Index(columns, series.Value); at >= 0 {
		return &Detector{at: []int{at}, plain: newStream(standard)}
	}
	d := &Detector{}
	for _, name := range series.Metrics {
		d.at = append(d.at, slices.Index(columns, name))
	}
	return d
}

// Copy is the detector of a service as it is now: what one of both sees from now on teaches the other nothing. Of a plain series there is none.
func (d *Detector) Copy() *Detector {
	if d.plain != nil {
		return nil
	}
	other := *d
	other.ranks.tail.top = slices.Clone(d.ranks.tail.top)
	return &other
}

// Step judges the next row; its time is not before the last one's. NaN is a missing value.
func (d *Detector) Step(at time.Time, values []float64) Point {
	if d.plain != nil {
		return d.stepPlain(at, values[d.at[0]])
	}
	p := Point{P: 1}
	var strongest, total, lasting float64
	d.row = readRow(d.at, values)
	effects := d.watch.take(at, d.row)
	for i, e := range effects {
		way, size := &d.ways[i], e.size
		againstBaseline := i == volume || i == hourly || i == joint || i == outOfHours
		if againstBaseline || i == failing {
			size = way.lasting(size)
		}
		strength := size
		if i != dripping { // which accumulates chance by itself
			strength = way.strength(at, size, e.against)
		}
		if !againstBaseline || d.watch.base.seen >= warm {
			way.peaks.add(at.Unix()/3600, size, risk)
		}
		total += strength
		lasting = max(lasting, strength*way.raised(e.against))
		d.said[i] = strength
		if strength > strongest {
			strongest = strength
			p.Feature, p.Actual, p.Expected = evidenceNames[i], e.actual, e.expected
		}
	}
	p.share(strongest, total)
	d.follow(at, strongest >= habitual)
	event, coarse := at.Before(d.quiet), d.watch.rows > learnHours && at.Sub(d.watch.began) > 3*24*time.Hour
	learnt := d.watch.rows >= learnRows || coarse
	if !event {
		lasting = strongest
	}
	if learnt {
		p.P = d.ranks.survival(lasting)
		if lasting < 1 { // by its own limits it is no event
			p.P = max(p.P, evidences*risk)
		}
	}
	if d.watch.base.seen >= ranksFrom && !(event && lasting >= 1) {
		d.ranks.add(lasting)
	}
	if !learnt {
		return p
	}
	if strongest >= 1 && event {
		strongest = 0.99
	} else if strongest >= 1 {
		d.quiet = at.Add(eventLasts)
		for i := range d.ways {
			d.ways[i].hold()
		}
	}
	p.Score = strongest / (strongest + 1)
	p.Alert = p.Score >= Threshold
	return p
}

// follow notes since when the rows are surprising.
func (d *Detector) follow(at time.Time, surprising bool) {
	if d.step = at.Sub(d.last); d.last.IsZero() {
		d.step = 0
	}
	d.last = at
	switch {
	case !surprising:
		d.rising = time.Time{}
	case d.rising.IsZero():
		d.rising = at
	}
}

// eventLasts is how long an event is one event.
const eventLasts = 2 * time.Hour

func (d *Detector) stepPlain(at time.Time, v float64) Point {
	p := Point{P: 1}
	if math.IsNaN(v) {
		return p
	}
	o := d.plain.step(at, v)
	copy(d.said[:], o.each[:])
	d.follow(at, o.surprise >= atThreshold/2)
	if o.surprise > 0 {
		p.Feature, p.Actual, p.Expected = featureNames[o.feature], v, o.expected
	}
	p.share(o.surprise, o.said)
	p.P = d.ranks.survival(o.surprise)
	d.ranks.add(o.surprise)
	p.Score = o.news / (o.news + atThreshold)
	p.Alert = p.Score >= Threshold
	return p
}

// share fills in the leading feature's part.
func (p *Point) share(strength, total float64) {
	if total > 0 {
		p.Share = min(1, strength/total)
	}
}

var featureNames = [features]string{
	above: "high", below: "low", jump: "jump", shift: "shift", season: "off season", restless: "restless",
	calm: "calm", drift: "drift", slow: "level", isolated: "combination", cut: "combination",
}

// ranks estimates the share of rows that are as surprising: by a histogram, and by a tail beyond it.
type ranks struct {
	tail  tail
	bins  [128]float64
	total float64
}

const (
	binWidth   = 0.05
	ranksShare = 0.05
	ranksFrom  = 6 // hours of a service from which its rows are ranked: of the first ones everything is strange
)

func (r *ranks) survival(v float64) float64 {
	if r.total < tailFrom {
		return 1
	}
	bin := r.bin(v)
	larger := 0.0
	for _, n := range r.bins[bin:] {
		larger += n
	}
	p := (larger + 0.5) / (r.total + 1)
	if p < ranksShare/2 {
		p = min(p, r.tail.survival(v))
	}
	return min(max(p, 1e-12), 1)
}

func (r *ranks) bin(v float64) int { return int(min(v/binWidth, float64(len(r.bins)-1))) }

func (r *ranks) add(v float64) {
	r.tail.share = ranksShare
	r.tail.add(v)
	r.bins[r.bin(v)]++
	if r.total++; r.total >= tailForget {
		r.total /= 2
		for i := range r.bins {
			r.bins[i] /= 2
		}
	}
}
