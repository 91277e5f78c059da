package main

import (
	"fmt"
	"io"
	"sort"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/saas-sentinel/saas-sentinel/internal/app"
	"github.com/saas-sentinel/saas-sentinel/internal/simulate"
)

func policySimulateCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "simulate", Short: "Show what a policy would have done to recorded calls", Args: none,
		Long: "Simulate judges the calls of the ledger again, by the code that judges live ones with a clock that follows the record: under the\n" +
			"policy in force, and under another one. What came before the period counts in the windows that run at its begin. Calls that were\n" +
			"refused in truth and go out now are estimated from their like. Nothing is called and nothing is written.",
		Example: "  sentinel policy simulate --policy new.yaml --from 2026-11-01 --to 2026-12-01\n" +
			"  sentinel policy simulate --policy new.yaml --since 168h --format html --out simulation.html",
	}
	config := configFlag(c)
	candidate := c.Flags().String("policy", "", "the candidate (required)")
	since := c.Flags().Duration("since", 7*24*time.Hour, "from so long ago until now, without --from")
	from, to := c.Flags().String("from", "", "first day or RFC 3339 time"), c.Flags().String("to", "", "day or RFC 3339 time to end before")
	format := c.Flags().String("format", "table", "table, json or html")
	output := c.Flags().StringP("out", "o", "-", "file, or - for standard output")
	_ = c.MarkFlagRequired("policy")
	c.RunE = func(c *cobra.Command, _ []string) error {
		write, ok := map[string]func(io.Writer, simulate.Report) error{"table": printSimulation, "json": func(w io.Writer, r simulate.Report) error { return printJSON(w, r) },
			"html": func(w io.Writer, r simulate.Report) error { return r.HTML(w) }}[*format]
		if !ok {
			return refused(fmt.Errorf("--format: %q is none of table, json and html", *format))
		}
		begin, end, err := between(*from, *to, *since)
		if err != nil {
			return err
		}
		report, err := runSimulation(c, *config, *candidate, begin, end)
		if err != nil {
			return err
		}
		return toFile(c, *output, func(w io.Writer) error { return write(w, report) })
	}
	return c
}

// between reads --from, --to and --since.
func between(from, to string, since time.Duration) (begin, end time.Time, err error) {
	if begin, err = parseTime("from", from); err != nil {
		return begin, end, err
	}
	if end, err = parseTime("to", to); err != nil {
		return begin, end, err
	}
	if end.IsZero() {
		end = time.Now().UTC()
	}
	if begin.IsZero() {
		begin = end.Add(-since)
	}
	if !begin.Before(end) {
		return begin, end, refused(fmt.Errorf("--from: %s is not before %s", begin.Format(time.RFC3339), end.Format(time.RFC3339)))
	}
	return begin, end, nil
}

func runSimulation(c *cobra.Command, config, candidate string, from, to time.Time) (r simulate.Report, err error) {
	_, now, err := load(config)
	if err != nil {
		return r, err
	}
	then, err := app.LoadState(candidate)
	if err != nil {
		return r, refused(err)
	}
	st, err := openStore(c, config)
	if err != nil {
		return r, err
	}
	defer st.Close()
	past, err := app.Past(c.Context(), st)
	if err != nil {
		return r, err
	}
	return simulate.Compare(c.Context(), past, from, to, now, then)
}

func printSimulation(w io.Writer, r simulate.Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintf(t, "%s to %s\n\n\tcalls\trefused\tdowngraded\tdelayed\tspend\tworst five minutes\t\n", r.From.Format(time.RFC3339), r.To.Format(time.RFC3339))
	for _, s := range []simulate.Side{r.Recorded, r.Now, r.Then} {
		worst := "-"
		if s.Worst.Refused > 0 {
			worst = fmt.Sprintf("%d refused at %s", s.Worst.Refused, s.Worst.From.UTC().Format("2006-01-02 15:04"))
		}
		_, _ = fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%s\t%s\t\n", s.Name, s.Calls, s.Refused, s.Downgraded, s.Delayed, s.Cost, worst)
	}
	_, _ = fmt.Fprintf(t, "\nteam\tcalls\trefused now\tthen\tdowngraded now\tthen\tdelayed now\tthen\tspend now\tthen\t\n")
	for _, g := range r.Teams {
		_, _ = fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t\n", g.Name, g.Now.Calls, g.Now.Refused, g.Then.Refused, g.Now.Downgraded, g.Then.Downgraded, g.Now.Delayed, g.Then.Delayed, g.Now.Cost, g.Then.Cost)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	var limits []string
	for name, n := range r.Then.Limits {
		limits = append(limits, fmt.Sprintf("%s: %d calls", name, n))
	}
	sort.Strings(limits)
	_, err := fmt.Fprintf(w, "\nspend avoided: %s; %d calls are judged otherwise", r.Avoided, r.Different)
	if len(limits) > 0 {
		_, err = fmt.Fprintf(w, "\nlimits that decide then: %s", strings.Join(limits, "; "))
	}
	if r.Then.Estimated > 0 {
		_, err = fmt.Fprintf(w, "\n%d calls were refused in truth and go out then: what they use is estimated", r.Then.Estimated)
	}
	if r.Outside > 0 {
		_, err = fmt.Fprintf(w, "\n%d calls are decided by no policy, or were recorded without what they asked for", r.Outside)
	}
	_, _ = fmt.Fprintln(w)
	return err
}
