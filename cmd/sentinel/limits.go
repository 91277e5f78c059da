package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os/user"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/ratelimit"
)

func limitsCommand() *cobra.Command {
	c := &cobra.Command{Use: "limits", Short: "Look at limits and budgets, and change them for a time"}
	c.AddCommand(limitsShow(), limitsExplain(), limitsOverride(), limitsReset(), limitsAbandon())
	return c
}

// bench is what the limits commands work on.
type bench struct {
	set     *policy.Set
	limiter *ratelimit.Redis
	now     time.Time
}

func openBench(ctx context.Context, config string) (*bench, error) {
	cfg, state, err := load(config)
	if err != nil {
		return nil, err
	}
	limiter, err := openLimiter(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &bench{set: state.Policy, limiter: limiter, now: time.Now().UTC()}, nil
}

func (b *bench) close() { _ = b.limiter.Close() }

// limit finds a limit by its cell, with the amount of its override.
func (b *bench) limit(cell string) (sentinel.Limit, error) {
	l, ok := b.set.Limit(cell, b.now)
	if !ok {
		return l, refused(fmt.Errorf("the policy has no limit %q: see sentinel limits show, or explain for those that are counted by service, model and so on", cell))
	}
	return l, nil
}

// print shows limits and what they count, with the amounts that hold now.
func (b *bench) print(ctx context.Context, w io.Writer, limits []sentinel.Limit, asJSON bool) error {
	overrides, err := b.limiter.Overrides(ctx, b.set.Org)
	if err != nil {
		return err
	}
	for i, l := range limits {
		if o, ok := overrides[l.Cell]; ok {
			limits[i].Max = o.Max
		}
	}
	uses, err := b.limiter.Peek(ctx, b.set.Org, limits)
	if err != nil {
		return err
	}
	if asJSON {
		return printUsesJSON(w, uses, overrides)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "LIMIT\tCOUNTED AS\tMAX\tUSED\tHELD\tUNRECONCILED\tLEFT\tUNTIL\tNOTE")
	for _, u := range uses {
		l, note := u.Limit, ""
		show := func(n int64) string { return l.Measure.Amount(n) }
		if l.Soft {
			note = "soft"
		}
		if u.Carried > 0 {
			note = strings.TrimSpace(note + " " + show(u.Carried) + " carried over")
		}
		if l.Spare > 0 {
			note = strings.TrimSpace(note + " " + show(l.Kept()) + " kept for class high")
		}
		if o, ok := overrides[l.Cell]; ok {
			note = fmt.Sprintf("override until %s by %s: %s", o.Until.Format(time.RFC3339), o.By, o.Why)
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.Name, l.Cell, show(l.Max), show(u.Used), show(u.Held), show(u.Orphaned),
			show(max(0, l.Max+u.Carried-u.Used)), until(l), note)
	}
	return t.Flush()
}

func until(l sentinel.Limit) string {
	if l.Kind != sentinel.Window {
		return "-"
	}
	return l.End.Format(time.RFC3339)
}

func printUsesJSON(w io.Writer, uses []ratelimit.Use, overrides map[string]ratelimit.Override) error {
	out := make([]map[string]any, 0, len(uses))
	for _, u := range uses {
		m := map[string]any{
			"limit": u.Limit.Name, "cell": u.Limit.Cell, "measure": u.Limit.Measure.String(), "max": u.Limit.Max, "used": u.Used, "posted": u.Posted,
			"held": u.Held, "unreconciled": u.Orphaned, "left": max(0, u.Limit.Max+u.Carried-u.Used), "soft": u.Limit.Soft, "carried": u.Carried, "kept_for_high": u.Limit.Kept(),
		}
		if u.Limit.Kind == sentinel.Window {
			m["start"], m["end"] = u.Limit.Start, u.Limit.End
		}
		if o, ok := overrides[u.Limit.Cell]; ok {
			m["override"] = o
		}
		out = append(out, m)
	}
	return printJSON(w, out)
}

func limitsShow() *cobra.Command {
	c := &cobra.Command{
		Use: "show", Short: "Show every limit and what it counts now", Args: none,
		Long:    "Show lists the limits of the organisation, teams, services, providers and rules. Amounts of money are dollars;\nwith --json everything is in the limit's measure, money in nano-dollars.",
		Example: "  sentinel limits show --config sentinel.yaml",
	}
	config := configFlag(c)
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		b, err := openBench(c.Context(), *config)
		if err != nil {
			return err
		}
		defer b.close()
		return b.print(c.Context(), c.OutOrStdout(), b.set.Limits(b.now), *asJSON)
	}
	return c
}

