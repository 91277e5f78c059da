package app

import (
	"context"
	"time"

	"github.com/saas-sentinel/saas-sentinel/provider"
)

// Bounds of what calibration reads of the ledger.
const (
	calibrateEvery = 5 * time.Minute
	calibrateFrom  = 7 * 24 * time.Hour // history that counts at the start
	maxPrompts     = 20_000             // the newest, at a time
)

// calibrate learns from the ledger what the weight of a prompt comes to at each model. Without the database what was learnt stands.
func (a *App) calibrate(ctx context.Context) error {
	var c provider.Calibrator
	since := time.Now().UTC().Add(-calibrateFrom)
	for ctx.Err() == nil {
		next, err := a.learnPrompts(ctx, &c, since)
		if err != nil && ctx.Err() == nil {
			a.log.Warn().Err(err).Msg("estimates of prompts not calibrated: those that were learnt last are used")
		}
		since = next
		sleep(ctx, calibrateEvery)
	}
	return nil
}

// learnPrompts takes the prompts since a time, and gives the time from which to go on.
func (a *App) learnPrompts(ctx context.Context, c *provider.Calibrator, since time.Time) (time.Time, error) {
	list, err := a.store.Prompts(ctx, since, maxPrompts)
	if err != nil || len(list) == 0 {
		return since, err
	}
	for i := len(list) - 1; i >= 0; i-- { // the newest last: it displaces the oldest
		p := list[i]
		c.Add(provider.Observed{Model: p.Model, Weight: p.Weight, Tokens: p.Tokens})
	}
	a.governor.Calibrate(c.Ratios())
	return list[0].At, nil
}
