package main

import (
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/saas-sentinel/saas-sentinel/internal/app"
)

func mlTrainCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "train", Short: "Choose from how much of its past each service's detector learns", Args: none,
		Long: "Train back-tests the detectors of the ledger's services: each learns from all of the history, from a week or from three days of it,\n" +
			"and is then run over the last days (at most seven, at most a third of the history), as they were and with a made burst in each.\n" +
			"Alerts that nobody confirmed and bursts that were missed are mistakes. A choice that makes fewer of them than the saved model does on the same days\n" +
			"is saved in its place. Gateway processes load models at their start and every ten minutes, and one of them trains daily.",
		Example: "  sentinel ml train\n  sentinel ml train --service checkout --days 60 --dry-run\n  sentinel ml train --json",
	}
	config := configFlag(c)
	o := app.TrainOptions{}
	c.Flags().IntVar(&o.Days, "days", 28, "of the ledger's history, 3 to 60")
	c.Flags().IntVar(&o.Services, "services", 1000, "most services to train, those with the most calls first")
	c.Flags().StringVar(&o.Service, "service", "", "only this one")
	dry := c.Flags().Bool("dry-run", false, "save nothing")
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if o.Days < 3 || o.Days > 60 {
			return refused(fmt.Errorf("--days: %d is outside 3 to 60", o.Days))
		}
		if o.Services < 1 {
			return refused(errors.New("--services: want at least 1"))
		}
		st, err := openStore(c, *config)
		if err != nil {
			return err
		}
		defer st.Close()
		o.Save, o.Now = !*dry, time.Now()
		list := []app.Trained{}
		if _, err := app.Train(c.Context(), st, o, func(t app.Trained) { list = append(list, t) }); errors.Is(err, app.ErrNoCalls) {
			return refused(err)
		} else if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), trainedJSON(list))
		}
		if len(list) == 0 {
			_, err := fmt.Fprintf(c.OutOrStdout(), "no service has calls in the last %d days of the ledger\n", o.Days)
			return err
		}
		w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(w, "SERVICE\tLEARNS FROM\tJUDGED FROM\tFALSE ALERTS\tBURSTS FOUND\tNOTE")
		for _, t := range list {
			if t.Reason != "" {
				_, _ = fmt.Fprintf(w, "%s\t-\t-\t-\t-\t%s\n", t.Service, t.Reason)
				continue
			}
			note := "new"
			if t.Kept {
				note = "as before"
			}
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d of %d\t%s\n", t.Service, t.LearnsFrom.Format(time.RFC3339), t.JudgedFrom.Format(time.RFC3339), t.FalseAlerts, t.Found, t.Bursts, note)
		}
		return w.Flush()
	}
	return c
}

// trained is what training found for a service, as JSON. One that was not judged has a reason and no more.
type trained struct {
	Service string        `json:"service"`
	Reason  string        `json:"reason,omitempty"` // why there is no model
	Model   *trainedModel `json:"model"`
}

type trainedModel struct {
	LearnsFrom  time.Time `json:"learns_from"`
	JudgedFrom  time.Time `json:"judged_from"`
	JudgedUntil time.Time `json:"judged_until"`
	Version     int       `json:"version"` // of the detector
	Features    []string  `json:"features"`
	FalseAlerts int       `json:"false_alerts"`
	Bursts      int       `json:"bursts"`
	Found       int       `json:"found"`
	Trained     time.Time `json:"trained"`
	Kept        bool      `json:"kept"` // the saved one is not bettered
}

func trainedJSON(list []app.Trained) []trained {
	out := make([]trained, len(list))
	for i, t := range list {
		out[i] = trained{Service: t.Service, Reason: t.Reason}
		if t.Reason == "" {
			out[i].Model = &trainedModel{t.LearnsFrom, t.JudgedFrom, t.JudgedUntil, t.Version, t.Features, t.FalseAlerts, t.Bursts, t.Found, t.Trained, t.Kept}
		}
	}
	return out
}
