package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/ratelimit"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// How counters are kept equal to the ledger: a look every so often, and often after Redis lost them.
const (
	compareEvery = 5 * time.Minute
	compareSoon  = 3 * time.Second
	comparedSoon = 10     // looks after a loss
	mostGroups   = 10_000 // kinds of calls in one window
	seedTimeout  = 10 * time.Second
	memoryKnown  = 500 * time.Millisecond // between two looks whether Redis has its counters
	memoryLost   = 100 * time.Millisecond
)

// What limits can depend on in the ledger: those of credentials on more, those of end users and sessions on all.
var seedDimensions = []string{"team", "service", "provider", "endpoint", "model", "credential", "user", "session"}

// How many of them limits depend on.
const (
	withoutSubjects = 5
	withCredentials = 6
)

// dependsOn is how many of them a plan's limit depends on.
func dependsOn(p *policy.Plan, limit int) int {
	switch {
	case p.OfSubject(limit):
		return len(seedDimensions)
	case p.OfCredential(limit):
		return withCredentials
	default:
		return withoutSubjects
	}
}

// question is what the ledger is asked about a window: by the first of what limits can depend on, for one organisation or all of the ledger.
type question struct {
	from       time.Time
	dimensions int
	all        bool
}

type usageOf func(ctx context.Context, q question) ([]store.UsageRow, error)

func (a *App) ledgerUsage(ctx context.Context, q question) ([]store.UsageRow, error) {
	filter := map[string]string{"org": a.governor.State().Policy.Org}
	if q.all {
		filter = nil
	}
	return a.store.Usage(ctx, store.UsageQuery{From: q.from, By: seedDimensions[:q.dimensions], Filter: filter, Limit: mostGroups})
}

// posted says what every calendar window of a policy has posted by the ledger, sorted by cell. Of end users and sessions those count that
// have cost most, as many as one question gives; what organisations share is counted over all that the ledger has.
func posted(ctx context.Context, set *policy.Set, now time.Time, usage usageOf) ([]ratelimit.Seed, error) {
	questions := []question{{dimensions: withoutSubjects}}
	if set.CountsCredentials() {
		questions = append(questions, question{dimensions: withCredentials})
	}
	if set.CountsSubjects() {
		questions = append(questions, question{dimensions: len(seedDimensions)})
	}
	if set.Across() {
		for _, q := range questions {
			q.all = true
			questions = append(questions, q)
		}
	}
	sums := map[string]*ratelimit.Seed{}
	for _, start := range set.Windows(now) {
		for _, q := range questions {
			q.from = start
			rows, err := usage(ctx, q)
			if err != nil {
				return nil, err
			}
			if len(rows) >= mostGroups && q.dimensions < len(seedDimensions) {
				return nil, fmt.Errorf("the ledger has %d kinds of calls since %s: more than can be counted again", len(rows), start.Format(time.RFC3339))
			}
			if err := q.add(sums, set, now, rows); err != nil {
				return nil, err
			}
		}
	}
	out := make([]ratelimit.Seed, 0, len(sums))
	for _, cell := range slices.Sorted(maps.Keys(sums)) {
		out = append(out, *sums[cell])
	}
	return out, nil
}

// add sums the answer by the windows that the question is about.
func (q question) add(sums map[string]*ratelimit.Seed, set *policy.Set, now time.Time, rows []store.UsageRow) error {
	for _, r := range rows {
		if len(r.Keys) != q.dimensions {
			return fmt.Errorf("the ledger answers with %d dimensions", len(r.Keys))
		}
		call := sentinel.Call{Caller: sentinel.Caller{Org: set.Org, Team: r.Keys[0], Service: r.Keys[1]}, Provider: r.Keys[2], Endpoint: r.Keys[3], Model: r.Keys[4]}
		switch q.dimensions {
		case withCredentials:
			call.Demand = sentinel.Wanted{Credential: r.Keys[5]}.Demand()
		case len(seedDimensions):
			call.Demand = sentinel.Wanted{Credential: r.Keys[5], User: r.Keys[6], Session: r.Keys[7]}.Demand()
		}
		plan := set.Plan(&call, call.Model, now)
		for i, l := range plan.Limits {
			if l.Kind != sentinel.Window || !l.Start.Equal(q.from) || dependsOn(&plan, i) != q.dimensions || strings.HasPrefix(l.Cell, sentinel.AcrossCells) != q.all {
				continue
			}
			if sums[l.Cell] == nil {
				sums[l.Cell] = &ratelimit.Seed{Limit: l}
			}
			sums[l.Cell].Posted += measured(l.Measure, r)
		}
	}
	return nil
}

