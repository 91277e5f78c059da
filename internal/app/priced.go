package app

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// pricedShare counts how much of what was settled has a price of the catalog or the policy's own list, since the
// process began. Calls at the flat price of unpriced calls count as unpriced, and so do free ones by alert.
type pricedShare struct{ calls, pricedCalls, spend, pricedSpend atomic.Int64 }

func (p *pricedShare) add(e sentinel.Entry) {
	if e.PriceVersion == "" || e.Action.Refused() {
		return
	}
	p.calls.Add(1)
	p.spend.Add(int64(e.Cost))
	if !e.Unpriced() {
		p.pricedCalls.Add(1)
		p.pricedSpend.Add(int64(e.Cost))
	}
}

// share is a part of a whole; of nothing, everything is priced.
func share(part, whole int64) float64 {
	if whole == 0 {
		return 1
	}
	return float64(part) / float64(whole)
}

// collectors are the gauges.
func (p *pricedShare) collectors() []prometheus.Collector {
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sentinel_priced_calls_ratio", Help: "Share of settled calls that have a price, from 0 to 1, since the process began.",
		}, func() float64 { return share(p.pricedCalls.Load(), p.calls.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sentinel_priced_spend_ratio", Help: "Share of spend that has a price, from 0 to 1, since the process began.",
		}, func() float64 { return share(p.pricedSpend.Load(), p.spend.Load()) }),
	}
}
