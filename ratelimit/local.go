package ratelimit

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Bounds of what a process knows of limits for the time when Redis is away.
const (
	maxKnown     = 4096             // counters; what finds no room is refused while Redis is away
	knownFor     = 10 * time.Minute // after the last call that asked for it, a counter is no longer looked at
	refreshEvery = time.Second
	// localAt is the moment of holds that were made without Redis: before every memory, so that settle.lua posts what it never held. In place of
	// a bucket they have the memory mark that was known.
	localAt = 1
)

// Share is what one process may give away of a limit while Redis is away. With n processes and a share of at most 1/n they never give
// more than was left.
type Share struct {
	Of    func(sentinel.Limit) bool // whether a limit is held to the share; others let pass
	Parts int64                     // in hundredths of a percent of what was left
}

// local knows what was left of each limit, and what was given away of it without Redis.
type local struct {
	mu    sync.Mutex
	known map[cellKey]*known
	calls map[sentinel.CallID]localCall
	// since is the memory mark of which this process knows; with it a settlement finds out whether a call has been counted again.
	since int64
}

type known struct {
	org   string
	limit sentinel.Limit
	left  int64     // as Redis said last
	asked time.Time // when a call last met it
	given int64     // without Redis, and not settled there yet
	tat   time.Time // of a rate: when what was given is paid back
}

type localCall struct {
	amounts map[cellKey]int64 // by key, of windows and concurrency
	until   time.Time
}

// see notes what Redis said.
func (l *local) see(a sentinel.Ask, r sentinel.Reservation, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, v := range r.Levels {
		l.note(a.Org, v.Limit, v.Remaining, now).asked = now
	}
	for _, d := range r.Denials {
		l.note(a.Org, d.Limit, d.Remaining, now).asked = now
	}
}

func (l *local) note(org string, limit *sentinel.Limit, left int64, now time.Time) *known {
	key := cellAt(org, keyOf(*limit))
	k := l.known[key]
	if k == nil {
		if l.known == nil {
			l.known = map[cellKey]*known{}
		}
		if len(l.known) >= maxKnown {
			l.forget(now)
		}
		k = &known{org: org}
		if len(l.known) < maxKnown {
			l.known[key] = k
		}
	}
	k.limit, k.left = *limit, max(0, left)
	return k
}

// forget makes room: counters that no call met for a while, and that owe nothing.
func (l *local) forget(now time.Time) {
	for key, k := range l.known {
		if k.given == 0 && now.Sub(k.asked) > knownFor {
			delete(l.known, key)
		}
	}
}

// reserve holds a candidate within the shares of what was left, or none.
func (l *local) reserve(a sentinel.Ask, share Share, now time.Time) sentinel.Reservation {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(now)
	if _, again := l.calls[a.Call]; len(l.calls) >= maxDoubts && !again {
		return sentinel.Reservation{Chosen: noneFits}
	}
	for i, c := range a.Candidates {
		if !l.fits(a.Org, c, share, now) {
			continue
		}
		l.give(a, c, share, now)
		return sentinel.Reservation{Chosen: i, Hold: receiptOf(c, l.since, localAt, make([]int64, len(c.Limits))).encode()}
	}
	return sentinel.Reservation{Chosen: noneFits}
}

func (l *local) fits(org string, c sentinel.Candidate, share Share, now time.Time) bool {
	return !slices.ContainsFunc(c.Limits, func(limit sentinel.Limit) bool {
		if limit.Soft || !share.Of(limit) {
			return false
		}
		k, amount := l.known[cellAt(org, keyOf(limit))], c.Bound[limit.Measure]
		if k == nil {
			return true
		}
		if limit.Kind == sentinel.Rate {
			return k.paid(amount, limit, share.Parts, now).Sub(now) > limit.Period
		}
		return amount > sentinel.ShareOf(k.left-limit.Kept(), share.Parts)-k.given
	})
}

