package policy

import (
	"fmt"
	"strconv"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Decide is pure: the same plan, ask and reservation always give the same verdict. The plan is
// that of the asked model, which is the ask's first candidate.
func Decide(p Plan, ask sentinel.Ask, r sentinel.Reservation) sentinel.Verdict {
	switch {
	case p.Refuse:
		why := "the policy %q refuses this call"
		if p.Why == sentinel.ReasonAnomaly {
			why = "the service's calls are unusual now, and the policy %q refuses them meanwhile"
		}
		return sentinel.Verdict{Action: sentinel.Deny, Reason: p.Why, Limit: p.Acting, Detail: fmt.Sprintf(why, p.Acting)}
	case r.Chosen > 0:
		chosen := ask.Candidates[r.Chosen]
		v := sentinel.Verdict{Action: sentinel.Downgrade, Model: chosen.Model, Provider: chosen.Provider, Levels: r.Levels}
		if v.Provider != "" {
			v.Action = sentinel.Fallback
		}
		if len(r.Denials) > 0 {
			v.Reason, v.Limit = reasonOf(r.Denials[0]), r.Denials[0].Limit.Name
		} else if p.Avoid {
			v.Reason, v.Limit = p.Why, p.Acting
		}
		return v
	case r.Chosen == 0 && r.Tokens > 0:
		v := sentinel.Verdict{Action: sentinel.Clamp, Model: ask.Candidates[0].Model, Levels: r.Levels}
		for _, l := range r.Levels {
			if step := ask.Candidates[0].Cut.Step[l.Limit.Measure]; v.Limit == "" && step > l.Remaining && !l.Limit.Soft {
				v.Reason, v.Limit = reasonOf(sentinel.Denial{Limit: l.Limit}), l.Limit.Name
			}
		}
		return v
	case r.Chosen == 0:
		return sentinel.Verdict{Action: sentinel.Allow, Model: ask.Candidates[0].Model, Levels: r.Levels}
	case len(r.Denials) == 0:
		return sentinel.Verdict{
			Action: sentinel.Deny, Reason: sentinel.ReasonLimiterUnavailable, Levels: r.Levels,
			Detail: "the limiter refused this call without saying which limit is reached",
		}
	}
	d := r.Denials[0]
	v := sentinel.Verdict{
		Action: sentinel.Throttle, Reason: reasonOf(d), Limit: d.Limit.Name, Detail: detail(d),
		RetryAfter: d.RetryAfter, Levels: r.Levels,
	}
	switch {
	case p.denies(d.Limit.Cell):
		v.Action, v.RetryAfter = sentinel.Deny, 0
	case d.Limit.End.Equal(forever):
		v.Action, v.RetryAfter = sentinel.Deny, 0
	case d.Limit.Kind == sentinel.Window, d.RetryAfter == 0:
		v.Action = sentinel.Deny // waiting helps when the next window begins, or not at all
	}
	return v
}

func reasonOf(d sentinel.Denial) sentinel.Reason {
	l := d.Limit
	switch {
	case d.Reason != "":
		return d.Reason
	case l.Measure == sentinel.MeasureCost:
		return sentinel.ReasonBudget
	case l.Kind == sentinel.Window:
		return sentinel.ReasonQuota
	case l.Kind == sentinel.Concurrent:
		return sentinel.ReasonConcurrency
	default:
		return sentinel.ReasonRate
	}
}

// detail says in one sentence what was exceeded; it names the limit, not what others used of it. It is appended and not formatted, because
// a simulation says it of millions of calls.
func detail(d sentinel.Denial) string {
	var room [256]byte // of most
	named := func(before, after string) []byte {
		return append(quoted(append(room[:0], before...), d.Limit.Name), after...)
	}
	if d.Limit.End.Equal(forever) {
		return string(named("what is left of ", " cannot cover this call"))
	}
	switch reasonOf(d) {
	case sentinel.ReasonProviderLimit:
		return "the provider has refused calls for " + d.Limit.Name + ", and wants none until it has had a pause"
	case sentinel.ReasonBudget:
		return string(upTo(named("the budget ", " cannot cover this call until "), d.Limit.End))
	case sentinel.ReasonQuota:
		return string(upTo(named("the quota ", " is used up until "), d.Limit.End))
	case sentinel.ReasonConcurrency:
		return string(append(strconv.AppendInt(named("the limit ", " of "), d.Limit.Max, 10), " calls at once is reached"...))
	default:
		if d.RetryAfter == 0 {
			return string(named("one call may not take more than the limit ", " has in all"))
		}
		return string(named("the limit ", " is reached"))
	}
}

// quoted appends a name in quotes. Most have nothing that must be escaped, which is seen faster than strconv sees it.
func quoted(b []byte, name string) []byte {
	for i := range len(name) {
		if c := name[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return strconv.AppendQuote(b, name)
		}
	}
	return append(append(append(b, '"'), name...), '"')
}

// upTo appends a time as "2026-01-02 15:04 UTC", from the one layout that the library writes without reading it.
func upTo(b []byte, t time.Time) []byte {
	from, day, clock := len(b), len("2006-01-02"), len("15:04")
	b = t.UTC().AppendFormat(b, time.RFC3339)
	b[from+day] = ' '
	return append(b[:from+day+1+clock], " UTC"...)
}
