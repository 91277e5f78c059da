package provider

import (
	"encoding/json"

	"github.com/go-json-experiment/json/jsontext"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// maxReported bounds every count that a provider may report for one call.
const maxReported = 1_000_000_000

// methodClamped marks usage that could not be true as it was reported.
const methodClamped = "clamped"

// openAIReport is the usage object of chat completions, embeddings and responses together.
type openAIReport struct {
	Prompt        *int64 `json:"prompt_tokens"`
	Completion    *int64 `json:"completion_tokens"`
	Input         *int64 `json:"input_tokens"`
	Output        *int64 `json:"output_tokens"`
	PromptDetails struct {
		Cached int64 `json:"cached_tokens"`
		Audio  int64 `json:"audio_tokens"`
	} `json:"prompt_tokens_details"`
	InputDetails struct {
		Cached int64 `json:"cached_tokens"`
	} `json:"input_tokens_details"`
	CompletionDetails struct {
		Reasoning int64 `json:"reasoning_tokens"`
		Audio     int64 `json:"audio_tokens"`
	} `json:"completion_tokens_details"`
	OutputDetails struct {
		Reasoning int64 `json:"reasoning_tokens"`
	} `json:"output_tokens_details"`
}

// openAIUsage reads a usage object. The provider counts cached tokens within the prompt and
// reasoning within the completion; our classes do not overlap.
func openAIUsage(found map[string][]byte) (Metered, bool) {
	raw := found["usage"]
	if len(raw) == 0 || string(raw) == "null" {
		return Metered{}, false
	}
	var r openAIReport
	if err := json.Unmarshal(raw, &r); err != nil {
		return Metered{}, false
	}
	if r.Prompt == nil && r.Completion == nil && r.Input == nil && r.Output == nil {
		return Metered{}, false // an object without a count reports nothing, and must not make the call free
	}
	var c clamp
	// Each is clamped before the sum, which could wrap otherwise.
	in := c.within(c.count(r.Prompt)+c.count(r.Input), maxReported)
	out := c.within(c.count(r.Completion)+c.count(r.Output), maxReported)
	cached := c.within(c.within(r.PromptDetails.Cached, in)+c.within(r.InputDetails.Cached, in), in)
	audioIn := c.within(r.PromptDetails.Audio, in-cached)
	reasoning := c.within(c.within(r.CompletionDetails.Reasoning, out)+c.within(r.OutputDetails.Reasoning, out), out)
	audioOut := c.within(r.CompletionDetails.Audio, out-reasoning)
	return Metered{
		Usage: sentinel.Usage{
			sentinel.Requests: 1, sentinel.InputTokens: in - cached - audioIn, sentinel.CachedInputTokens: cached,
			sentinel.AudioInputTokens: audioIn, sentinel.OutputTokens: out - reasoning - audioOut,
			sentinel.ReasoningTokens: reasoning, sentinel.AudioOutputTokens: audioOut,
		},
		Model: unquote(found["model"]), Method: c.method(), Reported: true, Tier: openAITier(unquote(found["service_tier"])),
	}, true
}

// openAITier gives the price list that an answer names; "auto" names none.
func openAITier(tier string) string {
	if tier == "auto" {
		return ""
	}
	return tier
}

// clamp keeps reported counts within what is possible, and remembers that it had to.
type clamp struct{ touched bool }

func (c *clamp) within(n, most int64) int64 {
	if n < 0 || n > most {
		c.touched = true
		return max(0, min(n, most))
	}
	return n
}

// count gives a reported count; 0 where there is none.
func (c *clamp) count(n *int64) int64 {
	if n == nil {
		return 0
	}
	return c.within(*n, maxReported)
}

func (c *clamp) method() string {
	if c.touched {
		return methodClamped
	}
	return ""
}

func unquote(raw []byte) string {
	b, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return ""
	}
	return string(b)
}

// jsonMeter reads the usage from a JSON answer of any length.
type jsonMeter struct {
	spec MeterSpec
	scan *scanner
	read func(found map[string][]byte) (Metered, bool)
}

// Write takes the next bytes.
func (m *jsonMeter) Write(chunk []byte) []byte {
	m.scan.write(chunk)
	return chunk
}

// Finish gives the reported usage; without one, the bound of the admission stands.
func (m *jsonMeter) Finish(bool) Metered {
	if got, ok := m.read(m.scan.found); ok {
		return got
	}
	return Metered{Usage: m.spec.atBound(), Method: "bound"}
}

// atBound is the most that the call can have used, in every unit that was bounded.
func (s MeterSpec) atBound() sentinel.Usage {
	u := s.Bound
	for i, n := range u {
		u[i] = max(0, n)
	}
	u[sentinel.Requests] = 1
	return u
}

// nothingUsed is the meter of an answer that cost nothing, such as a provider's refusal.
type nothingUsed struct{}

// Write passes everything on.
func (nothingUsed) Write(chunk []byte) []byte { return chunk }

// Finish reports nothing.
func (nothingUsed) Finish(bool) Metered { return Metered{Reported: true} }

// oneRequest is the meter of a call that is paid by request, whatever its answer says.
type oneRequest struct{}

// Write passes everything on.
func (oneRequest) Write(chunk []byte) []byte { return chunk }

// Finish reports one request.
func (oneRequest) Finish(bool) Metered {
	return Metered{Usage: sentinel.Usage{sentinel.Requests: 1}, Reported: true}
}

// flatRequest is a call whose bound is one request.
func flatRequest() Request {
	return Request{Choices: 1, Bound: sentinel.Usage{sentinel.Requests: 1}}
}
