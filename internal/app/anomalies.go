package app

import (
	"sync"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/extproc"
	"github.com/saas-sentinel/saas-sentinel/ml/detect"
	"github.com/saas-sentinel/saas-sentinel/ml/series"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

// Bounds of what is watched.
const (
	maxWatched = 10_000           // services; one past that is not watched
	watchStep  = time.Minute      // of a row
	maxMissed  = 60               // rows that are made up for a time in which nobody looked
	forgetIdle = 14 * 24 * 60     // rows without a call after which a service is forgotten
	staysOpen  = 15 * time.Minute // of an anomaly's incident
	maxFactor  = 1000
)

// strangeness is what a detector found unusual of a service's last minute.
type strangeness struct {
	caller sentinel.Caller
	point  detect.Point
	until  time.Time // when it is over, unless it is found again
}

// fact is what alert rules see of it.
func (s strangeness) fact() policy.AlertFact {
	f := policy.AlertFact{Kind: "anomaly", Team: s.caller.Team, Service: s.caller.Service, Name: s.point.Feature, Score: s.point.Score, Factor: maxFactor}
	if s.point.Expected > s.point.Actual/maxFactor {
		f.Factor = s.point.Actual / s.point.Expected
	}
	return f
}

// watched is one service: the minute that runs, and what its past taught.
type watched struct {
	caller   sentinel.Caller
	detector *detect.Detector
	row      minuteRow
	last     []ownMinute // of this process, the oldest first
	idle     int
	replayed bool      // the detector was made from the ledger
	model    time.Time // from when it learns; zero without a model
}

// ownMinute is a minute as this process saw it.
type ownMinute struct {
	at  time.Time
	row minuteRow
}

// keepOwn is how many of them are kept: the ledger has what is older.
const keepOwn = 30

// end closes the minute that runs.
func (s *watched) end(at time.Time) {
	if len(s.last) == keepOwn {
		s.last = append(s.last[:0], s.last[1:]...)
	}
	s.last = append(s.last, ownMinute{at, s.row})
	s.row = minuteRow{}
}

// minuteRow sums the calls of a minute.
type minuteRow struct {
	calls, failed, prompt, completion int64
	cost                              sentinel.NanoUSD
	took                              time.Duration
}

// values are the row's columns, in the order of series.Metrics.
func (r minuteRow) values() []float64 {
	n := float64(max(r.calls, 1))
	return []float64{
		float64(r.calls), float64(r.prompt), float64(r.completion), float64(r.cost) / float64(sentinel.USD),
		float64(r.took.Milliseconds()) / n, float64(r.failed) / n,
	}
}

// watcher feeds the calls of every service to a detector of its own, minute by minute.
type watcher struct {
	mu       sync.Mutex
	minute   time.Time
	services map[string]*watched
	open     map[string]strangeness // by service
	board    *board                 // where scores go; nil for nowhere
	instance string
}

// strange gives the anomalies that are open now.
func (w *watcher) strange(now time.Time) []seen {
	for _, s := range w.turn(now) {
		if w.open == nil {
			w.open = map[string]strangeness{}
		}
		s.until = now.Add(staysOpen)
		w.open[s.caller.Service] = s
	}
	out := make([]seen, 0, len(w.open))
	for name, s := range w.open {
		if now.After(s.until) {
			delete(w.open, name)
			continue
		}
		out = append(out, seen{factKey{kind: "anomaly", team: s.caller.Team, service: name, provider: "any"}, s.fact()})
	}
	return out
}

// observe adds a settled call. It is on the path of a call: a lock, and no I/O.
func (w *watcher) observe(o extproc.Observation) {
	e := o.Entry
	if e == nil || e.Action.Refused() || e.Caller.Service == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.services[e.Caller.Service]
	if s == nil {
		if s = w.watch(e.Caller); s == nil {
			return
		}
	}
	s.row.calls++
	if e.Status >= 400 || e.Status == 0 {
		s.row.failed++
	}
	s.row.prompt += e.Usage.InputTokenSum()
	s.row.completion += e.Usage.OutputTokenSum()
	s.row.cost += e.Cost
	s.row.took += e.Duration
}

// watch begins to watch a service; nil where there are too many. The lock is held.
func (w *watcher) watch(c sentinel.Caller) *watched {
	if len(w.services) >= maxWatched {
		return nil
	}
	if w.services == nil {
		w.services = map[string]*watched{}
	}
	s := &watched{caller: c, detector: detect.New(series.Metrics)}
	w.services[c.Service] = s
	return s
}

// turn ends the minutes that have passed, and gives what was an alert in them.
func (w *watcher) turn(now time.Time) []strangeness {
	w.mu.Lock()
	defer w.mu.Unlock()
	now = now.UTC().Truncate(watchStep)
	if w.minute.IsZero() {
		w.minute = now
	}
	if behind := now.Add(-maxMissed * watchStep); w.minute.Before(behind) {
		w.minute = behind
	}
	var out []strangeness
	var scores []sentinel.Score
	for ; w.minute.Before(now); w.minute = w.minute.Add(watchStep) {
		for name, s := range w.services {
			if s.idle++; s.row.calls > 0 {
				s.idle = 0
			}
			p := s.detector.Step(w.minute, s.row.values())
			if s.row.calls > 0 {
				scores = append(scores, w.score(s, p))
			}
			s.end(w.minute)
			if w.board != nil {
				p.Score = w.board.of(name).temper(p.Score, w.minute)
			}
			if p.Alert && p.Score >= detect.Threshold {
				out = append(out, strangeness{caller: s.caller, point: p})
			}
			if s.idle > forgetIdle {
				delete(w.services, name)
			}
		}
	}
	if w.board != nil {
		w.board.put(scores)
	}
	return out
}

// score is the row of a minute; an unusual one has its explanation.
func (w *watcher) score(s *watched, p detect.Point) sentinel.Score {
	out := sentinel.Score{
		At: w.minute, Service: s.caller.Service, Instance: w.instance, Team: s.caller.Team, Score: 1 - p.P, Strength: p.Score,
		Feature: p.Feature, Share: p.Share, Actual: p.Actual, Expected: p.Expected,
	}
	if out.Score < sentinel.LeastScore {
		return out
	}
	e := s.detector.Explain(p)
	out.Impact = sentinel.NanoUSD(e.StakeUSDPerHour * float64(sentinel.USD) * float64(watchStep) / float64(time.Hour))
	for _, f := range e.Features {
		out.Features, out.Shares = append(out.Features, f.Feature), append(out.Shares, f.Share)
	}
	return out
}
