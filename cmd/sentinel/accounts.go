package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/app"
	"github.com/saas-sentinel/saas-sentinel/store"
)

func accountsCommand() *cobra.Command {
	c := &cobra.Command{Use: "accounts", Short: "Who may sign in to the dashboard and the admin API"}
	c.AddCommand(accountsSetup(), accountsList())
	return c
}

func accountsSetup() *cobra.Command {
	c := &cobra.Command{
		Use: "setup", Short: "Print the link with which the first account is made", Args: none,
		Long:    "Setup makes a new link, good for a day and for one account, and ends the one before. With an account there is no link:\nits admins make the others.",
		Example: "  sentinel accounts setup --config sentinel.yaml",
	}
	config := configFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := app.LoadConfig(*config)
		if err != nil {
			return refused(err)
		}
		log, st, done, err := auditOf(c, cfg)
		if err != nil {
			return err
		}
		defer done()
		var link string
		err = log.Do(c.Context(), sentinel.AuditRow{Actor: operator(), Action: "account.setup_link"}, func(ctx context.Context) (err error) {
			var ok bool
			if link, ok, err = app.OfferSetup(ctx, cfg, st); err == nil && !ok {
				err = errors.New("there is an account already: see sentinel accounts list; its admins make others in the dashboard")
			}
			return err
		})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(c.OutOrStdout(), link)
		return err
	}
	return c
}

func accountsList() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List the accounts", Args: none, Example: "  sentinel accounts list --config sentinel.yaml"}
	config := configFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return printOf(c, *config, "NAME\tROLE\tTEAM\tCREATED", func(ctx context.Context, st *store.Store) ([]sentinel.Account, error) { return st.Accounts(ctx) },
			func(a sentinel.Account) []string {
				return []string{a.Name, a.Role.String(), a.Team, a.Created.Format(time.RFC3339)}
			})
	}
	return c
}
