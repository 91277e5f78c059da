package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// limits compiles limits and a budget of one scope. The cell names the counter: it does not have the
// amount in it, so that a changed amount goes on with what was counted.
func (c *compiler) limits(key, cell, name string, l limitsYAML, budgets []budgetYAML) []limit {
	var out []limit
	for _, counted := range []struct {
		measure sentinel.Measure
		list    []perTime
	}{
		{sentinel.MeasureRequests, l.Requests},
		{sentinel.MeasureTokens, l.Tokens},
		{sentinel.MeasureInputTokens, l.InputTokens},
		{sentinel.MeasureOutputTokens, l.OutputTokens},
	} {
		seen := map[span]bool{}
		for _, p := range counted.list {
			switch {
			case p.span == 0: // already a fault
				continue
			case seen[p.span]:
				c.Fault(key+".limits."+counted.measure.String(), "two limits per %s: keep one", p.span)
				continue
			}
			seen[p.span] = true
			out = append(out, c.countLimit(cell, name, counted.measure, p))
		}
	}
	if l.Concurrent != nil && *l.Concurrent > 0 {
		out = append(out, limit{Limit: sentinel.Limit{
			Name: name + ": concurrent", Cell: cell + "/concurrent", Kind: sentinel.Concurrent,
			Measure: sentinel.MeasureConcurrent, Max: int64(*l.Concurrent),
		}})
	}
	if l.Reserve != nil {
		at := strings.TrimPrefix(key+".limits.reserve", ".")
		if len(out) == 0 {
			c.Fault(at, "no limit stands beside it: a budget has a reserve of its own")
		}
		c.reserved(at, out, *l.Reserve)
	}
	out = append(out, c.budgets(key, cell, name, budgets)...)
	if len(out) > maxLimits {
		c.Fault(strings.TrimPrefix(key+".limits", "."), "%d limits: a call can be checked against at most %d", len(out), maxLimits)
	}
	return out
}

// reserved keeps a share of limits for services of class high.
func (c *compiler) reserved(key string, of []limit, kept share) {
	if kept >= sentinel.FullShare {
		c.Fault(key, "a reserve is a part, such as 20%%: what is kept whole refuses every other call")
	}
	for i := range of {
		of[i].Spare = int64(kept)
	}
}

func (c *compiler) countLimit(cell, name string, m sentinel.Measure, p perTime) limit {
	out := limit{cut: c.cut(p.span, nil), Limit: sentinel.Limit{
		Name: fmt.Sprintf("%s: %s/%s", name, m, p.span), Cell: fmt.Sprintf("%s/%s/%s", cell, m, p.span),
		Kind: sentinel.Window, Measure: m, Max: int64(p.n),
	}}
	if period, ok := rateSpans[p.span]; ok {
		out.Kind, out.Period = sentinel.Rate, period
	}
	out.slot = c.slot(out.cut)
	return out
}

// slot numbers the kinds of windows of a set.
func (c *compiler) slot(of cut) int {
	at, known := c.slots[of]
	if !known {
		at = len(c.slots)
		c.slots[of] = at
	}
	return at
}

// cut gives a span its place in the calendar.
func (c *compiler) cut(s span, anchor *monthDay) cut {
	out := cut{span: s, day: 1, fiscal: time.January}
	if s != month && s != quarter && s != year {
		return out
	}
	if anchor == nil {
		anchor = c.in.Calendar.AnchorDay
	}
	if anchor != nil {
		out.day = int(*anchor)
	}
	if i := slices.Index(monthNames, c.in.Calendar.FiscalYear); i >= 0 {
		out.fiscal = time.Month(i + 1)
	}
	return out
}

var monthNames = []string{"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"}

// budgets compiles the budgets of one scope: at most one a span.
func (c *compiler) budgets(key, cell, name string, list []budgetYAML) []limit {
	var out []limit
	seen := map[span]bool{}
	for i, b := range list {
		at := strings.TrimPrefix(key+".budget", ".")
		if numbered := fmt.Sprintf("%s[%d]", at, i); c.Has(numbered) {
			at = numbered
		}
		if len(b.WarnAt) > maxLimits {
			c.Fault(at+".warn_at", "%d shares: at most %d are allowed", len(b.WarnAt), maxLimits)
		}
		switch {
		case b.USD.span == 0: // already a fault
			continue
		case seen[b.USD.span]:
			c.Fault(at+".usd", "two budgets per %s: keep one", b.USD.span)
			continue
		case b.AnchorDay != nil && b.USD.span != month && b.USD.span != quarter && b.USD.span != year:
			c.Fault(at+".anchor_day", "only months, quarters and years have an anchor day, not a budget per %s: remove the key", b.USD.span)
		}
		seen[b.USD.span] = true
		soft := b.Mode == "soft"
		cut := c.cut(b.USD.span, b.AnchorDay)
		out = append(out, limit{cut: cut, slot: c.slot(cut), Limit: sentinel.Limit{
			Name: fmt.Sprintf("%s: budget/%s", name, b.USD.span), Cell: fmt.Sprintf("%s/cost/%s", cell, b.USD.span),
			Kind: sentinel.Window, Measure: sentinel.MeasureCost, Max: int64(b.USD.amount), Soft: soft, Charge: !soft, WarnAt: shares(b.WarnAt),
		}})
		if b.Reserve != nil {
			c.reserved(at+".reserve", out[len(out)-1:], *b.Reserve)
		}
		if b.Rollover != nil {
			c.rollover(at+".rollover", &out[len(out)-1], *b.Rollover)
		}
	}
	return out
}

// rollover lets a budget take over what the window before it left.
func (c *compiler) rollover(key string, l *limit, most share) {
	switch {
	case l.cut.span == fixed:
		c.Fault(key, "a sum without end has no window before it: remove the key")
	case most > sentinel.FullShare:
		c.Fault(key, "at most the whole budget can carry over: write 100%% or less")
	}
	l.Rollover = int64(most)
}

// shares sorts what to warn of, and names each once.
func shares(list []share) []int64 {
	var out []int64
	for _, s := range list {
		out = append(out, int64(s))
	}
	slices.Sort(out)
	return slices.Compact(out)
}
