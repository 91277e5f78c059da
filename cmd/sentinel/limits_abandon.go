package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/app"
	"github.com/saas-sentinel/saas-sentinel/store"
)

func limitsAbandon() *cobra.Command {
	c := &cobra.Command{
		Use: "abandon SPOOL", Short: "Count limits without a process that will not come back", Args: exactly(1, "the id of a spool"),
		Long: "After Redis has lost its counters, limits wait for processes whose records may be missing in the ledger, at most redis.recount_wait.\n" +
			"Abandon says that one of them is lost with its disk: limits no longer wait for it, and what it had not written stays uncounted, so a hard\n" +
			"budget can be passed by that. /readyz?verbose and the log name the spools. One whose process was alive a moment ago is left alone.\n" +
			"The others tell of a silent process (the alert process) until it is back or abandoned.",
		Example: "  sentinel limits abandon 3f0c6c1e-8a43-4f6e-9d3b-0d6d2f1f5a77 --why \"its volume is gone\"",
	}
	config := configFlag(c)
	why := c.Flags().String("why", "", "the reason, for those who find it")
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := app.LoadConfig(*config)
		if err != nil {
			return refused(err)
		}
		log, st, done, err := auditOf(c, cfg)
		if err != nil {
			return err
		}
		defer done()
		var gone store.Spool
		row := sentinel.AuditRow{Actor: operator(), Action: "limit.abandon", Object: "spool " + args[0], After: *why}
		err = log.Do(c.Context(), row, func(ctx context.Context) (err error) {
			gone, err = st.Abandon(ctx, args[0], app.MissedBeats*cfg.Reconcile.Every)
			return err
		})
		if err != nil {
			return refused(err)
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "limits no longer wait for %s on %s, last seen %s\n", gone.ID, gone.Host, gone.Beat.UTC().Format(time.RFC3339))
		return err
	}
	return c
}
