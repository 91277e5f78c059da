package main

import (
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/app"
	"github.com/saas-sentinel/saas-sentinel/pricing"
)

func pricesCommand() *cobra.Command {
	c := &cobra.Command{Use: "prices", Short: "Show and check what APIs charge, and re-rate history"}
	c.AddCommand(pricesShowCommand(), pricesCheckCommand(), pricesDiffCommand(), pricesRerateCommand())
	return c
}

func pricesShowCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "show [PROVIDER [NAME]]", Short: "Show prices with their source",
		Long: "Show lists the prices of a provider's models and endpoints whose name contains NAME: every price list, with steps by\n" +
			"length of context. Rates are dollars a million tokens or characters, a thousand searches and pages, an hour, or one of anything else.\n" +
			"Without arguments it lists the providers.",
		Example: "  sentinel prices show openai gpt-5\n  sentinel prices show twilio --at 2026-11-01",
		Args:    cobra.MaximumNArgs(2),
	}
	at := c.Flags().String("at", "", "the day or time for which prices are shown; default: now")
	c.RunE = func(c *cobra.Command, args []string) error {
		catalog, err := pricing.Embedded()
		if err != nil {
			return err
		}
		when, err := timeOr("at", *at, time.Now().UTC())
		if err != nil {
			return err
		}
		if len(args) == 0 {
			return printProviders(c.OutOrStdout(), catalog, when)
		}
		found := catalog.Listing(args[0], strings.Join(args[1:], ""), when)
		if len(found) == 0 {
			return refused(fmt.Errorf("no price of %s: sentinel prices show lists the providers", strings.Join(args, " ")))
		}
		return printPrices(c.OutOrStdout(), found, when)
	}
	return c
}

func timeOr(flag, text string, otherwise time.Time) (time.Time, error) {
	t, err := parseTime(flag, text)
	if t.IsZero() && err == nil {
		return otherwise, nil
	}
	return t, err
}

func printProviders(w io.Writer, catalog *pricing.Catalog, at time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "provider\tprices\tread\tsource")
	for _, p := range catalog.Providers() {
		if list := catalog.Listing(p, "", at); len(list) > 0 {
			_, _ = fmt.Fprintf(t, "%s\t%d\t%s\t%s\n", p, len(list), list[0].Price.Read, list[0].Price.Source)
		}
	}
	return t.Flush()
}

func printPrices(w io.Writer, found []pricing.Listed, at time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "name\tlist\tinput above\trates\tversion")
	for _, f := range found {
		for _, l := range f.Price.Lists(at) {
			_, _ = fmt.Fprintf(t, "%s\t%s\t\t%s\t%s\n", nameOf(f.Key), orDash(l.Tier), ratesText(l.Rates), f.Price.Version)
			for _, s := range l.Steps {
				_, _ = fmt.Fprintf(t, "%s\t%s\t%d\t%s\t\n", nameOf(f.Key), orDash(l.Tier), s.Above, ratesText(s.Rates))
			}
		}
	}
	return t.Flush()
}

func nameOf(k pricing.Key) string {
	name := k.Model + k.Endpoint // one of them is empty
	if k.Region != "" {
		name += " (" + k.Region + ")"
	}
	return name
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// ratesText shows rates as they are published. Classes that cost what their direction's first costs are left out.
func ratesText(r sentinel.Rates) string {
	var parts []string
	for u, rate := range r {
		unit := sentinel.Unit(u)
		like := sentinel.InputTokens
		if slices.Contains(sentinel.OutputTokenUnits[:], unit) {
			like = sentinel.OutputTokens
		}
		isClass := unit != like && (like == sentinel.OutputTokens || slices.Contains(sentinel.InputTokenUnits[:], unit))
		asCached := (unit == sentinel.CachedAudioTokens || unit == sentinel.CachedImageTokens) && rate == r[sentinel.CachedInputTokens]
		if rate == 0 || isClass && rate == r[like] || asCached {
			continue
		}
		parts = append(parts, unit.String()+" "+published(unit, rate))
	}
	if len(parts) == 0 {
		return "free"
	}
	return strings.Join(parts, ", ")
}

// published gives dollars for as many units as providers count in, exactly.
func published(u sentinel.Unit, rate sentinel.PicoUSD) string {
	per, suffix := int64(1), ""
	switch {
	case strings.HasSuffix(u.String(), "_tokens") || u == sentinel.Characters:
		per, suffix = 1_000_000, "/M"
	case u == sentinel.WebSearches || u == sentinel.FileSearches || u == sentinel.Pages:
		per, suffix = 1000, "/k"
	case u == sentinel.Requests && rate < 1_000_000_000: // below a tenth of a cent
		per, suffix = 1_000_000, "/M"
	case u == sentinel.Seconds:
		suffix = "/hour"
	}
	dollars := new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(int64(rate)), big.NewInt(per)), big.NewInt(1_000_000_000_000))
	return strings.TrimSuffix(strings.TrimRight(dollars.FloatString(12), "0"), ".") + suffix
}

func pricesCheckCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "check POLICIES", Short: "Check that what a policy routes has a price", Args: exactly(1, "a policy file"),
		Long: "Check reads a policy file and lists, for each provider, how many models have a price, which endpoints have none,\n" +
			"and prices that were read longer ago than --max-age. It fails when an endpoint that needs a price has none.",
		Example: "  sentinel prices check policies.yaml --max-age 2160h",
	}
	maxAge := c.Flags().Duration("max-age", 180*24*time.Hour, "how old a price's reading may be")
	c.RunE = func(c *cobra.Command, args []string) error {
		state, err := app.LoadState(args[0])
		if err != nil {
			return refused(err)
		}
		now := time.Now().UTC()
		t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(t, "route\tprices\tremark")
		missing := 0
		for _, r := range state.Ordered {
			n, oldest := state.Priced(r, now)
			remark := ""
			switch {
			case n == 0 && r.Endpoint.Apart:
				remark = "billed apart from its call: the policy's unpriced applies"
			case n == 0:
				remark, missing = "no price"+inRegion(r.Provider.Region)+": the policy's unpriced applies", missing+1
			case !oldest.IsZero() && now.Sub(oldest) > *maxAge:
				remark = "read on " + oldest.Format(time.DateOnly)
			}
			_, _ = fmt.Fprintf(t, "%s\t%d\t%s\n", r.Name, n, remark)
		}
		if err := t.Flush(); err != nil {
			return err
		}
		if missing > 0 {
			return fmt.Errorf("%d routes have no price", missing)
		}
		return nil
	}
	return c
}

func inRegion(name string) string {
	if name == "" {
		return ""
	}
	return " in " + name
}

func pricesDiffCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "diff --from DAY [--to DAY] [PROVIDER]", Short: "Show what prices changed between two days", Args: cobra.MaximumNArgs(1),
		Example: "  sentinel prices diff --from 2025-06-01 --to 2025-07-01 openai",
	}
	from, to := c.Flags().String("from", "", "the earlier day"), c.Flags().String("to", "", "the later day; default: now")
	c.RunE = func(c *cobra.Command, args []string) error {
		if *from == "" {
			return refused(errors.New("--from is required, such as --from 2026-06-01"))
		}
		earlier, err := parseTime("from", *from)
		if err != nil {
			return err
		}
		later, err := timeOr("to", *to, time.Now().UTC())
		if err != nil {
			return err
		}
		if !earlier.Before(later) {
			return refused(errors.New("--to must be after --from"))
		}
		catalog, err := pricing.Embedded()
		if err != nil {
			return err
		}
		provider := strings.Join(args, "")
		if provider != "" && !slices.Contains(catalog.Providers(), provider) {
			return refused(fmt.Errorf("no price of %s: sentinel prices show lists the providers", provider))
		}
		return printChanges(c.OutOrStdout(), catalog, provider, earlier, later)
	}
	return c
}

// printChanges lists the price lists that differ between two times.
func printChanges(w io.Writer, catalog *pricing.Catalog, provider string, from, to time.Time) error {
	type name struct {
		key  pricing.Key
		tier string
	}
	before := map[name]sentinel.Rates{}
	for _, f := range catalog.Listing(provider, "", from) {
		for _, l := range f.Price.Lists(from) {
			before[name{f.Key, l.Tier}] = l.Rates
		}
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "provider\tname\tlist\tbefore\tafter")
	changes := 0
	for _, f := range catalog.Listing(provider, "", to) {
		for _, l := range f.Price.Lists(to) {
			old, was := before[name{f.Key, l.Tier}]
			if was && old == l.Rates {
				continue
			}
			text := "no price"
			if was {
				text = ratesText(old)
			}
			changes++
			_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", f.Provider, nameOf(f.Key), orDash(l.Tier), text, ratesText(l.Rates))
		}
	}
	if changes == 0 {
		_, err := fmt.Fprintf(w, "no price changed between %s and %s\n", from.Format(time.DateOnly), to.Format(time.DateOnly))
		return err
	}
	return t.Flush()
}
