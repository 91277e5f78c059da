package governor

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	Trace  string // the client's traceparent header, for its ticket

	room     *Room // nil: each judgement has memory of its own
	inShadow bool  // its plan is that of the rules with those in shadow
	shadow   sentinel.Shadows
	capture  policy.Capture
}

// plan finds the limits of a call with a model, which is that of an option.
func (r *Request) plan(option int, scores *policy.Scores, c *sentinel.Call, model string) policy.Plan {
	if r.room == nil {
		return r.State.Policy.PlanOn(policy.Terms{Scores: scores, Shadows: r.inShadow}, c, model, c.At)
	}
	limits := &r.room.limits[option]
	p := r.State.Policy.PlanOn(policy.Terms{Scores: scores, Shadows: r.inShadow, Room: *limits}, c, model, c.At)
	*limits = p.Limits
	return p
}

// Admission is the decision on a call, and how it goes upstream when it may.
type Admission struct {
	Verdict sentinel.Verdict
	Ticket  Ticket
	Body    []byte      // nil: as it came
	Path    string      // the provider's own path, without prefix
	To      *Route      // of a fallback: where it goes instead
	Chain   string      // the way to another provider when this one fails; empty for none
	Set     [][2]string // headers that the other provider wants
	Remove  []string    // headers of the provider that was asked
	Cause   error       // why the limiter could not be asked, when the policy decided without it
}

// Upstream is the route that the call goes out by, with its credential, where r is the one that its client asked for.
func (a *Admission) Upstream(r Route) Route {
	if a.To != nil {
		return *a.To
	}
	return r.Keyed(a.Ticket.Key)
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
	r.Call.Demand = r.wanted(rq).Demand()
	r.Scores = g.Scores.Load()
	c, ok := g.candidates(&r, &rq)
	if !ok {
		return refusal(r, sentinel.ReasonUnpriced, unpriced(r.Call))
	}
	r.capture = c.plan.Capture
	ask, shadows := g.ask(&r, &c), g.shadows(r, &rq)
	ask.Shadows = beside(shadows)
	if c.plan.Refuse {
		v := policy.Decide(c.plan, ask, sentinel.Reservation{})
		r.shadow = shadowed(shadows, v, sentinel.Reservation{})
		return Admission{Verdict: v, Ticket: r.refused(v)}, nil
	}
	era := g.era.now()
	reserved, down := g.reserve(ctx, &c, ask)
	waited := false
	if down == nil && reserved.Chosen < 0 {
		reserved, waited, down = g.patiently(ctx, ask, &c, reserved)
	}
	if down != nil {
		if reserved, err = g.without(c.open(ask), r.State.Policy.WhenLimiterDown); err != nil {
			a, _ := refusal(r, sentinel.ReasonLimiterUnavailable, err.Error())
			a.Cause = down
			return a, nil
		}
		reserved = c.whole(reserved)
	}
	verdict := policy.Decide(c.plan, ask, reserved)
	r.shadow = shadowed(shadows, verdict, reserved)
	if verdict.Action.Refused() {
		if len(c.unusable) > 0 {
			verdict.Detail += "; no other provider could serve it: " + strings.Join(c.unusable, "; ")
		}
		return Admission{Verdict: verdict, Ticket: r.refused(verdict)}, nil
	}
	if waited && verdict.Action == sentinel.Allow {
		verdict.Action = sentinel.Delay
	}
	if verdict.Action == sentinel.Clamp {
		c.options[0].shorten(&r, rq, reserved.Tokens)
	}
	a, err := g.dispatch(ctx, departure{Request: r, read: rq, option: c.options[reserved.Chosen], failover: c.plan.Failover, verdict: verdict, hold: reserved.Hold, hard: c.hard(reserved), tokens: reserved.Tokens, era: era})
	if errors.Is(err, errEra) {
		a, err = refusal(r, sentinel.ReasonLimiterUnavailable, err.Error())
		down = errEra
	}
	a.Cause = down
	return a, err
}

