// Package simulate judges recorded calls again, under another policy than the one that judged them: by the same compile, match,
// prices and decision as live calls, with the limiter's model and a clock that follows the record.
package simulate

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/ratelimit"
)

const (
	holdTTL      = 15 * time.Minute // as of live calls
	maxRunning   = 1_000_000        // calls in flight at one moment of the record
	unknownTakes = time.Second      // a call that nobody has seen run
)

// Simulator is one policy with its own counters, which begin empty. It is for one goroutine.
type Simulator struct {
	state    *governor.State
	governor *governor.Governor
	room     governor.Room
	limiter  *ratelimit.Model
	now      time.Time
	running  running
	ended    []*flight // to be used again
	typical  map[kind]*typical
	unusual  Unusual
	minute   time.Time // of the scores that are looked at
}

// Unusual says which services were unusual in a minute, as admission knew it then; nil where that is not known.
type Unusual func(minute time.Time) *policy.Scores

// At is what was known at a time; nil for nothing.
func (u Unusual) At(now time.Time) *policy.Scores {
	if u == nil {
		return nil
	}
	return u(now.Truncate(time.Minute))
}

// New makes a simulator of a state.
func New(state *governor.State, unusual Unusual) *Simulator {
	s := &Simulator{state: state, typical: map[kind]*typical{}, unusual: unusual}
	s.limiter = ratelimit.NewModel(func() time.Time { return s.now })
	s.governor = governor.New(governor.Options{Limiter: s.limiter, Journal: nothing{}, Instance: "simulation", HoldTTL: holdTTL, Wait: s.wait, Now: func() time.Time { return s.now }}, state)
	return s
}

// nothing is the ledger of a simulation.
type nothing struct{}

// Append keeps nothing.
func (nothing) Append(context.Context, sentinel.Record) error { return nil }

// Outcome is what the policy would have made of a recorded call.
type Outcome struct {
	Verdict sentinel.Verdict
	Cost    sentinel.NanoUSD
	// Outside marks calls that limits do not decide: refused before the policy was asked, or recorded without what they asked for. They
	// end as they did.
	Outside bool
	// Estimated marks a call that was refused in truth and would go out here: what it would have used is not known, and taken from
	// its like.
	Estimated bool
}

// decided are the reasons for which a policy refuses; the others are refusals of the request itself.
var decided = map[sentinel.Reason]bool{
	sentinel.ReasonNone: true, sentinel.ReasonRate: true, sentinel.ReasonConcurrency: true, sentinel.ReasonQuota: true, sentinel.ReasonBudget: true, sentinel.ReasonUnpriced: true, sentinel.ReasonPolicy: true,
}

// Scores are those by which the last call was judged.
func (s *Simulator) Scores() *policy.Scores { return s.governor.Scores.Load() }

// Judge takes the next recorded call; they must come in the order of their time. The judgement has what the limiter said, and holds until the next one.
func (s *Simulator) Judge(ctx context.Context, e *sentinel.Entry) (Outcome, governor.Judgement, error) {
	if err := s.advance(ctx, e.At); err != nil {
		return Outcome{}, governor.Judgement{}, err
	}
	recorded := Outcome{Verdict: sentinel.Verdict{Action: e.Action, Reason: e.Reason, Model: e.Model}, Cost: e.Cost, Outside: true}
	if e.Attempt > 0 || !decided[e.Reason] && (e.Reason != sentinel.ReasonAnomaly || s.unusual == nil) {
		return recorded, governor.Judgement{}, nil
	}
	if minute := e.At.Truncate(time.Minute); s.unusual != nil && !minute.Equal(s.minute) {
		s.minute = minute
		s.governor.Scores.Store(s.unusual.At(minute))
	}
	c := e.Call
	c.Model = e.Asked
	j, err := s.governor.Judge(ctx, &s.room, &c)
	s.now = e.At // a call that waited has moved the clock for itself alone
	if errors.Is(err, governor.ErrNoDemand) {
		return recorded, j, nil
	}
	if err != nil {
		return recorded, j, fmt.Errorf("call %s: %w", e.ID, err)
	}
	out := Outcome{Verdict: j.Verdict}
	if j.Verdict.Action.Refused() {
		return out, j, nil
	}
	actual, takes := s.used(e, &j, &out)
	if !j.Limited {
		return out, j, nil
	}
	if len(s.running) >= maxRunning {
		return out, j, fmt.Errorf("more than %d recorded calls are in flight at %s", maxRunning, e.At.Format(time.RFC3339))
	}
	f := &flight{}
	if n := len(s.ended); n > 0 {
		f, s.ended = s.ended[n-1], s.ended[:n-1]
	}
	*f = flight{end: e.At.Add(takes), what: sentinel.Settlement{Org: c.Caller.Org, Call: c.ID, Hold: j.Hold, Actual: actual}}
	heap.Push(&s.running, f)
	return out, j, nil
}

