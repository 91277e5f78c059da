package store

import (
	"encoding/binary"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 123_456_000, time.UTC)

// call is the n-th of a series, one a second.
func call(n int) sentinel.Call {
	at := noon.Add(time.Duration(n) * time.Second)
	c := sentinel.Call{
		At: at, Caller: sentinel.Caller{Org: "acme", Team: []string{"payments", "growth"}[n%2], Service: []string{"checkout", "summariser"}[n%2]},
		Provider: "openai", Endpoint: "chat.completions", Model: "gpt-5-mini", Tier: "batch", Stream: n%3 == 0, Demand: "1:2s;1",
	}
	binary.BigEndian.PutUint64(c.ID[:], uint64(at.UnixMilli())<<16)
	binary.BigEndian.PutUint64(c.ID[8:], uint64(n))
	return c
}

// entry has a different value in every field, which also depends on its source.
func entry(n int, attempt int16, source sentinel.Source) sentinel.Entry {
	e := sentinel.Entry{
		Call: call(n), Attempt: attempt, Asked: "gpt-5", Action: sentinel.Downgrade, Reason: sentinel.ReasonBudget, Status: 200,
		Cost: sentinel.NanoUSD(1000*n + int(source)), PriceVersion: "2026-11-01", PolicyVersion: "f00d", Source: source,
		Duration: 1234567891 * time.Nanosecond, FirstByte: 234567891 * time.Nanosecond,
		Own: sentinel.Counted{Input: int64(7000 + n), Output: int64(8000 + n)},
	}
	for u := range e.Usage {
		e.Usage[u] = int64(100*u + n + int(source))
	}
	if source != sentinel.SourceMeter {
		e.Method = "bound"
	}
	return e
}

func intent(n int, instance string) sentinel.Intent {
	i := sentinel.Intent{
		Call: call(n), Asked: "gpt-5", Action: sentinel.Allow, BoundCost: 5 * sentinel.USD, Hold: "cell=1;until=2",
		PriceVersion: "2026-11-01", PolicyVersion: "f00d", Instance: instance,
	}
	for u := range i.Bound {
		i.Bound[u] = int64(1000 + u + n)
	}
	return i
}

func ofEntry(e sentinel.Entry) sentinel.Record   { return sentinel.Record{Entry: &e} }
func ofIntent(i sentinel.Intent) sentinel.Record { return sentinel.Record{Intent: &i} }
