package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/saas-sentinel/saas-sentinel/ml/forecast"
	"github.com/saas-sentinel/saas-sentinel/ml/series"
)

func mlForecastCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "forecast", Short: "Say how a series goes on", Args: none,
		Long: "Forecast writes a row for each of the next steps: " + strings.Join(forecast.Header, ",") + ".\n" +
			"The bounds hold 80 and 95 of 100 values; totals are cumulative.\n\n" + inputForms + "\n" +
			"Of several columns cost_usd is taken. Times without a row are filled in from a season before and reported;\n" +
			"of rows with the same time the last counts.",
		Example: "  sentinel ml forecast --input spend.csv --h 48 --m 24 --m2 168 --output forecast.csv",
	}
	input, output := fileFlags(c)
	steps := c.Flags().Int("h", 0, "steps to forecast")
	season := c.Flags().Int("m", 0, "steps of a season; 0 takes a day, or a week of daily rows")
	longer := c.Flags().Int("m2", 0, "steps of a longer season; 0 for none")
	freq := c.Flags().Duration("freq", 0, "distance of two steps, not above that of the rows; 0 takes theirs")
	_ = c.MarkFlagRequired("h")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return overFiles(c, *input, *output, func(f *series.Frame, w io.Writer, name string) error {
			o := forecast.Options{H: *steps, Season: *season, Season2: *longer}
			if o.Season == 0 {
				o.Season = usualSeason(max(*freq, f.Report.Step))
			}
			r, err := forecast.Regularise(f, *freq, o.Season)
			if err != nil {
				return refused(fmt.Errorf("%s: %w", name, err))
			}
			got, err := forecast.Run(r.Values, o)
			if err != nil {
				return refused(fmt.Errorf("%s: %w", name, err))
			}
			told := c.ErrOrStderr()
			if r.Filled+r.Repeated > 0 {
				_, _ = fmt.Fprintf(told, "%s: %d points filled in, %d repeated\n", name, r.Filled, r.Repeated)
			}
			_, _ = fmt.Fprintf(told, "%s: %d steps of %s of %s from %d points; %s\n", name, o.H, r.Step, r.Column, len(r.Values), leading(got.Weights))
			return forecast.WriteCSV(w, r, got)
		})
	}
	return c
}

// usualSeason is a day's steps, or a week's where a step is a day.
func usualSeason(step time.Duration) int {
	const day = 24 * time.Hour
	switch {
	case step <= 0 || step > day:
		return 1
	case step > day/2:
		return 7
	}
	return int(day / step)
}

// leading names the models that the forecast is mostly made of.
func leading(weights map[string]float64) string {
	var names []string
	for name, w := range weights {
		if w >= 0.1 {
			names = append(names, fmt.Sprintf("%s %.0f %%", name, 100*w))
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
