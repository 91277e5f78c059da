package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/ml/detect"
	"github.com/saas-sentinel/saas-sentinel/ml/series"
	"github.com/saas-sentinel/saas-sentinel/ml/train"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// The bounds and times of learning from the ledger.
const (
	learnEvery   = 10 * time.Minute // new services and new models are looked for
	trainEvery   = 24 * time.Hour
	trainRetry   = time.Hour // after a process began to train and did not end
	learnDays    = 28        // of the ledger, where there is no model
	mostLearn    = 60        // days, with one
	trainedByRun = 200       // services, those with the most calls, that a gateway process trains in a day
	trainChore   = "train"
)

// learn makes the detectors of services from the ledger, at the start and when a service or its model is new, and has one process
// train daily.
func (a *App) learn(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := a.warm(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn().Err(err).Msg("detectors did not learn from the ledger: those of new services learn as calls come")
		}
		if err := a.trainDue(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn().Err(err).Msg("detectors' models not trained")
		}
		sleep(ctx, learnEvery)
	}
	return nil
}

// trainDue trains when no process has done so for a day.
func (a *App) trainDue(ctx context.Context) error {
	mine, err := a.store.TakeChore(ctx, trainChore, trainRetry)
	if err != nil || !mine {
		return err
	}
	o := TrainOptions{Days: learnDays, Services: trainedByRun, Save: true, Now: time.Now()}
	done, err := Train(ctx, a.store, o, nil)
	if err != nil {
		return err
	}
	a.log.Info().Int("services", done).Msg("detectors' models trained")
	return a.store.PostponeChore(ctx, trainChore, trainEvery)
}

