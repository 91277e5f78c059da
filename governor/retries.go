package governor

import (
	"sync"
	"time"
)

// The budget of retries: of a provider's calls of the last minute, one in so many may be tried a second time, and a few in any case. When
// everything fails, attempts stay within 110 % of the calls, and a provider that is down does not double the load of the next.
const (
	callsPerRetry = 10
	freeRetries   = 10 // a minute and process
	slotsOfWindow = 6
	slotOfWindow  = 10 * time.Second
)

// retries counts calls and second attempts by provider. Providers are those of the policy, so they are few.
type retries struct {
	mu sync.Mutex
	of map[string]*[slotsOfWindow]slot
}

type slot struct{ number, calls, taken int64 }

// called counts a call that may be tried again.
func (r *retries) called(provider string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.slot(provider, now).calls++
}

// take takes one retry, where one is left.
func (r *retries) take(provider string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	current := r.slot(provider, now)
	var calls, taken int64
	for _, s := range r.of[provider] {
		if s.number > current.number-slotsOfWindow {
			calls, taken = calls+s.calls, taken+s.taken
		}
	}
	if taken >= max(freeRetries, calls/callsPerRetry) {
		return false
	}
	current.taken++
	return true
}

// slot finds the current part of a provider's window.
func (r *retries) slot(provider string, now time.Time) *slot {
	if r.of == nil {
		r.of = map[string]*[slotsOfWindow]slot{}
	}
	w := r.of[provider]
	if w == nil {
		w = &[slotsOfWindow]slot{}
		r.of[provider] = w
	}
	number := now.UnixNano() / int64(slotOfWindow)
	s := &w[number%slotsOfWindow]
	if s.number != number {
		*s = slot{number: number}
	}
	return s
}
