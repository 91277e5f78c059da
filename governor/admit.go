package governor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// Request is a call as the guard recognised it.
type Request struct {
	Call  sentinel.Call
	Route Route
	State *State // the one under which Route was found
	Raw   provider.RawRequest
	// Scores say which services are unusual now; nil for none.
	Scores *policy.Scores
}

// Admission is the decision on a call, and how it goes upstream when it may.
type Admission struct {
	Verdict sentinel.Verdict
	Ticket  Ticket
	Body    []byte      // nil: as it came
	Path    string      // the provider's own path, without prefix
	To      *Route      // of a fallback: where it goes instead
	Set     [][2]string // headers that the other provider wants
	Remove  []string    // headers of the provider that was asked
	Cause   error       // why the limiter could not be asked, when the policy decided without it
}

// voidTimeout bounds the return of a hold after its call could not be journaled.
const voidTimeout = time.Second

// Admit decides on a call: read → price the bound → reserve → decide → make the intent durable.
// An error means that we could not decide; the caller must then refuse.
func (g *Governor) Admit(ctx context.Context, r Request) (Admission, error) {
	rq, err := r.Route.Preset.ReadRequest(r.Route.Endpoint, r.Raw)
	if err != nil {
		return refusal(r, sentinel.ReasonBadRequest, err.Error())
	}
	r.Call.Model, r.Call.Tier, r.Call.Stream = rq.Model, rq.Tier, rq.Stream
	r.Call.Demand = sentinel.Wanted{Bound: rq.Bound, Choices: rq.Choices, TextBytes: rq.TextBytes, Fixed: rq.Fixed}.Demand()
	r.Scores = g.Scores.Load()
	c, ok := candidates(r, rq)
	if !ok {
		return refusal(r, sentinel.ReasonUnpriced, unpriced(r.Call))
	}
	ask := g.ask(r, c)
	if c.plan.Refuse {
		v := policy.Decide(c.plan, ask, sentinel.Reservation{})
		return Admission{Verdict: v, Ticket: r.refused(v)}, nil
	}
	reserved, down := g.reserve(ctx, c.plan, ask)
	waited := false
	if down == nil && reserved.Chosen < 0 {
		reserved, waited, down = g.patiently(ctx, ask, &c.plan, reserved)
	}
	if down != nil {
		if reserved, err = g.without(avoiding(c.plan, ask), r.State.Policy.WhenLimiterDown); err != nil {
			a, _ := refusal(r, sentinel.ReasonLimiterUnavailable, err.Error())
			a.Cause = down
			return a, nil
		}
		reserved.Chosen += skipped(c.plan, ask)
	}
	verdict := policy.Decide(c.plan, ask, reserved)
	if verdict.Action.Refused() {
		if len(c.unusable) > 0 {
			verdict.Detail += "; no other provider could serve it: " + strings.Join(c.unusable, "; ")
		}
		return Admission{Verdict: verdict, Ticket: r.refused(verdict)}, nil
	}
	if waited && verdict.Action == sentinel.Allow {
		verdict.Action = sentinel.Delay
	}
	a, err := g.dispatch(ctx, r, rq, c.fallbacks[reserved.Chosen], c.bounds[reserved.Chosen], verdict, reserved.Hold)
	a.Cause = down
	return a, err
}

// ask is the question to the limiter.
func (g *Governor) ask(r Request, c choice) sentinel.Ask {
	return sentinel.Ask{Org: r.Call.Caller.Org, Call: r.Call.ID, TTL: g.HoldTTL, Candidates: c.asks}
}

// unpriced says what has no price.
func unpriced(c sentinel.Call) string {
	what := "no price is known for"
	if c.Model != "" {
		what += fmt.Sprintf(" model %q of", c.Model)
	}
	what += fmt.Sprintf(" %s on %s", c.Provider, c.Endpoint)
	if c.Tier != "" {
		what += fmt.Sprintf(" by the price list %q", c.Tier)
	}
	return what
}

// refusal is a decision that needs no limiter.
func refusal(r Request, reason sentinel.Reason, detail string) (Admission, error) {
	v := sentinel.Verdict{Action: sentinel.Deny, Reason: reason, Detail: detail}
	return Admission{Verdict: v, Ticket: r.refused(v)}, nil
}

// reserve makes the one round trip, and none where nothing is limited.
func (g *Governor) reserve(ctx context.Context, plan policy.Plan, ask sentinel.Ask) (sentinel.Reservation, error) {
	skip, asked := skipped(plan, ask), avoiding(plan, ask)
	for _, c := range asked.Candidates {
		if len(c.Limits) > 0 {
			r, err := g.Limiter.Reserve(ctx, asked)
			if r.Chosen >= 0 {
				r.Chosen += skip
			}
			return r, err
		}
	}
	return sentinel.Reservation{Chosen: skip}, nil
}

