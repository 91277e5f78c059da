package app

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/saas-sentinel/saas-sentinel/ratelimit"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// How processes count limits again together.
const (
	lookTimeout = 2 * time.Second
	partEnds    = 2 * ratelimit.PartLife // after its last word no Redis believes what this process said
	stoppedMost = 30 * time.Second       // for which records wait; a round that has not ended by then begins anew
	waitTold    = 10 * time.Second       // between two lines of the log
	startWaits  = 5 * time.Second        // for the counters, before a process serves without them
)

// recount is this process' part in counting limits again that Redis has lost (docs/adr/0029). The ledger has to have everything that the lost counters
// had, and nothing that will still be counted when it is settled. So every process lets all its records up to one moment into the ledger, and none after
// it until the counters are there. One goroutine at a time uses it.
type recount struct {
	*App
	round   int64     // for which the spool is fenced; 0 for none
	since   time.Time // of the fence
	renewed time.Time // when Redis last heard of this process
	given   int64     // the last round that this process left
	lost    bool
	told    time.Time
	waiting atomic.Pointer[string] // for whom; nil for nobody
}

// party is this process.
func (c *recount) party() ratelimit.Party {
	return ratelimit.Party{Org: c.governor.State().Policy.Org, Spool: c.spool.ID()}
}

// asSpool is this process' spool, as the ledger remembers it.
func (a *App) asSpool() store.Spool {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	org := a.governor.State().Policy.Org
	return store.Spool{ID: a.spool.ID(), Org: org, Counters: a.limiter.CountersOf(org), Host: host}
}

