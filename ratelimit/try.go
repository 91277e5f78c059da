package ratelimit

import (
	"context"
	"fmt"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Try says what Reserve would answer now, by the script that Reserve runs with its writes left out: nothing is held, and no first
// refusal of a budget is used up. It reads the overrides itself, so that it needs no Watch. The reservation has no hold.
func (r *Redis) Try(ctx context.Context, a sentinel.Ask) (sentinel.Reservation, error) {
	all, err := r.Overrides(ctx, a.Org)
	if err != nil {
		return sentinel.Reservation{}, err
	}
	r.overrides.Store(&all)
	now, err := r.Now(ctx, a.Org)
	if err != nil {
		return sentinel.Reservation{}, err
	}
	a = r.overridden(a, now)
	keys, args := r.admitArguments(a)
	reply, err := r.run(ctx, r.scripts.try, keys, args)
	if err != nil {
		return sentinel.Reservation{}, fmt.Errorf("try call %s: %w", a.Call, err)
	}
	out, err := readReservation(a, reply)
	if err != nil {
		return sentinel.Reservation{}, fmt.Errorf("try call %s: %w", a.Call, err)
	}
	out.Hold, out.Crossed = "", nil
	return out, nil
}
