package declare

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// BodyKind is how rules read a request's body.
type BodyKind uint8

// The kinds.
const (
	BodyUnread BodyKind = iota
	BodyJSON
	BodyForm
	BodyBytes  // only its length
	BodyEvents // not read: a stream of events that the client signs one by one, for AWS
)

// Endpoint is one call of a declared API. It never changes.
type Endpoint struct {
	Name, Method, Path string
	Body               BodyKind
	// The members of the request's and the answer's bodies, and the headers, that rules read.
	BodyMembers, Headers         []string
	AnswerMembers, AnswerHeaders []string

	prices  []price
	charged *formula // nil: status < 400
	sized   bool     // rules read how long the answer is
	terms   map[string]string
	path    []string // segments of the template
}

// price is one price of an endpoint.
type price struct {
	sku     string
	when    *formula // nil: always
	rates   sentinel.Rates
	charges []charge
}

// charge is one thing that is counted.
type charge struct {
	unit                    sentinel.Unit
	count, atMost, estimate *formula
}

// Bounds of one endpoint.
const (
	maxPrices  = 64
	maxCharges = 16
)

// ReadsAnswer tells whether the answer's body must be read.
func (e *Endpoint) ReadsAnswer() bool { return len(e.AnswerMembers) > 0 || e.sized }

// List is one price list of an endpoint, in pico-dollars a unit.
type List struct {
	SKU   string
	Rates sentinel.Rates
}

// Lists gives the endpoint's price lists in their order.
func (e *Endpoint) Lists() []List {
	out := make([]List, len(e.prices))
	for i, p := range e.prices {
		out[i] = List{p.sku, p.rates}
	}
	return out
}

// String shows what the endpoint is and what it costs, in pico-dollars.
func (e *Endpoint) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s %s", e.Name, e.Method, e.Path)
	for _, p := range e.prices {
		b.WriteString(" [" + p.sku)
		if p.when != nil {
			b.WriteString(" when " + p.when.text)
		}
		for u, r := range p.rates {
			if r > 0 {
				fmt.Fprintf(&b, " %s %d", sentinel.Unit(u), r)
			}
		}
		b.WriteString("]")
	}
	return b.String()
}

// Fault takes what is wrong with a description, by the key of the YAML.
type Fault func(key, format string, args ...any)

// Compile reads an endpoint's rules and reports every fault under key. Name, method and path are the caller's to check.
func Compile(y EndpointYAML, key string, fault Fault) *Endpoint {
	c := compiler{fault: fault, e: &Endpoint{Name: y.Name, Method: y.Method, Path: y.Path, path: strings.Split(y.Path, "/")}}
	switch y.Body {
	case "json":
		c.e.Body = BodyJSON
	case "form":
		c.e.Body = BodyForm
	case "bytes":
		c.e.Body = BodyBytes
	case "events":
		c.e.Body = BodyEvents
	}
	c.terms(key+".terms", y.Terms)
	if y.ChargedWhen != "" {
		if c.e.charged = c.formula(key+".charged_when", y.ChargedWhen, cel.BoolType); c.e.charged != nil && c.e.charged.reads(requestVars) {
			fault(key+".charged_when", "it reads the request: when the provider bills is known from status, answer and answer_header")
		}
	}
	if len(y.Price) > maxPrices {
		fault(key+".price", "%d prices: at most %d are allowed", len(y.Price), maxPrices)
		return c.e
	}
	skus := map[string]bool{}
	for i, p := range y.Price {
		at := fmt.Sprintf("%s.price[%d]", key, i)
		if len(y.Price) > 1 && (p.SKU == "" || skus[p.SKU]) {
			fault(at+".sku", "each of several prices needs a name of its own")
		}
		if p.When == "" && i < len(y.Price)-1 {
			fault(at+".when", "without a condition the prices after this one never apply: say when")
		}
		skus[p.SKU] = true
		c.price(at, p)
	}
	return c.e
}

type compiler struct {
	fault Fault
	e     *Endpoint
}

// Bounds of an endpoint's terms.
const (
	maxTerms = 16
	maxTerm  = 4096
)

func (c *compiler) terms(key string, terms map[string]string) {
	c.e.terms = orEmpty(terms)
	if len(terms) > maxTerms {
		c.fault(key, "%d terms: at most %d are allowed", len(terms), maxTerms)
	}
	for name, text := range terms {
		if len(text) > maxTerm {
			c.fault(key+"."+name, "%d bytes: at most %d are allowed", len(text), maxTerm)
		}
	}
}

