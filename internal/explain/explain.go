// Package explain says why a call was judged as it was, or how one that is described would be judged now: which rules match, what each
// counter holds, what the bound is, and which limit decides. It judges by the code that judges live calls.
package explain

import (
	"context"
	"errors"
	"fmt"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/internal/simulate"
	"github.com/saas-sentinel/saas-sentinel/ratelimit"
)

// Explanation is why a call was judged as it was. Amounts are in their measure; money is in nano-dollars.
type Explanation struct {
	Call       string      `json:"call,omitempty"` // of a recorded one
	At         time.Time   `json:"at"`
	Team       string      `json:"team"`
	Service    string      `json:"service"`
	Provider   string      `json:"provider"`
	Endpoint   string      `json:"endpoint"`
	Model      string      `json:"model"` // that is asked for
	Recorded   *Recorded   `json:"recorded,omitempty"`
	Policy     string      `json:"policy"`  // version that judges here
	Outside    bool        `json:"outside"` // no policy decides: the request itself was refused, or the record does not say what it asked for
	Action     string      `json:"action,omitempty"`
	Reason     string      `json:"reason,omitempty"`
	Limit      string      `json:"limit,omitempty"` // or the rule, that decided
	Detail     string      `json:"detail,omitempty"`
	RetryAfter float64     `json:"retry_after_seconds,omitempty"`
	Rules      []string    `json:"rules"` // that match, in the order in which they apply
	Candidates []Candidate `json:"candidates"`
	Counters   []Counter   `json:"counters"`
}

// Recorded is what the ledger says of a call.
type Recorded struct {
	Action string `json:"action"`
	Reason string `json:"reason,omitempty"`
	Model  string `json:"model"`
	Policy string `json:"policy"`
	Status int    `json:"status"`
}

// Candidate is one way to serve the call, with the most that it could use.
type Candidate struct {
	Provider    string           `json:"provider,omitempty"` // where it is another one
	Model       string           `json:"model"`
	BoundCost   sentinel.NanoUSD `json:"bound_cost_nano_usd"`
	BoundTokens int64            `json:"bound_tokens"`
	Chosen      bool             `json:"chosen"`
	Refused     string           `json:"refused,omitempty"` // by this limit
	Avoided     bool             `json:"avoided,omitempty"` // by a rule, whatever its limits
}

// Counter is what one limit of the asked model counted before the call.
type Counter struct {
	Limit        string     `json:"limit"`
	Cell         string     `json:"cell"`
	Measure      string     `json:"measure"`
	Kind         string     `json:"kind"` // rate, window or concurrent
	Max          int64      `json:"max"`
	Used         int64      `json:"used"` // posted, held by calls in flight, and unreconciled
	Posted       int64      `json:"posted"`
	Held         int64      `json:"held"`
	Unreconciled int64      `json:"unreconciled"`
	Left         int64      `json:"left"`
	Wanted       int64      `json:"wanted"` // the bound of the call
	Fits         bool       `json:"fits"`
	Soft         bool       `json:"soft"`
	Until        *time.Time `json:"until,omitempty"` // of a window

	measure sentinel.Measure
}

// errFound ends the reading of the ledger.
var errFound = errors.New("found")

// Call explains a call of the ledger: the record is judged again, from where its windows began. The state should be the version that
// judged it; where it is another one, the explanation is what that one says.
func Call(ctx context.Context, past simulate.Past, state *governor.State, e sentinel.Entry) (*Explanation, error) {
	sim := simulate.New(state, past.Unusual)
	x := begin(e.Call, e.Asked, state)
	x.Call, x.Recorded = e.ID.String(), &Recorded{e.Action.String(), string(e.Reason), e.Model, e.PolicyVersion, e.Status}
	err := past.Calls(ctx, simulate.Begin(e.At, state), e.At.Add(time.Microsecond), func(o sentinel.Entry) error {
		if o.ID != e.ID {
			_, _, err := sim.Judge(ctx, &o)
			return err
		}
		call := o.Call
		call.Model = o.Asked
		uses, err := sim.Peek(ctx, o.At, call.Caller.Org, state.Policy.PlanUnder(past.Unusual.At(o.At), &call, o.Asked, o.At).Limits)
		if err != nil {
			return err
		}
		out, j, err := sim.Judge(ctx, &o)
		if err != nil {
			return err
		}
		if x.Outside = out.Outside; !x.Outside {
			x.Rules = append(x.Rules, state.Policy.Matching(sim.Scores(), &call, o.Asked, o.At)...)
			x.judged(j, uses)
		}
		return errFound
	})
	if err != nil && !errors.Is(err, errFound) {
		return nil, fmt.Errorf("explain call %s: %w", e.ID, err)
	}
	return x, nil
}

// Limiter is what a description asks, and nothing is changed in it.
type Limiter interface {
	governor.Pauses
	// Hear learns which providers want no calls now.
	Hear(ctx context.Context, org string)
	Try(ctx context.Context, a sentinel.Ask) (sentinel.Reservation, error)
	Peek(ctx context.Context, org string, limits []sentinel.Limit) ([]ratelimit.Use, error)
	Overrides(ctx context.Context, org string) (map[string]ratelimit.Override, error)
}

