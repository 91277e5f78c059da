package provider

import (
	"bytes"
	"encoding/base64"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// converseReport is the usage object of Converse and of Amazon's own models.
type converseReport struct {
	input, output, cacheRead, cacheWrite count
	long                                 part // of what was written, as long as it is kept for an hour
}

// read reads a usage object.
func (r *converseReport) read(raw []byte) bool {
	in := newReport(raw)
	for in.object(); in.member(); {
		switch string(in.key) {
		case "inputTokens":
			in.number(&r.input)
		case "outputTokens":
			in.number(&r.output)
		case "cacheReadInputTokens":
			in.number(&r.cacheRead)
		case "cacheWriteInputTokens":
			in.number(&r.cacheWrite)
		case "cacheDetails":
			r.readLifetimes(&in)
		default:
			in.pass()
		}
	}
	return in.done()
}

func (r *converseReport) readLifetimes(in *reportReader) {
	r.long = part{}
	for in.list(); in.element(); {
		var tokens count
		long := false
		for in.object(); in.member(); {
			switch string(in.key) {
			case "ttl":
				long = string(in.text()) == "1h"
			case "inputTokens":
				in.number(&tokens)
			default:
				in.pass()
			}
		}
		if long {
			r.long.add(tokens.n)
		}
	}
}

// metered turns a report into usage by classes, which do not overlap.
func (r *converseReport) metered() (Metered, bool) {
	if !r.input.set {
		return Metered{}, false
	}
	var c clamp
	written := c.within(r.cacheWrite.n, maxReported)
	long := r.long.within(written, &c)
	u := sentinel.Usage{
		sentinel.Requests: 1, sentinel.InputTokens: c.within(r.input.n, maxReported), sentinel.OutputTokens: c.within(r.output.n, maxReported),
		sentinel.CachedInputTokens: c.within(r.cacheRead.n, maxReported), sentinel.CacheWriteTokens: written - long, sentinel.CacheWriteLongTokens: long,
	}
	return Metered{Usage: u, Method: c.method(), Reported: true}, true
}

// converseUsage reads a JSON answer.
func converseUsage(found *scanner) (Metered, bool) {
	var r converseReport
	if !r.read(found.get("usage")) {
		return Metered{}, false
	}
	got, ok := r.metered()
	in := newReport(found.get("serviceTier"))
	if tier := converseTier(&in); in.done() {
		got.Tier = tier
	}
	return got, ok
}

// converseTier reads the service tier of an answer.
func converseTier(in *reportReader) (tier string) {
	for in.object(); in.member(); {
		if string(in.key) == "type" {
			in.word(&tier)
		} else {
			in.pass()
		}
	}
	return tier
}

// converseStream reads ConverseStream: its last event, metadata, reports.
type converseStream struct {
	report converseReport
	tier   string
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
	var usage []byte
	var tier string
	in := newReport(data)
	for in.object(); in.member(); {
		switch string(in.key) {
		case "usage":
			usage = in.raw()
		case "serviceTier":
			tier = converseTier(&in)
		default:
			in.pass()
		}
	}
	var report converseReport
	if in.done() && report.read(usage) && report.input.set {
		r.report, r.tier = report, tier
	}
	return false
}

func (r *converseStream) result() (Metered, bool) {
	got, ok := r.report.metered()
	got.Tier = r.tier
	return got, ok
}

// innerChunk takes a model's own event out of a chunk of InvokeModelWithResponseStream.
func innerChunk(payload []byte) ([]byte, bool) {
	var coded []byte
	in := newReport(payload)
	for in.object(); in.member(); {
		if string(in.key) == "bytes" {
			coded = in.text()
		} else {
			in.pass()
		}
	}
	event, err := base64.StdEncoding.AppendDecode(nil, coded)
	return event, in.done() && err == nil && len(event) > 0
}

// invokeStream reads the events of a model's own format: Claude's are Anthropic's, Amazon's are Converse's,
// and the last one of every model has Bedrock's own metrics.
type invokeStream struct {
	claude   anthropicStream
	converse converseStream
	metrics  converseReport
}

// readMetrics reads Bedrock's own report.
func (r *converseReport) readMetrics(in *reportReader) {
	for in.object(); in.member(); {
		switch string(in.key) {
		case "inputTokenCount":
			in.number(&r.input)
		case "outputTokenCount":
			in.number(&r.output)
		case "cacheReadInputTokenCount":
			in.number(&r.cacheRead)
		case "cacheWriteInputTokenCount":
			in.number(&r.cacheWrite)
		default:
			in.pass()
		}
	}
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

// read reads the two places of a report beside Anthropic's: Bedrock's own, and Nova's.
func (r *invokeStream) read(data []byte) bool {
	metrics := r.metrics
	var meta []byte
	in := newReport(data)
	for in.object(); in.member(); {
		switch string(in.key) {
		case "amazon-bedrock-invocationMetrics":
			var report converseReport
			if report.readMetrics(&in); report.input.set {
				metrics = report
			}
		case "metadata":
			meta = in.raw()
		default:
			in.pass()
		}
	}
	if in.done() {
		r.metrics = metrics
		r.converse.read(meta)
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
	if got, ok := r.metrics.metered(); ok {
		return got, true
	}
	return r.claude.result()
}
