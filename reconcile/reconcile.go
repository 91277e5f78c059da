// Package reconcile compares the ledger with what a provider itself says was used and owed, by day and model, and makes the
// entries that true the ledger up.
package reconcile

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Endpoint and Method mark the entries that true the ledger up.
const (
	Endpoint = "reconciliation"
	Method   = "true_up"
)

// Cell is what both sides are summed by.
type Cell struct {
	Day   time.Time // midnight UTC
	Model string    // without its snapshot's date; empty where the report knows no models
}

// Sum is one side of a cell.
type Sum struct {
	Requests     int64
	InputTokens  int64 // all that went to the provider, cached ones included
	CachedTokens int64
	OutputTokens int64 // all that it produced, reasoning included
	Cost         sentinel.NanoUSD
	Provisional  bool // the provider says that it may still change
}

// Plus adds two sums.
func (s Sum) Plus(o Sum) Sum {
	return Sum{
		s.Requests + o.Requests, s.InputTokens + o.InputTokens, s.CachedTokens + o.CachedTokens, s.OutputTokens + o.OutputTokens,
		s.Cost + o.Cost, s.Provisional || o.Provisional,
	}
}

// Sums are one side of the comparison. They are not for concurrent use.
type Sums map[Cell]Sum

// add files a part of a cell.
func (s Sums) add(c Cell, part Sum) { s[c] = s[c].Plus(part) }

// Booked is the ledger's side of a cell.
type Booked struct {
	Sum
	TrueUps int64 // entries that this package made, whose money is in the sum already
}

// Drift is what stands on the two sides of a cell.
type Drift struct {
	Cell
	Booked   Booked
	Reported Sum
}

// Owed is what the provider charges beyond what is booked; negative where too much is booked.
func (d Drift) Owed() sentinel.NanoUSD { return d.Reported.Cost - d.Booked.Cost }

// Compare gives every cell that either side knows, by day and model.
func Compare(booked map[Cell]Booked, reported Sums) []Drift {
	cells := map[Cell]Drift{}
	for c, b := range booked {
		cells[c] = Drift{Cell: c, Booked: b}
	}
	for c, r := range reported {
		d := cells[c]
		d.Cell, d.Reported = c, r
		cells[c] = d
	}
	return slices.SortedFunc(maps.Values(cells), func(a, b Drift) int {
		return cmp.Or(a.Day.Compare(b.Day), cmp.Compare(a.Model, b.Model))
	})
}

// TrueUp is the entry after which the cell costs what the provider says. Its key follows from the cell and from how many
// such entries the cell has already, so that two runs at once book it once, and a report that the provider corrects later is
// trued up anew. It stands at the end of its day, carries money and no usage, and is the organisation's: no report names a team.
func (d Drift) TrueUp(org, provider string) sentinel.Entry {
	return sentinel.Entry{
		Call: sentinel.Call{
			ID: idOf("true-up\x00%s\x00%s\x00%s\x00%d", provider, d.Day.Format(time.DateOnly), d.Model, d.Booked.TrueUps), At: endOf(d.Day), Caller: sentinel.Caller{Org: org},
			Provider: provider, Endpoint: Endpoint, Model: d.Model,
		},
		Asked: d.Model, Action: sentinel.Allow, Cost: d.Owed(), PriceVersion: byReport + provider, Source: sentinel.SourceMeter, Method: Method,
	}
}

// OfBatch is the entry after which the call that began a batch has used and cost what its results say, though it stays one request. A batch has one,
// whose key follows from the call. It stands beside the call and is its payer's. Where the call is booked at its bound, it takes away.
func OfBatch(begun sentinel.Entry, model string, used sentinel.Usage, cost sentinel.NanoUSD) sentinel.Entry {
	for unit := range used {
		used[unit] -= begun.Usage[unit]
	}
	used[sentinel.Requests] = 0
	c := begun.Call
	c.ID, c.Endpoint, c.Model, c.Tier = batchOf(begun.ID), Endpoint, model, "batch"
	return sentinel.Entry{
		Call: c, Asked: model, Action: sentinel.Allow, Usage: used, Cost: cost - begun.Cost, PriceVersion: byResults + c.Provider, Source: sentinel.SourceMeter, Method: Method,
	}
}

// batchOf is the key of the entry that trues up a batch.
func batchOf(begun sentinel.CallID) sentinel.CallID { return idOf("batch\x00%s", begun) }

// idOf is a UUIDv8 (RFC 9562): made of what the maker likes.
func idOf(format string, of ...any) (id sentinel.CallID) {
	sum := sha256.Sum256(fmt.Appendf(nil, format, of...))
	copy(id[:], sum[:])
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	return id
}