// warm replays the ledger's minutes through the detectors of services that have not learnt from them, or have a new model.
func (a *App) warm(ctx context.Context) error {
	now := time.Now().UTC().Truncate(watchStep)
	services, err := a.store.Callers(ctx, now.AddDate(0, 0, -learnDays).Truncate(time.Hour), now.Add(time.Hour), maxWatched)
	if err != nil {
		return err
	}
	models, err := a.store.Models(ctx)
	if err != nil {
		return err
	}
	w, replayed := &a.alerting.watch, 0
	for _, caller := range services {
		from, trained := now.AddDate(0, 0, -learnDays), time.Time{}
		if m, ok := models[caller.Service]; ok {
			from, trained = latest(m.LearnsFrom, now.AddDate(0, 0, -mostLearn)), m.LearnsFrom
		}
		if w.knows(caller.Service, trained) {
			continue
		}
		minutes, err := a.store.Minutes(ctx, caller.Service, from, now)
		if err != nil {
			return err
		}
		w.replay(caller, minutes, trained, now)
		replayed++
	}
	if replayed > 0 {
		a.log.Info().Int("services", replayed).Msg("detectors learnt from the ledger")
	}
	return nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// knows tells whether a service's detector was made from the ledger by the model that learns from a time, the zero time being that of no model.
func (w *watcher) knows(service string, model time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.services[service]
	return s != nil && s.replayed && s.model.Equal(model)
}

// replay makes a service's detector anew: from the ledger's minutes, and from the first minute that this process saw itself on from its own.
func (w *watcher) replay(caller sentinel.Caller, minutes []sentinel.Minute, model, now time.Time) {
	d, at := detect.New(series.Metrics), w.since(caller.Service, now)
	for _, row := range rowsOf(minutes, at) { // beside the lock: it takes tenths of a second
		d.Step(row.at, row.values)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.services[caller.Service]
	if s == nil {
		if s = w.watch(caller); s == nil {
			return
		}
	}
	idle := func(until time.Time) {
		for ; at.Before(until); at = at.Add(watchStep) {
			d.Step(at, minuteRow{}.values())
		}
	}
	for _, own := range s.last {
		if !own.at.Before(at) {
			idle(own.at)
			d.Step(own.at, own.row.values())
			at = own.at.Add(watchStep)
		}
	}
	idle(w.minute)
	s.detector, s.replayed, s.model = d, true, model
}

// since gives the first minute of a service that this process need not ask the ledger for.
func (w *watcher) since(service string, now time.Time) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.minute.IsZero() {
		w.minute = now
	}
	if s := w.services[service]; s != nil && len(s.last) > 0 {
		return s.last[0].at
	}
	return w.minute
}

// timedRow is what a detector takes.
type timedRow struct {
	at     time.Time
	values []float64
}

// rowsOf gives the minutes before a time, those without calls filled in.
func rowsOf(minutes []sentinel.Minute, until time.Time) (out []timedRow) {
	var at time.Time
	idle := func(to time.Time) {
		for ; !at.IsZero() && at.Before(to); at = at.Add(watchStep) {
			out = append(out, timedRow{at, minuteRow{}.values()})
		}
	}
	for _, m := range minutes {
		if !m.At.Before(until) {
			break
		}
		idle(m.At)
		out = append(out, timedRow{m.At, []float64{m.Calls, m.Prompt, m.Completion, m.CostUSD, m.LatencyMS, m.ErrorRate}})
		at = m.At.Add(watchStep)
	}
	idle(until)
	return out
}

// ErrNoCalls says that the ledger knows nothing of a service.
var ErrNoCalls = errors.New("has no calls in the ledger")

// TrainOptions say what to train.
type TrainOptions struct {
	Days     int // of the ledger
	Services int // at most, those with the most calls
	Service  string
	Save     bool
	Now      time.Time
}

// Trained is what training found for one service.
type Trained struct {
	sentinel.Model
	Kept   bool   // the model that was there is not bettered
	Reason string // why there is none; empty for a model
}

// Train back-tests the detectors of services on the ledger's history, and saves those that make fewer mistakes than the ones
// that are there. It tells of each service, and gives the number that were judged.
func Train(ctx context.Context, st *store.Store, o TrainOptions, tell func(Trained)) (judged int, err error) {
	now := o.Now.UTC().Truncate(watchStep)
	services, err := st.Callers(ctx, now.AddDate(0, 0, -o.Days).Truncate(time.Hour), now.Add(time.Hour), maxWatched)
	if err != nil {
		return 0, err
	}
	models, err := st.Models(ctx)
	if err != nil {
		return 0, err
	}
	excused, err := excuses(ctx, st, now)
	if err != nil {
		return 0, err
	}
	taken := 0
	for _, c := range services {
		if o.Service != "" && c.Service != o.Service {
			continue
		}
		if taken++; taken > o.Services {
			break
		}
		var old *sentinel.Model
		if m, ok := models[c.Service]; ok {
			old = &m
		}
		got, err := trainOne(ctx, st, c.Service, old, o, now, excused[c.Service])
		if err != nil {
			return judged, err
		}
		if got.Reason == "" {
			judged++
		}
		if tell != nil {
			tell(got)
		}
	}
	if o.Service != "" && taken == 0 {
		return 0, fmt.Errorf("service %q %w in the last %d days", o.Service, ErrNoCalls, o.Days)
	}
	return judged, nil
}

func trainOne(ctx context.Context, st *store.Store, service string, old *sentinel.Model, o TrainOptions, now time.Time, excused []time.Time) (Trained, error) {
	out := Trained{Model: sentinel.Model{Service: service}}
	from := now.AddDate(0, 0, -o.Days)
	if old != nil && old.LearnsFrom.Before(from) {
		from = latest(old.LearnsFrom, now.AddDate(0, 0, -mostLearn))
	}
	minutes, err := st.Minutes(ctx, service, from, now)
	if err != nil {
		return out, err
	}
	if len(minutes) == 0 {
		out.Reason = train.ErrShort.Error()
		return out, nil
	}
	h := train.History{Start: minutes[0].At, Excused: func(at time.Time) bool {
		for _, c := range excused {
			if at.After(c.Add(-plannedLasts)) && at.Before(c) {
				return true
			}
		}
		return false
	}}
	for _, row := range rowsOf(minutes, now) {
		h.Rows = append(h.Rows, row.values)
	}
	incumbent := -1
	if old != nil {
		incumbent = max(0, int(old.LearnsFrom.Sub(h.Start)/watchStep))
	}
	best, err := train.Choose(h, incumbent)
	if errors.Is(err, train.ErrShort) {
		out.Reason = err.Error()
		return out, nil
	}
	if err != nil {
		return out, err
	}
	at := func(row int) time.Time { return h.Start.Add(time.Duration(row) * watchStep) }
	out.Model = sentinel.Model{
		Service: service, LearnsFrom: at(best.From), JudgedFrom: at(best.Held), JudgedUntil: at(len(h.Rows)), Version: detect.Version,
		Features: detect.Features(), FalseAlerts: best.FalseAlerts, Bursts: best.Bursts, Found: best.Found, Trained: o.Now.UTC(),
	}
	if out.Kept = old != nil && best.From == incumbent; out.Kept {
		out.LearnsFrom = old.LearnsFrom
	}
	if !o.Save {
		return out, nil
	}
	var was time.Time
	if old != nil {
		was = old.LearnsFrom
	}
	saved, err := st.PutModel(ctx, out.Model, was)
	if err == nil && !saved {
		out.Reason = "another training has saved a model meanwhile, which this one was not judged beside"
	}
	return out, err
}

// excuses are when people said of a service's anomalies that they were abuse, or planned: by service.
func excuses(ctx context.Context, st *store.Store, now time.Time) (map[string][]time.Time, error) {
	list, err := st.Feedback(ctx, now.Add(-recallOf))
	out := map[string][]time.Time{}
	for _, f := range list {
		if f.Verdict != sentinel.FeedbackFalse {
			out[f.Service] = append(out[f.Service], f.At)
		}
	}
	return out, err
}
