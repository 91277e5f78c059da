package app

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/spool"
)

// What becomes of calls while the spool is full.
const (
	whenFullRefuse    = "refuse"
	whenFullUnmetered = "unmetered"
)

const (
	unmeteredShown = time.Minute      // for which the spool counts as degraded after a record that it did not take
	unmeteredLog   = 10 * time.Second // between two lines of the log
	toldOfFault    = 3 * judgeEvery   // from a fault of the disk to the end of the process
)

// journal is the spool as calls write to it. Where the operator has said so, a full one lets them go on: what it does not take is
// counted, shown and told, and limits hold as before.
type journal struct {
	spool interface {
		Append(ctx context.Context, r sentinel.Record) error
	}
	unmetered bool
	log       zerolog.Logger
	lost      func()     // told of each record, for the alerts
	broken    chan error // has the fault after which nobody can tell what the disk holds

	intents, entries, cost atomic.Int64 // cost is in billionths of a dollar, of the entries
	last, logged           atomic.Int64 // Unix nanoseconds
}

// Append makes a record durable, or counts it.
func (j *journal) Append(ctx context.Context, r sentinel.Record) error {
	err := j.spool.Append(ctx, r)
	if errors.Is(err, spool.ErrPoisoned) {
		select {
		case j.broken <- err:
		default: // it is known
		}
	}
	if !j.unmetered || !errors.Is(err, spool.ErrFull) {
		return err
	}
	if r.Entry != nil {
		j.entries.Add(1)
		j.cost.Add(int64(r.Entry.Cost))
	} else {
		j.intents.Add(1)
	}
	now := time.Now().UnixNano()
	j.last.Store(now)
	if was := j.logged.Load(); now-was > int64(unmeteredLog) && j.logged.CompareAndSwap(was, now) {
		j.log.Error().Err(err).Int64("intents", j.intents.Load()).Int64("entries", j.entries.Load()).Msg("calls go on unmetered")
	}
	j.lost()
	return nil
}

// endOnFault ends the process some moments after the disk has failed: the next one reads what is really there. Calls are refused meanwhile, and
// the alert is told of.
func (a *App) endOnFault(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-a.journal.broken:
		a.log.Error().Err(err).Msg("the spool's disk has failed: this process ends, the next one reads what the disk holds")
		sleep(ctx, toldOfFault)
		return err
	}
}

// open tells whether calls go on unmetered now.
func (j *journal) open() bool { return time.Now().UnixNano()-j.last.Load() < int64(unmeteredShown) }

// journalMetrics show what a full spool did not take although calls went on.
func journalMetrics(a *App) []prometheus.Collector {
	count := func(name, help string, labels prometheus.Labels, read func(*journal) float64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels}, func() float64 {
			if a.journal == nil {
				return 0
			}
			return read(a.journal)
		})
	}
	const records, help = "sentinel_unmetered_records_total", "Records that a full spool did not take while their calls went on (spool.when_full): intents before a call, entries after it."
	return []prometheus.Collector{
		count(records, help, prometheus.Labels{"record": "intent"}, func(j *journal) float64 { return float64(j.intents.Load()) }),
		count(records, help, prometheus.Labels{"record": "entry"}, func(j *journal) float64 { return float64(j.entries.Load()) }),
		count("sentinel_unmetered_usd_total", "Cost of the entries among them, in US dollars; the limiter has counted it.", nil, func(j *journal) float64 { return float64(j.cost.Load()) / float64(sentinel.USD) }),
	}
}
