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

func policyVersionsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "versions", Short: "List the policies that were in force", Args: none,
		Long: "Versions lists what was in force from when, the latest first, with who published it and why. A file that changed by itself has\n" +
			"the process that took it as its author, and no reason.",
		Example: "  sentinel policy versions --limit 20",
	}
	config := configFlag(c)
	part := pageFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		before, err := part.number()
		if err != nil {
			return err
		}
		return printOf(c, *config, "VERSION\tSINCE\tAUTHOR\tREASON", func(ctx context.Context, st *store.Store) ([]store.PolicyChange, error) {
			list, err := st.PolicyChanges(ctx, before, *part.limit)
			part.end(c.ErrOrStderr(), len(list), func() sentinel.Cursor {
				last := list[len(list)-1]
				return sentinel.Cursor{At: last.At, Row: fmt.Sprint(last.Seq)}
			})
			return list, err
		},
			func(v store.PolicyChange) []string {
				return []string{v.Version, v.At.Format(time.RFC3339), v.Author, orDash(v.Reason)}
			})
	}
	return c
}

func policyShowCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "show VERSION", Short: "Print a policy that was in force", Args: exactly(1, "a version, as sentinel policy versions lists it,"),
		Long:    "Show prints the text of a version as it was in force, with the hashes of services' tokens in their place, which policies take as well.",
		Example: "  sentinel policy show 0b7e1c2d3f4a > policies.yaml",
	}
	config := configFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		st, err := openStore(c, *config)
		if err != nil {
			return err
		}
		defer st.Close()
		files, err := app.KeptPolicy(c.Context(), st, args[0])
		if errors.Is(err, sentinel.ErrNoPolicyVersion) {
			return refused(fmt.Errorf("%w: %s: see sentinel policy versions", err, args[0]))
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(c.OutOrStdout(), app.OneText(files))
		return err
	}
	return c
}
