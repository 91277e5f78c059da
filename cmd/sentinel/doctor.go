package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/saas-sentinel/saas-sentinel/internal/app"
)

func doctorCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "doctor", Short: "Check everything that the gateway needs, and say what to do", Args: none,
		Long: "Doctor looks at the configuration, the policy, the database and its schema, Redis and its eviction policy, Vault and every secret in it,\n" +
			"the spool's disk, Envoy, DNS of the providers, the collector, certificates (the listener's, its clients' authority, the proxy's, those that\n" +
			"Vault, Redis and PostgreSQL serve), clocks and prices. It changes nothing that stays, and ends with 1 when\n" +
			"something must be done before the gateway can work.",
		Example: "  sentinel doctor --config sentinel.yaml",
	}
	config := configFlag(c)
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		list := app.Examine(c.Context(), *config)
		return told(c, list, *asJSON)
	}
	return c
}

// told prints what checks found. It is an error when one failed.
func told(c *cobra.Command, list []app.Finding, asJSON bool) error {
	failed := 0
	for _, f := range list {
		if f.Result == app.CheckFail {
			failed++
		}
	}
	if asJSON {
		if err := printJSON(c.OutOrStdout(), list); err != nil {
			return err
		}
	} else {
		t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
		for _, f := range list {
			_, _ = fmt.Fprintf(t, "%s\t%s\t%s\n", f.Result, f.Check, f.Found)
			if f.Remedy != "" {
				_, _ = fmt.Fprintf(t, "\t\t→ %s\n", f.Remedy)
			}
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d checks failed", failed)
	}
	return nil
}
