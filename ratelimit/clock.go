package ratelimit

import (
	"context"
	"sync/atomic"
	"time"
)

// clockSlack is how far two readings may be apart that are taken for the same clock, beside what the way there leaves open.
const clockSlack = 5 * time.Millisecond

// clock is Redis' clock as this process knows it: a reading of it, and how long ago that was. What the process' own clock on the wall says, and
// where it is put, is nothing to it.
type clock struct{ last atomic.Pointer[reading] }

type reading struct{ there, here time.Time } // here measures the time since

// now is the process' own clock before the first reading.
func (c *clock) now() time.Time {
	r := c.last.Load()
	if r == nil {
		return time.Now().UTC()
	}
	return r.at(time.Now())
}

// at is what Redis' clock is at a moment of this process.
func (r *reading) at(here time.Time) time.Time { return r.there.Add(here.Sub(r.here)) }

// hear takes a reading that was made between two moments of this process, where it tells something new.
func (c *clock) hear(there, asked, answered time.Time) {
	open := answered.Sub(asked) / 2
	here := asked.Add(open)
	if r := c.last.Load(); r != nil && r.at(here).Sub(there).Abs() <= open+clockSlack {
		return
	}
	c.last.Store(&reading{there.UTC(), here})
}

// look reads Redis' clock for an organisation; before that is known an empty name will do.
func (r *Redis) look(ctx context.Context, org string) error {
	asked := time.Now()
	there, err := r.Now(ctx, org)
	if err == nil {
		r.clock.hear(there, asked, time.Now())
	}
	return err
}

// Time is Redis' clock, by the last look: every process begins windows at the same moment, whatever its own clock says. It goes on while Redis is
// away.
func (r *Redis) Time() time.Time { return r.clock.now() }