// recall waits for the counters before this process serves. What its spool has of a process that was killed is part of them.
func (a *App) recall(ctx context.Context) error {
	if err := a.store.Beat(ctx, a.instance, a.asSpool()); err != nil {
		return err
	}
	a.onClose(a.retire)
	ctx, cancel := context.WithTimeout(ctx, startWaits)
	defer cancel()
	for !a.recount.look(ctx) {
		if ctx.Err() != nil {
			return nil // calls get what the policy says for a limiter that is down
		}
		if a.recount.round != 0 {
			if err := a.drainFenced(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
		sleep(ctx, memoryLost)
	}
	return nil
}

// drainFenced writes what was in the spool before its fence.
func (a *App) drainFenced(ctx context.Context) error {
	for !a.spool.Reached() {
		batch, err := a.spool.Next(ctx, drainBatch)
		if err == nil {
			err = a.move(ctx, batch)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// retire forgets a spool of which the ledger has everything.
func (a *App) retire() {
	if a.spool.Stats().LagRecords > 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
	defer cancel()
	if err := a.store.Retire(ctx, a.spool.ID()); err != nil {
		a.log.Warn().Err(err).Msg("spool not retired: after a loss of Redis others will wait for it")
	}
}

// look tells whether Redis has the counters; where not, it does the next step.
func (c *recount) look(ctx context.Context) (known bool) {
	ctx, cancel := context.WithTimeout(ctx, seedTimeout)
	defer cancel()
	known, err := c.step(ctx)
	if err != nil && c.lost && ctx.Err() == nil {
		c.tell().Err(err).Msg("limits not counted again")
	}
	return known
}

func (c *recount) step(ctx context.Context) (known bool, err error) {
	began, stopped := time.Now(), int64(0)
	if c.round != 0 && c.spool.Reached() {
		stopped = c.round
	}
	asked, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	round, err := c.limiter.Join(asked, c.party(), stopped, c.given)
	switch {
	case err != nil && c.round != 0 && time.Since(c.renewed) > partEnds: // nobody counts on this process any longer
		c.given = c.round
		c.lift()
		return false, err
	case err != nil:
		return !c.lost, err
	case round.Known:
		c.lift()
		c.lost = false
		c.waiting.Store(nil)
		return true, nil
	}
	c.renewed = began
	if !c.lost {
		c.lost = true
		c.log.Error().Msg("redis lost the counters of limits")
	}
	if c.round != 0 && c.round != round.ID {
		c.lift()
	}
	if c.round != 0 && time.Since(c.since) > stoppedMost {
		c.given = c.round
		return false, nil
	}
	return c.count(ctx, round)
}

// count stops for a round that everybody takes part in, and counts when all have stopped.
func (c *recount) count(ctx context.Context, round ratelimit.Round) (known bool, err error) {
	spools, err := c.store.Spools(ctx, c.limiter.CountersOf(c.party().Org))
	if err != nil {
		return false, err
	}
	var parties []ratelimit.Party
	for _, s := range spools {
		parties = append(parties, ratelimit.Party{Org: s.Org, Spool: s.ID})
	}
	absent, stopped, err := c.limiter.Absent(ctx, c.party().Org, parties, round.ID)
	if err != nil {
		return false, err
	}
	if len(absent) > 0 {
		names := named(spools, absent)
		if round.Lost < c.config.Redis.RecountWait {
			c.waiting.Store(&names)
			if e := c.tell(); e.Enabled() {
				e.Str("spools", names).Dur("at_most", c.config.Redis.RecountWait-round.Lost).Msg("limits wait for processes whose records may be missing in the ledger: start them again")
			}
			return false, nil
		}
		c.tell().Str("spools", names).Msg("limits are counted without what these have not written: a hard budget can be passed by that")
		parties = slices.DeleteFunc(parties, func(p ratelimit.Party) bool { return slices.Contains(absent, p) })
	}
	c.waiting.Store(nil)
	if c.round == 0 {
		c.stop(round.ID)
		return false, nil
	}
	if !stopped || !c.spool.Reached() {
		return false, nil
	}
	return c.seed(ctx, ratelimit.Recount{Round: round.ID, Parties: parties})
}

// named lists spools for people.
func named(spools []store.Spool, absent []ratelimit.Party) string {
	var names []string
	for _, s := range spools {
		if slices.Contains(absent, ratelimit.Party{Org: s.Org, Spool: s.ID}) {
			names = append(names, fmt.Sprintf("%s on %s, last seen %s", s.ID, s.Host, s.Beat.UTC().Format(time.RFC3339)))
		}
	}
	return strings.Join(names, "; ")
}

// stop parts the records of this process: those before go into the ledger, those after it wait.
func (c *recount) stop(round int64) {
	c.governor.NextEra(func() {
		c.spool.Fence()
		c.limiter.Stopped(round)
	})
	c.round, c.since = round, time.Now()
}

func (c *recount) lift() {
	if c.round != 0 {
		c.spool.Lift()
	}
	c.round = 0
}

// leave ends the part of a process that ends, so that what is in its spool can be written.
func (c *recount) leave() {
	if !c.lost {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
	defer cancel()
	if err := c.limiter.Leave(ctx, c.party(), c.round); err != nil && c.round != 0 {
		sleep(context.Background(), partEnds-time.Since(c.renewed))
	}
	c.lift()
}

// seed asks the ledger, and gives Redis the counters that it has lost. Of several processes one does it.
func (c *recount) seed(ctx context.Context, r ratelimit.Recount) (bool, error) {
	set, began := c.governor.State().Policy, time.Now()
	if ok, err := c.limiter.Claim(ctx, set.Org, r.Round); err != nil || !ok {
		return false, err
	}
	orgs := []string{set.Org}
	for _, p := range r.Parties {
		if !slices.Contains(orgs, p.Org) {
			orgs = append(orgs, p.Org)
		}
	}
	var err error
	var open []store.OpenCall
	if r.Windows, err = posted(ctx, set, c.now(), c.ledgerUsage); err == nil {
		open, err = c.store.OpenCalls(ctx, orgs)
	}
	for _, o := range open {
		r.Open = append(r.Open, ratelimit.Open{Org: o.Org, Call: o.Call.Attempt(o.Attempt), Hold: o.Hold})
	}
	first := false
	if err == nil {
		first, err = c.limiter.Seed(ctx, set.Org, r)
	}
	if !first {
		c.limiter.Unclaim(ctx, set.Org, r.Round)
		return false, err
	}
	c.log.Info().Str("org", set.Org).Int("counters", len(r.Windows)).Int("in_flight", len(r.Open)).Dur("took", time.Since(began)).Msg("limits counted again from the ledger")
	return false, nil // the next look finds it
}

// tell begins a line of the log, one in so many seconds.
func (c *recount) tell() *zerolog.Event {
	if time.Since(c.told) < waitTold {
		return nil
	}
	c.told = time.Now()
	return c.log.Error()
}
