package provider

import (
	"strconv"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// bedrock is AWS's runtime for language models: Converse, and the models' own formats by InvokeModel.
var bedrock = Preset{
	Name: "aws-bedrock", Host: "bedrock-runtime.{region}.amazonaws.com", Credential: "sigv4", SigningName: "bedrock", dialect: bedrockDialect{},
	Endpoints: []Endpoint{
		{Name: "converse", Method: "POST", Path: "/model/{model}/converse", Body: BodyJSON, Meters: true},
		{Name: "converse-stream", Method: "POST", Path: "/model/{model}/converse-stream", Body: BodyJSON, Meters: true},
		{Name: "invoke", Method: "POST", Path: "/model/{model}/invoke", Body: BodyJSON, Meters: true},
		{Name: "invoke-with-response-stream", Method: "POST", Path: "/model/{model}/invoke-with-response-stream", Body: BodyJSON, Meters: true},
		{Name: "count-tokens", Method: "POST", Path: "/model/{model}/count-tokens", Body: BodyJSON, Flat: true},
	},
}

// toolPrompt bounds the system prompt that a model's maker adds when a call has tools. Anthropic lists 159 to
// 530 tokens by model and tool choice (https://docs.anthropic.com/en/docs/tool-use-pricing-and-tokens); twice that leaves room.
const toolPrompt = 1024

type bedrockDialect struct{}

var converseKeys = []string{
	"inferenceConfig", "additionalModelRequestFields", "performanceConfig", "serviceTier", "guardrailConfig", "messages", "system", "toolConfig", "promptVariables",
}

// isClaude tells the models whose own format is Anthropic's, whatever region or profile they are called by.
func isClaude(model string) bool { return strings.Contains(model, "anthropic.") }

func (d bedrockDialect) readRequest(e Endpoint, r RawRequest) (Request, error) {
	model, err := pathModel(r.Path, "model")
	if err != nil {
		return Request{}, err
	}
	if e.Flat {
		return d.count(model, r)
	}
	if err := bedrockHeaders(r.Header); err != nil {
		return Request{}, err
	}
	var rq Request
	switch {
	case strings.HasPrefix(e.Name, "converse"):
		rq, err = d.converse(r)
	case isClaude(model):
		rq, err = d.claude(model, r)
	default:
		rq, err = d.native(r)
	}
	rq.Model, rq.Stream, rq.modelAt = model, strings.HasSuffix(e.Name, "stream"), span{}
	return rq, err
}

// Headers by which a request asks for another price list, or for what is billed apart, with the one value that does not.
var bedrockPlain = map[string]string{
	"x-amzn-bedrock-service-tier": "default", "x-amzn-bedrock-performanceconfig-latency": "standard", "x-amzn-bedrock-guardrailidentifier": "",
}

func bedrockHeaders(get func(string) string) error {
	for name, plain := range bedrockPlain {
		if get == nil {
			return nil
		}
		if v := get(name); v != "" && v != plain {
			return badRequest(name, "this has a price list of its own and is not priced yet")
		}
	}
	return nil
}

func (bedrockDialect) converse(r RawRequest) (Request, error) {
	rq := flatRequest()
	o, err := readObject(r.Body, converseKeys)
	if err != nil {
		return rq, err
	}
	for _, key := range []string{"performanceConfig", "serviceTier", "guardrailConfig"} {
		if o.has(key) {
			return rq, badRequest(key, "this has a price list of its own and is not priced yet")
		}
	}
	rq.Weight = o.weight()
	rq.Bound[sentinel.InputTokens] = int64(len(r.Body))
	if o.has("toolConfig") {
		rq.Bound[sentinel.InputTokens] += toolPrompt
	}
	if len(o.members["messages"].facts.media) > 0 || len(o.members["system"].facts.media) > 0 {
		rq.Bound[sentinel.InputTokens] = AsModelAllows
	}
	_, extra := o.members["additionalModelRequestFields"] // those may set a limit of their own
	rq.Bound[sentinel.OutputTokens], err = mostOf(o, "inferenceConfig", "maxTokens", extra)
	return rq, err
}

// mostOf reads a limit of the output from a member of a member.
func mostOf(o object, key, inner string, ignored bool) (int64, error) {
	config, ok, err := o.object(key, []string{inner})
	if err != nil || !ok || ignored {
		return AsModelAllows, err
	}
	n, err := config.number(inner)
	if err != nil || n == 0 {
		return AsModelAllows, err
	}
	return n, nil
}

// claude reads a request in Anthropic's format, whose model stands in the path.
func (bedrockDialect) claude(model string, r RawRequest) (Request, error) {
	o, err := readObject(r.Body, anthropicKeys)
	if err != nil {
		return Request{}, err
	}
	if o.has("model") || o.has("stream") {
		return Request{}, badRequest("model", "on Bedrock the path says which model answers, and whether it streams")
	}
	return anthropicDialect{}.readParameters(o, model, len(r.Body))
}

// nativeLengths are the members by which models' own formats bound an answer: Llama's; Mistral's, Cohere's and others'; Amazon's.
var nativeLengths = []string{"max_gen_len", "max_tokens", "inferenceConfig.maxTokens", "inferenceConfig.max_new_tokens", "textGenerationConfig.maxTokenCount"}

// native reads a request in another model's own format, of which it knows the limits of the output that stand
// for themselves.
func (bedrockDialect) native(r RawRequest) (Request, error) {
	rq := flatRequest()
	o, err := readObject(r.Body, []string{"messages", "system", "max_gen_len", "max_tokens", "inferenceConfig", "textGenerationConfig"})
	if err != nil {
		return rq, err
	}
	rq.Weight = o.weight()
	rq.Bound[sentinel.InputTokens], rq.Bound[sentinel.OutputTokens] = int64(len(r.Body))+toolPrompt, AsModelAllows
	for _, m := range o.members {
		if len(m.facts.media) > 0 || m.facts.refersTo(inline) {
			rq.Bound[sentinel.InputTokens] = AsModelAllows
		}
	}
	for _, key := range nativeLengths {
		var n int64
		if name, inner, nested := strings.Cut(key, "."); nested {
			n, err = mostOf(o, name, inner, false)
		} else {
			n, err = o.number(name)
		}
		if err != nil {
			return rq, err
		}
		if n > 0 {
			rq.Bound[sentinel.OutputTokens] = max(rq.Bound[sentinel.OutputTokens], n)
		}
	}
	return rq, nil
}

func (bedrockDialect) withModel(_ Endpoint, r RawRequest, _ Request, model string) ([]byte, string, error) {
	path, err := withPathModel(r.Path, "model", model)
	return nil, path, err
}

func (bedrockDialect) newMeter(s MeterSpec) Meter {
	switch {
	case s.Status >= 300 || !s.Endpoint.Meters:
		return nothingUsed{}
	case s.Endpoint.Name == "converse":
		return newJSONMeter(s, converseUsage, []string{"usage", "serviceTier"})
	case s.Endpoint.Name == "invoke" && isClaude(s.Model):
		return newJSONMeter(s, anthropicUsage, []string{"usage"}) // not its model: AWS has names of its own for them
	case s.Endpoint.Name == "invoke":
		return newJSONMeter(s, func(found *scanner) (Metered, bool) {
			if got, ok := converseUsage(found); ok { // Amazon's own models report as Converse does
				return got, true
			}
			return invokeHeaders(s.Header)
		}, []string{"usage"})
	}
	f := &frames{}
	m := newStreamMeter(s, &invokeStream{})
	if s.Endpoint.Name == "converse-stream" {
		m.reader = &converseStream{}
		f.each = func(_ string, payload []byte) { m.event(payload) }
	} else {
		f.each = func(kind string, payload []byte) {
			if inner, ok := innerChunk(payload); ok && kind == "chunk" {
				m.event(inner)
			}
		}
	}
	m.frames = f
	return m
}

// invokeHeaders reads the counts that Bedrock sends with every answer of InvokeModel.
func invokeHeaders(header func(string) string) (Metered, bool) {
	if header == nil {
		return Metered{}, false
	}
	in, inErr := strconv.ParseInt(header("x-amzn-bedrock-input-token-count"), 10, 64)
	out, outErr := strconv.ParseInt(header("x-amzn-bedrock-output-token-count"), 10, 64)
	if inErr != nil || outErr != nil && header("x-amzn-bedrock-output-token-count") != "" {
		return Metered{}, false
	}
	var c clamp
	u := sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: c.within(in, maxReported), sentinel.OutputTokens: c.within(out, maxReported)}
	return Metered{Usage: u, Method: c.method(), Reported: true}, true
}

// awsErrors are the names under which AWS's SDKs know our refusals.
var awsErrors = map[int]string{
	400: "ValidationException", 401: "UnrecognizedClientException", 403: "AccessDeniedException",
	413: "ValidationException", 429: "ThrottlingException", 503: "ServiceUnavailableException",
}

func (bedrockDialect) errorBody(r Refusal) Shape {
	kind, ok := awsErrors[r.Status]
	if !ok {
		kind = "InternalServerException"
	}
	s := jsonShape(map[string]any{"message": r.Message, "code": r.Code})
	s.Headers = [][2]string{{"x-amzn-errortype", kind}}
	return s
}
