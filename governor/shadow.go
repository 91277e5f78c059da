package governor

import (
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// candidateCells keeps the counters of a candidate policy apart from those of the one in force.
const candidateCells = "candidate/"

// shadow is what judges a call beside the policy in force: its rules as they would be with those in shadow, or a candidate policy.
type shadow struct {
	choice                    // of what it would try
	policy  string            // the candidate's version
	decided *sentinel.Verdict // without limits
}

// shadows lists what judges a call beside the policy in force. The limiter judges them in the admission's own round trip.
func (g *Governor) shadows(r Request, rq *provider.Request) []shadow {
	var out []shadow
	r.Raw.Body = nil // a demand stands for a translated request
	if r.State.Policy.Shadowed() {
		rules := r
		rules.inShadow = true
		out = append(out, g.shadow(&rules, rq))
	}
	if r.State.Candidate != nil {
		r.State = r.State.Candidate
		s := shadow{decided: &sentinel.Verdict{Action: sentinel.Deny, Reason: sentinel.ReasonUnknownEndpoint}}
		if route, found := r.State.Routes[r.Route.Name]; found {
			r.Route = route
			s = g.shadow(&r, rq)
		}
		s.policy = r.State.Policy.Version
		for i := range s.options {
			for j := range s.asks[i].Limits {
				l := &s.asks[i].Limits[j]
				l.Cell = candidateCells + l.Cell
			}
		}
		out = append(out, s)
	}
	return out
}

// shadow finds what a policy would try.
func (g *Governor) shadow(r *Request, rq *provider.Request) (s shadow) {
	var priced bool
	s.choice, priced = g.candidates(r, rq)
	switch {
	case !priced:
		s.decided = &sentinel.Verdict{Action: sentinel.Deny, Reason: sentinel.ReasonUnpriced}
	case s.plan.Refuse:
		v := policy.Decide(s.plan, sentinel.Ask{}, sentinel.Reservation{})
		s.decided = &v
	}
	return s
}

// beside gives what the limiter is asked about shadows.
func beside(list []shadow) [][]sentinel.Candidate {
	if len(list) == 0 {
		return nil
	}
	out := make([][]sentinel.Candidate, len(list))
	for i := range list {
		if s := &list[i]; s.decided == nil {
			out[i] = s.open(sentinel.Ask{Candidates: s.asks}).Candidates
		}
	}
	return out
}

// shadowed says what shadows would have made of a call. Where the limiter was not asked about one that has limits, it is taken to agree.
func shadowed(list []shadow, live sentinel.Verdict, r sentinel.Reservation) sentinel.Shadows {
	if len(list) == 0 {
		return ""
	}
	out := make([]sentinel.Shadow, len(list))
	for i := range list {
		s, judged := &list[i], sentinel.Reservation{}
		if i < len(r.Shadows) {
			judged = r.Shadows[i]
		} else if s.decided == nil && limited(s.asks) {
			out[i].Same = true
			continue
		}
		v := s.verdict(judged)
		out[i] = sentinel.Shadow{Policy: s.policy, Action: v.Action, Reason: v.Reason, Limit: v.Limit}
		if v.Action == sentinel.Downgrade || v.Action == sentinel.Fallback {
			out[i].Model = strings.TrimPrefix(v.Provider+"/"+v.Model, "/")
		}
		if sameVerdict(live, v) {
			out[i] = sentinel.Shadow{Same: true}
		}
	}
	return sentinel.ShadowsOf(out)
}

// verdict decides as the shadow's policy would.
func (s *shadow) verdict(r sentinel.Reservation) sentinel.Verdict {
	if s.decided != nil {
		return *s.decided
	}
	r = s.whole(r)
	v := policy.Decide(s.plan, sentinel.Ask{Candidates: s.asks}, r)
	if v.Action.Refused() && len(r.Denials) > 0 {
		if wait := r.Denials[0].RetryAfter; wait > 0 && wait <= s.plan.Patience(r.Denials[0].Limit) {
			return sentinel.Verdict{Action: sentinel.Delay, Limit: v.Limit}
		}
	}
	return v
}

// sameVerdict tells whether a call meets the same, whatever decided it. A call that waited in truth finds its limit free in shadow.
func sameVerdict(live, other sentinel.Verdict) bool {
	if live.Action == sentinel.Delay && other.Action == sentinel.Allow {
		return true
	}
	return live.Action == other.Action && live.Reason == other.Reason && live.Provider == other.Provider &&
		(live.Action.Refused() || live.Action == sentinel.Delay || live.Model == other.Model)
}

func limited(list []sentinel.Candidate) bool {
	for _, c := range list {
		if len(c.Limits) > 0 {
			return true
		}
	}
	return false
}

// inShadow gives what an entry's call would have taken in each of its shadows: the same usage, at the price of the model that would have
// served it. Where that has no price of the entry's provider, the call's own cost stands.
func (g *Governor) inShadow(t *Ticket, e sentinel.Entry) []sentinel.Amounts {
	var out []sentinel.Amounts
	for _, s := range t.Shadow.Read() {
		actual, model := sentinel.AmountsOf(e.Usage, e.Cost), e.Model
		switch {
		case s.Same:
		case s.Model != "":
			model = s.Model
		case !s.Action.Refused():
			model = t.Asked
		}
		if model != e.Model {
			state := g.stateOf(e.PolicyVersion)
			if s.Policy != "" && state.Candidate != nil {
				state = state.Candidate
			}
			if cost, err := state.At(e, model); err == nil {
				actual[sentinel.MeasureCost] = int64(cost)
			}
		}
		out = append(out, actual)
	}
	return out
}
