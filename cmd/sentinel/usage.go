package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/saas-sentinel/saas-sentinel/store"
)

func usageCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "usage", Short: "Show spend by any dimension", Args: none,
		Long: "Usage sums the ledger. Dimensions: " + strings.Join(store.Dimensions(), ", ") + ",\nand tag.NAME of the tags that the policy's ledger.tags names. Times are UTC.",
		Example: "  sentinel usage --by team,model --since 24h\n" +
			"  sentinel usage --by day --filter service=checkout --from 2026-11-01 --to 2026-12-01\n" +
			"  sentinel usage --by team --json",
	}
	c.AddCommand(usageEraseCommand(), usageEstimatesCommand())
	config := configFlag(c)
	by := c.Flags().StringSlice("by", []string{"team"}, "dimensions, in order")
	filter := c.Flags().StringToString("filter", nil, "dimension=value, repeatable")
	since := c.Flags().Duration("since", 0, "from so long ago until now")
	from, to := c.Flags().String("from", "", "first day or RFC 3339 time"), c.Flags().String("to", "", "day or RFC 3339 time to end before")
	limit := c.Flags().Int("limit", 100, "most rows")
	rolled := c.Flags().Bool("rolled", false, "ask the sums by minute, hour and day instead of every entry: fast on a large ledger, up to a minute old")
	asJSON := c.Flags().Bool("json", false, "print JSON, amounts in nano-dollars")
	c.RunE = func(c *cobra.Command, _ []string) error {
		q := store.UsageQuery{By: *by, Filter: *filter, Limit: *limit, Rolled: *rolled}
		var err error
		if q.From, err = parseTime("from", *from); err != nil {
			return err
		}
		if q.To, err = parseTime("to", *to); err != nil {
			return err
		}
		if *since > 0 {
			if q.From = time.Now().UTC().Add(-*since); *rolled {
				q.From = q.From.Truncate(time.Minute)
			}
		}
		st, err := openStore(c, *config)
		if err != nil {
			return err
		}
		defer st.Close()
		rows, err := st.Usage(c.Context(), q)
		if err != nil {
			return refused(err)
		}
		if *asJSON {
			return printUsageJSON(c.OutOrStdout(), *by, rows)
		}
		return printUsage(c.OutOrStdout(), *by, rows)
	}
	return c
}

func parseTime(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, refused(fmt.Errorf("--%s: %q is neither a day (2026-11-23) nor an RFC 3339 time", flag, text))
}

// printUsage prints a table with a line of sums.
func printUsage(w io.Writer, by []string, rows []store.UsageRow) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(keys []string, cells ...string) {
		_, _ = fmt.Fprintln(t, strings.Join(append(append([]string{}, keys...), cells...), "\t")+"\t")
	}
	line(by, "calls", "refused", "downgraded", "estimated", "input", "cached", "output", "cost")
	var sum store.UsageRow
	cells := func(r store.UsageRow) []string {
		out := make([]string, 0, 8)
		for _, n := range []int64{r.Calls, r.Refused, r.Downgraded, r.Estimated, r.InputTokens, r.CachedInputTokens, r.OutputTokens} {
			out = append(out, strconv.FormatInt(n, 10))
		}
		return append(out, r.Cost.String())
	}
	for _, r := range rows {
		line(r.Keys, cells(r)...)
		sum = added(sum, r)
	}
	if len(rows) > 1 {
		keys := make([]string, len(by))
		if len(keys) > 0 {
			keys[0] = "total"
		}
		line(keys, cells(sum)...)
	}
	return t.Flush()
}

func added(a, b store.UsageRow) store.UsageRow {
	a.Calls += b.Calls
	a.Refused += b.Refused
	a.Downgraded += b.Downgraded
	a.Estimated += b.Estimated
	a.InputTokens += b.InputTokens
	a.CachedInputTokens += b.CachedInputTokens
	a.OutputTokens += b.OutputTokens
	a.Cost += b.Cost
	return a
}

func printUsageJSON(w io.Writer, by []string, rows []store.UsageRow) error {
	out := make([]map[string]any, 0, len(rows))
	for _, r := range rows {
		m := map[string]any{
			"calls": r.Calls, "refused": r.Refused, "downgraded": r.Downgraded, "estimated": r.Estimated,
			"input_tokens": r.InputTokens, "cached_input_tokens": r.CachedInputTokens, "output_tokens": r.OutputTokens, "cost_nano_usd": int64(r.Cost),
		}
		for i, k := range by {
			m[k] = r.Keys[i]
		}
		out = append(out, m)
	}
	return printJSON(w, out)
}
