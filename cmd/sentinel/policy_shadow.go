package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// shadowReport is what shadows would have made of calls.
type shadowReport struct {
	From        time.Time          `json:"from"`
	To          time.Time          `json:"to"`
	Sums        []shadowSum        `json:"sums"`
	Differences []shadowDifference `json:"differences"` // the newest
}

type shadowSum struct {
	Policy string `json:"policy"` // rules, or the candidate's version
	Rule   string `json:"rule"`
	Live   string `json:"live"`
	Shadow string `json:"shadow"`
	Reason string `json:"reason"`
	Calls  int64  `json:"calls"`
}

type shadowDifference struct {
	Call    string    `json:"call"`
	At      time.Time `json:"at"`
	Service string    `json:"service"`
	Asked   string    `json:"asked"`
	Live    string    `json:"live"`
	Policy  string    `json:"policy"`
	Shadow  string    `json:"shadow"`
	Limit   string    `json:"limit"`
}

func policyShadowCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "shadow", Short: "Show what rules in shadow, or a candidate policy, would have done to calls", Args: none,
		Long: "Shadow counts the calls that rules with mode: shadow, or the policy that is configured as the candidate, would have made something\n" +
			"else of, and lists the newest. Each call was judged as it came, with counters that hold what enforcement would have let through.",
		Example: "  sentinel policy shadow --since 24h\n  sentinel policy shadow --from 2026-11-01 --to 2026-12-01 --json",
	}
	config := configFlag(c)
	since := c.Flags().Duration("since", 24*time.Hour, "from so long ago until now, without --from")
	from, to := c.Flags().String("from", "", "first day or RFC 3339 time"), c.Flags().String("to", "", "day or RFC 3339 time to end before")
	limit := c.Flags().Int("limit", 20, "most calls that are listed, at most 10,000")
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		begin, end, err := between(*from, *to, *since)
		if err != nil {
			return err
		}
		st, err := openStore(c, *config)
		if err != nil {
			return err
		}
		defer st.Close()
		report, err := shadows(c, st, begin, end, *limit)
		switch {
		case err != nil:
			return err
		case *asJSON:
			return printJSON(c.OutOrStdout(), report)
		}
		return report.print(c.OutOrStdout())
	}
	return c
}

func shadows(c *cobra.Command, st *store.Store, from, to time.Time, limit int) (shadowReport, error) {
	r := shadowReport{From: from, To: to, Sums: []shadowSum{}, Differences: []shadowDifference{}}
	sums, err := st.ShadowSums(c.Context(), from, to)
	if err != nil {
		return r, err
	}
	for _, s := range sums {
		r.Sums = append(r.Sums, shadowSum{shadowName(s.Policy), s.Rule, s.Live.String(), s.Verdict.String(), string(s.Reason), s.Calls})
	}
	list, err := st.Entries(c.Context(), store.EntryQuery{From: from, To: to, Shadowed: true, Limit: limit})
	if err != nil {
		return r, err
	}
	for _, e := range list {
		for _, s := range e.Shadow.Read() {
			r.Differences = append(r.Differences, shadowDifference{e.ID.String(), e.At, e.Caller.Service, e.Asked, verdictWords(e.Action, e.Reason, e.Model),
				shadowName(s.Policy), verdictWords(s.Action, s.Reason, s.Model), s.Limit})
		}
	}
	return r, nil
}

// shadowName names a shadow for people.
func shadowName(candidate string) string {
	if candidate == "" {
		return "rules"
	}
	return candidate
}

func verdictWords(a sentinel.Action, r sentinel.Reason, model string) string {
	text := a.String()
	if a == sentinel.Downgrade || a == sentinel.Fallback {
		text += " to " + model
	}
	if r != sentinel.ReasonNone {
		text += ": " + string(r)
	}
	return text
}

func (r shadowReport) print(w io.Writer) error {
	if len(r.Sums) == 0 {
		_, err := fmt.Fprintf(w, "no call from %s to %s would have met anything else\n", r.From.Format(time.RFC3339), r.To.Format(time.RFC3339))
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(cells ...string) { _, _ = fmt.Fprintln(t, strings.Join(cells, "\t")) }
	line("POLICY", "RULE", "LIVE", "SHADOW", "REASON", "CALLS")
	for _, s := range r.Sums {
		line(s.Policy, s.Rule, s.Live, s.Shadow, s.Reason, fmt.Sprint(s.Calls))
	}
	line()
	line("AT", "CALL", "SERVICE", "ASKED", "LIVE", "SHADOW", "LIMIT")
	for _, d := range r.Differences {
		line(d.At.UTC().Format(time.RFC3339), d.Call, d.Service, d.Asked, d.Live, d.Shadow, d.Limit)
	}
	return t.Flush()
}