// avoiding is the ask without the candidates that the plan avoids.
func avoiding(p policy.Plan, ask sentinel.Ask) sentinel.Ask {
	ask.Candidates = ask.Candidates[skipped(p, ask):]
	return ask
}

// skipped is how many candidates the plan avoids: the asked model, where a service is unusual and a cheaper one is there.
func skipped(p policy.Plan, ask sentinel.Ask) int {
	if p.Avoid && len(ask.Candidates) > 1 {
		return 1
	}
	return 0
}

// Why a call is refused while the limiter is away.
var (
	errClosed = errors.New("the limiter cannot be reached, and this call's limits are declared closed")
	errLocal  = errors.New("the limiter cannot be reached, and this process has given away its share of what was left")
)

// without decides while the limiter is away. Open limits let the first candidate pass, local ones the first that fits into the process' share.
func (g *Governor) without(ask sentinel.Ask, down policy.LimiterDown) (sentinel.Reservation, error) {
	for _, l := range ask.Candidates[0].Limits {
		if down.Of(l) == policy.DownClosed {
			return sentinel.Reservation{}, errClosed
		}
	}
	if g.Without == nil {
		return sentinel.Reservation{}, nil
	}
	got := g.Without(ask, func(l sentinel.Limit) bool { return down.Of(l) != policy.DownOpen }, down.LocalShare)
	if got.Chosen < 0 {
		return got, errLocal
	}
	return got, nil
}

// refused gives the ticket of a refusal, for its ledger row.
func (r Request) refused(v sentinel.Verdict) Ticket {
	return Ticket{Call: r.Call, Asked: r.Call.Model, Action: v.Action, Reason: v.Reason, PolicyVersion: r.State.Policy.Version}
}

// dispatch writes the intent, then says how the call goes upstream. A call whose intent is not
// durable does not go: its hold is given back.
func (g *Governor) dispatch(ctx context.Context, r Request, rq provider.Request, other *fallback, b bound, v sentinel.Verdict, hold sentinel.Hold) (Admission, error) {
	asked := r.Call.Model
	body, path, from := rq.Body, r.Raw.Path, ""
	out := Admission{Verdict: v}
	if v.Action == sentinel.Downgrade {
		var err error
		if body, path, err = r.Route.Preset.WithModel(r.Route.Endpoint, r.Raw, rq, v.Model); err != nil {
			g.void(ctx, r.Call, hold)
			return Admission{}, fmt.Errorf("downgrade %s to %s: %w", asked, v.Model, err)
		}
		r.Call.Model = v.Model
	}
	if other != nil {
		from, rq, body, path = r.Route.Name, other.Request, other.Body, other.Path
		r.Call = other.call(r.Call)
		out.To, out.Set, out.Remove = &other.route, other.Set, other.Remove
	}
	intent := sentinel.Intent{
		Call: r.Call, Asked: asked, Action: v.Action, Reason: v.Reason, Bound: b.usage, BoundCost: b.cost, Hold: hold,
		PriceVersion: b.price.Version, PolicyVersion: r.State.Policy.Version, Instance: g.Instance,
	}
	if err := g.Journal.Append(ctx, sentinel.Record{Intent: &intent}); err != nil {
		g.void(ctx, r.Call, hold)
		return Admission{}, errors.Join(ErrJournal, err)
	}
	out.Body, out.Path, out.Ticket = body, path, Ticket{
		Call: r.Call, Asked: asked, Action: v.Action, Reason: v.Reason, Hold: hold,
		PriceVersion: b.price.Version, PolicyVersion: r.State.Policy.Version,
		Bound: b.usage, TextBytes: rq.TextBytes, HideUsage: rq.HideUsage, From: from,
	}
	return out, nil
}

// ErrJournal says that the ledger did not accept an intent.
var ErrJournal = errors.New("write the intent")

// void gives a call's hold back: it was admitted, and did not reach the provider.
func (g *Governor) void(ctx context.Context, c sentinel.Call, hold sentinel.Hold) {
	if hold == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), voidTimeout)
	defer cancel()
	// An error leaves the hold to expire by itself, which is what it is made for.
	_, _ = g.Limiter.Settle(ctx, sentinel.Settlement{Org: c.Caller.Org, Call: c.ID, Hold: hold})
}

// Refuse books a refused call of a known caller. HTTP status is the one that the client got.
func (g *Governor) Refuse(ctx context.Context, t Ticket, status int) error {
	e := sentinel.Entry{
		Call: t.Call, Asked: t.Asked, Action: t.Action, Reason: t.Reason, Status: status,
		PolicyVersion: t.PolicyVersion, Source: sentinel.SourceMeter, Duration: g.Now().Sub(t.Call.At),
	}
	if err := g.Journal.Append(ctx, sentinel.Record{Entry: &e}); err != nil {
		return fmt.Errorf("book the refusal of call %s: %w", t.Call.ID, err)
	}
	return nil
}
