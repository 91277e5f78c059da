package ratelimit

import (
	"sync/atomic"
	"time"
)

// After so many failures in a row the breaker opens, for so long; then one call tries again.
const (
	breakerFailures = 5
	breakerPause    = 500 * time.Millisecond
)

// breaker keeps callers from waiting for a Redis that does not answer.
type breaker struct {
	failures atomic.Int32
	retryAt  atomic.Int64 // Unix nanoseconds; while it lies ahead, nobody calls
}

// allow tells whether to call now. After a pause exactly one caller gets through to try.
func (b *breaker) allow(now time.Time) bool {
	if b.failures.Load() < breakerFailures {
		return true
	}
	at := b.retryAt.Load()
	return now.UnixNano() >= at && b.retryAt.CompareAndSwap(at, now.Add(breakerPause).UnixNano())
}

// open tells whether calls are kept away.
func (b *breaker) open() bool { return b.failures.Load() >= breakerFailures }

// report counts a call's outcome.
func (b *breaker) report(now time.Time, ok bool) {
	if ok {
		b.failures.Store(0)
		return
	}
	if b.failures.Add(1) >= breakerFailures {
		b.retryAt.Store(now.Add(breakerPause).UnixNano())
	}
}
