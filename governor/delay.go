package governor

import (
	"context"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Bounds of the queue before a limit.
const (
	maxQueued = 1000                  // calls of this process that wait at once; others are refused at once
	slotEvery = 50 * time.Millisecond // how often a waiting call asks for a slot: nobody knows when one comes free
)

// patiently asks again for a call that was refused by a pace or by concurrency, as long as the rule of that limit lets it wait. A call
// waits only for what can come in time. It says whether the call waited.
func (g *Governor) patiently(ctx context.Context, ask sentinel.Ask, c *choice, refused sentinel.Reservation) (sentinel.Reservation, bool, error) {
	if len(refused.Denials) == 0 {
		return refused, false, nil
	}
	left := c.plan.Patience(refused.Denials[0].Limit)
	if left == 0 {
		return refused, false, nil
	}
	if g.queued.Add(1) > maxQueued {
		g.queued.Add(-1)
		return refused, false, nil
	}
	defer g.queued.Add(-1)
	waited, began, most := false, time.Now(), left
	for refused.Chosen < 0 && len(refused.Denials) > 0 {
		d := refused.Denials[0]
		wait := d.RetryAfter
		if d.Limit.Kind == sentinel.Concurrent {
			wait = slotEvery
		}
		if wait <= 0 || wait > left || c.plan.Patience(d.Limit) == 0 {
			break
		}
		if !g.wait(ctx, wait) {
			return refused, waited, nil
		}
		waited = true
		var err error
		if refused, err = g.reserve(ctx, c, ask); err != nil {
			return refused, waited, err
		}
		left = min(left-wait, most-time.Since(began)) // what the limiter takes to answer counts, too
	}
	return refused, waited, nil
}

func (g *Governor) wait(ctx context.Context, d time.Duration) bool {
	if g.Wait != nil {
		return g.Wait(ctx, d)
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
