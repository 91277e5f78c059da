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
}

// openAIEvent is one event of either API.
type openAIEvent struct {
	Model   string          `json:"model"`
	Tier    json.RawMessage `json:"service_tier"`
	Usage   json.RawMessage `json:"usage"`
	Choices []struct {
		Text  string `json:"text"`
		Delta struct {
			Content   string `json:"content"`
			Refusal   string `json:"refusal"`
			Reasoning string `json:"reasoning_content"`
			ToolCalls []struct {
				Function struct {
					Name      string `json:"name"`
					Arguments string `json:"arguments"`
				} `json:"function"`
			} `json:"tool_calls"`
		} `json:"delta"`
	} `json:"choices"`
	Type     string          `json:"type"`
	Delta    json.RawMessage `json:"delta"`
	Response struct {
		Model string          `json:"model"`
		Tier  json.RawMessage `json:"service_tier"`
		Usage json.RawMessage `json:"usage"`
	} `json:"response"`
}

var usageKey = []byte(`"usage"`)

// reports: OpenAI writes "usage":null into every event but one.
func (*openAIStream) reports(data []byte) bool { return hasValue(data, usageKey) }

func (r *openAIStream) read(data []byte, text *textCounter) bool {
	var e openAIEvent
	if err := json.Unmarshal(data, &e); err != nil {
		return false
	}
	usage, model, tier := e.Usage, e.Model, e.Tier
	if len(e.Response.Usage) > 0 {
		usage, model, tier = e.Response.Usage, e.Response.Model, e.Response.Tier
	}
	e.takeText(text)
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

func (e *openAIEvent) takeText(text *textCounter) {
	for _, c := range e.Choices {
		text.add(c.Text)
		text.add(c.Delta.Content)
		text.add(c.Delta.Refusal)
		text.add(c.Delta.Reasoning)
		for _, t := range c.Delta.ToolCalls {
			text.add(t.Function.Name)
			text.add(t.Function.Arguments)
		}
	}
	if len(e.Delta) > 0 && e.Delta[0] == '"' {
		text.add(unquote(e.Delta))
	}
}

func (r *openAIStream) result() (Metered, bool) { return r.reported, r.seen }
