package whatif

import (
	"math"
	"slices"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

const (
	cacheLives   = 5 * time.Minute // that providers keep a prompt for at least
	leastPrefix  = 1024            // tokens, from which they keep one
	shortest     = 0.05            // quantile of the prompts' lengths that is the shortest usual one
	leastPrompts = 20              // calls from which it is told
)

// prompts are the lengths of a group's prompts, of calls that came soon enough after another one.
type prompts struct {
	last   time.Time
	calls  int64
	stride int64 // every so manieth is kept
	past   []prompt
	saves  float64       // nano-dollars a token that is read from the cache, of the first call whose price was known
	writes float64       // and what writing one there costs more than sending it
	cold   map[int]int64 // calls by day that would write the cache, and do not yet
}

// prompt is one call's: tokens in, and those of them that the cache gave.
type prompt struct {
	day           int
	input, cached int64
}

func (p *prompts) add(e sentinel.Entry, day int, reprice func(sentinel.Entry) (sentinel.NanoUSD, error)) {
	soon := !p.last.IsZero() && e.At.Sub(p.last) <= cacheLives
	p.last = e.At
	if !soon {
		if e.Usage[sentinel.CachedInputTokens]+e.Usage[sentinel.CacheWriteTokens]+e.Usage[sentinel.CacheWriteLongTokens] == 0 {
			if p.cold == nil {
				p.cold = map[int]int64{}
			}
			p.cold[day]++
		}
		return
	}
	if p.calls++; p.stride == 0 {
		p.stride = 1
	}
	if p.calls%p.stride != 0 {
		return
	}
	if len(p.past) == maxPast {
		half := p.past[:0]
		for i := 1; i < len(p.past); i += 2 {
			half = append(half, p.past[i])
		}
		p.past, p.stride = half, 2*p.stride
	}
	input := e.Usage.InputTokenSum()
	p.past = append(p.past, prompt{day, input, e.Usage[sentinel.CachedInputTokens]})
	if p.saves == 0 {
		p.saves, p.writes = perToken(e, reprice)
	}
}

// perToken is by how much a cached token is cheaper at a call's model than a plain one, and by how much one that is written to the cache is dearer; 0
// where it is not known.
func perToken(e sentinel.Entry, reprice func(sentinel.Entry) (sentinel.NanoUSD, error)) (saves, writes float64) {
	const tokens = 1000 // of a short call: prices of long contexts are no part of it
	cost := func(unit sentinel.Unit) float64 {
		e.Usage = sentinel.Usage{}
		e.Usage[unit] = tokens
		c, err := reprice(e)
		if err != nil {
			return math.NaN()
		}
		return float64(c) / tokens
	}
	plain := cost(sentinel.InputTokens)
	if d := plain - cost(sentinel.CachedInputTokens); d > 0 {
		saves = d
	}
	if d := cost(sentinel.CacheWriteTokens) - plain; d > 0 {
		writes = d
	}
	return saves, writes
}

// savings are what the cache would have saved if half of the shortest prompt was shared, the calls that it would have served, and a month's range over
// no share to all of it.
func (p *prompts) savings(days int, period time.Duration) (saved float64, calls int64, month Range) {
	if len(p.past) < leastPrompts || p.saves == 0 {
		return 0, 0, Range{}
	}
	lengths := make([]int64, len(p.past))
	for i, c := range p.past {
		lengths[i] = c.input
	}
	slices.Sort(lengths)
	prefix := lengths[int(shortest*float64(len(lengths)-1))]
	if prefix < leastPrefix {
		return 0, 0, Range{}
	}
	all := make([]float64, days) // saved if all of the prefix is shared
	sum := 0.0
	for _, c := range p.past {
		if more := min(prefix, c.input) - c.cached; more > 0 {
			calls += p.stride
			all[c.day] += float64(p.stride*more) * p.saves
			sum += float64(p.stride*more) * p.saves
		}
	}
	cold := int64(0)
	for day, n := range p.cold {
		all[day] -= float64(n*prefix) * p.writes
		cold += n
	}
	sum -= float64(cold*prefix) * p.writes // once: the order of a sum of fractions would show
	if sum <= 0 {                          // writing costs more than reading saves
		return 0, 0, Range{}
	}
	month = simulate(all, period, func(luck float64) float64 {
		return sum * 0.5 * math.Erfc(-luck/math.Sqrt2) // the luck's own probability: evenly from 0 to 1
	})
	return sum / 2, min(calls, p.calls), month // of those that were thinned out it is an estimate
}
