package app

import (
	"context"
	"errors"
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

var errRaisedMeanwhile = errors.New("the budget was changed meanwhile")

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
	err = a.audit.Around(ctx, row, func(ctx context.Context) error {
		return a.limiter.ChangeOverride(ctx, set.Org, cell, &o, func(there *ratelimit.Override) error { return unchanged(there, l.Max, was) })
	})
	if errors.Is(err, errRaisedMeanwhile) {
		return "Somebody else changed this budget at the same time: look at it, and press again if it shall be more still.", fmt.Errorf("%w: %w", alerts.ErrNotAllowed, err)
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s may spend %s until %s.", l.Name, sentinel.NanoUSD(most), l.End.Format("2006-01-02 15:04 UTC")), nil
}

// unchanged tells whether a budget still is what a press was reckoned from: of two at once, the later one would take the earlier one's fifth for its own.
func unchanged(there *ratelimit.Override, most, was int64) error {
	if there != nil {
		most = there.Max
	}
	if most != was {
		return errRaisedMeanwhile
	}
	return nil
}
