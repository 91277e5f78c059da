package provider

import (
	"bytes"
	"encoding/json"

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
		if len(raw) == 0 || json.Unmarshal(raw, &r) != nil {
			return Metered{}, false
		}
		return r.metered()
	}, []string{"usage", "meta"})
}

// cohereReport is the usage of an answer. What is billed may be less than what was used: prompts of Cohere's own are not billed.
type cohereReport struct {
	Billed struct {
		Input  *int64 `json:"input_tokens"`
		Output *int64 `json:"output_tokens"`
		Images int64  `json:"images"`
	} `json:"billed_units"`
}

func (r *cohereReport) metered() (Metered, bool) {
	if r.Billed.Input == nil && r.Billed.Output == nil && r.Billed.Images == 0 {
		return Metered{}, false
	}
	var c clamp
	u := sentinel.Usage{
		sentinel.Requests: 1, sentinel.InputTokens: c.count(r.Billed.Input), sentinel.OutputTokens: c.count(r.Billed.Output),
		sentinel.Images: c.within(r.Billed.Images, maxReported),
	}
	return Metered{Usage: u, Method: c.method(), Reported: true}, true
}

// cohereStream reads a stream of chat: its last event, message-end, reports.
type cohereStream struct {
	report cohereReport
}

type cohereEvent struct {
	Delta struct {
		Usage *cohereReport `json:"usage"`
	} `json:"delta"`
}

var cohereTexts = []textMember{{name: "delta", in: []textMember{{name: "message", in: []textMember{
	{name: "content", in: textMembers("text", "thinking")}, {name: "tool_plan", take: aString},
	{name: "tool_calls", in: []textMember{{name: "function", in: textMembers("name", "arguments")}}},
}}}}}

func (*cohereStream) texts() []textMember { return cohereTexts }

func (*cohereStream) reports(data []byte) bool { return bytes.Contains(data, usageKey) }

func (r *cohereStream) read(data []byte) bool {
	var e cohereEvent
	if json.Unmarshal(data, &e) != nil { // some events have lists where others have objects
		return false
	}
	if e.Delta.Usage != nil {
		r.report = *e.Delta.Usage
	}
	return false
}

func (r *cohereStream) result() (Metered, bool) { return r.report.metered() }

func (cohereDialect) errorBody(r Refusal) Shape {
	return jsonShape(map[string]any{"message": r.Message, "code": r.Code})
}
