package simulate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
)

// Side is what became of the calls under one policy, or in truth.
type Side struct {
	Name       string           `json:"name"`
	Version    string           `json:"policy,omitempty"`
	Calls      int64            `json:"calls"`
	Refused    int64            `json:"refused"`
	Downgraded int64            `json:"downgraded"`
	Delayed    int64            `json:"delayed"`
	Estimated  int64            `json:"estimated"` // calls that were refused in truth and go out here
	Cost       sentinel.NanoUSD `json:"cost_nano_usd"`
	Reasons    map[string]int64 `json:"reasons"`
	Limits     map[string]int64 `json:"limits"` // that refused or downgraded, by name
	Worst      Worst            `json:"worst"`
}

// Worst is the five minutes with the most refusals.
type Worst struct {
	From    time.Time `json:"from"`
	Refused int64     `json:"refused"`

	five  time.Time // the five minutes that are counted now
	calls int64     // refused in them
}

// Group is one team's or service's part.
type Group struct {
	Name string `json:"name"`
	Now  Sums   `json:"now"`
	Then Sums   `json:"then"`
}

// Sums are a group's figures on one side.
type Sums struct {
	Calls      int64            `json:"calls"`
	Refused    int64            `json:"refused"`
	Downgraded int64            `json:"downgraded"`
	Delayed    int64            `json:"delayed"`
	Cost       sentinel.NanoUSD `json:"cost_nano_usd"`
}

// Difference is a call that the candidate judges otherwise than the policy in force.
type Difference struct {
	Call    string    `json:"call"`
	At      time.Time `json:"at"`
	Service string    `json:"service"`
	Model   string    `json:"model"`
	Now     string    `json:"now"`
	Then    string    `json:"then"`
}

// Hour is one bar of the chart.
type Hour struct {
	At          time.Time        `json:"at"`
	NowCost     sentinel.NanoUSD `json:"now_cost_nano_usd"`
	ThenCost    sentinel.NanoUSD `json:"then_cost_nano_usd"`
	NowRefused  int64            `json:"now_refused"`
	ThenRefused int64            `json:"then_refused"`
}

// Report compares what happened with what the policy in force and a candidate would have done.
type Report struct {
	From        time.Time        `json:"from"`
	To          time.Time        `json:"to"`
	Recorded    Side             `json:"recorded"`
	Now         Side             `json:"now"`
	Then        Side             `json:"then"`
	Avoided     sentinel.NanoUSD `json:"avoided_nano_usd"` // spend of the policy in force less that of the candidate
	Outside     int64            `json:"outside"`          // calls that no policy decides on
	Teams       []Group          `json:"teams"`
	Services    []Group          `json:"services"`
	Different   int64            `json:"different"`
	Differences []Difference     `json:"differences"` // the first ones
	Hours       []Hour           `json:"hours"`
}

// Bounds of a report.
const (
	maxDifferences = 100
	maxGroups      = 100_000
)

// Record gives recorded calls in the order of their time.
type Record func(ctx context.Context, from, to time.Time, use func(sentinel.Entry) error) error

// Past is what is kept of a time.
type Past struct {
	Calls   Record
	Unusual Unusual // nil: no service was unusual, and calls that were refused for that end as they did
}

// Begin is where a record has to be read from, so that every window that runs at from has counted what came before. Sums without an
// end are counted from a year and a day ago.
func Begin(from time.Time, states ...*governor.State) time.Time {
	begin, farthest := from, from.AddDate(-1, 0, -1)
	for _, s := range states {
		for _, w := range s.Policy.Windows(from) {
			if w.Before(farthest) {
				w = farthest
			}
			if w.Before(begin) {
				begin = w
			}
		}
	}
	return begin
}

// Compare replays [from, to) under the policy in force and under a candidate. The same record and policies give the same report.
func Compare(ctx context.Context, past Past, from, to time.Time, now, then *governor.State) (Report, error) {
	r := Report{From: from, To: to, Recorded: side("recorded", ""), Now: side("now", now.Policy.Version), Then: side("then", then.Policy.Version),
		Teams: []Group{}, Services: []Group{}, Differences: []Difference{}, Hours: []Hour{}}
	a, b := New(now, past.Unusual), New(then, past.Unusual)
	teams, services := map[string]*Group{}, map[string]*Group{}
	err := past.Calls(ctx, Begin(from, now, then), to, func(e sentinel.Entry) error {
		x, _, err := a.Judge(ctx, &e)
		if err != nil {
			return err
		}
		y, _, err := b.Judge(ctx, &e)
		if err != nil || e.At.Before(from) {
			return err
		}
		r.take(e, x, y)
		group(teams, e.Caller.Team).take(x, y)
		group(services, e.Caller.Service).take(x, y)
		if n, hour := len(r.Hours), e.At.Truncate(time.Hour); n == 0 || !r.Hours[n-1].At.Equal(hour) { // calls come in the order of their time
			r.Hours = append(r.Hours, Hour{At: hour})
		}
		r.Hours[len(r.Hours)-1].take(x, y)
		return nil
	})
	if err != nil {
		return r, fmt.Errorf("simulate: %w", err)
	}
	r.Avoided = r.Now.Cost - r.Then.Cost
	r.Teams, r.Services = sorted(teams), sorted(services)
	return r, nil
}

