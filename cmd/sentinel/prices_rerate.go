package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/reconcile"
)

func pricesRerateCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "rerate --from DAY --to DAY --dry-run", Short: "Show what history costs by the prices of this release", Args: none,
		Long: "Rerate prices every entry of the ledger again, by this release's prices and the policy file of the configuration as they\n" +
			"stand for the time of each call, and shows what differs by model. The ledger keeps what was booked: nothing is written.",
		Example: "  sentinel prices rerate --from 2026-11-01 --to 2026-12-01 --dry-run",
	}
	config := configFlag(c)
	from, to := c.Flags().String("from", "", "first day or RFC 3339 time (UTC)"), c.Flags().String("to", "", "day or RFC 3339 time to end before")
	dry := c.Flags().Bool("dry-run", false, "required: only show")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if !*dry {
			return refused(errors.New("say --dry-run: the ledger keeps what was booked, and rerate only shows what would differ"))
		}
		if *from == "" || *to == "" {
			return refused(errors.New("--from and --to are required, such as --from 2026-11-01 --to 2026-12-01"))
		}
		begin, err := parseTime("from", *from)
		if err != nil {
			return err
		}
		end, err := parseTime("to", *to)
		if err != nil {
			return err
		}
		_, state, err := load(*config)
		if err != nil {
			return err
		}
		st, err := openStore(c, *config)
		if err != nil {
			return err
		}
		defer st.Close()
		r := rerated{}
		if err := st.EachEntry(c.Context(), begin, end, func(e sentinel.Entry) error { return r.add(state, e) }); err != nil {
			return err
		}
		return r.print(c.OutOrStdout())
	}
	return c
}

// group is what re-rated sums are by; the versions show which change made a difference.
type group struct{ provider, model, tier, was, now string }

// difference is the sum of one group.
type difference struct {
	calls          int64
	booked, priced sentinel.NanoUSD
}

// maxGroups bounds the table: models and versions of prices are few.
const maxGroups = 100_000

type rerated map[group]*difference

// add prices one entry again.
func (r rerated) add(state *governor.State, e sentinel.Entry) error {
	if e.Action.Refused() && e.Cost == 0 || e.Endpoint == reconcile.Endpoint {
		return nil
	}
	cost, version, err := state.Reprice(e)
	if errors.Is(err, governor.ErrNoPrice) {
		cost, version = e.Cost, "no price now"
	} else if err != nil {
		return fmt.Errorf("call %s: %w", e.ID, err)
	}
	k := group{e.Provider, cmp.Or(e.Model, e.Endpoint), e.Tier, e.PriceVersion, version}
	if r[k] == nil {
		if len(r) >= maxGroups {
			return errors.New("too many groups: choose a shorter period")
		}
		r[k] = &difference{}
	}
	r[k].calls++
	r[k].booked += e.Cost
	r[k].priced += cost
	return nil
}

// print shows what differs, the largest first, and the totals.
func (r rerated) print(w io.Writer) error {
	keys := slices.SortedFunc(maps.Keys(r), func(a, b group) int {
		return cmp.Or(cmp.Compare(magnitude(r[b]), magnitude(r[a])), cmp.Compare(a.provider, b.provider), cmp.Compare(a.model, b.model),
			cmp.Compare(a.tier, b.tier), cmp.Compare(a.was, b.was), cmp.Compare(a.now, b.now))
	})
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "provider\tmodel\tlist\tcalls\tbooked\tre-rated\tdifference\tprice booked\tprice now")
	var sum difference
	for _, k := range keys {
		d := r[k]
		sum.calls, sum.booked, sum.priced = sum.calls+d.calls, sum.booked+d.booked, sum.priced+d.priced
		if d.booked != d.priced || k.now == "no price now" {
			_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\n", k.provider, k.model, orDash(k.tier), d.calls, d.booked, d.priced, d.priced-d.booked, k.was, k.now)
		}
	}
	_, _ = fmt.Fprintf(t, "total\t\t\t%d\t%s\t%s\t%s\t\t\n", sum.calls, sum.booked, sum.priced, sum.priced-sum.booked)
	return t.Flush()
}

func magnitude(d *difference) sentinel.NanoUSD {
	if n := d.priced - d.booked; n < 0 {
		return -n
	}
	return d.priced - d.booked
}
