package app

import (
	"context"
	"time"
)

const (
	keepEvery  = 24 * time.Hour
	keepRetry  = 10 * time.Minute // after a failure
	monthAhead = 3                // native partitions are made so many months ahead, so that days of failures do no harm
	sumEvery   = 5 * time.Second
	keepAlerts = 400 * 24 * time.Hour // of what is resolved, sent or over: a year can be compared with the one before
)

// keep makes the ledger's coming partitions and applies its retention, at the start and then daily.
func (a *App) keep(ctx context.Context) error {
	for ctx.Err() == nil {
		err := a.store.EnsurePartitions(ctx, time.Now().AddDate(0, monthAhead, 0))
		if err == nil {
			err = a.store.Keep(ctx, a.config.keeping())
		}
		if err == nil {
			err = a.store.DropScores(ctx, time.Now().Add(-keepScores))
		}
		pause := keepEvery
		if err == nil {
			err = a.store.DropAnswers(ctx)
		}
		if err == nil {
			err = a.store.DropAlerts(ctx, time.Now().Add(-keepAlerts))
		}
		if err != nil && ctx.Err() == nil {
			a.log.Error().Err(err).Msg("ledger's partitions and retention not kept up")
			pause = keepRetry
		}
		sleep(ctx, pause)
	}
	return nil
}

// sum keeps the ledger's sums by minute, hour and day up to date where the database does not do it by itself.
func (a *App) sum(ctx context.Context) error {
	for ctx.Err() == nil {
		if _, err := a.store.RefreshUsage(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn().Err(err).Msg("sums of the ledger not up to date")
		}
		sleep(ctx, sumEvery)
	}
	return nil
}
