package mockapi

import (
	"fmt"
	"net/http"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

type chatRequest struct {
	Model               string    `json:"model"`
	Messages            []message `json:"messages"`
	MaxTokens           int64     `json:"max_tokens"`
	MaxCompletionTokens int64     `json:"max_completion_tokens"`
	N                   int64     `json:"n"`
	Stream              bool      `json:"stream"`
	StreamOptions       struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
}

func (x *exchange) chat() {
	const endpoint = "chat.completions"
	var q chatRequest
	if !x.decode(endpoint, &q) {
		return
	}
	if q.Model == "" || len(q.Messages) == 0 || q.N < 0 || q.N > maxChoices {
		x.endpoint, x.model = endpoint, q.Model
		x.refuse(http.StatusBadRequest, "invalid_request_error", fmt.Sprintf("you must provide a model, messages, and n up to %d", maxChoices))
		return
	}
	a, ok := x.begin(endpoint, q.Model)
	if !ok {
		return
	}
	q.N = max(q.N, 1)
	s := x.speak(a, max(q.MaxTokens, q.MaxCompletionTokens))
	prompt := promptTokens(q.Messages)
	if q.Stream {
		x.chatStream(q, a, s, prompt)
		return
	}
	choices := make([]map[string]any, q.N)
	for i := range choices {
		choices[i] = map[string]any{
			"index": i, "finish_reason": s.finishReason(), "logprobs": nil,
			"message": map[string]any{"role": "assistant", "content": say(s.draw+uint64(i), s.visible), "refusal": nil, "annotations": []any{}},
		}
	}
	u := tokens(a, prompt, q.N*s.total(), q.N*s.reasoning)
	v := x.chatObject(s, "chat.completion", choices)
	v["usage"] = chatUsage(u)
	x.answer(http.StatusOK, v, u)
}

func (s speech) finishReason() string {
	if s.cut {
		return "length"
	}
	return "stop"
}

func (x *exchange) chatObject(s speech, object string, choices any) map[string]any {
	return map[string]any{
		"id": fmt.Sprintf("chatcmpl-%016x", s.draw), "object": object, "created": epoch, "model": x.model,
		"service_tier": "default", "system_fingerprint": "fp_mock", "choices": choices,
	}
}

func chatUsage(u sentinel.Usage) map[string]any {
	return map[string]any{
		"prompt_tokens": u.InputTokenSum(), "completion_tokens": u.OutputTokenSum(), "total_tokens": u.TokenSum(),
		"prompt_tokens_details":     map[string]any{"cached_tokens": u[sentinel.CachedInputTokens], "audio_tokens": 0},
		"completion_tokens_details": map[string]any{"reasoning_tokens": u[sentinel.ReasoningTokens], "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
	}
}

// chatStream sends, for each choice in turn, its role, its tokens and its end. Each chunk has the
// time at which it left ("sent_ns", Unix nanoseconds), so that a client can measure the delay on the way.
func (x *exchange) chatStream(q chatRequest, a Answers, s speech, prompt int64) {
	out := x.stream(a)
	// A cut stream has cost what was sent of it, and the reasoning before it.
	bill := func() { x.account(tokens(a, prompt, out.sent+s.reasoning, s.reasoning), outcomeAborted) }
	defer bill()
	chunk := func(delta map[string]any, index int64, finish any) map[string]any {
		v := x.chatObject(s, "chat.completion.chunk", []any{map[string]any{"index": index, "delta": delta, "logprobs": nil, "finish_reason": finish}})
		if q.StreamOptions.IncludeUsage {
			v["usage"] = nil
		}
		v["sent_ns"] = time.Now().UnixNano()
		return v
	}
	for c := range q.N {
		if !out.event("", chunk(map[string]any{"role": "assistant", "content": "", "refusal": nil}, c, nil)) {
			return
		}
		for i := range s.visible {
			if !out.paced() {
				return
			}
			if !out.token("", chunk(map[string]any{"content": word(s.draw+uint64(c), i)}, c, nil), bill) {
				return
			}
		}
		if !out.event("", chunk(map[string]any{}, c, s.finishReason())) {
			return
		}
	}
	u := tokens(a, prompt, q.N*s.total(), q.N*s.reasoning)
	if q.StreamOptions.IncludeUsage {
		v := x.chatObject(s, "chat.completion.chunk", []any{})
		v["usage"] = chatUsage(u)
		if !out.event("", v) {
			return
		}
	}
	x.account(u, outcomeServed) // before the end, so that a client that has it finds it in the account
	out.event("", []byte("[DONE]"))
}
