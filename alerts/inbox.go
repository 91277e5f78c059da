package alerts

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Bounds of the inbox.
const (
	maxReports   = 20_000 // different incidents between two writes
	flushEvery   = 200 * time.Millisecond
	flushTimeout = 10 * time.Second
)

// Inbox takes reports without ever waiting, keeps the newest of each incident, and writes them to the store.
// While the store is away they stay.
type Inbox struct {
	Store   Store
	Machine func() *Machine
	Log     zerolog.Logger

	mu      sync.Mutex
	reports map[string]*report // by incident
	dropped atomic.Int64
}

// report is what was heard of one incident since the last write: that it fired, and what came last.
type report struct {
	group string
	fired *Event // the highest level of what fired
	last  Event
}

// Report takes an event. It is safe for concurrent use, and does not block on I/O.
func (b *Inbox) Report(e Event) {
	rule, ok := b.Machine().Rules[e.Rule]
	if !ok {
		return
	}
	id := sentinel.IncidentID(e.Rule, e.Scope, e.Window)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.reports == nil {
		b.reports = map[string]*report{}
	}
	r := b.reports[id]
	if r == nil {
		if len(b.reports) >= maxReports {
			b.dropped.Add(1)
			return
		}
		r = &report{group: rule.GroupKey(e.Scope)}
		b.reports[id] = r
	}
	if e.Firing && (r.fired == nil || e.Level >= r.fired.Level) {
		r.fired = &e
	}
	r.last = e
}

// Dropped counts reports that found the inbox or their group full.
func (b *Inbox) Dropped() int64 { return b.dropped.Load() }

// Run writes until ctx ends, and once more then.
func (b *Inbox) Run(ctx context.Context) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			b.flush(context.WithoutCancel(ctx))
			return nil
		case <-tick.C:
			b.flush(ctx)
		}
	}
}

// flush writes what was reported, group by group. What cannot be written is kept.
func (b *Inbox) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	b.mu.Lock()
	taken := b.reports
	b.reports = nil
	b.mu.Unlock()
	groups := map[string][]Event{}
	for _, r := range taken {
		if r.fired != nil {
			groups[r.group] = append(groups[r.group], *r.fired)
		}
		if !r.last.Firing {
			groups[r.group] = append(groups[r.group], r.last)
		}
	}
	for key, events := range groups {
		effects, err := apply(ctx, b.Store, b.Machine(), key, Input{Now: time.Now().UTC(), Events: events})
		if effects.Unopened > 0 {
			b.dropped.Add(int64(effects.Unopened))
			b.Log.Warn().Str("group", key).Int("incidents", effects.Unopened).Msg("incidents not opened: the group has as many as it may")
		}
		if err != nil {
			b.Log.Warn().Err(err).Int("events", len(events)).Msg("incidents not written, kept in memory")
			b.giveBack(events)
		}
	}
}

// giveBack returns events to the inbox, before what was reported since.
func (b *Inbox) giveBack(events []Event) {
	b.mu.Lock()
	newer := b.reports
	b.reports = nil
	b.mu.Unlock()
	for _, e := range events {
		b.Report(e)
	}
	for _, r := range newer {
		if r.fired != nil {
			b.Report(*r.fired)
		}
		b.Report(r.last)
	}
}
