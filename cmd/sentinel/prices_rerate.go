package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/reconcile"
	"github.com/saas-sentinel/saas-sentinel/store"
)

func pricesRerateCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "rerate --from DAY [--to DAY] [--dry-run]", Short: "Price history by the prices of this release, and book what differs", Args: none,
		Long: "Rerate prices every entry of the ledger again, by this release's prices and the policy file of the configuration as they\n" +
			"stand for the time of each call, shows what differs by model, and books it: as true-up entries of those who pay for the calls, at the\n" +
			"end of their day, which the audit chain records. What was booked stays as it is; said again, it books nothing more. Left alone are calls\n" +
			"whose price is no longer known, days that a provider's report trued up, and batches that their results did.\n\n" +
			"Days are UTC; --to is the day to end before. Only whole days that are over are booked; --dry-run takes times, too, and only shows.",
		Example: "  sentinel prices rerate --from 2026-11-01 --to 2026-12-01 --dry-run\n  sentinel prices rerate --from 2026-11-01 --to 2026-12-01",
	}
	f := rerateFlags{
		config: configFlag(c), from: c.Flags().String("from", "", "first day, or RFC 3339 time (UTC)"),
		to:  c.Flags().String("to", "", "day or RFC 3339 time to end before; default: today"),
		dry: c.Flags().Bool("dry-run", false, "only show what differs"),
	}
	c.RunE = func(c *cobra.Command, _ []string) error { return f.run(c) }
	return c
}

// rerateFlags are what an operator says.
type rerateFlags struct {
	config, from, to *string
	dry              *bool
}

func (f rerateFlags) run(c *cobra.Command) error {
	begin, end, err := f.period(time.Now().UTC())
	if err != nil {
		return err
	}
	_, state, err := load(*f.config)
	if err != nil {
		return err
	}
	log, st, done, err := openAudit(c, *f.config)
	if err != nil {
		return err
	}
	defer done()
	r := rerated{state: state, groups: map[group]*difference{}, owed: reconcile.NewRerating()}
	if err := r.trueUps(c.Context(), st, begin, end); err != nil {
		return err
	}
	if err := st.EachEntry(c.Context(), begin, end, r.add); err != nil {
		return err
	}
	if err := r.print(c.OutOrStdout()); err != nil || *f.dry {
		return err
	}
	due, sum, open := r.owed.Entries(time.Now().UTC())
	if open > 0 {
		_, _ = fmt.Fprintf(c.OutOrStdout(), "%d lines are of a day that is not over: they are not booked\n", open)
	}
	row := sentinel.AuditRow{Action: "ledger.rerate", Object: begin.Format(time.DateOnly) + " to " + end.Format(time.DateOnly)}
	return bookTrueUps(c, st, log, row, due, sum)
}

