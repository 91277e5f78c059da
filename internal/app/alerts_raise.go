package app

import (
	"context"
	"fmt"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/alerts"
	"github.com/saas-sentinel/saas-sentinel/ratelimit"
)

const (
	raiseParts = 5 // a press gives one of so many parts more
	mostRaised = 2 // times the policy's amount: more is a change of the policy
)

// raise gives a budget a fifth more until its window ends, for a member of Slack whom the policy lets do that. It is written into the
// audit chain first.
func (al *alerting) raise(ctx context.Context, member, cell string) (string, error) {
	a, set, now := al.app, al.app.governor.State().Policy, al.app.now()
	person, known := al.book.Load().members[member]
	if !known || !person.MayRaise(cell) {
		return "You may not raise this budget: an operator can, or an admin of its team (alerts.people in the policy).", alerts.ErrNotAllowed
	}
	l, ok := set.Limit(cell, now)
	if !ok || l.Kind != sentinel.Window || l.Measure != sentinel.MeasureCost {
		return "The policy has no such budget any more.", alerts.ErrNotAllowed
	}
	overrides, err := a.limiter.Overrides(ctx, set.Org)
	if err != nil {
		return "", err
	}
	was := l.Max
	if o, ok := overrides[cell]; ok {
		was = o.Max
	}
	most := was + was/raiseParts
	if most > mostRaised*l.Max {
		return fmt.Sprintf("The budget is at %s of %s already: more than twice the policy's amount is a change of the policy.", sentinel.NanoUSD(was), sentinel.NanoUSD(l.Max)), alerts.ErrNotAllowed
	}
	o := ratelimit.Override{Cell: cell, Max: most, Until: l.End, By: person.Name, Why: "raised by 20 % in Slack by member " + member}
	row := sentinel.AuditRow{Actor: person.Name, Action: "limit.override", Object: cell, Before: sentinel.NanoUSD(was).String(),
		After: fmt.Sprintf("%s until %s: %s", sentinel.NanoUSD(most), l.End.Format(time.RFC3339), o.Why)}
	if err := a.audit.Around(ctx, row, func(ctx context.Context) error { return a.limiter.SetOverride(ctx, set.Org, o) }); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s may spend %s until %s.", l.Name, sentinel.NanoUSD(most), l.End.Format("2006-01-02 15:04 UTC")), nil
}
