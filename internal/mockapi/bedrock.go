package mockapi

import (
	"net/http"
	"net/url"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// bedrock serves Converse: POST /model/{modelId}/converse, where the id is percent-encoded.
func bedrock(x *exchange) {
	id, ok := strings.CutSuffix(strings.TrimPrefix(x.path, "/model/"), "/converse")
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
	const endpoint = "converse"
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
	x.answer(http.StatusOK, map[string]any{
		"output":     map[string]any{"message": map[string]any{"role": "assistant", "content": []any{map[string]any{"text": say(s.draw, s.visible)}}}},
		"stopReason": s.stopReason(),
		"usage": map[string]any{ // inputTokens excludes what came from the cache, as in the real API
			"inputTokens": u[sentinel.InputTokens], "outputTokens": u.OutputTokenSum(), "totalTokens": u.TokenSum(),
			"cacheReadInputTokens": u[sentinel.CachedInputTokens], "cacheWriteInputTokens": 0,
		},
		"metrics": map[string]any{"latencyMs": a.Latency.Milliseconds()},
	}, u)
}
