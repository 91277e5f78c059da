package provider

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// anthropic is the API of Claude: messages, the counting of their tokens, batches and the list of models.
var anthropic = Preset{ //nolint:gosec // the name of a header
	Name: "anthropic", Host: "api.anthropic.com", Credential: "header:x-api-key", dialect: anthropicDialect{},
	Endpoints: []Endpoint{
		{Name: "messages", Method: "POST", Path: "/v1/messages", Body: BodyJSON, Meters: true},
		{Name: "messages.count_tokens", Method: "POST", Path: "/v1/messages/count_tokens", Body: BodyJSON, Flat: true},
		{Name: "batches.create", Method: "POST", Path: "/v1/messages/batches", Body: BodyJSON, Meters: true},
		{Name: "batches.list", Method: "GET", Path: "/v1/messages/batches"},
		{Name: "batches.get", Method: "GET", Path: "/v1/messages/batches/{id}"},
		{Name: "batches.results", Method: "GET", Path: "/v1/messages/batches/{id}/results"},
		{Name: "batches.cancel", Method: "POST", Path: "/v1/messages/batches/{id}/cancel"},
		{Name: "models.list", Method: "GET", Path: "/v1/models"},
		{Name: "models.get", Method: "GET", Path: "/v1/models/{model}"},
	},
}

type anthropicDialect struct{}

var anthropicKeys = []string{
	"model", "max_tokens", "stream", "messages", "system", "tools", "service_tier", "speed", "inference_geo", "container", "mcp_servers", "requests",
	"context_management",
}

func (d anthropicDialect) readRequest(e Endpoint, r RawRequest) (Request, error) {
	if e.Body == BodyNone {
		return flatRequest(), nil
	}
	o, err := readObject(r.Body, anthropicKeys)
	if err != nil {
		return Request{}, err
	}
	if e.Flat {
		return readFlat(o)
	}
	if e.Name == "batches.create" {
		return d.readBatch(o, len(r.Body))
	}
	return d.readMessage(o, len(r.Body))
}

// readMessage reads the parameters of one message.
func (d anthropicDialect) readMessage(o object, bodyBytes int) (Request, error) {
	model, err := o.text("model")
	if err != nil {
		return Request{}, err
	}
	if !isModelName(model) {
		return Request{}, badRequest("model", "name a model, in printable ASCII of at most %d bytes", maxModel)
	}
	return d.readParameters(o, model, bodyBytes)
}

// readParameters reads all but the model, which may stand elsewhere.
func (d anthropicDialect) readParameters(o object, model string, bodyBytes int) (Request, error) {
	rq := flatRequest()
	rq.Weight, rq.Model = o.weight(), model
	var err error
	if rq.Stream, err = o.flag("stream"); err != nil {
		return rq, err
	}
	if rq.Tier, err = d.tier(o); err != nil {
		return rq, err
	}
	if rq.Bound[sentinel.OutputTokens], err = o.number("max_tokens"); err != nil {
		return rq, err
	}
	if rq.Bound[sentinel.OutputTokens] == 0 {
		return rq, badRequest("max_tokens", "say how many tokens the answer may have")
	}
	rq.modelAt = o.members["model"].at
	rq.Bound[sentinel.InputTokens] = int64(bodyBytes)
	if compacts(o.members["context_management"].facts) { // a compaction reads the whole context once more, and writes its summary
		rq.Bound[sentinel.InputTokens] = AsModelAllows
		rq.Bound[sentinel.OutputTokens] *= 2
	}
	if o.members["messages"].facts.refersTo(anthropicInline) || o.members["system"].facts.refersTo(anthropicInline) || o.has("mcp_servers") {
		rq.Bound[sentinel.InputTokens] = AsModelAllows
	}
	return rq, d.tools(o, &rq)
}

// compacts tells whether the edits of a context have one that summarizes it, which is a sampling of its own.
func compacts(f facts) bool {
	for t := range f.types {
		if strings.HasPrefix(t, "compact") || t == manyTypes {
			return true
		}
	}
	return false
}

// anthropicInline are the types of content whose tokens the body's bytes bound. Images and documents are
// sent as base64 or by reference, and may have more tokens than bytes.
var anthropicInline = []string{
	"text", "tool_use", "tool_result", "thinking", "redacted_thinking", "ephemeral", "server_tool_use", "search_result",
	"char_location", "page_location", "content_block_location", "search_result_location", "web_search_result_location",
}

// tier gives the price list that a request asks for, and refuses those that no catalog has.
func (anthropicDialect) tier(o object) (string, error) {
	if t, err := o.text("service_tier"); err != nil || t != "" && t != "auto" && t != "standard_only" {
		return "", badRequest("service_tier", "only auto and standard_only are known")
	}
	for _, key := range []string{"container", "inference_geo"} {
		if geo, err := o.text(key); o.has(key) && (err != nil || key == "container" || geo != "global") {
			return "", badRequest(key, "this is billed apart from tokens and is not priced yet")
		}
	}
	switch speed, err := o.text("speed"); {
	case err != nil || speed != "" && speed != "standard" && speed != "fast":
		return "", badRequest("speed", "only standard and fast are known")
	case speed == "fast":
		return "fast", nil
	}
	return "", nil
}

