// Package provider knows how third-party APIs speak: which endpoints they have, what a request
// can use at most, what an answer used, and how they phrase an error. It is pure: bytes in, facts out.
package provider

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/declare"
)

// BodyKind is how an endpoint's request body is read.
type BodyKind uint8

// The kinds.
const (
	BodyNone BodyKind = iota // never read: it streams past
	BodyJSON
	BodyForm
	BodyBytes // read as it is
	BodyParts // a multipart form
)

// Endpoint is one call that a provider offers. What is not listed cannot be called.
type Endpoint struct {
	Name   string
	Method string
	Path   string // template: {x} is one segment, {x...} at the end is the rest, {a|b...} a rest that begins with one of these; at the end, /? is a slash that may be missing
	Body   BodyKind
	// Closed endpoints can be called only where the policy names them under allow: they move money out, or change who has access.
	Closed bool
	Meters bool // the answer's body says what the call used
	// Apart is for calls whose costs arise where no answer shows them: the policy's price of what has none pays them by the call.
	Apart bool
	// Flat is for calls that cost the same whatever model they name: it is read for the policy's rules, and has no part in the price.
	Flat bool
	// Events is for bodies that are streams of events, which AWS's clients sign one by one: they are never read, and signed anew as they pass.
	Events bool
	// Declared has the price rules of an API that is described in YAML; nil for those that are written here.
	Declared *declare.Endpoint
}

// Match compares a raw, canonical path with the template.
func (e Endpoint) Match(path string) bool {
	own, slashed := strings.CutSuffix(e.Path, "/?")
	if slashed {
		path = strings.TrimSuffix(path, "/")
	}
	template, rest := strings.Split(own, "/"), strings.Split(path, "/")
	for i, t := range template {
		if names, ok := strings.CutSuffix(t, "...}"); ok {
			return len(rest) > i && rest[i] != "" && (!strings.Contains(names, "|") || slices.Contains(strings.Split(names[1:], "|"), rest[i]))
		}
		if name, suffix, ok := strings.Cut(t, "}"); ok && strings.HasPrefix(name, "{") && suffix != "" { // Google's {model}:method
			if i >= len(rest) || !strings.HasSuffix(rest[i], suffix) || len(rest[i]) == len(suffix) {
				return false
			}
			continue
		}
		if i >= len(rest) || strings.HasPrefix(t, "{") && rest[i] == "" || !strings.HasPrefix(t, "{") && t != rest[i] {
			return false
		}
	}
	return len(rest) == len(template)
}

// Preset is an API that we know.
type Preset struct {
	Name        string
	Host        string // "{region}" stands for the configured region
	Credential  string // "bearer", "basic", "sigv4" or "header:NAME"
	SigningName string // of an AWS service
	PricedAs    string // whose prices hold for the models that have none under the preset's own name
	Endpoints   []Endpoint
	dialect     dialect
}

// Endpoint finds one of the preset's endpoints.
func (p Preset) Endpoint(name string) (Endpoint, bool) {
	for _, e := range p.Endpoints {
		if e.Name == name {
			return e, true
		}
	}
	return Endpoint{}, false
}

// presets are the known APIs, in the order in which they are listed.
var presets = append([]Preset{openAI, azureOpenAI, anthropic, gemini, vertex, cohere, bedrock, stripe, s3}, hosts...)

// all lists the presets that are written here, then those that are described in YAML.
var all = sync.OnceValue(func() []Preset {
	described, err := declare.Presets()
	if err != nil { // a test reads them all
		return presets
	}
	out := slices.Clone(presets)
	for _, d := range described {
		p := Generic(d.Endpoints)
		p.Name, p.Host, p.Credential, p.SigningName, p.dialect = d.Name, d.Host, d.Credential, d.SigningName, generic{d.Errors}
		out = append(out, p)
	}
	return out
})

// Find gives a preset by its name.
func Find(name string) (Preset, bool) {
	for _, p := range all() {
		if p.Name == name {
			return p, true
		}
	}
	return Preset{}, false
}

// Names lists the presets.
func Names() []string {
	list := all()
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = p.Name
	}
	return names
}

// RawRequest is a request as it came, its path without the gateway's prefix.
type RawRequest struct {
	Path, Query, ContentType string
	Header                   func(name string) string // by its name in lower case; nil where there are none
	Currencies               Currencies
	OnBehalf                 bool                      // it may act for other accounts than the credential's own
	Known                    func(model string) string // the catalog's name of a model by the provider's own; nil: the same
	Redirects                bool                      // it may send the provider's server elsewhere: to another base address, or into private networks
	Body                     []byte
}

// known is the catalog's name of a model.
func (r RawRequest) known(model string) string {
	if r.Known == nil {
		return model
	}
	return r.Known(model)
}

// AsModelAllows marks a bound that only the model's own limits give.
const AsModelAllows = -1

// Request is what admission needs to know.
type Request struct {
	Model    string
	Tier     string   // the price list that was asked for; see sentinel.Call
	Tiers    []string // other price lists that the provider may choose by its own settings: what is held covers them
	Stream   bool
	TierOpen bool // it names no price list: a setting of its project at the provider chooses one
	// Bound is a true upper bound of the usage. InputTokens or OutputTokens may be AsModelAllows.
	Bound     sentinel.Usage
	Choices   int64  // answers asked for: multiplies AsModelAllows output; at least 1
	Body      []byte // what must go upstream where that differs from what came, else nil
	HideUsage bool   // the client did not ask for the usage event that Body asks for
	Weight    int64  // of the prompt: its tokens, as far as its spelling tells
	Fixed     bool   // it cannot be sent for another model

	modelAt span // where the model stands in the body that goes upstream
}

