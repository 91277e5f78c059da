package capture

import (
	"context"
	"sync"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Store keeps sealed bodies; one that it has already changes nothing.
type Store interface {
	PutBodies(ctx context.Context, list []sentinel.SealedBody) error
}

// Bounds of what waits in memory.
const (
	maxWaiting      = 32 << 20 // bytes of bodies
	batchBodies     = 100
	gather          = 200 * time.Millisecond
	retryAfter      = time.Second
	lastWrite       = 5 * time.Second // what a stopping process may still write
	bodyOverhead    = 512             // of a body in memory, beside its data
	triesOfOneBatch = 30
)

// Recorder takes bodies from the path of calls, and seals and writes them beside it. A body is not billing data: what the bound leaves no room for,
// and what cannot be written for half a minute, is counted and let go.
type Recorder struct {
	Box   *Box
	Store Store
	// Failed hears of every try that failed.
	Failed func(error)

	mu      sync.Mutex
	waiting []sentinel.Body
	bytes   int
	stored  int64
	dropped int64
	woken   chan struct{}
}

// NewRecorder makes a Recorder that Run serves.
func NewRecorder(b *Box, s Store, failed func(error)) *Recorder {
	return &Recorder{Box: b, Store: s, Failed: failed, woken: make(chan struct{}, 1)}
}

// Add takes a body without waiting.
func (r *Recorder) Add(b sentinel.Body) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bytes+len(b.Data)+bodyOverhead > maxWaiting {
		r.dropped++
		return
	}
	r.waiting, r.bytes = append(r.waiting, b), r.bytes+len(b.Data)+bodyOverhead
	select {
	case r.woken <- struct{}{}:
	default:
	}
}

// Counts tells how many bodies were stored, and how many were let go.
func (r *Recorder) Counts() (stored, dropped int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stored, r.dropped
}

// Run seals and writes until ctx ends; then, once no call adds any more, it writes what waits.
func (r *Recorder) Run(ctx context.Context, served <-chan struct{}) error {
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrite)
			defer cancel()
			select {
			case <-served:
			case <-last.Done():
			}
			r.drain(last)
			r.mu.Lock()
			defer r.mu.Unlock()
			r.dropped += int64(len(r.waiting))
			return nil
		case <-r.woken:
			pause(ctx, gather)
			r.drain(ctx)
		}
	}
}

// drain writes what waits, up to ctx's end.
func (r *Recorder) drain(ctx context.Context) {
	for batch := r.first(); len(batch) > 0; batch = r.first() {
		written := r.write(ctx, batch)
		if !written && ctx.Err() != nil {
			return
		}
		r.forget(batch, written)
	}
}

// first gives the bodies that have waited longest. They wait on until they are forgotten.
func (r *Recorder) first() []sentinel.Body {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waiting[:min(batchBodies, len(r.waiting))]
}

// forget counts bodies, and lets them go.
func (r *Recorder) forget(batch []sentinel.Body, stored bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if stored {
		r.stored += int64(len(batch))
	} else {
		r.dropped += int64(len(batch))
	}
	for _, b := range batch {
		r.bytes -= len(b.Data) + bodyOverhead
	}
	r.waiting = r.waiting[len(batch):]
	clear(batch)
}

// write seals and writes a batch, and tries again while the key or the database is away.
func (r *Recorder) write(ctx context.Context, batch []sentinel.Body) bool {
	for range triesOfOneBatch {
		err := r.writeOnce(ctx, batch)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			break
		}
		r.Failed(err)
		pause(ctx, retryAfter)
	}
	return false
}

func (r *Recorder) writeOnce(ctx context.Context, batch []sentinel.Body) error {
	sealed := make([]sentinel.SealedBody, len(batch))
	for i, b := range batch {
		var err error
		if sealed[i], err = r.Box.Seal(ctx, b); err != nil {
			return err
		}
	}
	return r.Store.PutBodies(ctx, sealed)
}

// pause waits for d or for ctx's end.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
