package governor

import (
	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// Bounds of a cut: what scripts count exactly, and the tokens by whose price one token's is found.
const (
	mostCut     = 1_000_000_000_000_000
	pricedByCut = 1_000_000
)

// cutOf says how the bound of the asked model falls with a shorter answer, where the policy wants that and the request can be changed.
func (r *Request) cutOf(rq *provider.Request, b *bound, least int64) sentinel.Cut {
	choices := max(rq.Choices, 1)
	longest := b.usage[sentinel.OutputTokens] / choices
	if least == 0 || longest < least || !r.Route.Preset.Cuts(r.Route.Endpoint, *rq) || r.Raw.Body != nil && !r.cuttable(rq) {
		return sentinel.Cut{}
	}
	with := func(tokens int64) (sentinel.Amounts, bool) {
		short := *rq
		short.Bound[sentinel.OutputTokens] = tokens * choices
		b, ok := boundOf(r, &short, rq.Model)
		return sentinel.AmountsOf(b.usage, b.cost), ok
	}
	base, ok1 := with(0)
	many, ok2 := with(pricedByCut)
	c := sentinel.Cut{Least: least, Most: longest, Base: base}
	for m := range c.Step {
		c.Step[m] = (many[m] - base[m] + pricedByCut - 1) / pricedByCut
		if c.Step[m]*longest >= mostCut || c.Step[m] < 0 {
			return sentinel.Cut{}
		}
	}
	c.Base[sentinel.MeasureCost] += 2 // what both prices may have been rounded down by
	if !ok1 || !ok2 {
		return sentinel.Cut{}
	}
	return c
}

// cuttable tries the change with the request itself.
func (r *Request) cuttable(rq *provider.Request) bool {
	_, err := r.Route.Preset.WithLength(r.Route.Endpoint, r.Raw, *rq, 1)
	return err == nil
}

// shorten gives an option the bound of an answer of at most so many tokens.
func (o *option) shorten(r *Request, rq provider.Request, tokens int64) {
	rq.Bound[sentinel.OutputTokens] = tokens * max(rq.Choices, 1)
	if b, ok := boundOf(r, &rq, rq.Model); ok {
		o.bound = b
	}
}
