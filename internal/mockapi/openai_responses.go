package mockapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func (x *exchange) responses() {
	const endpoint = "responses"
	var q struct {
		Model           string          `json:"model"`
		Instructions    string          `json:"instructions"`
		Input           json.RawMessage `json:"input"`
		MaxOutputTokens int64           `json:"max_output_tokens"`
		Stream          bool            `json:"stream"`
	}
	if !x.decode(endpoint, &q) {
		return
	}
	if q.Model == "" || len(q.Input) == 0 {
		x.endpoint, x.model = endpoint, q.Model
		x.refuse(http.StatusBadRequest, "invalid_request_error", "you must provide a model and an input")
		return
	}
	a, ok := x.begin(endpoint, q.Model)
	if !ok {
		return
	}
	s := x.speak(a, q.MaxOutputTokens)
	prompt := promptTokens(inputMessages(q.Input)) + countTokens(q.Instructions)
	u := tokens(a, prompt, s.total(), s.reasoning)
	if q.Stream {
		x.responseStream(a, s, u)
		return
	}
	x.answer(http.StatusOK, x.responseObject(s, s.status(), []any{outputMessage(s, "completed")}, u), u)
}

func inputMessages(raw json.RawMessage) []message {
	var list []message
	if json.Unmarshal(raw, &list) == nil {
		return list
	}
	return []message{{Role: "user", Content: raw}}
}

func (s speech) status() string {
	if s.cut {
		return "incomplete"
	}
	return "completed"
}

func outputMessage(s speech, status string) map[string]any {
	content := []any{}
	if status != "in_progress" {
		content = append(content, outputText(say(s.draw, s.visible)))
	}
	return map[string]any{"id": fmt.Sprintf("msg_%016x", s.draw), "type": "message", "role": "assistant", "status": status, "content": content}
}

func outputText(text string) map[string]any {
	return map[string]any{"type": "output_text", "text": text, "annotations": []any{}, "logprobs": []any{}}
}

func (x *exchange) responseObject(s speech, status string, output []any, u sentinel.Usage) map[string]any {
	v := map[string]any{
		"id": fmt.Sprintf("resp_%016x", s.draw), "object": "response", "created_at": epoch, "model": x.model, "status": status,
		"error": nil, "incomplete_details": nil, "instructions": nil, "metadata": map[string]any{}, "output": output,
		"parallel_tool_calls": true, "temperature": 1, "tool_choice": "auto", "tools": []any{}, "top_p": 1, "usage": nil,
	}
	if status == "in_progress" {
		return v
	}
	if status == "incomplete" {
		v["incomplete_details"] = map[string]any{"reason": "max_output_tokens"}
	}
	v["usage"] = map[string]any{
		"input_tokens": u.InputTokenSum(), "output_tokens": u.OutputTokenSum(), "total_tokens": u.TokenSum(),
		"input_tokens_details":  map[string]any{"cached_tokens": u[sentinel.CachedInputTokens]},
		"output_tokens_details": map[string]any{"reasoning_tokens": u[sentinel.ReasoningTokens]},
	}
	return v
}

// responseStream sends the events of one message of text, in the order of OpenAI's reference.
func (x *exchange) responseStream(a Answers, s speech, u sentinel.Usage) {
	out := x.stream(a)
	// A cut stream has cost what was sent of it, and the reasoning before it.
	bill := func() { x.account(tokens(a, u.InputTokenSum(), out.sent+s.reasoning, s.reasoning), outcomeAborted) }
	defer bill()
	sequence := 0
	event := func(name string, v map[string]any) map[string]any {
		v["type"], v["sequence_number"] = name, sequence
		sequence++
		return v
	}
	send := func(name string, v map[string]any) bool { return out.event(name, event(name, v)) }
	item := outputMessage(s, "in_progress")
	at := func(v map[string]any) map[string]any {
		v["item_id"], v["output_index"], v["content_index"] = item["id"], 0, 0
		return v
	}
	started := x.responseObject(s, "in_progress", []any{}, u)
	if !send("response.created", map[string]any{"response": started}) ||
		!send("response.in_progress", map[string]any{"response": started}) ||
		!send("response.output_item.added", map[string]any{"output_index": 0, "item": item}) ||
		!send("response.content_part.added", at(map[string]any{"part": outputText("")})) {
		return
	}
	const delta = "response.output_text.delta"
	for i := range s.visible {
		if !out.paced() {
			return
		}
		v := at(map[string]any{"delta": word(s.draw, i), "logprobs": []any{}, "sent_ns": time.Now().UnixNano()})
		if !out.token(delta, event(delta, v), bill) {
			return
		}
	}
	text := say(s.draw, s.visible)
	if !send("response.output_text.done", at(map[string]any{"text": text, "logprobs": []any{}})) ||
		!send("response.content_part.done", at(map[string]any{"part": outputText(text)})) ||
		!send("response.output_item.done", map[string]any{"output_index": 0, "item": outputMessage(s, "completed")}) {
		return
	}
	x.account(u, outcomeServed) // before the end, so that a client that has it finds it in the account
	send("response."+s.status(), map[string]any{"response": x.responseObject(s, s.status(), []any{outputMessage(s, "completed")}, u)})
}
