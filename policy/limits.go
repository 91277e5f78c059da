package policy

import (
	"fmt"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// limits compiles limits and a budget of one scope. The cell names the counter: it does not have the
// amount in it, so that a changed amount goes on with what was counted.
func (c *compiler) limits(key, cell, name string, l limitsYAML, b *budgetYAML) []limit {
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
			out = append(out, countLimit(cell, name, counted.measure, p))
		}
	}
	if l.Concurrent != nil && *l.Concurrent > 0 {
		out = append(out, limit{Limit: sentinel.Limit{
			Name: name + ": concurrent", Cell: cell + "/concurrent", Kind: sentinel.Concurrent,
			Measure: sentinel.MeasureConcurrent, Max: int64(*l.Concurrent),
		}})
	}
	if b != nil {
		out = append(out, c.budget(key, cell, name, *b)...)
	}
	if len(out) > maxLimits {
		c.Fault(strings.TrimPrefix(key+".limits", "."), "%d limits: a call can be checked against at most %d", len(out), maxLimits)
	}
	return out
}

func countLimit(cell, name string, m sentinel.Measure, p perTime) limit {
	out := limit{span: p.span, Limit: sentinel.Limit{
		Name: fmt.Sprintf("%s: %s/%s", name, m, p.span), Cell: fmt.Sprintf("%s/%s/%s", cell, m, p.span),
		Kind: sentinel.Window, Measure: m, Max: int64(p.n),
	}}
	if period, ok := rateSpans[p.span]; ok {
		out.Kind, out.Period = sentinel.Rate, period
	}
	return out
}

func (c *compiler) budget(key, cell, name string, b budgetYAML) []limit {
	if len(b.WarnAt) > maxLimits {
		c.Fault(strings.TrimPrefix(key+".budget.warn_at", "."), "%d shares: at most %d are allowed", len(b.WarnAt), maxLimits)
	}
	if b.USD.span == 0 {
		return nil // already a fault
	}
	soft := b.Mode == "soft"
	return []limit{{span: b.USD.span, Limit: sentinel.Limit{
		Name: fmt.Sprintf("%s: budget/%s", name, b.USD.span), Cell: fmt.Sprintf("%s/cost/%s", cell, b.USD.span),
		Kind: sentinel.Window, Measure: sentinel.MeasureCost, Max: int64(b.USD.amount), Soft: soft, Charge: !soft,
	}}}
}
