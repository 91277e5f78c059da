package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/store"
)

func usageEraseCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "erase", Short: "Delete the calls of one service from the ledger", Args: none,
		Long: "Erase deletes a service's calls that are older than a time, and writes who did it into the audit chain, in one\n" +
			"transaction: both happen, or neither. The sums by minute, hour and day follow within seconds. It cannot be undone:\n" +
			"without --yes it only says what it would delete.",
		Example: "  sentinel usage erase --service checkout --before 2026-01-01\n  sentinel usage erase --service checkout --before 2026-01-01 --yes",
	}
	config := configFlag(c)
	service, before := c.Flags().String("service", "", "the service"), c.Flags().String("before", "", "day or RFC 3339 time; what is older goes")
	why, yes := c.Flags().String("why", "", "a reason for the audit chain"), c.Flags().Bool("yes", false, "delete")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *service == "" || *before == "" {
			return refused(errors.New("--service and --before are required, such as --service checkout --before 2026-01-01"))
		}
		until, err := parseTime("before", *before)
		if err != nil {
			return err
		}
		_, state, err := load(*config)
		if err != nil {
			return err
		}
		log, st, done, err := openAudit(c, *config)
		if err != nil {
			return err
		}
		defer done()
		what := store.Erasure{Org: state.Policy.Org, Service: *service, Before: until}
		if !*yes {
			rows, err := st.Usage(c.Context(), store.UsageQuery{To: until, Filter: map[string]string{"org": what.Org, "service": what.Service}})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%d entries of %s for %s would be deleted: repeat it with --yes\n", rows[0].Calls, *service, rows[0].Cost)
			return err
		}
		var n store.Erased
		row := sentinel.AuditRow{Actor: operator(), Action: "ledger.erase", Object: what.Org + "/" + what.Service, Before: "until " + until.Format(time.RFC3339), After: *why}
		err = log.Do(c.Context(), row, func(ctx context.Context) (err error) {
			n, err = st.Erase(ctx, what)
			return err
		})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%d entries, %d open calls, %d parked records and %d captured bodies of %s are deleted\n", n.Entries, n.Intents, n.Parked, n.Bodies, *service)
		return err
	}
	return c
}
