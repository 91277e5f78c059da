package provider

import (
	"cmp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// openAI is the API of platform.openai.com. What a batch will cost stands in a file that no request shows, and what a realtime session costs in a
// connection that does not pass here: neither has a price, so that the policy's unpriced decides. Realtime must be allowed by name as well.
var openAI = Preset{
	Name: "openai", Host: "api.openai.com", Credential: "bearer", dialect: openAIDialect{ownTools: true},
	Endpoints: []Endpoint{
		{Name: "chat.completions", Method: "POST", Path: "/v1/chat/completions", Body: BodyJSON, Meters: true},
		{Name: "completions", Method: "POST", Path: "/v1/completions", Body: BodyJSON, Meters: true},
		{Name: "responses", Method: "POST", Path: "/v1/responses", Body: BodyJSON, Meters: true},
		{Name: "embeddings", Method: "POST", Path: "/v1/embeddings", Body: BodyJSON, Meters: true},
		{Name: "images.generations", Method: "POST", Path: "/v1/images/generations", Body: BodyJSON, Meters: true},
		{Name: "images.edits", Method: "POST", Path: "/v1/images/edits", Body: BodyParts, Meters: true},
		{Name: "audio.speech", Method: "POST", Path: "/v1/audio/speech", Body: BodyJSON, Meters: true},
		{Name: "audio.transcriptions", Method: "POST", Path: "/v1/audio/transcriptions", Body: BodyParts, Meters: true},
		{Name: "audio.translations", Method: "POST", Path: "/v1/audio/translations", Body: BodyParts, Meters: true},
		{Name: "moderations", Method: "POST", Path: "/v1/moderations", Body: BodyJSON, Flat: true},
		{Name: "files.create", Method: "POST", Path: "/v1/files"},
		{Name: "files.list", Method: "GET", Path: "/v1/files"},
		{Name: "files.get", Method: "GET", Path: "/v1/files/{id}"},
		{Name: "files.content", Method: "GET", Path: "/v1/files/{id}/content"},
		{Name: "files.delete", Method: "DELETE", Path: "/v1/files/{id}"},
		{Name: "batches.create", Method: "POST", Path: "/v1/batches", Body: BodyJSON, Apart: true, Flat: true},
		{Name: "batches.list", Method: "GET", Path: "/v1/batches"},
		{Name: "batches.get", Method: "GET", Path: "/v1/batches/{id}"},
		{Name: "batches.cancel", Method: "POST", Path: "/v1/batches/{id}/cancel"},
		{Name: "models.list", Method: "GET", Path: "/v1/models"},
		{Name: "models.get", Method: "GET", Path: "/v1/models/{model}"},
		{Name: "realtime.client_secrets", Method: "POST", Path: "/v1/realtime/client_secrets", Body: BodyJSON, Flat: true, Closed: true, Apart: true},
		{Name: "realtime.calls", Method: "POST", Path: "/v1/realtime/calls", Closed: true, Apart: true},
	},
}

// openAIDialect is OpenAI's, with what differs at the hosts that speak it.
type openAIDialect struct {
	reportsAlways  bool     // a chat stream ends with its usage without being asked, and asking is an error
	reasoningApart bool     // reasoning is counted beside the completion, not within it
	ownTools       bool     // searches of responses have prices by the call
	leastSeconds   int64    // of sound are billed at least, and an answer says how long it was only in verbose_json
	draws          bool     // the answer has images: what it does not tell apart are their tokens
	host           *hostFit // that differs in what its models take; nil for OpenAI itself
}

var openAIKeys = []string{
	"model", "stream", "stream_options", "n", "max_tokens", "max_completion_tokens", "max_output_tokens", "service_tier",
	"output_format", "tools", "modalities", "audio", "background", "previous_response_id", "conversation", "prompt", "web_search_options", "search_parameters", "plugins", "stream_format", "input", "messages", "best_of", "max_tool_calls",
}

func (d openAIDialect) readRequest(e Endpoint, r RawRequest) (Request, error) {
	switch {
	case e.Body == BodyNone, e.Flat && len(r.Body) == 0: // a session can be asked for without a word
		return flatRequest(), nil
	case e.Body == BodyParts:
		return d.readForm(e, r, "")
	}
	o, err := readObject(r.Body, openAIKeys)
	if err != nil {
		return Request{}, err
	}
	if e.Flat {
		return readFlat(o)
	}
	if !o.has(lengthOfChats) || d.host == nil || d.host.lacks[lengthOfChats] == "" {
		return d.read(e.Name, o, "", r)
	}
	return d.readRenamed(e, r)
}

// lengthOfChats is OpenAI's present name of how long an answer may be.
const lengthOfChats = "max_completion_tokens"

// readRenamed reads a request that says how long its answer may be in a name that the host does not know: a host that passes over it gives an answer of any
// length, which nothing would hold. It goes out with the host's own name.
func (d openAIDialect) readRenamed(e Endpoint, r RawRequest) (Request, error) {
	body, err := (fit{lacks: map[string]string{lengthOfChats: d.host.lacks[lengthOfChats]}}).adapted(r.Body)
	if err != nil {
		return Request{}, err
	}
	o, err := readObject(body, openAIKeys)
	if err != nil {
		return Request{}, err
	}
	r.Body = body
	rq, err := d.read(e.Name, o, "", r)
	rq.Body = rq.sent(r)
	return rq, err
}

// read reads a request of one kind. Where the path names the model, the body need not.
func (d openAIDialect) read(kind string, o object, pathModel string, r RawRequest) (Request, error) {
	rq := flatRequest()
	rq.Weight = o.weight()
	var err error
	if rq.Model, err = o.text("model"); err != nil {
		return rq, err
	}
	if pathModel != "" {
		rq.Model = pathModel
	}
	if !isModelName(rq.Model) {
		return rq, badRequest("model", "name a model, in printable ASCII of at most %d bytes", maxModel)
	}
	if rq.Tier, err = d.tier(o); err != nil {
		return rq, err
	}
	switch asked, _ := o.text("service_tier"); {
	case asked == sentinel.ListAuto:
		rq.AskFor(sentinel.ListAuto)
	case asked == "" && (kind == "chat.completions" || kind == "responses"):
		rq.AskFor(sentinel.ListUnnamed)
	}
	rq.modelAt = o.members["model"].at
	switch kind {
	case "images.generations":
		return rq, d.image(o, &rq, r)
	case "audio.speech":
		return rq, d.speech(o, &rq, r)
	}
	if rq.Stream, err = o.flag("stream"); err != nil {
		return rq, err
	}
	if err := d.bound(kind, o, &rq, len(r.Body)); err != nil {
		return rq, err
	}
	if err := d.refuseUnpriced(kind, o, &rq); err != nil {
		return rq, err
	}
	if (kind == "chat.completions" || kind == "completions") && rq.Stream && !d.reportsAlways {
		return rq, d.askForUsage(o, &rq, r.Body)
	}
	return rq, nil
}

// projectTiers are what a project's settings may choose where a request says auto (https://platform.openai.com/docs/api-reference/chat/create, service_tier).
var projectTiers = []string{"priority", "fast", "flex"}

// DefaultTiers lists the price lists that a setting of a project at the provider may choose for calls that name none; none where there is no such setting.
func (p Preset) DefaultTiers() []string {
	if !p.hasProjects() {
		return nil
	}
	return append([]string{sentinel.ListDefault}, projectTiers...)
}

// hasProjects tells whether a provider's calls belong to projects, whose settings choose a price list.
func (p Preset) hasProjects() bool { return p.Name == openAI.Name || p.Name == azureOpenAI.Name }

// ListOf is the price list that a request asks for, for its record: where a setting at the provider may choose one, the answer's own list stands in its place on the
// ledger. It is empty where there are no such settings.
func (p Preset) ListOf(rq Request) string {
	switch {
	case !p.hasProjects():
		return ""
	case rq.Tiers != nil:
		return sentinel.ListAuto
	case rq.TierOpen:
		return sentinel.ListUnnamed
	}
	return cmp.Or(rq.Tier, sentinel.ListDefault)
}

// AskFor makes a request one for a price list, as ListOf names it.
func (rq *Request) AskFor(list string) {
	rq.Tier, rq.Tiers, rq.TierOpen = "", nil, false
	switch list {
	case sentinel.ListUnnamed:
		rq.TierOpen = true
	case sentinel.ListAuto:
		rq.Tiers, rq.TierOpen = projectTiers, true
	case sentinel.ListDefault:
	default:
		rq.Tier = list
	}
}

// tier gives the price list that a request asks for: OpenAI's flex and priority have rates of their own.
func (openAIDialect) tier(o object) (string, error) {
	switch tier, err := o.text("service_tier"); {
	case err != nil:
		return "", err
	case tier == "flex" || tier == "priority" || tier == "fast":
		return tier, nil
	case tier == "" || tier == "auto" || tier == "default" || tier == "on_demand":
		return "", nil
	}
	return "", badRequest("service_tier", "only auto, default, flex, priority and fast are known")
}

// refuseUnpriced refuses what the answer's usage does not show, or what has another price list.
func (d openAIDialect) refuseUnpriced(kind string, o object, rq *Request) error {
	for _, key := range []string{"web_search_options", "search_parameters", "plugins"} {
		if m, ok := o.members[key]; ok && m.value.Kind() != 'n' {
			return badRequest(key, "this is billed apart from tokens and is not priced yet")
		}
	}
	if background, err := o.flag("background"); err != nil || background {
		return badRequest("background", "the answer of a background response cannot be metered")
	}
	tools, err := o.elements("tools", []string{"type"})
	if err != nil {
		return err
	}
	for _, t := range tools {
		tool, err := t.text("type")
		switch {
		case err != nil:
			return badRequest("tools", "%s", err)
		case tool == "function" || tool == "custom":
		case d.ownTools && kind == "responses" && (tool == "web_search" || tool == "file_search"):
			if err := d.ownTool(o, rq, tool); err != nil {
				return err
			}
		default:
			return badRequest("tools", "tools of type %q are billed apart from tokens and are not priced yet", clip(tool))
		}
	}
	return nil
}

// inline are the types of message parts and input items whose content stands in the body. Every other type
// may refer to an image, a file or stored items, whose tokens the body's bytes do not bound.
var inline = []string{
	"text", "refusal", "function", "custom", "message", "input_text", "output_text", "function_call", "function_call_output",
	"custom_tool_call", "custom_tool_call_output", "url_citation", "file_citation", "container_file_citation", "file_path",
}

// pullsIn tells whether messages or input refer to something outside of the body. An input item that has
// neither type nor role is a reference to a stored one; "audio" in a message is an earlier answer's.
func (f facts) pullsIn() bool {
	return f.refersTo(inline) || f.bare || f.media["audio"]
}

// refersTo tells whether there are other types than those whose content stands in the body.
func (f facts) refersTo(inline []string) bool {
	for t := range f.types {
		if !slices.Contains(inline, t) {
			return true
		}
	}
	return false
}

// bound finds the most that the call can use. A token has at least one byte, so a body of n bytes
// has at most n tokens, unless it refers to something outside.
func (openAIDialect) bound(kind string, o object, rq *Request, bodyBytes int) error {
	rq.Bound[sentinel.InputTokens] = int64(bodyBytes)
	for _, key := range []string{"previous_response_id", "conversation", "prompt"} {
		if m, ok := o.members[key]; ok && m.value.Kind() != 'n' && kind == "responses" {
			rq.Bound[sentinel.InputTokens] = AsModelAllows
		}
	}
	if kind == "embeddings" {
		return nil
	}
	if o.members["messages"].facts.pullsIn() || o.members["input"].facts.pullsIn() {
		rq.Bound[sentinel.InputTokens] = AsModelAllows
	}
	var err error
	if n, err := o.number("n"); err != nil {
		return err
	} else if n > 128 {
		return badRequest("n", "at most 128 choices can be asked for")
	} else if n > 0 {
		rq.Choices = n
	}
	if best, err := o.number("best_of"); err != nil || best > 128 {
		return badRequest("best_of", "at most 128 choices can be asked for")
	} else if best > rq.Choices && kind == "completions" {
		rq.Choices = best
	}
	rq.Bound[sentinel.OutputTokens] = AsModelAllows
	keys := []string{"max_completion_tokens", "max_tokens"}
	if kind == "responses" {
		keys = []string{"max_output_tokens"}
	}
	for _, key := range keys {
		var n int64
		if n, err = o.number(key); err != nil {
			return err
		}
		if n > 0 {
			rq.Bound[sentinel.OutputTokens] = max(rq.Bound[sentinel.OutputTokens], n*rq.Choices)
		}
	}
	return nil
}

// askForUsage makes a chat stream end with its usage, and remembers whether the client wanted that.
func (openAIDialect) askForUsage(o object, rq *Request, body []byte) error {
	options, present, err := o.object("stream_options", []string{"include_usage"})
	if err != nil {
		return err
	}
	asked, err := options.flag("include_usage")
	if err != nil {
		return badRequest("stream_options", "%s", err)
	}
	if asked {
		return nil
	}
	rq.HideUsage = true
	at := o.members["stream_options"].at
	var e edit
	switch {
	case !present && at.end == 0:
		e = edit{span{o.first, o.first}, `"stream_options":{"include_usage":true},`}
	case !present: // null
		e = edit{at, `{"include_usage":true}`}
	case options.members["include_usage"].at.end > 0:
		inner := options.members["include_usage"].at
		e = edit{span{at.start + inner.start, at.start + inner.end}, "true"}
	case len(options.members) == 0:
		e = edit{at, `{"include_usage":true}`}
	default:
		begin := at.start + options.first
		e = edit{span{begin, begin}, `"include_usage":true,`}
	}
	rq.Body = splice(body, e)
	if shift := len(e.text) - (e.at.end - e.at.start); e.at.start <= rq.modelAt.start {
		rq.modelAt.start += shift
		rq.modelAt.end += shift
	}
	return nil
}

func (openAIDialect) withModel(_ Endpoint, r RawRequest, rq Request, model string) ([]byte, string, error) {
	body := rq.sent(r)
	quoted, err := jsontext.AppendQuote(nil, model)
	if err != nil || rq.modelAt.end == 0 {
		return nil, "", badRequest("model", "it cannot be replaced by %q", clip(model))
	}
	return splice(body, edit{rq.modelAt, string(quoted)}), r.Path, nil
}

func (d openAIDialect) newMeter(s MeterSpec) Meter {
	switch {
	case s.Status < 300 && s.Endpoint.Name == "audio.speech" && spokenByCharacter(s.Model):
		return asBound{sentinel.Usage{sentinel.Requests: 1, sentinel.Characters: s.Bound[sentinel.Characters]}}
	case s.Status < 300 && s.Endpoint.Apart:
		return oneRequest{}
	case s.Status >= 300 || !s.Endpoint.Meters:
		return nothingUsed{}
	case s.Endpoint.Name == "audio.speech":
		return speechMeter{newEventStream(s, &openAIStream{dialect: d}), s.Bound[sentinel.Characters]}
	case isEventStream(s.ContentType):
		return newEventStream(s, &openAIStream{dialect: d, hideUsage: s.HideUsage})
	case strings.HasPrefix(s.Endpoint.Name, "audio."):
		return newJSONMeter(s, d.soundUsage, soundMembers)
	case strings.HasPrefix(s.Endpoint.Name, "images."):
		d.draws = true
		return newJSONMeter(s, d.usage, openAIMembers)
	default:
		m := newJSONMeter(s, d.jsonUsage(), openAIMembers)
		if s.Bound[sentinel.WebSearches]+s.Bound[sentinel.FileSearches] > 0 {
			m.calls = []watch{{token: webSearchCall, unit: sentinel.WebSearches}, {token: fileSearchCall, unit: sentinel.FileSearches}}
		}
		return m
	}
}

func (openAIDialect) errorBody(r Refusal) Shape {
	kind := "invalid_request_error"
	switch {
	case r.Status == 429 && r.Code == string(sentinel.ReasonBudget):
		kind = "insufficient_quota"
	case r.Status == 429:
		kind = "rate_limit_error"
	case r.Status == 401:
		kind = "authentication_error"
	case r.Status == 403:
		kind = "permission_error"
	case r.Status >= 500:
		kind = "server_error"
	}
	return jsonShape(map[string]any{"error": map[string]any{"message": r.Message, "type": kind, "param": nil, "code": r.Code}})
}
