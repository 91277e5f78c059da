package app

import (
	"cmp"
	"context"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/admin"
	"github.com/saas-sentinel/saas-sentinel/pricing"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// sumLag is how far the sums of the ledger may be behind it; what is younger is summed from the entries.
const sumLag = 2 * time.Minute

// Usage sums the ledger: the past from its sums by hour and minute, the last minutes from the entries themselves.
func (b *adminBackend) Usage(ctx context.Context, q admin.UsageQuery) ([]admin.UsageRow, error) {
	whole := store.UsageQuery{From: q.From, To: q.To, By: q.By, Filter: q.Filter, Among: q.Among, Zone: q.Zone, Limit: maxGroups}
	pieces := []store.UsageQuery{whole}
	if whole.CanRoll() {
		pieces = split(whole, time.Now().UTC().Add(-sumLag))
	}
	parts := make([][]store.UsageRow, len(pieces))
	group, asking := errgroup.WithContext(ctx)
	group.SetLimit(maxPieces)
	for i, p := range pieces {
		group.Go(func() (err error) {
			parts[i], err = b.past.usage(asking, p, b.Store.Usage)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	sums := map[string]*admin.UsageRow{}
	for _, rows := range parts {
		for _, r := range rows {
			key := strings.Join(r.Keys, "\x00")
			if had := sums[key]; had != nil {
				had.Add(admin.UsageRow(r))
				continue
			}
			one := admin.UsageRow(r)
			sums[key] = &one
		}
	}
	out := make([]admin.UsageRow, 0, len(sums))
	for _, r := range sums {
		out = append(out, *r)
	}
	timed := whole.Timed()
	slices.SortFunc(out, func(x, y admin.UsageRow) int {
		if c := cmp.Compare(y.Cost, x.Cost); !timed && c != 0 {
			return c
		}
		return slices.Compare(x.Keys, y.Keys)
	})
	return out[:min(len(out), max(q.Limit, 1))], nil
}

const (
	maxGroups = 10_000
	maxPieces = 2 // of a question that are asked at once
)

// split cuts a question where coarser sums begin and end to serve, at whole days, hours and minutes: a month is days but for its ends, what is
// younger than summed is asked of the entries, and what is over for long is apart, to be kept.
func split(q store.UsageQuery, summed time.Time) (pieces []store.UsageQuery) {
	old, settled := lastOld(summed), lastSettled(summed)
	summed = earliest(summed.Truncate(time.Minute), q.To)
	cuts := []time.Time{earliest(old, summed), earliest(settled, summed)}
	for _, d := range []time.Duration{time.Hour, 24 * time.Hour} {
		if begin := q.From.Add(d - 1).Truncate(d); d <= q.Grain() && !begin.After(summed) {
			cuts = append(cuts, begin, summed.Truncate(d))
		}
	}
	slices.SortFunc(cuts, time.Time.Compare)
	from := q.From
	for _, to := range append(cuts, summed, q.To) {
		if !from.Before(to) {
			continue
		}
		p := q
		p.From, p.To, p.Rolled = from, to, !to.After(summed)
		pieces, from = append(pieces, p), to
	}
	return pieces
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Entries lists rows of the ledger.
func (b *adminBackend) Entries(ctx context.Context, q admin.EntryQuery) ([]sentinel.Entry, error) {
	return b.Store.Entries(ctx, store.EntryQuery{From: q.From, To: q.To, CallID: q.CallID, Filter: q.Filter, Shadowed: q.Shadowed, Before: store.EntryKey(q.Before), Limit: q.Limit})
}

// Latency asks how long calls took.
func (b *adminBackend) Latency(ctx context.Context, q admin.LatencyQuery) ([]admin.LatencyRow, error) {
	rows, err := b.Store.Latency(ctx, store.LatencyQuery(q))
	out := make([]admin.LatencyRow, len(rows))
	for i, r := range rows {
		out[i] = admin.LatencyRow(r)
	}
	return out, err
}

// LatencyTrend asks how long calls took over time.
func (b *adminBackend) LatencyTrend(ctx context.Context, from, to time.Time, span time.Duration) ([]admin.LatencySpan, error) {
	rows, err := b.Store.LatencyTrend(ctx, from, to, span)
	out := make([]admin.LatencySpan, len(rows))
	for i, r := range rows {
		out[i] = admin.LatencySpan(r)
	}
	return out, err
}

// EachCharge gives the ledger's charges to use.
func (b *adminBackend) EachCharge(ctx context.Context, from, to time.Time, period string, use func(sentinel.Charge) error) error {
	return b.Charges(ctx, store.ChargeQuery{From: from, To: to, Period: period}, use)
}

// PriceList has the prices by which calls are priced now.
func (b *adminBackend) PriceList() *pricing.Catalog { return b.app.governor.State().Prices }

// Dimensions are what the ledger can be grouped by.
func (b *adminBackend) Dimensions() []string {
	return append(store.Dimensions(), b.set().KeptTags()...)
}

// Reprice prices an entry by the rules in force.
func (b *adminBackend) Reprice(e sentinel.Entry) (sentinel.NanoUSD, bool) {
	cost, err := b.app.governor.State().At(e, e.Model)
	return cost, err == nil
}

// Wrote counts what this process has put on the ledger.
func (b *adminBackend) Wrote() int64 { return b.app.metrics.wrote.Load() }

// Version is the release.
func (*adminBackend) Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	return info.Main.Version
}

// Gateway is the URL for clients.
func (b *adminBackend) Gateway() string {
	if b.app.config.Envoy.TLS != nil {
		return "https://" + b.app.config.Envoy.Listen
	}
	return "http://" + b.app.config.Envoy.Listen
}

// Services lists the callers of the policy.
func (b *adminBackend) Services() []admin.Service {
	out := []admin.Service{}
	for _, c := range b.set().Callers() {
		out = append(out, admin.Service{Name: c.Service, Team: c.Team})
	}
	return out
}

// Providers lists the APIs of the policy.
func (b *adminBackend) Providers() []admin.Provider {
	state, now := b.app.governor.State(), time.Now().UTC()
	out := []admin.Provider{}
	for _, p := range state.Policy.Providers {
		one := admin.Provider{Name: p.Name, Preset: p.Preset, Host: p.Host, Endpoints: []string{}, Credential: p.Credential.Path, Fresh: b.fresh(p)}
		if p.Credential.Field != "" {
			one.Credential += "#" + p.Credential.Field
		}
		for _, r := range state.Ordered {
			if r.Provider.Name != p.Name {
				continue
			}
			one.Host = cmp.Or(one.Host, r.Provider.Host)
			one.Endpoints = append(one.Endpoints, r.Endpoint.Name)
			n, oldest := state.Priced(r, now)
			one.Models = max(one.Models, n)
			if !oldest.IsZero() && (one.PricesRead.IsZero() || oldest.Before(one.PricesRead)) {
				one.PricesRead = oldest
			}
		}
		out = append(out, one)
	}
	return out
}