func (c *compiler) price(key string, y PriceYAML) {
	p := price{sku: y.SKU}
	if len(y.SKU) > 64 || strings.ContainsFunc(y.SKU, func(r rune) bool { return r <= ' ' || r > '~' }) {
		c.fault(key+".sku", "%q is not a usable name: at most 64 visible ASCII characters without spaces", clip(y.SKU))
	}
	if y.SKU == "default" || y.SKU == "standard" {
		c.fault(key+".sku", "%s is what every standard price is called: use the provider's own name", y.SKU)
	}
	if y.When != "" {
		if p.when = c.formula(key+".when", y.When, cel.BoolType); p.when != nil && p.when.reads(answerVars) {
			c.fault(key+".when", "it reads the answer: a price is chosen by the request. Count what only the answer knows by charges")
		}
	}
	if y.PerRequestUSD == nil && len(y.Charges) == 0 {
		c.fault(key, "say per_request_usd or charges: what has no price is not routable, and 0 is free")
	}
	if y.PerRequestUSD != nil {
		p.rates[sentinel.Requests], _ = y.PerRequestUSD.rate(sentinel.Requests, 1)
	}
	if len(y.Charges) > maxCharges {
		c.fault(key+".charges", "%d charges: at most %d are allowed", len(y.Charges), maxCharges)
		return
	}
	for i, ch := range y.Charges {
		c.charge(fmt.Sprintf("%s.charges[%d]", key, i), ch, &p, y.PerRequestUSD != nil)
	}
	c.e.prices = append(c.e.prices, p)
}

func (c *compiler) charge(key string, y ChargeYAML, p *price, perRequest bool) {
	if y.Unit == "" || y.Count == "" || y.USD == nil {
		return // a fault already
	}
	unit, ok := sentinel.UnitByName(y.Unit)
	taken := slices.ContainsFunc(p.charges, func(o charge) bool { return o.unit == unit }) || unit == sentinel.Requests && perRequest
	switch {
	case !ok:
		c.fault(key+".unit", "there is no unit %q: use for instance messages, characters, seconds, pages, amount_cents or tool_calls", clip(y.Unit))
		return
	case taken:
		c.fault(key+".unit", "%s are counted twice in one price: one unit has one rate", y.Unit)
	case y.Per < 0:
		c.fault(key+".per", "%d is below 1", y.Per)
		return
	}
	rate, err := y.USD.rate(unit, max(y.Per, 1))
	if err != nil {
		c.fault(key+".usd", "%s", err)
	}
	p.rates[unit] = rate
	out := charge{unit: unit, count: c.formula(key+".count", y.Count, cel.IntType)}
	if y.AtMost != "" {
		out.atMost = c.formula(key+".at_most", y.AtMost, cel.IntType)
	}
	if y.Estimate != "" {
		out.estimate = c.formula(key+".estimate", y.Estimate, cel.IntType)
	}
	if out.count == nil || y.AtMost != "" && out.atMost == nil || y.Estimate != "" && out.estimate == nil {
		return
	}
	ofAnswer := out.count.reads(answerVars)
	switch {
	case ofAnswer && out.count.reads(requestVars):
		c.fault(key+".count", "it reads the request and the answer: count the answer here, and the request under at_most")
	case ofAnswer && out.atMost == nil:
		c.fault(key+".at_most", "a count of the answer needs a true upper bound by the request, such as 1: it is held until the answer is there")
	case !ofAnswer && out.atMost != nil:
		c.fault(key+".at_most", "count reads the request alone, and is its own bound: remove the key")
	case out.atMost != nil && out.atMost.reads(answerVars):
		c.fault(key+".at_most", "it reads the answer: a bound is known before the call")
	case out.estimate != nil && !ofAnswer:
		c.fault(key+".estimate", "count reads the request alone, and is no estimate: remove the key")
	case out.estimate != nil && out.estimate.reads(requestVars):
		c.fault(key+".estimate", "it reads the request, which is gone by then: count what is needed of it as a charge of its own, for instance bytes for 0 dollars, and read bound.bytes")
	}
	p.charges = append(p.charges, out)
}

// formula compiles an expression and notes what it reads.
func (c *compiler) formula(key, text string, want *cel.Type) *formula {
	f, err := compile(text, want)
	if err != nil {
		c.fault(key, "%s", err)
		return nil
	}
	if f.vars[varBody] && c.e.Body != BodyJSON && c.e.Body != BodyForm || f.vars[varBodyBytes] && (c.e.Body == BodyUnread || c.e.Body == BodyEvents) {
		c.fault(key, "it reads the request's body: say body: json or body: form for this endpoint")
	}
	c.e.sized = c.e.sized || f.vars[varAnswerBytes]
	for _, term := range f.members[varTerms] {
		if _, ok := c.e.terms[term]; !ok {
			c.fault(key, "there is no term %q", clip(term))
		}
	}
	for into, name := range map[*[]string]string{
		&c.e.BodyMembers: varBody, &c.e.Headers: varHeader, &c.e.AnswerMembers: varAnswer, &c.e.AnswerHeaders: varAnswerHeader,
	} {
		for _, m := range f.members[name] {
			if !slices.Contains(*into, m) {
				*into = append(*into, m)
			}
		}
	}
	return f
}