func limitsExplain() *cobra.Command {
	c := &cobra.Command{
		Use: "explain SERVICE PROVIDER ENDPOINT [MODEL]", Short: "Show which limits a call would meet",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 3 && len(args) != 4 {
				return refused(fmt.Errorf("a service, a provider, an endpoint and perhaps a model expected, got %d arguments", len(args)))
			}
			return nil
		},
		Example: "  sentinel limits explain summariser openai chat.completions gpt-5.1\n  sentinel limits explain summariser openai chat.completions gpt-5.1 --user ada",
	}
	config := configFlag(c)
	asJSON := c.Flags().Bool("json", false, "print JSON")
	endUser := c.Flags().String("user", "", "the end user that the call is for, as requests name it")
	session := c.Flags().String("session", "", "the session that the call is part of, as requests name it")
	credential := c.Flags().String("credential", "", "where the credential lies that the call goes out with, such as secret/openai#second, where the provider has several; default: the first")
	c.RunE = func(c *cobra.Command, args []string) error {
		b, err := openBench(c.Context(), *config)
		if err != nil {
			return err
		}
		defer b.close()
		caller, ok := b.set.Caller(args[0])
		if !ok {
			return refused(fmt.Errorf("the policy has no service %q", args[0]))
		}
		model := append(args, "")[3]
		wanted := sentinel.Wanted{}
		b.set.Name(&wanted, *endUser, *session)
		wanted.Credential = sentinel.Fingerprint(strings.TrimPrefix(*credential, "vault:"))
		call := sentinel.Call{Caller: caller, Provider: args[1], Endpoint: args[2], Model: model, Demand: wanted.Demand()}
		plan := b.set.Plan(&call, model, b.now)
		if err := b.print(c.Context(), c.OutOrStdout(), plan.Limits, *asJSON); err != nil || *asJSON {
			return err
		}
		for _, m := range plan.Downgrades {
			_, _ = fmt.Fprintf(c.OutOrStdout(), "past a limit: tried with %s\n", m)
		}
		return nil
	}
	return c
}

func limitsOverride() *cobra.Command {
	c := &cobra.Command{
		Use: "override CELL AMOUNT", Short: "Give a limit another amount for a time", Args: exactly(2, "a limit's cell and an amount, or end,"),
		Long: "Override holds on all processes within two seconds, and ends by itself. CELL is the second column of sentinel limits show.\n" +
			"AMOUNT is as in the policy file: dollars of a budget, else a count such as 200k; end takes an override back.",
		Example: "  sentinel limits override team/payments/cost/month 30000 --for 48h --why \"launch week\"\n  sentinel limits override team/payments/cost/month end",
	}
	config := configFlag(c)
	life := c.Flags().Duration("for", time.Hour, "how long it holds")
	why := c.Flags().String("why", "", "the reason, for those who find it")
	c.RunE = func(c *cobra.Command, args []string) error {
		b, err := openBench(c.Context(), *config)
		if err != nil {
			return err
		}
		defer b.close()
		l, err := b.limit(args[0])
		if err != nil {
			return err
		}
		if args[1] == "end" {
			row := sentinel.AuditRow{Action: "limit.override_end", Object: l.Cell, After: l.Measure.Amount(l.Max)}
			err := around(c, *config, row, func(ctx context.Context) error { return b.limiter.EndOverride(ctx, b.set.Org, l.Cell) })
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s is %s again\n", l.Name, l.Measure.Amount(l.Max))
			return err
		}
		most, err := policy.ParseMax(l.Measure, args[1])
		if err != nil {
			return refused(err)
		}
		o := ratelimit.Override{Cell: l.Cell, Max: most, Until: b.now.Add(*life), By: operator(), Why: *why}
		row := sentinel.AuditRow{Action: "limit.override", Object: l.Cell, Before: l.Measure.Amount(l.Max),
			After: fmt.Sprintf("%s until %s: %s", l.Measure.Amount(most), o.Until.Format(time.RFC3339), *why)}
		err = around(c, *config, row, func(ctx context.Context) error { return b.limiter.SetOverride(ctx, b.set.Org, o) })
		if err != nil {
			return refused(err)
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s is %s instead of %s until %s\n", l.Name, l.Measure.Amount(most), l.Measure.Amount(l.Max), o.Until.Format(time.RFC3339))
		return err
	}
	return c
}

// operator is who runs the command, as the system knows them.
func operator() string {
	u, err := user.Current()
	if err != nil {
		return "unknown"
	}
	return cmp.Or(u.Username, u.Uid)
}

func limitsReset() *cobra.Command {
	c := &cobra.Command{
		Use: "reset CELL", Short: "Forgive what a limit has counted in its current window", Args: exactly(1, "a limit's cell"),
		Long:    "Reset begins the count of one limit anew. Calls in flight stay counted, and the ledger keeps every entry.\nCELL is the second column of sentinel limits show.",
		Example: "  sentinel limits reset service/summariser/tokens/day",
	}
	config := configFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		b, err := openBench(c.Context(), *config)
		if err != nil {
			return err
		}
		defer b.close()
		l, err := b.limit(args[0])
		if err != nil {
			return err
		}
		if l.Kind == sentinel.Concurrent {
			return refused(fmt.Errorf("%s counts calls in flight: it falls by itself when they end", l.Name))
		}
		var forgiven string
		err = around(c, *config, sentinel.AuditRow{Action: "limit.reset", Object: l.Cell}, func(ctx context.Context) (err error) {
			forgiven, err = b.limiter.Reset(ctx, b.set.Org, l)
			return err
		})
		if err != nil {
			return err
		}
		if n, err := strconv.ParseInt(forgiven, 10, 64); err == nil {
			forgiven = l.Measure.Amount(n)
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %s forgiven\n", l.Name, forgiven)
		return err
	}
	return c
}