func side(name, version string) Side {
	return Side{Name: name, Version: version, Reasons: map[string]int64{}, Limits: map[string]int64{}}
}

// take counts one call on all sides.
func (r *Report) take(e sentinel.Entry, x, y Outcome) {
	r.Recorded.take(e.At, Outcome{Verdict: sentinel.Verdict{Action: e.Action, Reason: e.Reason}, Cost: e.Cost})
	r.Now.take(e.At, x)
	r.Then.take(e.At, y)
	if x.Outside {
		r.Outside++
	}
	if !alike(&x.Verdict, &y.Verdict) {
		if r.Different++; len(r.Differences) < maxDifferences {
			r.Differences = append(r.Differences, Difference{e.ID.String(), e.At, e.Caller.Service, e.Asked, words(&x.Verdict), words(&y.Verdict)})
		}
	}
}

// elsewhere tells whether a call goes to another model than it asked for.
func elsewhere(v *sentinel.Verdict) bool {
	return v.Action == sentinel.Downgrade || v.Action == sentinel.Fallback
}

// alike tells whether two verdicts have the same words.
func alike(a, b *sentinel.Verdict) bool {
	return a.Action == b.Action && a.Reason == b.Reason && (!elsewhere(a) || a.Model == b.Model)
}

// words is a verdict in words.
func words(v *sentinel.Verdict) string {
	text := v.Action.String()
	if elsewhere(v) {
		text += " to " + v.Model
	}
	if v.Reason != sentinel.ReasonNone {
		text += ": " + string(v.Reason)
	}
	return text
}

// fiveMinutes is the width of what Worst compares.
const fiveMinutes = 5 * time.Minute

func (s *Side) take(at time.Time, o Outcome) {
	s.Calls++
	s.Cost += o.Cost
	if o.Estimated {
		s.Estimated++
	}
	switch v := o.Verdict; {
	case v.Action.Refused():
		s.Refused++
		s.Worst.Count(at)
	case v.Action == sentinel.Downgrade:
		s.Downgraded++
	case v.Action == sentinel.Delay:
		s.Delayed++
		return
	default:
		return
	}
	s.Reasons[string(o.Verdict.Reason)]++
	if o.Verdict.Limit != "" {
		s.Limits[o.Verdict.Limit]++
	}
}

// Count takes a refusal; they must come in the order of their time.
func (w *Worst) Count(at time.Time) {
	if five := at.Truncate(fiveMinutes); !five.Equal(w.five) {
		w.five, w.calls = five, 0
	}
	if w.calls++; w.calls > w.Refused {
		w.From, w.Refused = w.five, w.calls
	}
}

// group finds a group; past the bound all others share one.
func group(all map[string]*Group, name string) *Group {
	if all[name] == nil && len(all) >= maxGroups {
		name = "other"
	}
	if all[name] == nil {
		all[name] = &Group{Name: name}
	}
	return all[name]
}

func (g *Group) take(x, y Outcome) {
	g.Now.take(x)
	g.Then.take(y)
}

func (s *Sums) take(o Outcome) {
	s.Calls++
	s.Cost += o.Cost
	switch {
	case o.Verdict.Action.Refused():
		s.Refused++
	case o.Verdict.Action == sentinel.Downgrade:
		s.Downgraded++
	case o.Verdict.Action == sentinel.Delay:
		s.Delayed++
	}
}

func (h *Hour) take(x, y Outcome) {
	h.NowCost += x.Cost
	h.ThenCost += y.Cost
	if x.Verdict.Action.Refused() {
		h.NowRefused++
	}
	if y.Verdict.Action.Refused() {
		h.ThenRefused++
	}
}

// sorted lists groups, those first that the candidate changes most.
func sorted(all map[string]*Group) []Group {
	out := make([]Group, 0, len(all))
	for _, g := range all {
		out = append(out, *g)
	}
	moved := func(g Group) int64 {
		d := int64(g.Then.Cost - g.Now.Cost)
		return max(d, -d)
	}
	slices.SortFunc(out, func(x, y Group) int {
		return cmp.Or(cmp.Compare(moved(y), moved(x)), cmp.Compare(y.Then.Refused, x.Then.Refused), cmp.Compare(x.Name, y.Name))
	})
	return out
}
