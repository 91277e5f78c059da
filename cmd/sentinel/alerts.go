package main

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/saas-sentinel/saas-sentinel/internal/app"
)

func alertsCommand() *cobra.Command {
	c := &cobra.Command{Use: "alerts", Short: "Work with alerts"}
	t := &cobra.Command{
		Use: "test RULE", Short: "Send a marked sample to every channel of a rule", Args: exactly(1, "one rule"),
		Long: "Test sends a sample that is marked as a test to every channel of a rule, those of its escalation\n" +
			"included, past silences and quiet hours, with a chart where the channel shows charts, and prints what each channel answered. It\n" +
			"opens no incident.",
		Example: "  sentinel alerts test budget --config sentinel.yaml",
	}
	config := configFlag(t)
	t.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := app.LoadConfig(*config)
		if err != nil {
			return refused(err)
		}
		answers, err := app.SampleAlert(c.Context(), cfg, logger(cfg.Log), args[0])
		if err != nil {
			return refused(err)
		}
		failed := false
		for _, a := range answers {
			failed = failed || a.Err != nil
			if _, err := fmt.Fprintf(c.OutOrStdout(), "%-20s %s (%s)\n", a.Channel, cmp.Or(a.Fault(), "taken"), a.Took.Round(time.Millisecond)); err != nil {
				return err
			}
		}
		if failed {
			return errors.New("not every channel took the sample")
		}
		return nil
	}
	c.AddCommand(t, alertsList(), alertsHistory(), alertsSilence(), alertsSilences(), alertsUnsilence())
	return c
}
