package declare

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// maxCount bounds every count of one call.
const maxCount = 1_000_000_000_000

// Unmatched is the SKU of a request that no price of its endpoint applies to. No catalog has it.
const Unmatched = "unmatched"

// Request is what rules read of a request.
type Request struct {
	Path      string            // raw, without the gateway's prefix
	Query     map[string]string // decoded
	Header    map[string]string // of Endpoint.Headers, those that are there
	Body      map[string]any    // of Endpoint.BodyMembers, those that are there; see Value
	BodyBytes int64
}

// Answer is what rules read of an answer.
type Answer struct {
	Status int
	Header map[string]string // of Endpoint.AnswerHeaders, those that are there
	Body   map[string]any    // of Endpoint.AnswerMembers, those that are there; see Value
	Bytes  int64             // of its body
	Cut    bool              // it ended early: nothing is estimated by what there is of it
}

// Flat tells whether every call costs the same, whatever it says.
func (e *Endpoint) Flat() bool {
	return len(e.prices) == 1 && e.prices[0].when == nil && len(e.prices[0].charges) == 0
}

// Judge chooses the price of a request and counts the most that it can use.
func (e *Endpoint) Judge(r Request) (sku string, bound sentinel.Usage, err error) {
	bound[sentinel.Requests] = 1
	if e.Flat() {
		return e.prices[0].sku, bound, nil
	}
	facts := map[string]any{
		varPath: e.variables(r.Path), varQuery: orEmpty(r.Query), varHeader: orEmpty(r.Header), varBody: orEmpty(r.Body), varBodyBytes: r.BodyBytes, varTerms: e.terms,
	}
	for i := range e.prices {
		p := &e.prices[i]
		if p.when != nil {
			holds, err := p.when.holds(facts)
			if err != nil {
				return "", bound, err
			}
			if !holds {
				continue
			}
		}
		for _, c := range p.charges {
			f := c.count
			if c.atMost != nil {
				f = c.atMost
			}
			n, err := f.whole(facts)
			if err != nil {
				return "", bound, err
			}
			if n < 0 || n > maxCount {
				return "", bound, fmt.Errorf("%w: %s gives %d, which is not between 0 and %d", errNotThere, clip(f.text), n, int64(maxCount))
			}
			bound[c.unit] = n
		}
		return p.sku, bound, nil
	}
	return Unmatched, bound, nil
}

// Counted is what an answer used.
type Counted struct {
	Usage   sentinel.Usage
	Charged bool
	Clamped bool // a count was negative or past what is possible
	// Estimated says that a count had no value in the answer, and its estimate stands.
	Estimated bool
}

// Count counts what an answer used. What the request alone determines is as in bound. The error
// says that the answer could not be read: then the bound stands.
func (e *Endpoint) Count(a Answer, sku string, bound sentinel.Usage) (Counted, error) {
	out := Counted{Charged: a.Status > 0 && a.Status < 400}
	if e.Flat() && e.charged == nil {
		if out.Charged {
			out.Usage[sentinel.Requests] = 1
		}
		return out, nil
	}
	facts := map[string]any{varStatus: int64(a.Status), varAnswerHeader: orEmpty(a.Header), varAnswer: orEmpty(a.Body), varAnswerBytes: a.Bytes, varTerms: e.terms}
	if e.charged != nil {
		var err error
		if out.Charged, err = e.charged.holds(facts); err != nil {
			return Counted{Charged: true}, err
		}
	}
	if !out.Charged {
		return out, nil
	}
	out.Usage[sentinel.Requests] = 1
	for i := range e.prices {
		if e.prices[i].sku != sku {
			continue
		}
		facts[varBound] = e.prices[i].held(bound)
		for _, c := range e.prices[i].charges {
			if err := out.add(c, facts, bound[c.unit], a.Cut); err != nil {
				return Counted{Charged: true}, err
			}
		}
		return out, nil
	}
	return out, nil
}

// held is what rules see of a price's bound.
func (p *price) held(bound sentinel.Usage) map[string]int64 {
	out := make(map[string]int64, len(p.charges))
	for _, c := range p.charges {
		out[c.unit.String()] = bound[c.unit]
	}
	return out
}

// add counts one thing.
func (out *Counted) add(c charge, facts map[string]any, bound int64, cut bool) error {
	out.Usage[c.unit] = bound
	if c.atMost == nil {
		return nil
	}
	n, err := c.count.whole(facts)
	if err != nil && c.estimate != nil && !cut {
		if n, err = c.estimate.whole(facts); err == nil {
			n, out.Estimated = min(n, bound), true
		}
	}
	if err != nil {
		return err
	}
	out.Usage[c.unit] = max(0, min(n, maxCount))
	out.Clamped = out.Clamped || n < 0 || n > maxCount
	return nil
}

// variables gives the values of the path template's variables, raw.
func (e *Endpoint) variables(path string) map[string]string {
	out := map[string]string{}
	segments := strings.Split(path, "/")
	for i, t := range e.path {
		name, ok := strings.CutPrefix(t, "{")
		if !ok || i >= len(segments) {
			continue
		}
		if rest, ok := strings.CutSuffix(name, "...}"); ok {
			out[rest] = strings.Join(segments[i:], "/")
			break
		}
		out[strings.TrimSuffix(name, "}")] = segments[i]
	}
	return out
}

// orEmpty keeps CEL from a nil map.
func orEmpty[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return m
}

// Value reads a JSON value for rules: whole numbers as integers, all others as CEL sees them.
func Value(raw []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("read a member: %w", err)
	}
	return numbers(v), nil
}

func numbers(v any) any {
	switch x := v.(type) {
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return n
		}
		f, err := x.Float64()
		if err != nil {
			return x.String()
		}
		return f
	case []any:
		for i := range x {
			x[i] = numbers(x[i])
		}
	case map[string]any:
		for k := range x {
			x[k] = numbers(x[k])
		}
	}
	return v
}
