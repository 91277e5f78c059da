package provider

import (
	"net/url"
	"slices"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// gemini is Google's API for developers.
var gemini = Preset{ //nolint:gosec // the name of a header
	Name: "gemini", Host: "generativelanguage.googleapis.com", Credential: "header:x-goog-api-key", dialect: geminiDialect{},
	Endpoints: slices.Concat(
		geminiEndpoints("", "/v1beta/models"), geminiModels("", "/v1beta/models"),
		geminiEndpoints(stable, "/v1/models"), geminiModels(stable, "/v1/models")),
}

// stable begins the names of endpoints of the version v1, which google-genai asks for since 3.0; the others are of v1beta.
const stable = "v1."

func geminiEndpoints(version, models string) []Endpoint {
	return []Endpoint{
		{Name: version + "generateContent", Method: "POST", Path: models + "/{model}:generateContent", Body: BodyJSON, Meters: true},
		{Name: version + "streamGenerateContent", Method: "POST", Path: models + "/{model}:streamGenerateContent", Body: BodyJSON, Meters: true},
		{Name: version + "embedContent", Method: "POST", Path: models + "/{model}:embedContent", Body: BodyJSON, Meters: true},
		{Name: version + "batchEmbedContents", Method: "POST", Path: models + "/{model}:batchEmbedContents", Body: BodyJSON, Meters: true},
		{Name: version + "countTokens", Method: "POST", Path: models + "/{model}:countTokens", Body: BodyJSON, Flat: true},
	}
}

func geminiModels(version, models string) []Endpoint {
	return []Endpoint{
		{Name: version + "models.list", Method: "GET", Path: models},
		{Name: version + "models.get", Method: "GET", Path: models + "/{model}"},
	}
}

type geminiDialect struct{}

var geminiKeys = []string{
	"contents", "content", "requests", "systemInstruction", "system_instruction", "tools", "generationConfig", "generation_config",
	"cachedContent", "cached_content", "serviceTier", "service_tier", "model",
	"generateContentRequest", "generate_content_request",
}

func (d geminiDialect) readRequest(e Endpoint, r RawRequest) (Request, error) {
	rq := flatRequest()
	if err := googleQuery(r.Query); err != nil || e.Body == BodyNone {
		return rq, err
	}
	var err error
	if rq.Model, err = googleModel(r.Path); err != nil {
		return rq, err
	}
	o, err := readObject(r.Body, geminiKeys)
	if err != nil {
		return rq, err
	}
	if e.Flat {
		return d.count(o, rq.Model)
	}
	rq.Weight = o.weight()
	kind := strings.TrimPrefix(e.Name, stable)
	rq.Stream = kind == "streamGenerateContent"
	if rq.Tier, err = d.tier(o, r.Header); err != nil {
		return rq, err
	}
	rq.Bound[sentinel.InputTokens] = int64(len(r.Body))
	for _, m := range o.members {
		if len(m.facts.media) > 0 {
			rq.Bound[sentinel.InputTokens] = AsModelAllows
		}
	}
	if strings.HasSuffix(kind, "Content") && kind != "embedContent" {
		return rq, d.bound(o, &rq)
	}
	return rq, nil
}

// googleQuery refuses credentials where they would go on to the provider.
func googleQuery(raw string) error {
	query, err := url.ParseQuery(raw)
	if err != nil || query.Has("key") || query.Has("access_token") {
		return badRequest("query", "send the service's token as x-goog-api-key: what stands in the query would reach the provider")
	}
	return nil
}

// googleModel reads the model from the end of a path, MODEL:METHOD.
func googleModel(path string) (string, error) {
	segment := path[strings.LastIndexByte(path, '/')+1:]
	name, _, _ := strings.Cut(segment, ":")
	model, err := url.PathUnescape(name)
	if err != nil || !isModelName(model) || strings.Count(segment, ":") != 1 {
		return "", badRequest("path", "name a model, in printable ASCII of at most %d bytes", maxModel)
	}
	return model, nil
}

// vertexTier is the header by which Vertex takes a service tier.
const vertexTier = "x-vertex-ai-llm-shared-request-type"

// tier gives the price list that a request asks for: in its body, or on Vertex by a header.
func (geminiDialect) tier(o object, header func(string) string) (string, error) {
	key, err := o.either("serviceTier", "service_tier")
	if err != nil {
		return "", err
	}
	asked, err := o.text(key)
	if err != nil {
		return "", err
	}
	if asked == "" && header != nil {
		key, asked = vertexTier, header(vertexTier)
	}
	switch tier := strings.TrimPrefix(strings.ToLower(asked), "service_tier_"); tier {
	case "", "standard", "unspecified":
		return "", nil
	case "flex", "priority":
		return tier, nil
	}
	return "", badRequest(key, "only standard, flex and priority are known")
}

// either gives the member that is written in one of two ways: Google's decoder takes both.
func (o object) either(a, b string) (string, error) {
	if _, ok := o.members[b]; !ok {
		return a, nil
	}
	if _, ok := o.members[a]; ok {
		return "", badRequest(b, "this is %q in another spelling: write one of them", a)
	}
	return b, nil
}

// bound finds the most that an answer can use. Thoughts count towards maxOutputTokens.
func (d geminiDialect) bound(o object, rq *Request) error {
	for _, key := range []string{"cachedContent", "cached_content"} {
		if o.has(key) {
			rq.Bound[sentinel.InputTokens] = AsModelAllows
		}
	}
	rq.Bound[sentinel.OutputTokens] = AsModelAllows
	key, err := o.either("generationConfig", "generation_config")
	if err != nil {
		return err
	}
	config, _, err := o.object(key, []string{"maxOutputTokens", "max_output_tokens", "candidateCount", "candidate_count"})
	if err != nil {
		return err
	}
	choices, err := config.eitherNumber("candidateCount", "candidate_count")
	if err != nil || choices > 128 {
		return badRequest("candidateCount", "at most 128 candidates can be asked for")
	}
	rq.Choices = max(1, choices)
	most, err := config.eitherNumber("maxOutputTokens", "max_output_tokens")
	if err != nil {
		return err
	}
	if most > 0 {
		rq.Bound[sentinel.OutputTokens] = most * rq.Choices
	}
	return d.tools(o, rq)
}

func (o object) eitherNumber(a, b string) (int64, error) {
	key, err := o.either(a, b)
	if err != nil {
		return 0, err
	}
	return o.number(key)
}

// Tools of Google's that cost the tokens of what they bring in, and those that are billed by the call.
var (
	googleTokenTools  = []string{"urlContext", "url_context", "codeExecution", "code_execution"}
	googleSearchTools = []string{"googleSearch", "google_search", "googleSearchRetrieval", "google_search_retrieval"}
	googleOwnTools    = []string{"functionDeclarations", "function_declarations", "computerUse", "computer_use"}
)

// tools bounds what tools add. Up to Gemini 2.5 a prompt that searches is billed once; later models are billed
// for each query, whose number nobody bounds.
func (geminiDialect) tools(o object, rq *Request) error {
	known := append(append(append([]string(nil), googleTokenTools...), googleSearchTools...), googleOwnTools...)
	list, err := o.elements("tools", known)
	if err != nil {
		return err
	}
	for _, t := range list {
		for name := range t.members {
			switch {
			case slices.Contains(googleOwnTools, name):
				if rq.Bound[sentinel.InputTokens] != AsModelAllows {
					rq.Bound[sentinel.InputTokens] += toolPrompt
				}
			case slices.Contains(googleTokenTools, name):
				rq.Bound[sentinel.InputTokens] = AsModelAllows
			case slices.Contains(googleSearchTools, name) && billsByPrompt(rq.Model):
				rq.Bound[sentinel.InputTokens], rq.Bound[sentinel.WebSearches] = AsModelAllows, 1
			default:
				return badRequest("tools", "%q is billed apart from tokens and is not priced for this model", clip(name))
			}
		}
	}
	return nil
}

// billsByPrompt tells the models whose grounding is billed by the prompt.
func billsByPrompt(model string) bool {
	return strings.HasPrefix(model, "gemini-1.") || strings.HasPrefix(model, "gemini-2.")
}

func (geminiDialect) withModel(_ Endpoint, r RawRequest, _ Request, model string) ([]byte, string, error) {
	path, err := withPathModel(r.Path, "models", model)
	return nil, path, err
}

func (geminiDialect) newMeter(s MeterSpec) Meter {
	switch {
	case s.Status >= 300 || !s.Endpoint.Meters:
		return nothingUsed{}
	case isEventStream(s.ContentType):
		return newEventStream(s, newGeminiStream(s))
	case strings.TrimPrefix(s.Endpoint.Name, stable) == "streamGenerateContent":
		m := newStreamMeter(s, newGeminiStream(s))
		m.frames = &elements{each: func(data []byte) { m.event(data) }}
		return m
	}
	return newGeminiMeter(s)
}

// googleErrors are the canonical names of statuses (https://cloud.google.com/apis/design/errors).
var googleErrors = map[int]string{
	400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 413: "INVALID_ARGUMENT",
	429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE",
}

func (geminiDialect) errorBody(r Refusal) Shape {
	status, ok := googleErrors[r.Status]
	if !ok {
		status = "INTERNAL"
	}
	return jsonShape(map[string]any{"error": map[string]any{"code": r.Status, "message": r.Message, "status": status, "details": []any{
		map[string]any{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": r.Code, "domain": "saas-sentinel"},
	}}})
}
