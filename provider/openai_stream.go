package provider

import (
	"bytes"
	"encoding/json"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// openAIStream reads a stream of chat completions or responses.
type openAIStream struct {
	dialect   openAIDialect
	hideUsage bool
	reported  Metered
	seen      bool
	spoken    bool // it has pieces of sound
}

// openAIEvent is one event of either API.
type openAIEvent struct {
	Model    string            `json:"model"`
	Tier     json.RawMessage   `json:"service_tier"`
	Usage    json.RawMessage   `json:"usage"`
	Choices  []json.RawMessage `json:"choices"`
	Type     string            `json:"type"`
	Response struct {
		Model string          `json:"model"`
		Tier  json.RawMessage `json:"service_tier"`
		Usage json.RawMessage `json:"usage"`
	} `json:"response"`
}

// openAITexts are those of chat and completions, and the "delta" of responses.
var openAITexts = []textMember{
	{name: "choices", in: []textMember{
		{name: "text", take: aString},
		{name: "delta", in: append(textMembers("content", "refusal", "reasoning_content"),
			textMember{name: "tool_calls", in: []textMember{{name: "function", in: textMembers("name", "arguments")}}})},
	}},
	{name: "delta", take: aString},
}

func (*openAIStream) texts() []textMember { return openAITexts }

var usageKey = []byte(`"usage"`)

// reports: OpenAI writes "usage":null into every event but one.
func (r *openAIStream) reports(data []byte) bool {
	r.spoken = r.spoken || bytes.Contains(data, audioDelta)
	return hasValue(data, usageKey)
}

// audioDelta ends the type of an event whose "delta" is sound.
var audioDelta = []byte(`audio.delta"`)

func (r *openAIStream) read(data []byte) bool {
	var e openAIEvent
	if err := json.Unmarshal(data, &e); err != nil {
		return false
	}
	usage, model, tier := e.Usage, e.Model, e.Tier
	if len(e.Response.Usage) > 0 {
		usage, model, tier = e.Response.Usage, e.Response.Model, e.Response.Tier
	}
	if got, ok := r.dialect.report(usage); ok {
		got.Model, got.Tier = model, openAITier(tier)
		if len(e.Response.Usage) > 0 && r.dialect.ownTools { // this event repeats the whole answer
			got.Usage[sentinel.WebSearches] = int64(bytes.Count(data, webSearchCall))
			got.Usage[sentinel.FileSearches] = int64(bytes.Count(data, fileSearchCall))
		}
		r.reported, r.seen = got, true
		return r.hideUsage && len(e.Choices) == 0 && e.Type == ""
	}
	return false
}

func (r *openAIStream) result() (Metered, bool) { return r.reported, r.seen }
