package provider

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// cohere is the API of cohere.com, version 2: chat and embeddings. Rerank is billed by searches, and has no price yet.
var cohere = Preset{
	Name: "cohere", Host: "api.cohere.com", Credential: "bearer", dialect: cohereDialect{},
	Endpoints: []Endpoint{
		{Name: "chat", Method: "POST", Path: "/v2/chat", Body: BodyJSON, Meters: true},
		{Name: "embed", Method: "POST", Path: "/v2/embed", Body: BodyJSON, Meters: true},
		{Name: "models.list", Method: "GET", Path: "/v1/models"},
	},
}

type cohereDialect struct{}

var cohereKeys = []string{"model", "stream", "messages", "documents", "tools", "max_tokens", "texts", "images", "inputs"}

func (cohereDialect) readRequest(e Endpoint, r RawRequest) (Request, error) {
	rq := flatRequest()
	if e.Body == BodyNone {
		return rq, nil
	}
	o, err := readObject(r.Body, cohereKeys)
	if err != nil {
		return rq, err
	}
	rq.Weight = o.weight()
	if rq.Model, err = o.text("model"); err != nil {
		return rq, err
	}
	if !isModelName(rq.Model) {
		return rq, badRequest("model", "name a model, in printable ASCII of at most %d bytes", maxModel)
	}
	rq.modelAt = o.members["model"].at
	rq.Bound[sentinel.InputTokens] = int64(len(r.Body))
	if o.has("images") || o.has("tools") || o.members["inputs"].facts.refersTo(cohereInline) || o.members["messages"].facts.refersTo(cohereInline) {
		rq.Bound[sentinel.InputTokens] = AsModelAllows
	}
	if e.Name == "embed" {
		return rq, nil
	}
	if rq.Stream, err = o.flag("stream"); err != nil {
		return rq, err
	}
	most, err := o.number("max_tokens")
	if rq.Bound[sentinel.OutputTokens] = most; most == 0 {
		rq.Bound[sentinel.OutputTokens] = AsModelAllows
	}
	return rq, err
}

var cohereInline = []string{"text", "function", "thinking", "document"}

func (cohereDialect) withModel(_ Endpoint, r RawRequest, rq Request, model string) ([]byte, string, error) {
	quoted, err := jsontext.AppendQuote(nil, model)
	if err != nil || rq.modelAt.end == 0 {
		return nil, "", badRequest("model", "it cannot be replaced by %q", clip(model))
	}
	return splice(r.Body, edit{rq.modelAt, string(quoted)}), r.Path, nil
}

func (cohereDialect) newMeter(s MeterSpec) Meter {
	switch {
	case s.Status >= 300 || !s.Endpoint.Meters:
		return nothingUsed{}
	case isEventStream(s.ContentType):
		return newEventStream(s, &cohereStream{})
	}
	return newJSONMeter(s, func(found *scanner) (Metered, bool) {
		var r cohereReport
		raw := found.get("usage") // of chat; embed has it as meta
		if len(raw) == 0 {
			raw = found.get("meta")
		}
		if !r.read(raw) {
			return Metered{}, false
		}
		return r.metered()
	}, []string{"usage", "meta"})
}

// cohereReport is the usage of an answer. What is billed may be less than what was used: prompts of Cohere's own are not billed.
type cohereReport struct{ input, output, images count }

// read reads the usage object.
func (r *cohereReport) read(raw []byte) bool {
	in := newReport(raw)
	for in.object(); in.member(); {
		if string(in.key) == "billed_units" {
			r.readBilled(&in)
		} else {
			in.pass()
		}
	}
	return in.done()
}

func (r *cohereReport) readBilled(in *reportReader) {
	for in.object(); in.member(); {
		switch string(in.key) {
		case "input_tokens":
			in.number(&r.input)
		case "output_tokens":
			in.number(&r.output)
		case "images":
			in.number(&r.images)
		default:
			in.pass()
		}
	}
}

func (r *cohereReport) metered() (Metered, bool) {
	if !r.input.set && !r.output.set && r.images.n == 0 {
		return Metered{}, false
	}
	var c clamp
	u := sentinel.Usage{
		sentinel.Requests: 1, sentinel.InputTokens: c.within(r.input.n, maxReported), sentinel.OutputTokens: c.within(r.output.n, maxReported),
		sentinel.Images: c.within(r.images.n, maxReported),
	}
	return Metered{Usage: u, Method: c.method(), Reported: true}, true
}

// cohereStream reads a stream of chat: its last event, message-end, reports.
type cohereStream struct {
	report cohereReport
}

var cohereTexts = []textMember{{name: "delta", in: []textMember{{name: "message", in: []textMember{
	{name: "content", in: textMembers("text", "thinking")}, {name: "tool_plan", take: aString},
	{name: "tool_calls", in: []textMember{{name: "function", in: textMembers("name", "arguments")}}},
}}}}}

func (*cohereStream) texts() []textMember { return cohereTexts }

func (*cohereStream) reports(data []byte) bool { return bytes.Contains(data, usageKey) }

func (r *cohereStream) read(data []byte) bool {
	var usage []byte
	in := newReport(data)
	for in.object(); in.member(); {
		if string(in.key) != "delta" { // some events have lists where others have objects
			in.pass()
			continue
		}
		for in.object(); in.member(); {
			if string(in.key) == "usage" {
				usage = in.raw()
			} else {
				in.pass()
			}
		}
	}
	var report cohereReport
	if in.done() && report.read(usage) {
		if _, ok := report.metered(); ok {
			r.report = report
		}
	}
	return false
}

func (r *cohereStream) result() (Metered, bool) { return r.report.metered() }

func (cohereDialect) errorBody(r Refusal) Shape {
	return jsonShape(map[string]any{"message": r.Message, "code": r.Code})
}
