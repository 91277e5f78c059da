package mockapi

import (
	"net/http"
	"net/url"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// bedrock serves Converse and ConverseStream: POST /model/{modelId}/converse, where the id is percent-encoded.
func bedrock(x *exchange) {
	id, endpoint, ok := strings.Cut(strings.TrimPrefix(x.path, "/model/"), "/")
	ok = ok && (endpoint == "converse" || endpoint == "converse-stream")
	model, err := url.PathUnescape(id)
	if !ok || err != nil || model == "" || x.r.Method != http.MethodPost {
		x.endpoint = "unknown"
		x.refuse(http.StatusNotFound, "UnknownOperationException", "no such operation: "+x.r.Method+" "+x.path)
		return
	}
	var q struct {
		System          []struct{ Text string } `json:"system"`
		Messages        []message               `json:"messages"`
		InferenceConfig struct {
			MaxTokens int64 `json:"maxTokens"`
		} `json:"inferenceConfig"`
	}
	if !x.decode(endpoint, &q) {
		return
	}
	if len(q.Messages) == 0 {
		x.endpoint, x.model = endpoint, model
		x.refuse(http.StatusBadRequest, "ValidationException", "messages must not be empty")
		return
	}
	a, ok := x.begin(endpoint, model)
	if !ok {
		return
	}
	a.ReasoningTokens = 0 // Converse reports one sum of output tokens
	s := x.speak(a, q.InferenceConfig.MaxTokens)
	prompt := promptTokens(q.Messages)
	for _, part := range q.System {
		prompt += countTokens(part.Text)
	}
	u := tokens(a, prompt, s.total(), 0)
	if endpoint == "converse-stream" {
		x.converseStream(a, s, u)
		return
	}
	x.answer(http.StatusOK, map[string]any{
		"output":     map[string]any{"message": map[string]any{"role": "assistant", "content": []any{map[string]any{"text": say(s.draw, s.visible)}}}},
		"stopReason": s.stopReason(),
		"usage":      converseUsage(u),
		"metrics":    map[string]any{"latencyMs": a.Latency.Milliseconds()},
	}, u)
}

// converseUsage has an inputTokens that excludes what came from the cache, as the real API's does.
func converseUsage(u sentinel.Usage) map[string]any {
	return map[string]any{
		"inputTokens": u[sentinel.InputTokens], "outputTokens": u.OutputTokenSum(), "totalTokens": u.TokenSum(),
		"cacheReadInputTokens": u[sentinel.CachedInputTokens], "cacheWriteInputTokens": 0,
	}
}

func (x *exchange) converseStream(a Answers, s speech, u sentinel.Usage) {
	out := x.frameStream(a)
	bill := func() { x.account(tokens(a, u.InputTokenSum(), out.sent, 0), outcomeAborted) }
	defer bill()
	if !out.event("messageStart", map[string]any{"role": "assistant"}) {
		return
	}
	for i := range s.visible {
		if !out.paced() || !out.token("contentBlockDelta", map[string]any{"contentBlockIndex": 0, "delta": map[string]any{"text": word(s.draw, i)}}, bill) {
			return
		}
	}
	if !out.event("contentBlockStop", map[string]any{"contentBlockIndex": 0}) || !out.event("messageStop", map[string]any{"stopReason": s.stopReason()}) {
		return
	}
	x.account(u, outcomeServed) // before the end, so that a client that has it finds it in the account
	out.event("metadata", map[string]any{"usage": converseUsage(u), "metrics": map[string]any{"latencyMs": a.Latency.Milliseconds()}})
}
