package governor

import (
	"context"
	"errors"
	"sync"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// era is the time between two losses of the limiter's counters. What is held in one and not in the journal at its end is lost.
type era struct {
	mu sync.RWMutex // held for reading while a record of a held call is made durable
	n  uint64
}

// errEra says that a call was held by counters that are no longer there.
var errEra = errors.New("the limiter's counters were lost after this call was admitted")

// NextEra runs f between two records: every call that was held before is in the journal by then, or will be refused. Every settlement that
// the limiter may have had before has its entry there.
func (g *Governor) NextEra(f func()) {
	g.era.mu.Lock()
	defer g.era.mu.Unlock()
	g.era.n++
	f()
}

// now is the current era, for what is held from now on.
func (e *era) now() uint64 {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.n
}

// begin makes an intent durable in the era in which its call was held.
func (g *Governor) begin(ctx context.Context, intent *sentinel.Intent, era uint64) error {
	g.era.mu.RLock()
	defer g.era.mu.RUnlock()
	if intent.Hold != "" && era != g.era.n {
		return errEra
	}
	if err := g.Journal.Append(ctx, sentinel.Record{Intent: intent}); err != nil {
		return errors.Join(ErrJournal, err)
	}
	return nil
}

// book makes an entry durable while its reservation ends beside it. Released gives how that went.
func (g *Governor) book(ctx context.Context, entry *sentinel.Entry, release func() error) (released <-chan error, booked error) {
	done := make(chan error, 1)
	g.era.mu.RLock()
	defer g.era.mu.RUnlock()
	go func() { done <- release() }()
	return done, g.Journal.Append(ctx, sentinel.Record{Entry: entry})
}
