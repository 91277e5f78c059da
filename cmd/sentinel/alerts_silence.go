package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/store"
)

func alertsSilence() *cobra.Command {
	c := &cobra.Command{
		Use: "silence", Short: "Keep incidents quiet for a time", Args: none,
		Long: "Silence keeps matching incidents quiet on all processes, within seconds and without a change of the policy. They are opened and\n" +
			"kept as ever, and what is unresolved at its end is told then. In patterns * stands for any text; --rule \"*\" silences everything.",
		Example: "  sentinel alerts silence --rule errors --scope \"provider/openai\" --for 2h --why \"their maintenance\"",
	}
	config := configFlag(c)
	rule := c.Flags().String("rule", "", "pattern of rules; empty: all")
	scope := c.Flags().String("scope", "", "pattern of scopes, such as provider/*; empty: all")
	from := c.Flags().String("from", "", "when it begins, such as 2026-12-01T20:00:00Z; empty: now")
	life := c.Flags().Duration("for", time.Hour, "how long it holds")
	why := c.Flags().String("why", "", "the reason, for those who find it")
	c.RunE = func(c *cobra.Command, _ []string) error {
		now := time.Now().UTC().Truncate(time.Second)
		q := sentinel.AlertSilence{Rule: *rule, Scope: *scope, From: now, By: operator(), Why: *why}
		if *from != "" {
			var err error
			if q.From, err = time.Parse(time.RFC3339, *from); err != nil {
				return refused(fmt.Errorf("--from: %q is not a time: write it as 2026-12-01T20:00:00Z", *from))
			}
		}
		q.Until = q.From.Add(*life)
		if err := q.Validate(now); err != nil {
			return refused(err)
		}
		log, st, done, err := openAudit(c, *config)
		if err != nil {
			return err
		}
		defer done()
		row := sentinel.AuditRow{Actor: q.By, Action: "silence.add", Object: "rule " + q.Rule + ", scope " + q.Scope,
			After: fmt.Sprintf("%s until %s: %s", q.From.Format(time.RFC3339), q.Until.Format(time.RFC3339), q.Why)}
		if err := log.Do(c.Context(), row, func(ctx context.Context) (err error) { q.ID, err = st.AddSilence(ctx, q); return err }); err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s holds from %s until %s; sentinel alerts unsilence %s ends it\n", q.ID, q.From.Format(time.RFC3339), q.Until.Format(time.RFC3339), q.ID)
		return err
	}
	return c
}

func alertsUnsilence() *cobra.Command {
	c := &cobra.Command{
		Use: "unsilence ID", Short: "End a silence", Args: exactly(1, "the id of a silence"),
		Example: "  sentinel alerts unsilence k3x9q2ab",
	}
	config := configFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		log, st, done, err := openAudit(c, *config)
		if err != nil {
			return err
		}
		defer done()
		return log.Do(c.Context(), sentinel.AuditRow{Actor: operator(), Action: "silence.end", Object: args[0]}, func(ctx context.Context) error {
			ok, err := st.EndSilence(ctx, args[0])
			if err == nil && !ok {
				return refused(fmt.Errorf("no silence %q is under way or to come: see sentinel alerts silences", args[0]))
			}
			return err
		})
	}
	return c
}

func alertsSilences() *cobra.Command {
	c := &cobra.Command{
		Use: "silences", Short: "List silences that have not ended", Args: none,
		Long:    "Silences lists what people asked to be kept quiet while the gateway runs. Those of the policy file are in the file.",
		Example: "  sentinel alerts silences --config sentinel.yaml",
	}
	config := configFlag(c)
	part := pageFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		after, err := part.begin()
		if err != nil {
			return err
		}
		return printOf(c, *config, "ID\tRULE\tSCOPE\tFROM\tUNTIL\tBY\tWHY", func(ctx context.Context, st *store.Store) ([]sentinel.AlertSilence, error) {
			list, err := st.Silences(ctx, after, *part.limit)
			part.end(c.ErrOrStderr(), len(list), func() sentinel.Cursor {
				last := list[len(list)-1]
				return sentinel.Cursor{At: last.Until, Row: last.ID}
			})
			return list, err
		},
			func(q sentinel.AlertSilence) []string {
				return []string{q.ID, q.Rule, q.Scope, q.From.Format(time.RFC3339), q.Until.Format(time.RFC3339), q.By, q.Why}
			})
	}
	return c
}