// sent is the body that goes upstream.
func (rq *Request) sent(r RawRequest) []byte {
	if rq.Body != nil {
		return rq.Body
	}
	return r.Body
}

// span is a range of bytes.
type span struct{ start, end int }

// BadRequest is a request that cannot be judged, and why.
type BadRequest struct{ Field, Message string }

// Error names the field.
func (b *BadRequest) Error() string {
	if b.Field == "" {
		return b.Message
	}
	return b.Field + ": " + b.Message
}

func badRequest(field, format string, args ...any) error {
	return &BadRequest{field, fmt.Sprintf(format, args...)}
}

// maxModel bounds the name of a model.
const maxModel = 200

// isModelName keeps control bytes and lookalikes out of labels, ledger rows and whatever else a model's name enters.
func isModelName(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= maxModel
}

// dialect is what differs between APIs.
type dialect interface {
	readRequest(e Endpoint, r RawRequest) (Request, error)
	withModel(e Endpoint, r RawRequest, rq Request, model string) ([]byte, string, error)
	newMeter(s MeterSpec) Meter
	errorBody(r Refusal) Shape
}

// ReadRequest reads a request once and strictly. The error is a *BadRequest.
func (p Preset) ReadRequest(e Endpoint, r RawRequest) (Request, error) {
	if err := e.announced(r); err != nil {
		return Request{}, err
	}
	rq, err := p.speaker().readRequest(e, r)
	if err != nil || r.Redirects || p.dialect == nil {
		return rq, err
	}
	return rq, e.leadsNowhereElse(r)
}

// WithModel gives body and path of the same request for another model, whose answers have at most so many tokens; 0 where that is not known. Of
// OpenAI's, Anthropic's, Google's and Bedrock's models the parameters are left out, or get another value, that this one refuses and the asked one takes; nothing else changes.
func (p Preset) WithModel(e Endpoint, r RawRequest, rq Request, model string, most int64) (body []byte, path string, err error) {
	d := p.speaker()
	a, ok := d.(adapter)
	if body, path, err = d.withModel(e, r, rq, model); err != nil || !ok || e.Body != BodyJSON {
		return body, path, err
	}
	whole := body
	if whole == nil { // the model stands in the path
		whole = rq.sent(r)
	}
	f := a.fit(e, r.known(rq.Model), r.known(model))
	f.most = most
	fitting, err := f.adapted(whole)
	if fitting != nil {
		body = fitting
	}
	return body, path, err
}

// speaker is the preset's dialect; the zero preset speaks the generic one.
func (p Preset) speaker() dialect {
	if p.dialect == nil {
		return generic{}
	}
	return p.dialect
}

// MeterSpec says which answer is to be metered.
type MeterSpec struct {
	Endpoint          Endpoint
	Model             string
	Stream, HideUsage bool
	Weight            int64 // of the prompt
	// MilliTokens is what earlier prompts of the model came to by weight, in thousandths; 0 where that is not known.
	MilliTokens int64
	// OutputMilliTokens is what earlier answers of the model came to by the gateway's count of their text, in thousandths; 0 where that is not known.
	OutputMilliTokens int64
	Sample            bool // count the text of a stream of a model with a vocabulary that nobody has, beside its report
	Status            int
	ContentType       string
	Tier              string
	Currencies        Currencies
	Header            func(name string) string // of the answer, by its name in lower case; nil where there are none
	Bound             sentinel.Usage           // InputTokens and OutputTokens hold the sums of their classes
}

// Meter reads one answer. It is not safe for concurrent use.
type Meter interface {
	// Write takes the next bytes of the answer and gives those to pass on: the same slice, unless
	// an event is hidden. A complete event is never held back.
	Write(chunk []byte) []byte
	// Finish ends the answer: complete, or cut off. It may be called once.
	Finish(complete bool) Metered
}

// Metered is what an answer used.
type Metered struct {
	Usage    sentinel.Usage
	Model    string           // as the provider names it; may be empty
	Tier     string           // the price list that applied, where the answer says so; empty: the one that was asked for
	Method   string           // how it was estimated; empty for the provider's own report
	Reported bool             // the provider's own report was seen, or there was nothing to charge
	Own      sentinel.Counted // beside a report that is doubtful: see sentinel.Entry
	Sampled  int64            // the gateway's count of a text whose tokens were reported, of a MeterSpec with Sample; 0 for none
	Tail     []byte           // bytes that Write held back, to pass on now
}

// NewMeter makes the meter of one answer.
func (p Preset) NewMeter(s MeterSpec) Meter {
	if s.encoded() {
		return encodedMeter{s}
	}
	return p.speaker().newMeter(s)
}

// Reads tells whether a meter needs the answer's body: some know from the request what a call used.
func Reads(m Meter) bool {
	switch m.(type) {
	case asBound, oneRequest, nothingUsed:
		return false
	}
	return true
}

// Refusal is an answer that the gateway gives in the provider's place.
type Refusal struct {
	Status     int
	Code       string // machine-readable reason
	Message    string
	RetryAfter time.Duration
}

// Shape is a refusal in the provider's own form.
type Shape struct {
	ContentType string
	Body        []byte
	Headers     [][2]string
}

// ErrorBody phrases a refusal so that the provider's SDK raises its usual error.
func (p Preset) ErrorBody(r Refusal) Shape { return p.speaker().errorBody(r) }
