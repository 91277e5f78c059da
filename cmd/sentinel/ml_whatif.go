package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/app"
	"github.com/saas-sentinel/saas-sentinel/ml/whatif"
)

func mlWhatIfCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "whatif", Short: "Rank what calls could have saved at a cheaper model or from a cache", Args: none,
		Long: "Whatif reads the ledger's calls of a period. Short ones are priced again at the smaller models of their model's family (gpt-5 at\n" +
			"gpt-5-mini, claude-opus-4-5 at claude-haiku-4-5); prompts that came within five minutes of another one are priced as if their common\n" +
			"begin was read from the provider's cache. It prints what 30 days like these would save, with the bounds that 80 and 95 of 100 stay\n" +
			"within, the largest first. Whether a smaller model answers well enough is for you to try; savings of one model do not add up.",
		Example: "  sentinel ml whatif\n  sentinel ml whatif --since 720h --max-output 200\n  sentinel ml whatif --from 2026-11-01 --to 2026-12-01 --json",
	}
	config := configFlag(c)
	since := c.Flags().Duration("since", 30*24*time.Hour, "from so long ago until now, without --from")
	from, to := c.Flags().String("from", "", "first day or RFC 3339 time"), c.Flags().String("to", "", "day or RFC 3339 time to end before")
	maxInput := c.Flags().Int64("max-input", whatif.UsualInput, "tokens that a call may send to count as short")
	maxOutput := c.Flags().Int64("max-output", whatif.UsualOutput, "tokens that it may get")
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *maxInput < 1 || *maxOutput < 1 {
			return refused(errors.New("--max-input, --max-output: want 1 or more"))
		}
		begin, end, err := between(*from, *to, *since)
		if err != nil {
			return err
		}
		_, state, err := load(*config)
		if err != nil {
			return err
		}
		st, err := openStore(c, *config)
		if err != nil {
			return err
		}
		defer st.Close()
		list, err := app.WhatIf(c.Context(), st.EachEntry, state, begin, end, *maxInput, *maxOutput)
		if errors.Is(err, whatif.ErrPeriod) {
			return refused(fmt.Errorf("--since, --from, --to: %w", err))
		}
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), list)
		}
		return printSavings(c.OutOrStdout(), list)
	}
	return c
}

func printSavings(out io.Writer, list []whatif.Saving) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, "nothing found: no short calls at a model that has a cheaper one of its family, and no prompts that a cache could serve")
		return err
	}
	usd := func(v sentinel.NanoUSD) string { return fmt.Sprintf("%.2f", float64(v)/float64(sentinel.USD)) }
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "SERVICE\tMODEL\tINSTEAD\tCALLS\tSPENT\tSAVED\tA MONTH\t80 %\t95 %")
	for _, s := range list {
		instead := s.To
		if s.Kind == whatif.PromptCache {
			instead = string(s.Kind)
		}
		_, _ = fmt.Fprintf(w, "%s\t%s/%s\t%s\t%d of %d\t%s\t%s\t%s\t%s to %s\t%s to %s\n", s.Service, s.Provider, s.Model, instead, s.Calls, s.OfCalls,
			usd(s.Spent), usd(s.Saved), usd(s.Month.Mean), usd(s.Month.Lo80), usd(s.Month.Hi80), usd(s.Month.Lo95), usd(s.Month.Hi95))
	}
	_, _ = fmt.Fprintln(w, "\nDollars. It is assumed that a smaller model answers well enough in about as many tokens, and that none to all of the shortest usual prompt is common.")
	return w.Flush()
}