// ask is the question to the limiter.
func (g *Governor) ask(r *Request, c *choice) sentinel.Ask {
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

// reserve makes the one round trip, and none where nothing is limited, in shadow neither.
func (g *Governor) reserve(ctx context.Context, c *choice, ask sentinel.Ask) (sentinel.Reservation, error) {
	asked := c.open(ask)
	if len(asked.Candidates) == 0 {
		return c.whole(sentinel.Reservation{Chosen: -1}), nil
	}
	if !limited(asked.Candidates) && !slices.ContainsFunc(asked.Shadows, limited) {
		return c.whole(sentinel.Reservation{}), nil
	}
	r, err := g.Limiter.Reserve(ctx, asked)
	return c.whole(r), err
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
	return Ticket{Call: r.Call, Asked: r.Call.Model, Action: v.Action, Reason: v.Reason, PolicyVersion: r.State.Policy.Version, Shadow: r.shadow, Capture: r.capture}
}

// departure is an admitted call before it goes out.
type departure struct {
	Request
	read     provider.Request
	option   option
	failover policy.Failover
	verdict  sentinel.Verdict
	hold     sentinel.Hold
	hard     bool // a budget among what holds it is hard
	attempt  int16
	tokens   int64  // of an answer that was cut; else 0
	era      uint64 // before it was held
}

// dispatch writes the intent, then says how the call goes upstream. A call whose intent is not
// durable does not go: its hold is given back.
func (g *Governor) dispatch(ctx context.Context, d departure) (Admission, error) {
	asked, v, call := d.Call.Model, d.verdict, d.Call
	out := Admission{Verdict: v, Body: d.read.Body, Path: d.Raw.Path}
	t := Ticket{Weight: d.read.Weight, HideUsage: d.read.HideUsage, TierOpen: d.read.TierOpen}
	if to, on, chain, ok := g.next(d); ok {
		t.Next, t.On, out.Chain = to.Provider+"/"+to.Model, on, chain.Name
	}
	if v.Action == sentinel.Downgrade {
		var err error
		if out.Body, out.Path, err = d.Route.Preset.WithModel(d.Route.Endpoint, d.Raw, d.read, v.Model, d.option.bound.price.MaxOutput); err != nil {
			g.void(ctx, d)
			return Admission{}, fmt.Errorf("downgrade %s to %s: %w", asked, v.Model, err)
		}
		call.Model = v.Model
	}
	if v.Action == sentinel.Clamp {
		var err error
		if out.Body, err = d.Route.Preset.WithLength(d.Route.Endpoint, d.Raw, d.read, d.tokens); err != nil {
			g.void(ctx, d)
			return Admission{}, fmt.Errorf("cut the answer of %s to %d tokens: %w", asked, d.tokens, err)
		}
	}
	if other := d.option.other; other != nil {
		call = other.call(call)
		t = Ticket{Weight: other.Request.Weight, HideUsage: other.Request.HideUsage, TierOpen: other.Request.TierOpen, From: d.Route.Name}
		to := other.route.Keyed(d.option.key)
		out.Body, out.Path, out.To, out.Set, out.Remove = other.Body, other.Path, &to, other.Set, other.Remove
	}
	t.Key, call.Demand = d.option.key, call.Demand.By(d.option.by)
	b := d.option.bound
	intent := sentinel.Intent{
		Call: call, Attempt: d.attempt, Asked: asked, Action: v.Action, Reason: v.Reason, Bound: b.usage, BoundCost: b.cost, Hold: d.hold,
		PriceVersion: b.price.Version, PolicyVersion: d.State.Policy.Version, Instance: g.Instance,
	}
	if err := g.begin(ctx, &intent, d.era); err != nil {
		g.void(ctx, d)
		return Admission{}, err
	}
	if out.Chain != "" {
		g.retries.called(call.Provider, g.Now())
	}
	t.Call, t.Attempt, t.Asked, t.Action, t.Reason, t.Hold, t.Hard = call, d.attempt, asked, v.Action, v.Reason, d.hold, d.hard
	t.PriceVersion, t.PolicyVersion, t.Bound = b.price.Version, d.State.Policy.Version, b.usage
	t.Shadow, t.Trace, t.Capture = d.shadow, d.Trace, d.capture
	out.Ticket = t
	return out, nil
}

// ErrJournal says that the ledger did not accept an intent.
var ErrJournal = errors.New("write the intent")

// void gives a call's hold back: it was admitted, and did not reach the provider.
func (g *Governor) void(ctx context.Context, d departure) {
	if d.hold == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), voidTimeout)
	defer cancel()
	// An error leaves the hold to expire by itself, which is what it is made for.
	_, _ = g.Limiter.Settle(ctx, sentinel.Settlement{Org: d.Call.Caller.Org, Call: d.Call.ID.Attempt(d.attempt), Hold: d.hold})
}

// Refuse books a refused call of a known caller. HTTP status is the one that the client got.
func (g *Governor) Refuse(ctx context.Context, t Ticket, status int) error {
	e := sentinel.Entry{
		Call: t.Call, Asked: t.Asked, Action: t.Action, Reason: t.Reason, Status: status,
		PolicyVersion: t.PolicyVersion, Source: sentinel.SourceMeter, Duration: since(t.Call.At, g.Now()), Shadow: t.Shadow.Different(),
	}
	if err := g.Journal.Append(ctx, sentinel.Record{Entry: &e}); err != nil {
		return fmt.Errorf("book the refusal of call %s: %w", t.Call.ID, err)
	}
	return nil
}
