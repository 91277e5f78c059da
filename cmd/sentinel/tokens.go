package main

import (
	"errors"
	"fmt"
	"io"
	"os/user"
	"time"

	"github.com/spf13/cobra"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/app"
	"github.com/saas-sentinel/saas-sentinel/store"
)

func tokensCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "tokens", Short: "Issue, rotate and revoke the tokens of services",
		Long: "Services that have identity: {issued: true} in the policy may call with tokens that are made here. They are kept as keyed hashes\n" +
			"(SENTINEL_TOKEN_KEY), and each is shown once. A change holds in every gateway process within 5 seconds.",
	}
	c.AddCommand(tokensIssue(), tokensList(), tokensRotate(), tokensRevoke())
	return c
}

// tokensVerb makes a command that works on tokens.
func tokensVerb(c *cobra.Command, needsKey bool, do func(c *cobra.Command, d app.TokenDesk, by string, args []string) error) *cobra.Command {
	config := configFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		d, done, err := app.OpenTokenDesk(c.Context(), *config, needsKey, lacking(c))
		if err != nil {
			return refused(err)
		}
		defer done()
		by := "the command line"
		if u, err := user.Current(); err == nil {
			by = u.Username + " on the command line"
		}
		err = do(c, d, by, args)
		if errors.Is(err, app.ErrTokenInput) || errors.Is(err, store.ErrNoToken) {
			return refused(err)
		}
		return err
	}
	return c
}

func tokensIssue() *cobra.Command {
	c := &cobra.Command{
		Use: "issue SERVICE", Short: "Make a token of a service and print it, this once", Args: exactly(1, "one service"),
		Example: "  sentinel tokens issue checkout --label prod --life 2160h",
	}
	label := c.Flags().String("label", "", "what the token is for")
	life := c.Flags().Duration("life", 0, "how long it is good; 0 is until it is revoked")
	return tokensVerb(c, true, func(c *cobra.Command, d app.TokenDesk, by string, args []string) error {
		id, token, err := d.Issue(c.Context(), by, args[0], *label, *life)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintln(c.ErrOrStderr(), "the token", id, "of service", args[0]+":")
		_, err = fmt.Fprintln(c.OutOrStdout(), token)
		return err
	})
}

func tokensRotate() *cobra.Command {
	c := &cobra.Command{
		Use: "rotate ID", Short: "Make another token under the same id; the one before stays good for a while", Args: exactly(1, "one token's id"),
		Example: "  sentinel tokens rotate k3v7wq2n4xab --grace 24h",
	}
	grace := c.Flags().Duration("grace", 24*time.Hour, "how long the one before stays good")
	return tokensVerb(c, true, func(c *cobra.Command, d app.TokenDesk, by string, args []string) error {
		token, err := d.Rotate(c.Context(), by, args[0], *grace)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(c.OutOrStdout(), token)
		return err
	})
}

func tokensRevoke() *cobra.Command {
	c := &cobra.Command{
		Use: "revoke ID", Short: "End a token, and the one before it, in every process within 5 seconds", Args: exactly(1, "one token's id"),
		Example: "  sentinel tokens revoke k3v7wq2n4xab",
	}
	return tokensVerb(c, false, func(c *cobra.Command, d app.TokenDesk, by string, args []string) error {
		return d.Revoke(c.Context(), by, args[0])
	})
}

func tokensList() *cobra.Command {
	c := &cobra.Command{Use: "list [SERVICE]", Short: "List tokens by their ids, the newest first; the tokens themselves are not kept", Args: atMost(1, "one service"),
		Example: "  sentinel tokens list checkout"}
	asJSON, part := c.Flags().Bool("json", false, "print JSON"), pageFlags(c)
	return tokensVerb(c, false, func(c *cobra.Command, d app.TokenDesk, _ string, args []string) error {
		service := ""
		if len(args) > 0 {
			service = args[0]
		}
		after, err := part.begin()
		if err != nil {
			return err
		}
		list, err := d.Store.ListServiceTokens(c.Context(), service, after, *part.limit)
		if err != nil {
			return err
		}
		part.end(c.ErrOrStderr(), len(list), func() sentinel.Cursor {
			last := list[len(list)-1]
			return sentinel.Cursor{At: last.Created, Row: last.ID}
		})
		return printTokens(c.OutOrStdout(), list, *asJSON)
	})
}

func printTokens(w io.Writer, list []sentinel.ServiceToken, asJSON bool) error {
	now := time.Now()
	date := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Format(time.RFC3339)
	}
	if asJSON {
		type row struct {
			ID      string `json:"id"`
			Service string `json:"service"`
			Label   string `json:"label"`
			State   string `json:"state"`
			By      string `json:"by"`
			Created string `json:"created"`
			Expires string `json:"expires,omitempty"`
			Rotated string `json:"rotated,omitempty"`
			Until   string `json:"previous_until,omitempty"`
			Revoked string `json:"revoked,omitempty"`
		}
		rows := make([]row, len(list))
		for i, t := range list {
			rows[i] = row{t.ID, t.Service, t.Label, t.State(now), t.By, date(t.Created), date(t.Expires), date(t.Rotated), date(t.PreviousUntil), date(t.Revoked)}
		}
		return printJSON(w, rows)
	}
	return printTable(w, "ID\tSERVICE\tLABEL\tSTATE\tCREATED\tEXPIRES\tROTATED\tBEFORE ENDS\tISSUED BY", list, func(x sentinel.ServiceToken) []string {
		return []string{x.ID, x.Service, x.Label, x.State(now), date(x.Created), date(x.Expires), date(x.Rotated), date(x.PreviousUntil), x.By}
	})
}
