package explain

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Words writes the explanation for people.
func (x *Explanation) Words(w io.Writer) error {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	if x.Recorded != nil {
		say("call %s at %s", x.Call, x.At.Format(time.RFC3339Nano))
	}
	say("%s/%s asks for %s", x.Team, x.Service, strings.TrimSpace(x.Provider+" "+x.Endpoint+" "+x.Model))
	if r := x.Recorded; r != nil {
		say("recorded: %s, by policy %s", verdict(r.Action, r.Reason, r.Model, x.Model), r.Policy)
	}
	if x.Outside {
		switch reason := sentinel.Reason(x.Recorded.Reason); reason {
		case sentinel.ReasonProviderLimit:
			say("no limit of the policy decided on it: the provider had asked for a pause, and for how long is not kept")
		case sentinel.ReasonAnomaly:
			say("the service was unusual then, and a rule acted on that: its scores of that time are not kept")
		default:
			say("no limit decided on it: the request itself was refused, or the record does not have what it asked for")
		}
		_, err := io.WriteString(w, b.String())
		return err
	}
	if x.Recorded != nil && x.Recorded.Policy != x.Policy {
		say("that version is not kept: the call is judged by %s, the policy in force", x.Policy)
	}
	if len(x.Rules) > 0 {
		say("rules that match: %s", strings.Join(x.Rules, ", "))
	} else {
		say("no rule of policies matches: the limits of organisation, team, service and provider hold")
	}
	x.decided(say)
	if r := x.Recorded; r != nil && r.Policy == x.Policy && (r.Action != x.Action || r.Reason != x.Reason) {
		say("that is not what was recorded: a limit was overridden or reset meanwhile, Redis had lost counters, or people have judged an anomaly since")
	}
	if _, err := io.WriteString(w, b.String()); err != nil || len(x.Counters) == 0 {
		return err
	}
	return x.table(w)
}

// decided says how it ends, candidate by candidate.
func (x *Explanation) decided(say func(string, ...any)) {
	chosen := ""
	for _, c := range x.Candidates {
		name := strings.TrimPrefix(c.Provider+"/"+c.Model, "/")
		what := "was not tried"
		switch {
		case c.Avoided:
			what = fmt.Sprintf("is avoided by the rule %q", x.Limit)
		case c.Refused != "":
			what = fmt.Sprintf("does not fit into %q", c.Refused)
		case c.Chosen:
			what, chosen = "fits into every limit", name
		case x.Limit != "" && len(x.Candidates) == 1:
			what = fmt.Sprintf("is refused by %q, whatever its limits", x.Limit)
		}
		if name != "" {
			name += " "
		}
		say("%s%s; bound: at most %s and %d tokens", name, what, c.BoundCost, c.BoundTokens)
	}
	say("verdict: %s", verdict(x.Action, x.Reason, chosen, x.Model))
	if x.Limit != "" {
		say("decided by: %s", x.Limit)
	}
	if x.Detail != "" {
		say("in words: %s", x.Detail)
	}
	if x.RetryAfter > 0 {
		say("it is worth another try after %s", time.Duration(x.RetryAfter*float64(time.Second)).Round(time.Millisecond))
	}
}

// table shows the counters.
func (x *Explanation) table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "\nLIMIT\tCOUNTED AS\tMAX\tUSED\tHELD\tUNRECONCILED\tLEFT\tWANTED\tFITS\tUNTIL")
	for _, c := range x.Counters {
		fits, until := "yes", "-"
		switch {
		case !c.Fits && c.Soft:
			fits = "no, and it is soft"
		case !c.Fits:
			fits = "no"
		}
		if c.Until != nil {
			until = c.Until.Format(time.RFC3339)
		}
		show := c.measure.Amount
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", c.Limit, c.Cell, show(c.Max), show(c.Used), show(c.Held), show(c.Unreconciled),
			show(c.Left), show(c.Wanted), fits, until)
	}
	return t.Flush()
}

func verdict(action, reason, model, asked string) string {
	if model != asked && (action == sentinel.Downgrade.String() || action == sentinel.Fallback.String()) {
		action += " to " + model
	}
	if reason != "" {
		action += ": " + reason
	}
	return action
}
