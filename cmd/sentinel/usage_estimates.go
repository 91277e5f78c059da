package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/saas-sentinel/saas-sentinel/provider"
)

// maxJudged bounds the prompts that are judged at a time.
const maxJudged = 100_000

func usageEstimatesCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "estimates", Short: "Show how exactly prompts are estimated where no answer tells their tokens", Args: none,
		Long: "Estimates takes the calls whose provider counted the prompt, oldest first, and estimates each by those before it, as a process does where a stream is\n" +
			"cut before it tells its usage. It prints by model how far off that is in the median, and how far the spelling of the prompt alone would be. From 20 prompts of a\n" +
			"model or of its family on an estimate is calibrated; the newest 256 count. The 100,000 newest prompts are read.",
		Example: "  sentinel usage estimates\n  sentinel usage estimates --since 168h",
	}
	config := configFlag(c)
	since := c.Flags().Duration("since", 7*24*time.Hour, "from so long ago until now")
	c.RunE = func(c *cobra.Command, _ []string) error {
		st, err := openStore(c, *config)
		if err != nil {
			return err
		}
		defer st.Close()
		prompts, err := st.Prompts(c.Context(), time.Now().UTC().Add(-*since), maxJudged)
		if err != nil {
			return err
		}
		slices.Reverse(prompts) // the newest come first
		list := make([]provider.Observed, len(prompts))
		for i, p := range prompts {
			list[i] = provider.Observed{Model: p.Model, Weight: p.Weight, Tokens: p.Tokens}
		}
		return printEstimates(c.OutOrStdout(), provider.Judge(list))
	}
	return c
}

func printEstimates(w io.Writer, models []provider.Judged) error {
	if len(models) == 0 {
		_, err := fmt.Fprintln(w, "no call of this time tells the tokens of a prompt of text alone")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, "model\tprompts\tcalibrated\ttokens by weight\tmedian error\tby spelling alone\t")
	for _, m := range models {
		ratio, miss := "–", "–"
		if m.Ratio > 0 {
			ratio = fmt.Sprintf("%.3f", float64(m.Ratio)/1000)
		}
		if m.Calibrated > 0 {
			miss = perCent(m.Miss)
		}
		_, _ = fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%s\t%s\t\n", m.Model, m.Prompts, m.Calibrated, ratio, miss, perCent(m.Plain))
	}
	return t.Flush()
}

// perCent prints thousandths.
func perCent(thousandths int64) string { return fmt.Sprintf("%.1f %%", float64(thousandths)/10) }
