package app

import (
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func TestUnpricedCallsLowerTheShare(t *testing.T) {
	var p pricedShare
	if got := share(p.pricedCalls.Load(), p.calls.Load()); got != 1 {
		t.Errorf("of no call, %g are priced", got)
	}
	for _, e := range []sentinel.Entry{
		{PriceVersion: "openai/gpt-5@2026-11-23", Cost: 300}, {PriceVersion: sentinel.VersionFlat, Cost: 100},
		{PriceVersion: sentinel.VersionUnpriced}, {PriceVersion: "weather/forecast@policy-1", Cost: 0}, {Action: sentinel.Deny},
	} {
		p.add(e)
	}
	if calls, spend := share(p.pricedCalls.Load(), p.calls.Load()), share(p.pricedSpend.Load(), p.spend.Load()); calls != 0.5 || spend != 0.75 {
		t.Errorf("%g of the calls and %g of the spend are priced, want 0.5 and 0.75", calls, spend)
	}
}