// period reads from when to when. What is booked stands at the end of its day, so the days must be whole.
func (f rerateFlags) period(now time.Time) (begin, end time.Time, err error) {
	if *f.from == "" {
		return begin, end, refused(errors.New("--from is required, such as --from 2026-11-01"))
	}
	if begin, err = parseTime("from", *f.from); err != nil {
		return begin, end, err
	}
	if end, err = timeOr("to", *f.to, now.Truncate(24*time.Hour)); err != nil {
		return begin, end, err
	}
	begin, end = begin.UTC(), end.UTC()
	switch whole := func(t time.Time) bool { return t.Equal(t.Truncate(24 * time.Hour)) }; {
	case !begin.Before(end):
		return begin, end, refused(fmt.Errorf("--to: %s is not after --from: name a later day", end.Format(time.RFC3339)))
	case !*f.dry && (!whole(begin) || !whole(end)):
		return begin, end, refused(errors.New("--from, --to: whole days (UTC) are booked, such as --from 2026-11-01 --to 2026-12-01: name days, or say --dry-run"))
	}
	return begin, end, nil
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

// rerated is a period that is priced again.
type rerated struct {
	state   *governor.State
	groups  map[group]*difference
	owed    *reconcile.Rerating
	settled int64 // calls whose cost is somebody else's word already
	before  int64 // entries that earlier re-ratings booked
	booked  sentinel.NanoUSD
}

// trueUps takes in the true-up entries of the period.
func (r *rerated) trueUps(ctx context.Context, st *store.Store, from, to time.Time) error {
	q := store.EntryQuery{From: from, To: to, Filter: map[string]string{"endpoint": reconcile.Endpoint}, Limit: mostRows}
	for {
		rows, err := st.Entries(ctx, q)
		if err != nil {
			return err
		}
		for i := range rows {
			if err := r.owed.TrueUp(rows[i]); err != nil {
				return refused(err)
			}
			if reconcile.Rerated(rows[i]) {
				r.before, r.booked = r.before+1, r.booked+rows[i].Cost
			}
		}
		if len(rows) < mostRows {
			return nil
		}
		last := rows[len(rows)-1]
		q.Before = store.EntryKey{At: last.At, CallID: last.ID, Attempt: last.Attempt}
	}
}

// add prices one entry again.
func (r *rerated) add(e sentinel.Entry) error {
	if e.Action.Refused() && e.Cost == 0 || e.Endpoint == reconcile.Endpoint {
		return nil
	}
	if r.owed.Settled(e) {
		r.settled++
		return nil
	}
	cost, version, err := r.state.Rerate(e)
	if errors.Is(err, governor.ErrNoPrice) {
		cost, version = e.Cost, "no price now"
	} else if err != nil {
		return fmt.Errorf("call %s: %w", e.ID, err)
	}
	k := group{e.Provider, cmp.Or(e.Model, e.Endpoint), e.Tier, e.PriceVersion, version}
	d := r.groups[k]
	if d == nil {
		if len(r.groups) >= maxGroups {
			return errors.New("too many groups: choose a shorter period")
		}
		d = &difference{}
		r.groups[k] = d
	}
	d.calls++
	d.booked += e.Cost
	d.priced += cost
	return r.owed.Owe(e, cost-e.Cost)
}

// print shows what differs, the largest first, and the totals.
func (r *rerated) print(w io.Writer) error {
	keys := slices.SortedFunc(maps.Keys(r.groups), func(a, b group) int {
		return cmp.Or(cmp.Compare(magnitude(r.groups[b]), magnitude(r.groups[a])), cmp.Compare(a.provider, b.provider), cmp.Compare(a.model, b.model),
			cmp.Compare(a.tier, b.tier), cmp.Compare(a.was, b.was), cmp.Compare(a.now, b.now))
	})
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "provider\tmodel\tlist\tcalls\tbooked\tre-rated\tdifference\tprice booked\tprice now")
	var sum difference
	for _, k := range keys {
		d := r.groups[k]
		sum.calls, sum.booked, sum.priced = sum.calls+d.calls, sum.booked+d.booked, sum.priced+d.priced
		if d.booked != d.priced || k.now == "no price now" {
			_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\n", k.provider, k.model, orDash(k.tier), d.calls, d.booked, d.priced, d.priced-d.booked, k.was, k.now)
		}
	}
	_, _ = fmt.Fprintf(t, "total\t\t\t%d\t%s\t%s\t%s\t\t\n", sum.calls, sum.booked, sum.priced, sum.priced-sum.booked)
	if err := t.Flush(); err != nil {
		return err
	}
	if r.settled > 0 {
		_, _ = fmt.Fprintf(w, "%d calls more are left as they are: a provider's report trued up their day, or a batch's results the call\n", r.settled)
	}
	if r.before > 0 {
		_, _ = fmt.Fprintf(w, "%s of the difference is booked already, by %d true-up entries\n", r.booked, r.before)
	}
	return nil
}

func magnitude(d *difference) sentinel.NanoUSD {
	if n := d.priced - d.booked; n < 0 {
		return -n
	}
	return d.priced - d.booked
}
