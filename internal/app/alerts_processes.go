package app

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/saas-sentinel/saas-sentinel/store"
)

// What became of a gateway process: the reasons of facts about it.
const (
	processKilled = "killed" // it did not end in order, and another one has its spool now
	processStill  = "still"  // it got no processor for seconds
	processSilent = "silent" // it has not said for some time that it is alive, nor that it ends
)

const (
	// stoodStill is how much later than it asked for a process may get the processor.
	stoodStill = 3 * time.Second
	// maxSilent bounds the processes that are told of by themselves.
	maxSilent = 100
)

// process notes what became of a gateway process; which is the slash and id of the spool of one that cannot say so itself.
func (al *alerting) process(reason, which string) {
	al.facts.add(factKey{kind: "process", reason: reason, name: reason + which}, true)
}

// wake notes once that the process before this one did not end in order, and then whenever this one got no processor. Nothing else is done between
// its looks, so that no work is taken for that.
func (al *alerting) wake(ctx context.Context) error {
	if al.app.spool.Crashed() {
		al.app.log.Warn().Msg("the process before this one did not end in order")
		al.process(processKilled, "")
	}
	for {
		began := time.Now()
		sleep(ctx, judgeEvery)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it ends with the process
		}
		if late := time.Since(began) - judgeEvery; late > stoodStill {
			al.app.log.Warn().Dur("for", late).Msg("this process stood still")
			al.process(processStill, "")
		}
	}
}

// silent notes the processes that say nothing.
func (al *alerting) silent() {
	if gone := al.app.absent.list.Load(); gone != nil {
		for _, s := range (*gone)[:min(len(*gone), maxSilent)] {
			al.process(processSilent, "/"+s.ID)
		}
	}
}

// MissedBeats is how many rounds of the reconciler, each of which says that its process is alive, a process may miss before it is silent.
const MissedBeats = 3

// leastSilence is the shortest silence that is told, however short the rounds: a busy machine makes a process late by seconds.
const leastSilence = 5 * time.Second

// absent are the processes that neither said a moment ago that they are alive, nor ended in order.
type absent struct {
	asked time.Time // of the reconciler alone
	list  atomic.Pointer[[]store.Spool]
}

// look asks for them, and gives those that were not among the last ones. After a time in which the database was away, and nobody could say anything,
// it waits a round.
func (p *absent) look(now time.Time, longer time.Duration, ask func() ([]store.Spool, error)) (more []store.Spool, err error) {
	last := p.asked
	p.asked = now
	if now.Sub(last) > longer {
		return nil, nil
	}
	list, err := ask()
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	if before := p.list.Swap(&list); before != nil {
		for _, s := range *before {
			known[s.ID] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(list), func(s store.Spool) bool { return known[s.ID] }), nil
}

// missPeers looks for processes that are silent.
func (a *App) missPeers(ctx context.Context) error {
	longer := max(leastSilence, MissedBeats*a.config.Reconcile.Every)
	more, err := a.absent.look(time.Now(), longer, func() ([]store.Spool, error) {
		return a.store.Silent(ctx, a.governor.State().Policy.Org, longer)
	})
	for _, s := range more {
		a.log.Warn().Str("spool", s.ID).Str("host", s.Host).Time("since", s.Beat).Msg("a gateway process is silent")
	}
	return err
}