// measured is what calls of one kind took of a measure.
func measured(m sentinel.Measure, r store.UsageRow) int64 {
	switch m {
	case sentinel.MeasureRequests:
		return r.Calls - r.Refused
	case sentinel.MeasureTokens:
		return r.InputTokens + r.OutputTokens
	case sentinel.MeasureInputTokens:
		return r.InputTokens
	case sentinel.MeasureOutputTokens:
		return r.OutputTokens
	case sentinel.MeasureCost:
		return int64(r.Cost)
	default:
		return 0
	}
}

// remember brings counters back that Redis loses, and raises those that are lower than the ledger.
func (a *App) remember(ctx context.Context) error {
	wait := time.NewTimer(compareEvery)
	defer wait.Stop()
	look := time.NewTimer(0)
	defer look.Stop()
	var before map[string]int64
	known, away := true, false
	for soon := 0; ; {
		select {
		case <-ctx.Done():
			a.recount.leave()
			return nil
		case <-a.limiter.Forgot():
			look.Reset(0)
		case <-look.C:
			was := known
			known = a.recount.look(ctx)
			if was && !known { // counted again before anybody looks, it is told all the same
				a.alerting.facts.add(cacheAway, true)
			}
			if known {
				look.Reset(memoryKnown)
			} else {
				look.Reset(memoryLost)
			}
			wasAway := away
			if away = a.limiter.Away(); known && !was || wasAway && !away { // a replica may lack the last that its master had
				soon, before = comparedSoon, nil
				wait.Reset(compareSoon)
			}
		case <-wait.C:
			next, err := a.compare(ctx, before)
			if err != nil && ctx.Err() == nil {
				a.log.Warn().Err(err).Msg("limits not compared with the ledger")
			}
			if soon == 0 && len(before) == 0 && len(next) > 0 {
				soon = 1 // what looks too low is looked at again soon
			}
			before = next
			if soon > 0 {
				soon--
				wait.Reset(compareSoon)
			} else {
				wait.Reset(compareEvery)
			}
		}
	}
}

// compare looks at every window that the ledger knows. A counter below what the ledger had at the look before is raised to that:
// an entry can be in the ledger a moment before its settlement is in Redis, but not from one look to the next.
func (a *App) compare(ctx context.Context, before map[string]int64) (low map[string]int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, seedTimeout)
	defer cancel()
	set := a.governor.State().Policy
	seeds, err := posted(ctx, set, a.now(), a.ledgerUsage)
	if err != nil {
		return before, err
	}
	limits := make([]sentinel.Limit, 0, len(seeds))
	for _, s := range seeds {
		limits = append(limits, s.Limit)
	}
	low = map[string]int64{}
	const atOnce = 1000
	for part := range slices.Chunk(limits, atOnce) {
		uses, err := a.limiter.Peek(ctx, set.Org, part)
		if err != nil {
			return before, err
		}
		for _, u := range uses {
			i, _ := slices.BinarySearchFunc(seeds, u.Limit.Cell, func(s ratelimit.Seed, cell string) int { return strings.Compare(s.Limit.Cell, cell) })
			if u.Posted+u.Forgiven >= seeds[i].Posted {
				continue
			}
			low[u.Limit.Cell] = seeds[i].Posted
			done, err := a.limiter.Raise(ctx, set.Org, u, before[u.Limit.Cell])
			if err != nil {
				return low, err
			}
			if done {
				a.metrics.raised.Inc()
				a.alerting.facts.add(factKey{kind: "drift", name: "redis"}, true)
				a.log.Warn().Str("limit", u.Limit.Cell).Int64("was", u.Posted).Int64("ledger", before[u.Limit.Cell]).Msg("limit raised to the ledger")
			}
		}
	}
	return low, nil
}
