package mockapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

type anthropicRequest struct {
	Model     string          `json:"model"`
	System    json.RawMessage `json:"system"`
	Messages  []message       `json:"messages"`
	MaxTokens int64           `json:"max_tokens"`
	Stream    bool            `json:"stream"`
}

func anthropic(x *exchange) {
	if report, ok := strings.CutPrefix(x.path, "/v1/organizations/"); ok && x.r.Method == http.MethodGet {
		x.anthropicReport(report)
		return
	}
	if x.r.Method != http.MethodPost || x.path != "/v1/messages" {
		x.endpoint = "unknown"
		x.refuse(http.StatusNotFound, "not_found_error", "no such endpoint: "+x.r.Method+" "+x.path)
		return
	}
	const endpoint = "messages"
	var q anthropicRequest
	if !x.decode(endpoint, &q) {
		return
	}
	x.messages(endpoint, q)
}

// messages answers a message, whoever's door it came through.
func (x *exchange) messages(endpoint string, q anthropicRequest) {
	if q.Model == "" || len(q.Messages) == 0 || q.MaxTokens < 1 {
		x.endpoint, x.model = endpoint, q.Model
		x.refuse(http.StatusBadRequest, "invalid_request_error", "model, messages and max_tokens are required")
		return
	}
	a, ok := x.begin(endpoint, q.Model)
	if !ok {
		return
	}
	a.ReasoningTokens = 0 // Anthropic reports thinking as output
	s := x.speak(a, q.MaxTokens)
	u := tokens(a, promptTokens(q.Messages)+countTokens(parts(q.System)), s.total(), 0)
	if q.Stream {
		x.messageStream(a, s, u)
		return
	}
	v := x.messageObject(s, []any{map[string]any{"type": "text", "text": say(s.draw, s.visible)}}, u)
	v["stop_reason"] = s.stopReason()
	x.answer(http.StatusOK, v, u)
}

func (s speech) stopReason() string {
	if s.cut {
		return "max_tokens"
	}
	return "end_turn"
}

// messageObject has a usage in which cached tokens are not input tokens as well, as Anthropic's has.
func (x *exchange) messageObject(s speech, content []any, u sentinel.Usage) map[string]any {
	return map[string]any{
		"id": fmt.Sprintf("msg_%016x", s.draw), "type": "message", "role": "assistant", "model": x.model, "content": content,
		"stop_reason": nil, "stop_sequence": nil,
		"usage": map[string]any{
			"input_tokens": u[sentinel.InputTokens], "cache_read_input_tokens": u[sentinel.CachedInputTokens],
			"cache_creation_input_tokens": 0, "output_tokens": u.OutputTokenSum(),
		},
	}
}

func (x *exchange) messageStream(a Answers, s speech, u sentinel.Usage) {
	out := x.stream(a)
	bill := func() { x.account(tokens(a, u.InputTokenSum(), out.sent, 0), outcomeAborted) }
	defer bill()
	send := func(name string, v map[string]any) bool {
		v["type"] = name
		return out.event(name, v)
	}
	first := u
	first[sentinel.OutputTokens] = min(1, u[sentinel.OutputTokens]) // the count so far, as the real API sends
	if !send("message_start", map[string]any{"message": x.messageObject(s, []any{}, first)}) ||
		!send("content_block_start", map[string]any{"index": 0, "content_block": map[string]any{"type": "text", "text": ""}}) ||
		!send("ping", map[string]any{}) {
		return
	}
	for i := range s.visible {
		if !out.paced() {
			return
		}
		const delta = "content_block_delta"
		v := map[string]any{"type": delta, "index": 0, "delta": map[string]any{"type": "text_delta", "text": word(s.draw, i)}, "sent_ns": time.Now().UnixNano()}
		if !out.token(delta, v, bill) {
			return
		}
	}
	if !send("content_block_stop", map[string]any{"index": 0}) ||
		!send("message_delta", map[string]any{
			"delta": map[string]any{"stop_reason": s.stopReason(), "stop_sequence": nil},
			"usage": map[string]any{"output_tokens": u.OutputTokenSum()},
		}) {
		return
	}
	x.account(u, outcomeServed) // before the end, so that a client that has it finds it in the account
	send("message_stop", map[string]any{})
}
