package governor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// NoAnswer is the status of an attempt that the provider gave no answer to.
const NoAnswer = -1

// statusOverloaded is Anthropic's for what it has not begun to serve.
const statusOverloaded = 529

// Retry tells whether another provider, or another credential of the same, is to make good what a call's provider has answered: the policy says
// so, the call cannot be billed twice by it or its client's key says that it may be repeated, and the budget of retries has one left, which is
// taken. A credential that is refused takes none: the calls after it use the others.
func (g *Governor) Retry(t *Ticket, status int, keyed bool) bool {
	if t.Next == "" || t.Failed != 0 || !covered(t.On, status) {
		return false
	}
	if t.Again() && !g.another(g.Route(t), t.Call.Caller.Team, t.Call.Model, t.Key) {
		return false
	}
	if status == http.StatusUnauthorized {
		return true
	}
	return (keyed || unserved(status)) && g.retries.take(t.Call.Provider, g.Now())
}

// covered tells whether a status is a failure that a rule names.
func covered(on policy.Failures, status int) bool {
	switch status {
	case NoAnswer:
		return on&policy.FailureUnreachable != 0
	case http.StatusTooManyRequests:
		return on&policy.FailureLimited != 0
	case http.StatusUnauthorized:
		return on&policy.FailureRefused != 0
	default:
		return status >= http.StatusInternalServerError && on&policy.FailureError != 0
	}
}

// unserved tells whether a provider says by a status that it has not begun to serve the call. Envoy repeats what never reached its provider,
// and without a key nothing else that has no answer.
func unserved(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable || status == statusOverloaded || status == NoAnswer
}

// Failed is the first attempt of a call, as booked, that another provider is to make good.
type Failed struct {
	Ticket Ticket              // Failed is the status
	Raw    provider.RawRequest // in the words of the client's provider
}

// Failover admits the second attempt of a call: translate → price the bound → reserve → make the intent durable. It is held and booked by
// itself; the first attempt's hold has been given back. A refusal is of the whole call. With another credential of the same provider it is
// the same request.
func (g *Governor) Failover(ctx context.Context, f Failed) (Admission, error) {
	t := f.Ticket
	s := g.stateOf(t.PolicyVersion)
	r := Request{State: s, Route: g.Route(&t), Call: t.Call, Raw: f.Raw, Scores: g.Scores.Load(), Trace: t.Trace, capture: t.Capture}
	rq, err := r.Route.Preset.ReadRequest(r.Route.Endpoint, f.Raw)
	if err != nil {
		return f.refused(err.Error(), 0), nil
	}
	rq.HideUsage = t.HideUsage // the event that it asks for may be the gateway's wish
	var to policy.Target
	to.Provider, to.Model, _ = strings.Cut(t.Next, "/")
	verdict := sentinel.Verdict{Action: sentinel.Fallback, Reason: sentinel.ReasonProviderFailed, Model: to.Model, Provider: to.Provider}
	second := sentinel.Candidate{Model: to.Model, Provider: to.Provider}
	var o option
	var there *sentinel.Call
	if t.Again() {
		verdict, second.Provider = f.again(), ""
		o, there, err = g.withAnotherKey(&r, &rq)
	} else {
		o, there, err = g.elsewhere(&r, &rq, to)
	}
	if err != nil {
		return f.refused(err.Error(), 0), nil
	}
	c := choice{plan: s.Policy.PlanUnder(r.Scores, there, to.Model, there.At)}
	second.Limits = c.plan.Limits
	c.add(second, o)
	ask := sentinel.Ask{Org: t.Call.Caller.Org, Call: t.Call.ID.Attempt(t.Attempt + 1), TTL: g.HoldTTL, Candidates: c.asks}
	era, reserved, down := g.era.now(), sentinel.Reservation{}, error(nil)
	if !c.plan.Refuse {
		if reserved, down = g.reserve(ctx, &c, ask); down != nil {
			if reserved, err = g.without(ask, s.Policy.WhenLimiterDown); err != nil {
				return f.refused(err.Error(), 0), nil
			}
		}
	}
	if v := policy.Decide(c.plan, ask, reserved); v.Action.Refused() {
		return f.refused(v.Detail, v.RetryAfter), nil
	}
	r.Call.Model = t.Asked
	a, err := g.dispatch(ctx, departure{Request: r, read: rq, option: c.options[0], hold: reserved.Hold, hard: c.hard(reserved), attempt: t.Attempt + 1, era: era, verdict: verdict})
	if errors.Is(err, errEra) {
		return f.refused(err.Error(), 0), nil
	}
	a.Cause = down
	return a, err
}

// elsewhere is another provider as the one option of a second attempt, and the call there.
func (g *Governor) elsewhere(r *Request, rq *provider.Request, to policy.Target) (option, *sentinel.Call, error) {
	other, b, err := fallbackTo(r, rq, to)
	if err != nil {
		return option{}, nil, err
	}
	call := other.call(r.Call)
	o, there := g.keyed(&other.route, &call, to.Model)
	o.bound, o.other, o.pause = b, other, g.paused(other.route, r.Call.Caller.Team, to.Model)
	return o, there, nil
}

// withAnotherKey is the same provider as the one option of a second attempt, with a credential that is not left out, and the call there.
func (g *Governor) withAnotherKey(r *Request, rq *provider.Request) (option, *sentinel.Call, error) {
	model := r.Call.Model
	b, ok := boundOf(r, rq, model)
	if !ok {
		return option{}, nil, errNoPrice
	}
	o, there := g.keyed(&r.Route, &r.Call, model)
	o.bound, o.pause = b, g.paused(r.Route, r.Call.Caller.Team, model)
	return o, there, nil
}

// again is the verdict of a second attempt at the same provider: that of the first, whose body it has, shortened or not.
func (f Failed) again() sentinel.Verdict {
	if t := f.Ticket; t.Action == sentinel.Downgrade {
		return sentinel.Verdict{Action: sentinel.Downgrade, Reason: t.Reason, Model: t.Call.Model}
	}
	return sentinel.Verdict{Action: sentinel.Allow, Reason: sentinel.ReasonProviderFailed}
}

// Exhausted refuses a call whose provider gave no answer, where the policy or the budget of retries lets it not be tried again.
func (f Failed) Exhausted() Admission {
	return f.refused("the policy lets no more of its calls be tried again now", 0)
}

// refused answers the client in the place of both providers.
func (f Failed) refused(why string, wait time.Duration) Admission {
	t := f.Ticket
	v := sentinel.Verdict{Action: sentinel.Deny, Reason: sentinel.ReasonProviderFailed, RetryAfter: wait}
	answered := "gave no answer"
	if t.Failed > 0 {
		answered = fmt.Sprintf("answered %d", t.Failed)
	}
	if t.Failed == http.StatusTooManyRequests {
		v.Action, v.Reason = sentinel.Throttle, sentinel.ReasonProviderLimit
	}
	v.Detail = fmt.Sprintf("%s %s, and %s could not serve the call: %s", t.Call.Provider, answered, t.Next, why)
	t.Action, t.Reason = v.Action, v.Reason
	return Admission{Verdict: v, Ticket: t}
}
