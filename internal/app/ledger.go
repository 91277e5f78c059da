package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/spool"
	"github.com/saas-sentinel/saas-sentinel/store"
)

const (
	drainBatch = 2000 // records of one write to the database
	// drainPause gathers records between writes that are not full: an intent and its entry then mostly
	// travel together, and the database sees a few transactions a second, not two a call.
	drainPause = 250 * time.Millisecond
	drainRetry = time.Second     // after a failed write; doubled up to drainWait
	drainWait  = 5 * time.Second // longest pause between tries: a database that is back has the backlog soon
	lastDrain  = 5 * time.Second // what a stopping process may still write
)

// drain moves records from the spool to the database: at least once, and the database makes it exactly once.
// A spool that can no longer promise durability ends the process.
func (a *App) drain(ctx context.Context) error {
	pause := drainRetry
	for {
		a.loops.ledger.rest()
		batch, err := a.spool.Next(ctx, drainBatch)
		if ctx.Err() != nil {
			return a.drainRest()
		}
		if err != nil {
			return err
		}
		a.loops.ledger.round()
		if err = a.move(ctx, batch); err == nil {
			pause = drainRetry
			if len(batch.Records) < drainBatch {
				sleep(ctx, drainPause)
			}
			continue
		}
		a.log.Error().Err(err).Int("records", len(batch.Records)).Msg("ledger not written, kept in the spool")
		a.metrics.drainFailures.Inc()
		if errors.Is(err, errUnwritten) {
			a.alerting.unwritten(time.Now())
		}
		sleep(ctx, pause)
		pause = min(2*pause, drainWait)
	}
}

// sleep waits for d or for ctx's end.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// errUnwritten says that the database did not take records.
var errUnwritten = errors.New("the database did not take the records")

func (a *App) move(ctx context.Context, batch spool.Batch) error {
	if err := a.store.Write(ctx, batch.Records); err != nil {
		return fmt.Errorf("%w: %w", errUnwritten, err)
	}
	a.metrics.wrote.Add(int64(len(batch.Records)))
	return a.spool.Commit(batch)
}

// drainRest writes what is left when the process stops; what does not get through stays in the spool for the next start.
func (a *App) drainRest() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime+lastDrain)
	defer cancel()
	select {
	case <-a.served: // until then answers in flight still settle into the spool
	case <-ctx.Done():
	}
	for a.spool.Stats().LagRecords > 0 {
		batch, err := a.spool.Next(ctx, drainBatch)
		if err == nil {
			err = a.move(ctx, batch)
		}
		if err != nil {
			a.log.Warn().Err(err).Int64("records", a.spool.Stats().LagRecords).Msg("ledger records stay in the spool")
			return nil
		}
	}
	return nil
}

// reconcile books calls whose answer nobody metered.
func (a *App) reconcile(ctx context.Context) error {
	if a.witness != nil { // who asks before the log is read is told that nobody saw anything
		select {
		case <-a.witness.Ready():
		case <-ctx.Done():
			return nil
		}
	}
	tick := time.NewTicker(a.config.Reconcile.Every)
	defer tick.Stop()
	for {
		a.loops.reconciler.round()
		if err := a.reconcileOnce(ctx); err != nil && !errors.Is(err, context.Canceled) {
			a.log.Warn().Err(err).Msg("calls not reconciled")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// reconcileOnce takes the intents without an entry: those of processes that are gone after the
// configured time, and this process's own once Envoy must have ended them.
func (a *App) reconcileOnce(ctx context.Context) error {
	if err := a.store.Beat(ctx, a.instance, a.asSpool()); err != nil {
		return err
	}
	if err := a.missPeers(ctx); err != nil {
		return err
	}
	now := a.now()
	if _, err := a.store.Sweep(ctx, now.Add(-a.config.Reconcile.After)); err != nil {
		return err
	}
	lost, err := a.store.Pending(ctx, store.PendingQuery{
		Instance: a.instance, OthersBefore: now.Add(-a.config.Reconcile.After),
		OwnBefore: now.Add(-a.config.Reconcile.After - a.config.Envoy.StreamIdle),
	})
	if err != nil {
		return err
	}
	var kept []governor.Lost
	seen := 0
	for _, in := range lost {
		if a.extproc.Metering(in.ID) {
			continue
		}
		l := governor.Lost{Intent: in, Evidence: a.evidence(in.ID)}
		if l.Evidence.Seen {
			seen++
		}
		kept = append(kept, l)
	}
	if len(kept) == 0 {
		return nil
	}
	a.log.Info().Int("calls", len(kept)).Int("seen_by_envoy", seen).Msg("calls without a metered answer booked")
	a.metrics.reconciled.WithLabelValues("yes").Add(float64(seen))
	a.metrics.reconciled.WithLabelValues("no").Add(float64(len(kept) - seen))
	return a.governor.Reconcile(ctx, kept)
}
