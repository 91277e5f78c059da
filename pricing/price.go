package pricing

import (
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Price is what a provider charges from a date on.
type Price struct {
	Version string // "openai/gpt-5-mini@2025-08-07": stored on every entry
	List           // the standard price list
	// Others are the price lists beside the standard one: batch, flex, priority, SKUs.
	Others        []List
	Hours         Hours  // of the day in which it holds
	MaxOutput     int64  // most tokens that one answer can have; 0 when not known
	ContextWindow int64  // most tokens that one call can take; 0 when not known
	Source        string // where the figure was published
	Read          string // the day on which it was read there, "2026-11-23"
}

// List is one price list.
type List struct {
	Tier  string    // "" for the standard one
	From  time.Time // UTC; zero for "always so far"
	Until time.Time // UTC; it no longer holds from here on; zero for "no end is known"
	Rates sentinel.Rates
	// Steps are the rates of long contexts, the shortest first. They hold for the whole call, not for the part
	// above the threshold.
	Steps []Step
	// Factor is the contract's: discounts and margins. Zero is none.
	Factor sentinel.Factor
}

// Step has the rates of calls with more input tokens than Above.
type Step struct {
	Above int64
	Rates sentinel.Rates
}

// Hours are a part of every day, in minutes after midnight UTC; the zero value is the whole day. They may pass midnight.
type Hours struct{ From, To int }

// holds tells whether a time is within the hours.
func (h Hours) holds(at time.Time) bool {
	if h == (Hours{}) {
		return true
	}
	minute := at.Hour()*60 + at.Minute()
	if h.To < h.From {
		return minute >= h.From || minute < h.To
	}
	return minute >= h.From && minute < h.To
}

// standard tells what providers call the standard price list.
func standard(tier string) bool { return tier == "" || tier == "default" || tier == "standard" }

// holds tells whether a list is in force at a time.
func (l *List) holds(at time.Time) bool {
	return !l.From.After(at) && (l.Until.IsZero() || at.Before(l.Until))
}

// For gives the price list of a tier as it stood at a time.
func (p *Price) For(tier string, at time.Time) (*List, bool) {
	if standard(tier) {
		return &p.List, true
	}
	for i := range p.Others {
		if l := &p.Others[i]; l.Tier == tier && l.holds(at) {
			return l, true
		}
	}
	return nil, false
}

// With gives the list under a contract's factor; the list itself where there is none.
func (l *List) With(f sentinel.Factor) *List {
	if f == 0 || f == sentinel.OneFactor {
		return l
	}
	out := *l
	out.Factor = f
	return &out
}

// Cost prices a usage: exactly, and rounded once to nano-dollars, half to even.
func (l *List) Cost(u sentinel.Usage) (sentinel.NanoUSD, error) {
	return sentinel.CostAt(&u, l.ratesFor(u.InputTokenSum()), l.Factor)
}

// ratesFor gives the rates for a length of context.
func (l *List) ratesFor(input int64) *sentinel.Rates {
	for i := len(l.Steps) - 1; i >= 0; i-- {
		if input > l.Steps[i].Above {
			return &l.Steps[i].Rates
		}
	}
	return &l.Rates
}

// Bound prices a bound from above. Before the answer nobody knows which class a token falls into, nor
// on which side of a threshold the context ends, so every token counts at the dearest rate of its direction.
func (l *List) Bound(u sentinel.Usage) (sentinel.NanoUSD, error) {
	rates := l.Rates
	for i := range l.Steps {
		if u.InputTokenSum() > l.Steps[i].Above {
			for unit, r := range l.Steps[i].Rates {
				rates[unit] = max(rates[unit], r)
			}
		}
	}
	for _, class := range [][]sentinel.Unit{sentinel.InputTokenUnits[:], sentinel.OutputTokenUnits[:]} {
		for _, unit := range class {
			rates[class[0]] = max(rates[class[0]], rates[unit])
		}
	}
	return sentinel.CostAt(&u, &rates, l.Factor)
}
