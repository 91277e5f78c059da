package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/saas-sentinel/saas-sentinel/ml/detect"
	"github.com/saas-sentinel/saas-sentinel/ml/series"
	"github.com/saas-sentinel/saas-sentinel/ml/synth"
)

func mlEvaluateCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "evaluate", Short: "Measure the detector on labelled abuse", Args: none,
		Long: "Evaluate makes series of a service, minute by minute, on hourly rates of real clients, with one abuse or one\n" +
			"legitimate surprise each, and prints how the detector and a plain EWMA alarm did on them.\n\n" +
			"Rates are CSV: a header, then a line for each client with its name and at least 192 hourly counts. Clients with less than\n" +
			"a call a minute, or without calls in half of their hours, are left out; off-hours use needs a quiet night.",
		Example: "  sentinel ml evaluate --rates requests_per_hour_by_client.csv --series 40",
	}
	path := c.Flags().String("rates", "", "CSV of hourly rates")
	count := c.Flags().Int("series", 40, "series of each kind")
	seed := c.Flags().Uint64("seed", 1000, "of the first series; the detector was made with seeds below 1000")
	_ = c.MarkFlagRequired("rates")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *count < 1 || *count > 1000 {
			return refused(fmt.Errorf("--series: %d is outside 1 to 1000", *count))
		}
		file, err := os.Open(*path)
		if err != nil {
			return refused(fmt.Errorf("--rates: %w", err))
		}
		defer func() { _ = file.Close() }()
		clients, err := readRates(file)
		if err != nil {
			return refused(fmt.Errorf("%s: %w", *path, err))
		}
		return evaluate(c, clients, *count, *seed)
	}
	return c
}

func readRates(r io.Reader) ([]series.Rates, error) {
	all, err := series.ReadRates(r)
	if err != nil {
		return nil, err
	}
	out := slices.DeleteFunc(all, func(c series.Rates) bool { return !synth.Usable(c.Hourly, synth.Quiet) })
	if len(out) == 0 {
		return nil, errors.New("no client has 192 hours, a call a minute, and calls in half of its hours")
	}
	return out, nil
}

// detector is the product's as a judge.
type detector struct{ *detect.Detector }

func (d detector) Alert(at time.Time, row []float64) bool { return d.Step(at, row).Alert }

func evaluate(c *cobra.Command, clients []series.Rates, count int, seed uint64) error {
	out := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(out, "kind\trecall\tmedian delay\tfalse alerts a week\tEWMA recall\tEWMA delay\tEWMA false alerts a week")
	for _, kind := range append(append([]synth.Kind{}, synth.Abuses...), synth.Legitimate...) {
		able := slices.DeleteFunc(slices.Clone(clients), func(c series.Rates) bool { return !synth.Usable(c.Hourly, kind) })
		if len(able) == 0 {
			_, _ = fmt.Fprintf(out, "%s\tno client fits\n", kind)
			continue
		}
		set := make([]synth.Series, count)
		for i := range set {
			who := able[i*len(able)/count]
			var err error
			if set[i], err = synth.Make(who.Name, who.Hourly, kind, seed+uint64(i)); err != nil {
				return err
			}
		}
		ours := synth.Measure(kind, set, func() synth.Judge { return detector{detect.New(synth.Columns)} })
		plain := synth.Measure(kind, set, func() synth.Judge { return &synth.EWMA{} })
		recall := func(r synth.Result) string {
			if r.Found == 0 && ours.Found == 0 {
				return "-"
			}
			return fmt.Sprintf("%.2f", r.Recall())
		}
		_, _ = fmt.Fprintf(out, "%s\t%s\t%s\t%.2f\t%s\t%s\t%.2f\n", kind, recall(ours), ours.MedianDelay, ours.FalsePerWeek(),
			recall(plain), plain.MedianDelay, plain.FalsePerWeek())
	}
	return out.Flush()
}
