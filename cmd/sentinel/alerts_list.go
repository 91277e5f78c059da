package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/store"
)

func alertsList() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List incidents that are not resolved", Args: none,
		Long:    "List shows what is open, acknowledged or snoozed, the newest first, and whether it is silenced or inhibited. With --all it shows\nresolved incidents too. The id is that of sentinel alerts history.",
		Example: "  sentinel alerts list --config sentinel.yaml",
	}
	config := configFlag(c)
	all, part := c.Flags().Bool("all", false, "those that are resolved too"), pageFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		after, err := part.begin()
		if err != nil {
			return err
		}
		return printOf(c, *config, "ID\tOPENED\tSTATE\tSEVERITY\tRULE\tSCOPE\tHELD\tBY\tTITLE", func(ctx context.Context, st *store.Store) ([]sentinel.Incident, error) {
			list, err := st.Incidents(ctx, sentinel.IncidentQuery{Open: !*all, After: after, Limit: *part.limit})
			part.end(c.ErrOrStderr(), len(list), func() sentinel.Cursor {
				last := list[len(list)-1]
				return sentinel.Cursor{At: last.Opened, Row: last.ID}
			})
			return list, err
		}, func(i sentinel.Incident) []string {
			return []string{i.ID, i.Opened.UTC().Format(time.RFC3339), i.State.String(), i.Severity.String(), i.Rule, i.Scope, i.Held, i.By, i.Title}
		})
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
		return printOf(c, *config, "AT\tWHAT\tBY", func(ctx context.Context, st *store.Store) ([]sentinel.IncidentChange, error) {
			list, err := st.History(ctx, args[0], maxListed)
			if err == nil && len(list) == 0 {
				err = refused(fmt.Errorf("there is no incident %q: see sentinel alerts list --all", args[0]))
			}
			return list, err
		}, func(h sentinel.IncidentChange) []string {
			return []string{h.At.UTC().Format(time.RFC3339), h.What, h.By}
		})
	}
	return c
}
