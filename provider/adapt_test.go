package provider

import "testing"

// What a cheaper model refuses of a request is left out, and its answer is asked no longer than it can be.
func TestParametersThatAModelLacksAreLeftOut(t *testing.T) {
	for name, tt := range map[string]struct {
		preset, endpoint, body, to string
		most                       int64
		want                       string
	}{
		"nothing is lacking": {"openai", "chat.completions", `{ "model": "gpt-5",  "reasoning_effort": "low", "messages": [] }`, "gpt-5-mini", 128_000,
			`{ "model": "gpt-5-mini",  "reasoning_effort": "low", "messages": [] }`},
		"no reasoning": {"openai", "chat.completions", `{"reasoning_effort":"low", "model":"gpt-5", "verbosity":"high", "max_completion_tokens":50, "messages":[]}`, "gpt-4.1-mini", 32_768,
			`{"model":"gpt-4.1-mini","max_completion_tokens":50,"messages":[]}`},
		"no reasoning in responses": {"openai", "responses", `{"model":"o3","input":"x","reasoning":{"effort":"low"},"max_output_tokens":90000}`, "gpt-4o", 16_384,
			`{"model":"gpt-4o","input":"x","max_output_tokens":16384}`},
		"no sampling": {"openai", "chat.completions", `{"model":"gpt-4.1","temperature":0.2,"top_p":0.9,"logit_bias":{"1":2},"max_tokens":70,"messages":[],"stop":"\u00e9"}`, "gpt-5-nano", 0,
			`{"model":"gpt-5-nano","max_completion_tokens":70,"messages":[],"stop":"\u00e9"}`},
		"a length under both names": {"openai", "chat.completions", `{"model":"gpt-4.1","max_tokens":70,"max_completion_tokens":80,"messages":[]}`, "gpt-5-nano", 0,
			`{"model":"gpt-5-nano","max_completion_tokens":70,"messages":[]}`},
		"chat models of a family that reasons": {"openai", "chat.completions", `{"model":"gpt-5-chat-latest","temperature":0.2,"messages":[]}`, "gpt-4o-mini", 0,
			`{"model":"gpt-4o-mini","temperature":0.2,"messages":[]}`},
		"models that nobody knows": {"openai", "chat.completions", `{"model":"gpt-5","reasoning_effort":"low","messages":[]}`, "llama-4", 0,
			`{"model":"llama-4","reasoning_effort":"low","messages":[]}`},
		"too long": {"openai", "chat.completions", `{"model":"gpt-4.1","max_tokens":30000,"messages":[]}`, "gpt-3.5-turbo", 4096,
			`{"model":"gpt-3.5-turbo","max_tokens":4096,"messages":[]}`},
		"no thinking": {"anthropic", "messages", `{"model":"claude-sonnet-4-5","max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":2000},"messages":[]}`, "claude-3-5-haiku-20241022", 8192,
			`{"model":"claude-3-5-haiku-20241022","max_tokens":8192,"messages":[]}`},
		"thinking stays": {"anthropic", "messages", `{"model":"claude-opus-4-5","max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":2000},"messages":[]}`, "claude-haiku-4-5", 64_000,
			`{"model":"claude-haiku-4-5","max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":2000},"messages":[]}`},
	} {
		p, ok := Find(tt.preset)
		if !ok {
			t.Fatal(tt.preset)
		}
		e, ok := p.Endpoint(tt.endpoint)
		if !ok {
			t.Fatal(tt.endpoint)
		}
		r := RawRequest{Path: e.Path, ContentType: "application/json", Body: []byte(tt.body)}
		rq, err := p.ReadRequest(e, r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, _, err := p.WithModel(e, r, rq, tt.to, tt.most); err != nil || string(got) != tt.want {
			t.Errorf("%s: %v\n got %s\nwant %s", name, err, got, tt.want)
		}
	}
}
