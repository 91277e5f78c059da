package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// maxListed bounds what the commands about incidents print.
const maxListed = 1_000

func alertsList() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List incidents that are not resolved", Args: none,
		Long:    "List shows what is open, acknowledged or snoozed, the newest first, and whether it is silenced or inhibited. With --all it shows\nresolved incidents too. The id is that of sentinel alerts history.",
		Example: "  sentinel alerts list --config sentinel.yaml",
	}
	config := configFlag(c)
	all := c.Flags().Bool("all", false, "those that are resolved too")
	c.RunE = func(c *cobra.Command, _ []string) error {
		st, err := openStore(c, *config)
		if err != nil {
			return err
		}
		defer st.Close()
		list, err := st.Incidents(c.Context(), !*all, maxListed)
		if err != nil {
			return err
		}
		t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(t, "ID\tOPENED\tSTATE\tSEVERITY\tRULE\tSCOPE\tHELD\tBY\tTITLE")
		for _, i := range list {
			_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", i.ID, i.Opened.UTC().Format(time.RFC3339), i.State, i.Severity, i.Rule, i.Scope, i.Held, i.By, i.Title)
		}
		return t.Flush()
	}
	return c
}

func alertsHistory() *cobra.Command {
	c := &cobra.Command{
		Use: "history INCIDENT", Short: "Show what happened to an incident", Args: exactly(1, "the id of an incident"),
		Example: "  sentinel alerts history 5f2a90c1d3e4b5a697887766",
	}
	config := configFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		st, err := openStore(c, *config)
		if err != nil {
			return err
		}
		defer st.Close()
		list, err := st.History(c.Context(), args[0], maxListed)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return refused(fmt.Errorf("there is no incident %q: see sentinel alerts list --all", args[0]))
		}
		t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(t, "AT\tWHAT\tBY")
		for _, h := range list {
			_, _ = fmt.Fprintf(t, "%s\t%s\t%s\n", h.At.UTC().Format(time.RFC3339), h.What, h.By)
		}
		return t.Flush()
	}
	return c
}