// know notes which counters calls belong to from now on.
func (l *local) know(since int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since = since
}

// give counts what a candidate takes.
func (l *local) give(a sentinel.Ask, c sentinel.Candidate, share Share, now time.Time) {
	call := localCall{amounts: map[cellKey]int64{}, until: now.Add(a.TTL + recordFor)}
	for _, limit := range c.Limits {
		key := cellAt(a.Org, keyOf(limit))
		k, amount := l.known[key], c.Bound[limit.Measure]
		switch {
		case k == nil:
		case limit.Kind == sentinel.Rate:
			if sentinel.ShareOf(limit.Max, share.Parts) > 0 {
				k.tat = k.paid(amount, limit, share.Parts, now)
			}
		default:
			k.given += amount
			call.amounts[key] += amount
		}
	}
	if l.calls == nil {
		l.calls = map[sentinel.CallID]localCall{}
	}
	l.calls[a.Call] = call
}

// paid is when a rate's share has paid back what was given, once this amount is: GCRA at a share of the pace, from the share of what was left.
func (k *known) paid(amount int64, limit sentinel.Limit, parts int64, now time.Time) time.Time {
	most := sentinel.ShareOf(limit.Max, parts)
	if most == 0 || amount > most {
		return now.Add(limit.Period + time.Nanosecond)
	}
	each := time.Duration(int64(limit.Period) / most)
	from := k.tat
	if owed := now.Add(each * time.Duration(most-sentinel.ShareOf(k.left-limit.Kept(), parts))); from.IsZero() && owed.After(from) {
		from = owed
	}
	if from.Before(now) {
		from = now
	}
	return from.Add(each * time.Duration(amount))
}

// ended takes a call's part off: its concurrency when it ends, the rest when Redis has its settlement.
func (l *local) ended(call sentinel.CallID, settled bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, ok := l.calls[call]
	if !ok {
		return
	}
	for key, amount := range c.amounts {
		k := l.known[key]
		switch {
		case k == nil:
		case settled || k.limit.Kind == sentinel.Concurrent:
			k.given -= amount
			delete(c.amounts, key)
		}
	}
	if settled {
		delete(l.calls, call)
	}
}

// expire forgets calls that nobody settled. Their amounts stay given until their window ends.
func (l *local) expire(now time.Time) {
	if len(l.calls) < maxDoubts {
		return
	}
	for id, c := range l.calls {
		if now.After(c.until) {
			delete(l.calls, id)
		}
	}
}

// Without decides on an ask while Redis is away: the first candidate of which the process' share of what was left covers everything. The
// hold that it gives settles in Redis when that is back.
func (r *Redis) Without(a sentinel.Ask, s Share) sentinel.Reservation {
	now := time.Now()
	return r.local.reserve(r.overridden(a, r.clock.now()), s, now)
}

// Refresh looks every second at what is left of the limits that calls have met, so that a share is one of what was left a moment ago.
// It ends with ctx.
func (r *Redis) Refresh(ctx context.Context) error {
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			_ = r.refresh(ctx, now) // what was known stays
		}
	}
}

func (r *Redis) refresh(ctx context.Context, now time.Time) error {
	orgs := map[string][]sentinel.Limit{}
	r.local.mu.Lock()
	r.local.forget(now)
	for _, k := range r.local.known {
		if now.Sub(k.asked) <= knownFor {
			orgs[k.org] = append(orgs[k.org], k.limit)
		}
	}
	r.local.mu.Unlock()
	for org, limits := range orgs {
		uses, err := r.Peek(ctx, org, limits)
		if err != nil {
			return fmt.Errorf("refresh what is left: %w", err)
		}
		r.local.mu.Lock()
		for _, u := range uses {
			r.local.note(org, &u.Limit, u.Limit.Max+u.Carried-u.Used, now)
		}
		r.local.mu.Unlock()
	}
	return nil
}