// Tools that run at the client cost the tokens of their prompts alone; a page that is fetched costs its tokens.
var clientTools = []string{"bash_", "text_editor_", "computer_", "memory_", "tool_search_"}

// tools bounds what the tools of a request can add.
func (anthropicDialect) tools(o object, rq *Request) error {
	list, err := o.elements("tools", []string{"type", "max_uses"})
	if err != nil {
		return err
	}
	if len(list) > 0 && rq.Bound[sentinel.InputTokens] != AsModelAllows {
		rq.Bound[sentinel.InputTokens] += toolPrompt
	}
	for _, t := range list {
		kind, err := t.text("type")
		if err != nil {
			return badRequest("tools", "%s", err)
		}
		uses, err := t.number("max_uses")
		if err != nil {
			return badRequest("tools", "%s", err)
		}
		isClients := slices.ContainsFunc(clientTools, func(prefix string) bool { return strings.HasPrefix(kind, prefix) })
		switch {
		case kind == "" || kind == "custom":
		case isClients: // their prompts are longer than the usual one
			rq.Bound[sentinel.InputTokens] = AsModelAllows
		case strings.HasPrefix(kind, "web_fetch_"):
			rq.Bound[sentinel.InputTokens] = AsModelAllows
		case strings.HasPrefix(kind, "web_search_") && uses > 0:
			rq.Bound[sentinel.InputTokens] = AsModelAllows
			rq.Bound[sentinel.WebSearches] += uses
		case strings.HasPrefix(kind, "web_search_"):
			return badRequest("tools", "searches are billed one by one: give %s a max_uses", clip(kind))
		default:
			return badRequest("tools", "tools of type %q are billed apart from tokens and are not priced yet", clip(kind))
		}
	}
	return nil
}

// maxBatch is the most requests that Anthropic takes in one batch.
const maxBatch = 100_000

// readBatch reads a batch: the sum of the bounds of its messages. Its usage is known when it has ended, which
// no answer to this call tells: it is booked at its bound. One entry has one model, and so has a batch.
func (d anthropicDialect) readBatch(o object, bodyBytes int) (Request, error) {
	sum := flatRequest()
	list, err := o.elements("requests", []string{"custom_id", "params"})
	if err != nil {
		return sum, err
	}
	if len(list) == 0 || len(list) > maxBatch {
		return sum, badRequest("requests", "from 1 to %d requests are expected", maxBatch)
	}
	for i, item := range list {
		params, _, err := item.object("params", anthropicKeys)
		if err != nil {
			return sum, badRequest("requests", "%s", err)
		}
		one, err := d.readMessage(params, len(item.members["params"].value))
		switch {
		case err != nil:
			return sum, badRequest("requests", "request %d: %s", i, err)
		case one.Tier != "" || one.Stream:
			return sum, badRequest("requests", "request %d: speed and stream are not for batches", i)
		case i > 0 && one.Model != sum.Model:
			return sum, badRequest("requests", "request %d asks for %q and request 0 for %q: send one batch for each model", i, clip(one.Model), clip(sum.Model))
		}
		sum.add(one)
	}
	sum.Tier, sum.Fixed = "batch", true
	return sum, nil
}

// add sums the bound of another message.
func (rq *Request) add(one Request) {
	unbounded := rq.Bound[sentinel.InputTokens] == AsModelAllows || one.Bound[sentinel.InputTokens] == AsModelAllows
	for u, n := range one.Bound {
		rq.Bound[u] += n
	}
	if unbounded {
		rq.Bound[sentinel.InputTokens] = AsModelAllows
	}
	rq.Weight += one.Weight
	rq.Model, rq.Bound[sentinel.Requests] = one.Model, 1
}

func (anthropicDialect) withModel(e Endpoint, r RawRequest, rq Request, model string) ([]byte, string, error) {
	quoted, err := jsontext.AppendQuote(nil, model)
	if err != nil || rq.modelAt.end == 0 {
		return nil, "", badRequest("model", "it cannot be replaced by %q", clip(model))
	}
	return splice(r.Body, edit{rq.modelAt, string(quoted)}), r.Path, nil
}

func (anthropicDialect) newMeter(s MeterSpec) Meter {
	switch {
	case s.Status >= 300 || !s.Endpoint.Meters:
		return nothingUsed{}
	case isEventStream(s.ContentType):
		return newEventStream(s, &anthropicStream{})
	default:
		return newJSONMeter(s, anthropicUsage, anthropicMembers)
	}
}

func isEventStream(contentType string) bool {
	const want = "text/event-stream"
	return len(contentType) >= len(want) && strings.EqualFold(contentType[:len(want)], want)
}

// anthropicErrors are the types of errors by status (https://docs.anthropic.com/en/api/errors).
var anthropicErrors = map[int]string{
	400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
	413: "request_too_large", 429: "rate_limit_error", 503: "overloaded_error",
}

func (anthropicDialect) errorBody(r Refusal) Shape {
	kind, ok := anthropicErrors[r.Status]
	if !ok {
		kind = "api_error"
	}
	return jsonShape(map[string]any{"type": "error", "error": map[string]any{"type": kind, "message": r.Message, "code": r.Code}})
}
