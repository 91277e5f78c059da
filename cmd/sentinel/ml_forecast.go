package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/saas-sentinel/saas-sentinel/ml/forecast"
	"github.com/saas-sentinel/saas-sentinel/ml/series"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

func mlForecastCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "forecast", Short: "Say how a series goes on", Args: none,
		Long: "Forecast writes a row for each of the next steps: " + strings.Join(forecast.Header, ",") + ".\n" +
			"The bounds hold 80 and 95 of 100 values; totals are cumulative.\n\n" + inputForms + "\n" +
			"Of several columns cost_usd is taken. Times without a row are filled in from a season before and reported;\n" +
			"of rows with the same time the last counts. From two months on, month ends and the given holidays are learnt where they clearly matter.",
		Example: "  sentinel ml forecast --input spend.csv --h 48 --m 24 --m2 168 --output forecast.csv",
	}
	input, output := fileFlags(c)
	steps := c.Flags().Int("h", 0, "steps to forecast")
	season := c.Flags().Int("m", 0, "steps of a season; 0 takes a day, or a week of daily rows")
	longer := c.Flags().Int("m2", 0, "steps of a longer season; 0 for none")
	freq := c.Flags().Duration("freq", 0, "distance of two steps, not above that of the rows; 0 takes theirs")
	budget := c.Flags().Float64("budget", 0, "what is left to spend, in the series' unit: says when it is used up")
	holidays := c.Flags().StringSlice("holidays", nil, "countries, such as us, and dates, such as 2026-12-24, whose effect is learnt")
	zone := c.Flags().String("timezone", "UTC", "IANA time zone in which days begin; rows of whole days at midnight UTC are dates in any zone")
	_ = c.MarkFlagRequired("h")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := checkSteps(*steps, *season, *longer, *freq); err != nil {
			return refused(err)
		}
		shut, err := policy.ParseHolidays(*holidays)
		if err != nil {
			return refused(fmt.Errorf("--holidays: %w", err))
		}
		days, err := time.LoadLocation(*zone)
		if err != nil || *zone == "" || *zone == "Local" {
			return refused(fmt.Errorf("--timezone: %q is not an IANA time zone: write for instance Europe/Berlin", *zone))
		}
		if c.Flags().Changed("budget") && !(*budget > 0 && !math.IsInf(*budget, 0)) {
			return refused(errors.New("--budget: want an amount above 0"))
		}
		return overFiles(c, *input, *output, func(f *series.Frame, w io.Writer, name string) error {
			o := forecast.Options{H: *steps, Season: *season, Season2: *longer}
			if o.Season == 0 {
				o.Season = usualSeason(max(*freq, f.Report.Step))
			}
			r, err := forecast.Regularise(f, *freq, o.Season)
			if err != nil {
				return refused(fmt.Errorf("%s: %w", name, err))
			}
			first := r.Last.Add(-time.Duration(len(r.Values)-1) * r.Step)
			o.Calendar = &forecast.Calendar{First: first, Step: r.Step, Zone: days, Holiday: shut.On}
			if day := 24 * time.Hour; r.Step%day == 0 && first.Equal(first.Truncate(day)) {
				o.Calendar.Zone = time.UTC // such rows are dates
			}
			got, err := forecast.Run(r.Values, o)
			if err != nil {
				return refused(fmt.Errorf("%s: %w", name, err))
			}
			told := c.ErrOrStderr()
			if r.Filled+r.Repeated > 0 {
				_, _ = fmt.Fprintf(told, "%s: %s filled in, %d repeated\n", name, series.Count(r.Filled, "point"), r.Repeated)
			}
			_, _ = fmt.Fprintf(told, "%s: %s of %s of %s from %s; %s\n", name, series.Count(o.H, "step"), r.Step, r.Column, series.Count(len(r.Values), "point"), leading(got.Weights))
			for _, day := range slices.Sorted(maps.Keys(got.Days)) {
				_, _ = fmt.Fprintf(told, "%s: on %s %.2f times as much\n", name, day, got.Days[day])
			}
			if *budget > 0 {
				_, _ = fmt.Fprintf(told, "%s: %s\n", name, usedUp(r, got, *budget))
			}
			return forecast.WriteCSV(w, r, got)
		})
	}
	return c
}

// checkSteps tells of the first flag that is out of its bounds.
func checkSteps(h, m, m2 int, freq time.Duration) error {
	for _, f := range []struct {
		name      string
		got, from int
	}{{"h", h, 1}, {"m", m, 0}, {"m2", m2, 0}} {
		if f.got < f.from || f.got > forecast.MaxSteps {
			return fmt.Errorf("--%s: %d is outside %d to %d", f.name, f.got, f.from, forecast.MaxSteps)
		}
	}
	if freq < 0 {
		return fmt.Errorf("--freq: %s is below 0: write for instance 1h, or leave it out", freq)
	}
	return nil
}

// budgetHistory is the least history from which a date is told.
const budgetHistory = 72 * time.Hour

// usedUp says when an amount is used up, or why that cannot be said.
func usedUp(r forecast.Regular, f forecast.Forecast, amount float64) string {
	if time.Duration(len(r.Values))*r.Step < budgetHistory {
		return "no date for the budget: three days of history are needed"
	}
	if slices.Max(r.Values) <= 0 {
		return "no date for the budget: nothing was spent yet"
	}
	at := func(step int) string {
		if step == forecast.Never {
			return "after the forecast's end"
		}
		return r.Last.Add(time.Duration(step+1) * r.Step).Format(r.Layout)
	}
	u := f.UsedUp(amount)
	return fmt.Sprintf("a budget of %g is used up: even odds %s; 80 %% from %s to %s; 95 %% from %s to %s",
		amount, at(u.Middle), at(u.First80), at(u.Last80), at(u.First95), at(u.Last95))
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
