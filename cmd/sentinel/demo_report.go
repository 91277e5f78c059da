package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// account is what one provider served and charged, by the ledger or by the stand-in itself.
type account struct {
	calls int64
	cost  sentinel.NanoUSD
}

// report prints what happened, and tells whether the ledger equals the stand-ins' own account.
func (d *demo) report(ctx context.Context) (bool, error) {
	st, err := store.Open(ctx, store.Options{DSN: d.config.Database.URL, MaxConns: 2})
	if err != nil {
		return false, err
	}
	defer st.Close()
	want := d.mock.Stats()
	got, err := d.settled(ctx, st, want)
	if err != nil {
		return false, err
	}
	for _, by := range [][]string{{"team", "service"}, {"provider", "model"}, {"service", "action", "reason"}} {
		rows, err := st.Usage(ctx, store.UsageQuery{By: by, From: d.started})
		if err != nil {
			return false, err
		}
		_, _ = fmt.Fprintln(d.out)
		if err := printUsage(d.out, by, rows); err != nil {
			return false, err
		}
	}
	exact := d.compare(got, want) && !want.CanarySeen
	if want.CanarySeen {
		_, _ = fmt.Fprintln(d.out, "A service's own token reached a provider.")
	} else {
		_, _ = fmt.Fprintln(d.out, "No service's own token reached a provider: they saw only the credentials from Vault.")
	}
	return exact, nil
}

// settled waits until the ledger has every call that the stand-ins served, at most ten seconds.
func (d *demo) settled(ctx context.Context, st *store.Store, want mockapi.Stats) (map[string]account, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		got, total, err := d.ledger(ctx, st)
		if err != nil {
			return nil, err
		}
		if total >= want.Calls {
			return got, nil
		}
		select {
		case <-ctx.Done():
			return got, nil
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// ledger sums the calls that went upstream, by provider.
func (d *demo) ledger(ctx context.Context, st *store.Store) (map[string]account, int64, error) {
	rows, err := st.Usage(ctx, store.UsageQuery{By: []string{"provider"}, From: d.started})
	if err != nil {
		return nil, 0, err
	}
	got, total := map[string]account{}, int64(0)
	for _, r := range rows {
		got[r.Keys[0]] = account{calls: r.Calls - r.Refused, cost: r.Cost}
		total += r.Calls - r.Refused
	}
	return got, total, nil
}

// compare prints both accounts side by side.
func (d *demo) compare(got map[string]account, want mockapi.Stats) bool {
	t := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, "\nprovider\tcalls in the ledger\tcalls served\tcost in the ledger\tcost by the provider\t\t")
	exact := true
	for _, name := range mockapi.StandIns() {
		g, w := got[name], want.Providers[name]
		verdict := "equal"
		if g.calls != w.Calls || int64(g.cost) != w.CostNanoUSD {
			exact, verdict = false, "DIFFERENT"
		}
		if w.Calls == 0 && g.calls == 0 {
			continue
		}
		_, _ = fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%s\t%s\t\n", name, g.calls, w.Calls, g.cost, sentinel.NanoUSD(w.CostNanoUSD), verdict)
	}
	_ = t.Flush()
	return exact
}