// dry is a limiter that holds nothing.
type dry struct{ Limiter }

// Reserve says what it would hold.
func (d dry) Reserve(ctx context.Context, a sentinel.Ask) (sentinel.Reservation, error) {
	return d.Try(ctx, a)
}

// Settle has nothing to end.
func (dry) Settle(context.Context, sentinel.Settlement) (sentinel.Settled, error) {
	return sentinel.Settled{}, nil
}

// holdTTL is as of live calls; what is tried holds nothing.
const holdTTL = 15 * time.Minute

// Request explains how a request would be judged now, by the counters as they are. A model replaces that of the body; the request's
// scores say who is unusual.
func Request(ctx context.Context, limiter Limiter, r governor.Request, model string) (*Explanation, error) {
	limiter.Hear(ctx, r.Call.Caller.Org)
	g := governor.New(governor.Options{Limiter: dry{limiter}, Pauses: limiter, Instance: "explain", HoldTTL: holdTTL, Now: func() time.Time { return r.Call.At }}, r.State)
	j, err := g.Describe(ctx, r, model)
	if err != nil {
		return nil, fmt.Errorf("judge the call: %w", err)
	}
	asked := model
	if len(j.Ask.Candidates) > 0 {
		asked = j.Ask.Candidates[0].Model
	}
	x := begin(r.Call, asked, r.State)
	call := r.Call
	call.Model = asked
	x.Rules = append(x.Rules, r.State.Policy.Matching(r.Scores, &call, asked, call.At)...)
	var limits []sentinel.Limit
	if len(j.Ask.Candidates) > 0 {
		limits = append(limits, j.Ask.Candidates[0].Limits...)
	}
	overrides, err := limiter.Overrides(ctx, call.Caller.Org)
	if err != nil {
		return nil, err
	}
	for i, l := range limits {
		if o, ok := overrides[l.Cell]; ok {
			limits[i].Max = o.Max
		}
	}
	uses, err := limiter.Peek(ctx, call.Caller.Org, limits)
	if err != nil {
		return nil, err
	}
	x.judged(j, uses)
	return x, nil
}

func begin(c sentinel.Call, asked string, state *governor.State) *Explanation {
	return &Explanation{At: c.At, Team: c.Caller.Team, Service: c.Caller.Service, Provider: c.Provider, Endpoint: c.Endpoint, Model: asked,
		Policy: state.Policy.Version, Rules: []string{}, Candidates: []Candidate{}, Counters: []Counter{}}
}

// judged takes a judgement, and what the limits of the asked model counted before it.
func (x *Explanation) judged(j governor.Judgement, uses []ratelimit.Use) {
	v := j.Verdict
	x.Action, x.Reason, x.Limit, x.Detail, x.RetryAfter = v.Action.String(), string(v.Reason), v.Limit, v.Detail, v.RetryAfter.Seconds()
	tried := 0
	for i, c := range j.Ask.Candidates {
		out := Candidate{Provider: c.Provider, Model: c.Model, BoundCost: sentinel.NanoUSD(c.Bound[sentinel.MeasureCost]), BoundTokens: c.Bound[sentinel.MeasureTokens]}
		switch {
		case i == 0 && j.Avoided:
			out.Avoided = true
			tried--
		case tried < len(j.Denials):
			out.Refused = refusedBy(j.Denials[tried])
		case tried == len(j.Denials) && !v.Action.Refused():
			out.Chosen = true
		}
		x.Candidates = append(x.Candidates, out)
		tried++
	}
	if len(j.Ask.Candidates) == 0 {
		return
	}
	bound := j.Ask.Candidates[0].Bound
	for _, u := range uses {
		l := u.Limit
		c := Counter{Limit: l.Name, Cell: l.Cell, Measure: l.Measure.String(), Kind: kinds[l.Kind], Max: l.Max, Used: u.Used, Posted: u.Posted, Held: u.Held,
			Unreconciled: u.Orphaned, Left: max(0, l.Max-l.Kept()+u.Carried-u.Used), Wanted: bound[l.Measure], Soft: l.Soft, measure: l.Measure}
		c.Fits = c.Wanted <= l.Max-l.Kept()+u.Carried-u.Used
		if l.Kind == sentinel.Window && l.End.Year() < forever {
			c.Until = &l.End
		}
		x.Counters = append(x.Counters, c)
	}
}

// refusedBy names a limit, or the provider's own.
func refusedBy(d sentinel.Denial) string {
	if d.Reason == sentinel.ReasonProviderLimit {
		return "the provider's own limit of " + d.Limit.Name
	}
	return d.Limit.Name
}

// kinds name limits' algorithms.
var kinds = map[sentinel.LimitKind]string{sentinel.Rate: "rate", sentinel.Window: "window", sentinel.Concurrent: "concurrent"}

// forever is the year in which windows without an end do.
const forever = 2200
