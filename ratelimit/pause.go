package ratelimit

import (
	"context"
	"strconv"
	"sync"
	"time"
)

// maxPauses bounds the places that a process remembers, and the pauses that wait to be told to the others.
const maxPauses = 1000

// pausesKept is the life of what is told, and of what has ended: longer than any pause.
const pausesKept = 10 * time.Minute

// pauses are the places that want no calls now, by Redis' clock. What this process learns holds at once, and at the others within about a second.
type pauses struct {
	mu    sync.Mutex
	until map[string]time.Time
	news  chan pause
}

type pause struct {
	place string
	until time.Time
}

func (r *Redis) pausesKey(org string) string { return r.shared(org) + "pauses" }

// Pause keeps calls away from a place until a time of Redis' clock; an earlier end than the known one changes nothing. It does not wait for Redis.
func (r *Redis) Pause(place string, until time.Time) {
	until = until.Truncate(time.Millisecond)
	if !r.pauses.extend(place, until, r.clock.now()) {
		return
	}
	select {
	case r.pauses.news <- pause{place, until}:
	default: // the others will hear it from the provider themselves
	}
}

// PausedUntil tells until when a place wants no calls; zero where it takes them.
func (r *Redis) PausedUntil(place string) time.Time {
	r.pauses.mu.Lock()
	defer r.pauses.mu.Unlock()
	until := r.pauses.until[place]
	if !r.clock.now().Before(until) {
		return time.Time{}
	}
	return until
}

// extend remembers a later end, and tells whether it is one.
func (p *pauses) extend(place string, until, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !until.After(now) || !until.After(p.until[place]) {
		return false
	}
	if p.until == nil {
		p.until = map[string]time.Time{}
	}
	if len(p.until) >= maxPauses {
		for known, end := range p.until {
			if !end.After(now) {
				delete(p.until, known)
			}
		}
		if len(p.until) >= maxPauses {
			return false
		}
	}
	p.until[place] = until
	return true
}

// tell writes a pause for the other processes. The last writer of two at once decides its end, which both have heard from the provider.
func (r *Redis) tell(ctx context.Context, org string, p pause) {
	ctx, cancel := context.WithTimeout(ctx, overridesEvery)
	defer cancel()
	key := r.pausesKey(org)
	pipe := r.client.Pipeline()
	pipe.HSet(ctx, key, p.place, p.until.UnixMilli())
	pipe.Expire(ctx, key, pausesKept)
	_, _ = pipe.Exec(ctx) // this process heeds it anyway
}

// Hear takes over what the other processes have told.
func (r *Redis) Hear(ctx context.Context, org string) {
	all, err := r.client.HGetAll(ctx, r.pausesKey(org)).Result()
	if err != nil {
		return
	}
	now := r.clock.now()
	for place, text := range all {
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil || now.Sub(time.UnixMilli(ms)) > pausesKept {
			_ = r.client.HDel(ctx, r.pausesKey(org), place).Err()
			continue
		}
		r.pauses.extend(place, time.UnixMilli(ms), now)
	}
}
