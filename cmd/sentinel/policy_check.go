package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/saas-sentinel/saas-sentinel/internal/app"
)

func policyCheckCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "check FILE", Short: "Report every fault of a policy file, and what is hardly meant",
		Long: "Check compiles a policy, a file or a folder of files, and reports every fault with its place. It also warns of what compiles and\n" +
			"is hardly meant: rules, limits and actions that never come into play, models of other providers that no call can go to,\n" +
			"budgets above their parent's, models without a price, and times of day that clocks skip or pass twice within two years.\n" +
			"It ends with 2 when there is a fault; with --strict, warnings are faults as well.",
		Example: "  sentinel policy check policies.yaml\n  sentinel policy check --strict policies/",
		Args:    exactly(1, "one policy file"),
	}
	strict := c.Flags().Bool("strict", false, "end with 2 when there is a warning")
	c.RunE = func(c *cobra.Command, args []string) error {
		s, warnings, err := app.CheckState(args[0], time.Now())
		if err != nil {
			return refused(err)
		}
		out := c.OutOrStdout()
		for _, w := range warnings {
			if _, err := fmt.Fprintf(out, "warning: %s\n", w); err != nil {
				return err
			}
		}
		if *strict && len(warnings) > 0 {
			return refused(fmt.Errorf("%s: %d warnings, and --strict takes them for faults", args[0], len(warnings)))
		}
		_, err = fmt.Fprintf(out, "%s is in order: version %s, %d providers, %d routes\n", args[0], s.Policy.Version, len(s.Policy.Providers), len(s.Routes))
		return err
	}
	return c
}