// Peek says what limits have counted at a moment, which must not be before the last call that was judged.
func (s *Simulator) Peek(ctx context.Context, at time.Time, org string, limits []sentinel.Limit) ([]ratelimit.Use, error) {
	if err := s.advance(ctx, at); err != nil {
		return nil, err
	}
	return s.limiter.Peek(ctx, org, limits)
}

// wait moves the clock while a call waits for a limit. What ends meanwhile gives its slot back; calls that come meanwhile are judged after
// the one that waits, as it was here first.
func (s *Simulator) wait(ctx context.Context, d time.Duration) bool {
	return s.advance(ctx, s.now.Add(d)) == nil
}

// used says what a call that goes out uses and costs, and how long it runs.
func (s *Simulator) used(e *sentinel.Entry, j *governor.Judgement, out *Outcome) (sentinel.Amounts, time.Duration) {
	like := s.like(e, j.Chosen.Model)
	if e.Action.Refused() {
		out.Estimated = true
		actual := like.of(j.Chosen.Bound)
		out.Cost = sentinel.NanoUSD(actual[sentinel.MeasureCost])
		return actual, like.duration()
	}
	out.Cost = e.Cost
	if j.Chosen.Model != e.Model {
		if cost, err := s.state.At(*e, j.Chosen.Model); err == nil {
			out.Cost = cost
		}
	}
	actual := sentinel.AmountsOf(e.Usage, out.Cost)
	like.see(j.Chosen.Bound, actual, e.Duration)
	return actual, max(e.Duration, 0)
}

// advance settles the calls that end before a time, each at its own, and sets the clock.
func (s *Simulator) advance(ctx context.Context, to time.Time) error {
	for len(s.running) > 0 && !s.running[0].end.After(to) {
		f, _ := heap.Pop(&s.running).(*flight)
		if f.end.After(s.now) {
			s.now = f.end
		}
		if _, err := s.limiter.Settle(ctx, f.what); err != nil {
			return fmt.Errorf("settle call %s: %w", f.what.Call, err)
		}
		s.ended = append(s.ended, f) // at most as many as ran at one moment
	}
	if to.After(s.now) {
		s.now = to
	}
	return nil
}

// flight is a call that runs.
type flight struct {
	end  time.Time
	what sentinel.Settlement
}

// running is a heap, the first to end on top.
type running []*flight

// Len, Less, Swap, Push and Pop are container/heap's.
func (r running) Len() int           { return len(r) }
func (r running) Less(i, j int) bool { return r[i].end.Before(r[j].end) }
func (r running) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }

// Push adds a flight.
func (r *running) Push(f any) {
	one, _ := f.(*flight)
	*r = append(*r, one)
}

// Pop takes the last one.
func (r *running) Pop() any {
	list := *r
	last := list[len(list)-1]
	list[len(list)-1] = nil
	*r = list[:len(list)-1]
	return last
}
