package policytest

import (
	"context"
	"maps"
	"slices"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

// preset lets limits have counted something before the first call, as calls would have that ended at the test's begin; of a concurrency
// limit, as calls that go on.
func (d *drill) preset(ctx context.Context, place string, counters map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(counters)) {
		at := place + "." + name
		l, ok := limitOf(d.state.Policy, name, d.now)
		if !ok {
			d.doc.Fault(at, "%q is neither the name nor the cell of a limit: sentinel limits show lists both", name)
			continue
		}
		n, err := policy.ParseMax(l.Measure, counters[name])
		if err != nil {
			d.doc.Fault(at, "%v", err)
			continue
		}
		if l.Kind == sentinel.Window {
			l.Max = max(l.Max, n) // a window may have counted more than the limit is now
		}
		var used sentinel.Amounts
		used[l.Measure] = n
		id := sentinel.NewCallID(d.now)
		r, err := d.limiter.Reserve(ctx, sentinel.Ask{Org: d.state.Policy.Org, Call: id, TTL: time.Hour, Candidates: []sentinel.Candidate{{Limits: []sentinel.Limit{l}, Bound: used}}})
		switch {
		case err != nil:
			d.doc.Fault(at, "%v", err)
		case r.Chosen < 0:
			d.doc.Fault(at, "%s is more than %s can count", counters[name], l.Name)
		case l.Kind != sentinel.Concurrent:
			if _, err := d.limiter.Settle(ctx, sentinel.Settlement{Org: d.state.Policy.Org, Call: id, Hold: r.Hold, Actual: used}); err != nil {
				d.doc.Fault(at, "%v", err)
			}
		}
	}
}

// limitOf finds a limit by its name or its cell.
func limitOf(set *policy.Set, name string, now time.Time) (sentinel.Limit, bool) {
	for _, l := range set.Limits(now) {
		if l.Name == name {
			return l, true
		}
	}
	return set.Limit(name, now)
}
