package provider

import (
	"bytes"
	"encoding/json"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// converseReport is the usage object of Converse and of Amazon's own models.
type converseReport struct {
	Input      *int64 `json:"inputTokens"`
	Output     int64  `json:"outputTokens"`
	CacheRead  int64  `json:"cacheReadInputTokens"`
	CacheWrite int64  `json:"cacheWriteInputTokens"`
	Details    []struct {
		Lifetime string `json:"ttl"`
		Tokens   int64  `json:"inputTokens"`
	} `json:"cacheDetails"`
}

// metered turns a report into usage by classes, which do not overlap.
func (r *converseReport) metered() (Metered, bool) {
	if r.Input == nil {
		return Metered{}, false
	}
	var c clamp
	written := c.within(r.CacheWrite, maxReported)
	var long int64
	for _, d := range r.Details {
		if d.Lifetime == "1h" {
			long = c.within(long+c.within(d.Tokens, written), written)
		}
	}
	u := sentinel.Usage{
		sentinel.Requests: 1, sentinel.InputTokens: c.count(r.Input), sentinel.OutputTokens: c.within(r.Output, maxReported),
		sentinel.CachedInputTokens: c.within(r.CacheRead, maxReported), sentinel.CacheWriteTokens: written - long, sentinel.CacheWriteLongTokens: long,
	}
	return Metered{Usage: u, Method: c.method(), Reported: true}, true
}

// converseUsage reads a JSON answer.
func converseUsage(found *scanner) (Metered, bool) {
	var r converseReport
	if len(found.get("usage")) == 0 || json.Unmarshal(found.get("usage"), &r) != nil {
		return Metered{}, false
	}
	got, ok := r.metered()
	var served converseTier
	if raw := found.get("serviceTier"); raw != nil && json.Unmarshal(raw, &served) == nil {
		got.Tier = served.Type
	}
	return got, ok
}

// converseTier is the service tier of an answer.
type converseTier struct {
	Type string `json:"type"`
}

// converseStream reads ConverseStream: its last event, metadata, reports.
type converseStream struct {
	report converseReport
	served converseTier
}

// converseEvent is the payload of one event; which one, its members tell.
type converseEvent struct {
	Usage  *converseReport `json:"usage"`
	Served converseTier    `json:"serviceTier"`
}

var converseTexts = []textMember{
	{name: "start", in: []textMember{{name: "toolUse", in: textMembers("name")}}},
	{name: "delta", in: []textMember{
		{name: "text", take: aString}, {name: "toolUse", in: textMembers("input")}, {name: "reasoningContent", in: textMembers("text")},
	}},
}

func (*converseStream) texts() []textMember { return converseTexts }

func (*converseStream) reports(data []byte) bool { return bytes.Contains(data, usageKey) }

func (r *converseStream) read(data []byte) bool {
	var e converseEvent
	if json.Unmarshal(data, &e) != nil {
		return false
	}
	if e.Usage != nil {
		r.report, r.served = *e.Usage, e.Served
	}
	return false
}

func (r *converseStream) result() (Metered, bool) {
	got, ok := r.report.metered()
	got.Tier = r.served.Type
	return got, ok
}

// innerChunk takes a model's own event out of a chunk of InvokeModelWithResponseStream.
func innerChunk(payload []byte) ([]byte, bool) {
	var chunk struct {
		Bytes []byte `json:"bytes"` // base64
	}
	err := json.Unmarshal(payload, &chunk)
	return chunk.Bytes, err == nil && len(chunk.Bytes) > 0
}

// invokeStream reads the events of a model's own format: Claude's are Anthropic's, Amazon's are Converse's,
// and the last one of every model has Bedrock's own metrics.
type invokeStream struct {
	claude   anthropicStream
	converse converseStream
	metrics  *invocationMetrics
}

type invocationMetrics struct {
	Input      *int64 `json:"inputTokenCount"`
	Output     int64  `json:"outputTokenCount"`
	CacheRead  int64  `json:"cacheReadInputTokenCount"`
	CacheWrite int64  `json:"cacheWriteInputTokenCount"`
}

// invokeEvent has the two places of a report: Bedrock's own, and Nova's.
type invokeEvent struct {
	Metrics *invocationMetrics `json:"amazon-bedrock-invocationMetrics"`
	Meta    json.RawMessage    `json:"metadata"`
}

// invokeTexts has what the formats of Llama, Mistral, Titan, Cohere, Nova and Claude call a piece of text.
var invokeTexts = append([]textMember{
	{name: "outputs", in: textMembers("text")},
	{name: "choices", in: []textMember{{name: "delta", in: textMembers("content")}}},
	{name: "contentBlockDelta", in: converseTexts},
	anthropicTexts[0], anthropicTexts[1],
}, textMembers("generation", "outputText", "text")...)

func (*invokeStream) texts() []textMember { return invokeTexts }

var metricsKey = []byte(`"amazon-bedrock-invocationMetrics"`)

func (r *invokeStream) reports(data []byte) bool {
	return bytes.Contains(data, metricsKey) || bytes.Contains(data, usageKey)
}

func (r *invokeStream) read(data []byte) bool {
	var e invokeEvent
	if json.Unmarshal(data, &e) == nil {
		if e.Metrics != nil {
			r.metrics = e.Metrics
		}
		if len(e.Meta) > 0 {
			r.converse.read(e.Meta)
		}
	}
	return r.claude.read(data)
}

// result prefers the reports that know about the cache's lifetimes.
func (r *invokeStream) result() (Metered, bool) {
	r.claude.model = "" // AWS has names of its own for models
	if got, whole := r.claude.result(); whole {
		return got, true
	}
	if got, ok := r.converse.result(); ok {
		return got, true
	}
	if m := r.metrics; m != nil {
		report := converseReport{Input: m.Input, Output: m.Output, CacheRead: m.CacheRead, CacheWrite: m.CacheWrite}
		return report.metered()
	}
	return r.claude.result()
}
