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
	facts := map[string]any{varStatus: int64(a.Status), varAnswerHeader: orEmpty(a.Header), varAnswer: orEmpty(a.Body), varTerms: e.terms}
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
		for _, c := range e.prices[i].charges {
			out.Usage[c.unit] = bound[c.unit]
			if c.atMost == nil {
				continue
			}
			n, err := c.count.whole(facts)
			if err != nil {
				return Counted{Charged: true}, err
			}
			out.Usage[c.unit] = max(0, min(n, maxCount))
			out.Clamped = out.Clamped || n < 0 || n > maxCount
		}
		return out, nil
	}
	return out, nil
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
