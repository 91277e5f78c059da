package ratelimit

import (
	"context"
	"errors"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// doubt is a call of a script whose reply never came: Redis may have done it or not.
type doubt struct {
	ask    *sentinel.Ask        // a reservation that nobody uses: it is given back
	settle *sentinel.Settlement // a settlement that must come to its end
}

// Bounds of what is in doubt: a hold of which nobody knows would stay charged until its window ends.
const (
	maxDoubts   = 8192
	doubtsEvery = 200 * time.Millisecond
	doubtTries  = 4500 // 15 minutes
)

// wonder keeps what is in doubt. What finds no room is counted, and left to the hold's expiry.
func (r *Redis) wonder(d doubt) {
	select {
	case r.doubts <- d:
	default:
		r.undecided.Add(1)
	}
}

// Undecided counts scripts whose outcome was given up on: more than fit, or Redis away for longer than holds live.
func (r *Redis) Undecided() int64 { return r.undecided.Load() }

// Resolve finishes what is in doubt until ctx ends: it voids reservations whose reply was lost, and repeats settlements.
// Both may be done any number of times, and count once.
func (r *Redis) Resolve(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case d := <-r.doubts:
			if !r.decide(ctx, d) {
				r.undecided.Add(1)
			}
		}
	}
}

// decide tries until Redis answers.
func (r *Redis) decide(ctx context.Context, d doubt) bool {
	tick := time.NewTicker(doubtsEvery)
	defer tick.Stop()
	for range doubtTries {
		err := r.repeat(ctx, d)
		if !errors.Is(err, ErrUnavailable) { // done, or it cannot be done
			return err == nil
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return false
}

func (r *Redis) repeat(ctx context.Context, d doubt) error {
	if d.settle != nil {
		_, err := r.settle(ctx, *d.settle)
		if err == nil {
			r.local.ended(d.settle.Call, true)
		}
		return err
	}
	// The same id finds the hold that was made, or makes one that is given back at once; the mark that
	// stays keeps the first try from holding, should it still be on its way.
	got, err := r.reserve(ctx, *d.ask)
	if err != nil || got.Chosen < 0 {
		if errors.Is(err, ErrForgotten) { // and with everything else this hold
			return nil
		}
		return err
	}
	_, err = r.settle(ctx, sentinel.Settlement{Org: d.ask.Org, Call: d.ask.Call, Hold: got.Hold})
	return err
}
