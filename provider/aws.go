package provider

import (
	"encoding/json"
	"encoding/xml"
	"net/url"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// bedrock is AWS's runtime for language models, by its Converse call.
var bedrock = Preset{
	Name: "aws-bedrock", Host: "bedrock-runtime.{region}.amazonaws.com", Credential: "sigv4", SigningName: "bedrock", dialect: bedrockDialect{},
	Endpoints: []Endpoint{{Name: "converse", Method: "POST", Path: "/model/{model}/converse", Body: BodyJSON, Meters: true}},
}

// toolPrompt bounds the system prompt that a model's maker adds when a call has tools. Anthropic lists 159 to
// 530 tokens by model and tool choice (https://docs.anthropic.com/en/docs/tool-use-pricing-and-tokens); twice that leaves room.
const toolPrompt = 1024

type bedrockDialect struct{}

var converseKeys = []string{
	"inferenceConfig", "additionalModelRequestFields", "performanceConfig", "serviceTier", "guardrailConfig", "messages", "system", "toolConfig", "promptVariables",
}

func (bedrockDialect) readRequest(_ Endpoint, r RawRequest) (Request, error) {
	rq := flatRequest()
	segments := strings.Split(r.Path, "/")
	if len(segments) < 3 {
		return rq, badRequest("path", "it must name a model")
	}
	model, err := url.PathUnescape(segments[2])
	if err != nil || !isModelName(model) {
		return rq, badRequest("modelId", "name a model, in printable ASCII of at most %d bytes", maxModel)
	}
	o, err := readObject(r.Body, converseKeys)
	if err != nil {
		return rq, err
	}
	for _, key := range []string{"performanceConfig", "serviceTier", "guardrailConfig"} {
		if m, ok := o.members[key]; ok && m.value.Kind() != 'n' {
			return rq, badRequest(key, "this has a price list of its own and is not priced yet")
		}
	}
	rq.Model, rq.TextBytes = model, o.textBytes()
	rq.Bound[sentinel.InputTokens] = int64(len(r.Body))
	if m, ok := o.members["toolConfig"]; ok && m.value.Kind() != 'n' {
		rq.Bound[sentinel.InputTokens] += toolPrompt
	}
	if len(o.members["messages"].facts.media) > 0 || len(o.members["system"].facts.media) > 0 {
		rq.Bound[sentinel.InputTokens] = AsModelAllows
	}
	rq.Bound[sentinel.OutputTokens] = AsModelAllows
	config, ok, err := o.object("inferenceConfig", []string{"maxTokens"})
	if err != nil {
		return rq, err
	}
	if _, extra := o.members["additionalModelRequestFields"]; ok && !extra { // those may set a limit of their own
		n, err := config.number("maxTokens")
		if err != nil {
			return rq, err
		}
		if n > 0 {
			rq.Bound[sentinel.OutputTokens] = n
		}
	}
	return rq, nil
}

func (bedrockDialect) withModel(_ Endpoint, r RawRequest, _ Request, model string) ([]byte, string, error) {
	segments := strings.Split(r.Path, "/")
	if len(segments) < 3 {
		return nil, "", badRequest("path", "it must name a model")
	}
	// AWS's SDKs encode the colon of a model's version, and so do we.
	segments[2] = strings.ReplaceAll(url.PathEscape(model), ":", "%3A")
	return nil, strings.Join(segments, "/"), nil
}

func (bedrockDialect) newMeter(s MeterSpec) Meter {
	if s.Status >= 300 {
		return nothingUsed{}
	}
	return &jsonMeter{spec: s, scan: newScanner("usage"), read: converseUsage}
}

// converseUsage reads Converse's usage: its classes do not overlap.
func converseUsage(found map[string][]byte) (Metered, bool) {
	var r struct {
		Input      *int64 `json:"inputTokens"`
		Output     int64  `json:"outputTokens"`
		CacheRead  int64  `json:"cacheReadInputTokens"`
		CacheWrite int64  `json:"cacheWriteInputTokens"`
	}
	if json.Unmarshal(found["usage"], &r) != nil || r.Input == nil {
		return Metered{}, false
	}
	var c clamp
	u := sentinel.Usage{
		sentinel.Requests: 1, sentinel.InputTokens: c.within(*r.Input, maxReported), sentinel.OutputTokens: c.within(r.Output, maxReported),
		sentinel.CachedInputTokens: c.within(r.CacheRead, maxReported), sentinel.CacheWriteTokens: c.within(r.CacheWrite, maxReported),
	}
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

// s3 is AWS's object store, addressed by path. Bodies stream past unread.
var s3 = Preset{
	Name: "aws-s3", Host: "s3.{region}.amazonaws.com", Credential: "sigv4", SigningName: "s3", dialect: s3Dialect{},
	Endpoints: []Endpoint{
		{Name: "object.get", Method: "GET", Path: "/{bucket}/{key...}"},
		{Name: "object.head", Method: "HEAD", Path: "/{bucket}/{key...}"},
		{Name: "object.put", Method: "PUT", Path: "/{bucket}/{key...}"},
		{Name: "object.delete", Method: "DELETE", Path: "/{bucket}/{key...}"},
		{Name: "object.post", Method: "POST", Path: "/{bucket}/{key...}"}, // begins and completes uploads in parts
		{Name: "bucket.list", Method: "GET", Path: "/{bucket}"},
		{Name: "bucket.head", Method: "HEAD", Path: "/{bucket}"},
		{Name: "bucket.put", Method: "PUT", Path: "/{bucket}"},
		{Name: "bucket.delete", Method: "DELETE", Path: "/{bucket}"},
		{Name: "bucket.post", Method: "POST", Path: "/{bucket}"}, // deletes many objects at once
	},
}

type s3Dialect struct{}

func (s3Dialect) readRequest(Endpoint, RawRequest) (Request, error) { return flatRequest(), nil }

func (s3Dialect) withModel(Endpoint, RawRequest, Request, string) ([]byte, string, error) {
	return nil, "", badRequest("", "S3 has no models")
}

// newMeter charges every request that S3 answered: it bills those of the client's own errors too.
func (s3Dialect) newMeter(s MeterSpec) Meter {
	if s.Status >= 500 || s.Status == 0 {
		return nothingUsed{}
	}
	return oneRequest{}
}

// s3Errors are S3's own codes for our refusals.
var s3Errors = map[int]string{
	400: "InvalidRequest", 401: "InvalidAccessKeyId", 403: "AccessDenied", 413: "EntityTooLarge", 429: "SlowDown", 503: "ServiceUnavailable",
}

func (s3Dialect) errorBody(r Refusal) Shape {
	code, ok := s3Errors[r.Status]
	if !ok {
		code = "InternalError"
	}
	body, err := xml.Marshal(struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
		Reason  string
	}{Code: code, Message: r.Message, Reason: r.Code})
	if err != nil { // it has strings only, and cannot fail
		body = []byte("<Error/>")
	}
	return Shape{ContentType: "application/xml", Body: append([]byte(xml.Header), body...)}
}
