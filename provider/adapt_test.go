package provider

import (
	"strings"
	"testing"
)

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
		"Azure's deployments": {"azure-openai", "v1.chat.completions", `{"model":"our-chat","reasoning_effort":"low","max_completion_tokens":50,"messages":[]}`, "our-old", 0,
			`{"model":"our-old","max_completion_tokens":50,"messages":[]}`},
		"Azure's responses": {"azure-openai", "v1.responses", `{"model":"our-chat","input":"x","reasoning":{"effort":"low"},"max_output_tokens":90000}`, "our-old", 32_768,
			`{"model":"our-old","input":"x","max_output_tokens":32768}`},
		"a deployment in the path": {"azure-openai", "chat.completions", `{"temperature":0.2,"max_tokens":70,"messages":[]}`, "our-chat", 0, `{"max_completion_tokens":70,"messages":[]}`},
		"too long": {"openai", "chat.completions", `{"model":"gpt-4.1","max_tokens":30000,"messages":[]}`, "gpt-3.5-turbo", 4096,
			`{"model":"gpt-3.5-turbo","max_tokens":4096,"messages":[]}`},
		"no thinking": {"anthropic", "messages", `{"model":"claude-sonnet-4-5","max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":2000},"messages":[]}`, "claude-3-5-haiku-20241022", 8192,
			`{"model":"claude-3-5-haiku-20241022","max_tokens":8192,"messages":[]}`},
		"no verbosity in responses": {"openai", "responses", `{"model":"gpt-5.1","input":"x","text":{"verbosity":"low","format":{"type":"text"}}}`, "gpt-4.1-mini", 0,
			`{"model":"gpt-4.1-mini","input":"x","text":{"format":{"type":"text"}}}`},
		"verbosity came with GPT-5": {"openai", "responses", `{"model":"gpt-5","input":"x","text":{"verbosity":"low"},"reasoning":{"effort":"low"}}`, "o4-mini", 0,
			`{"model":"o4-mini","input":"x","text":{},"reasoning":{"effort":"low"}}`},
		"verbosity stays": {"openai", "responses", `{"model":"gpt-5","input":"x","text":{"verbosity":"low"}}`, "gpt-5-nano", 0,
			`{"model":"gpt-5-nano","input":"x","text":{"verbosity":"low"}}`},
		"Gemini does not think": {"gemini", "generateContent",
			`{"contents":[],"generationConfig":{"maxOutputTokens":20000,"thinkingConfig":{"thinkingBudget":100},"temperature":0}}`, "gemini-2.0-flash", 8192,
			`{"contents":[],"generationConfig":{"maxOutputTokens":8192,"temperature":0}}`},
		"Gemini thinks by a budget": {"gemini", "streamGenerateContent",
			`{"contents":[],"generation_config":{"max_output_tokens":70000,"thinking_config":{"thinking_level":"low","include_thoughts":true}}}`, "gemini-2.5-flash", 65536,
			`{"contents":[],"generation_config":{"max_output_tokens":65536,"thinking_config":{"include_thoughts":true}}}`},
		"Gemini as asked": {"gemini", "generateContent", `{"contents":[],"generationConfig":{"maxOutputTokens":90,"thinkingConfig":{"thinkingLevel":"low"}}}`, "gemini-3-flash-preview", 65536, ""},
		"Gemini on Vertex": {"vertex", "generateContent", `{"contents":[],"generationConfig":{"thinkingConfig":{"thinkingBudget":100}}}`, "gemini-2.0-flash-lite", 0,
			`{"contents":[],"generationConfig":{}}`},
		"Claude on Vertex": {"vertex", "rawPredict", `{"anthropic_version":"vertex-2023-10-16","max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":2000},"messages":[]}`, "claude-3-5-haiku@20241022", 8192,
			`{"anthropic_version":"vertex-2023-10-16","max_tokens":8192,"messages":[]}`},
		"Claude by Converse": {"aws-bedrock", "converse",
			`{"messages":[],"inferenceConfig":{"maxTokens":9000},"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":2000},"top_k":5}}`, "us.anthropic.claude-3-5-haiku-20241022-v1:0", 8192,
			`{"messages":[],"inferenceConfig":{"maxTokens":8192},"additionalModelRequestFields":{"top_k":5}}`},
		"Claude thinks by Converse": {"aws-bedrock", "converse-stream",
			`{"messages":[],"inferenceConfig":{"maxTokens":9000},"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":2000}}}`, "global.anthropic.claude-haiku-4-5-20251001-v1:0", 64000, ""},
		"another maker's model by Converse": {"aws-bedrock", "converse",
			`{"messages":[],"inferenceConfig":{"maxTokens":9000},"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":2000}}}`, "us.amazon.nova-lite-v1:0", 5000,
			`{"messages":[],"inferenceConfig":{"maxTokens":5000}}`},
		"a model that only its account knows": {"aws-bedrock", "converse",
			`{"messages":[],"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":2000}}}`, "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123", 0, ""},
		"Claude in its own words on Bedrock": {"aws-bedrock", "invoke",
			`{"anthropic_version":"bedrock-2023-05-31","max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":2000},"messages":[]}`, "anthropic.claude-3-haiku-20240307-v1:0", 4096,
			`{"anthropic_version":"bedrock-2023-05-31","max_tokens":4096,"messages":[]}`},
		"Llama in its own words on Bedrock": {"aws-bedrock", "invoke-with-response-stream", `{"prompt":"x","max_gen_len":4000}`, "meta.llama3-1-8b-instruct-v1:0", 2048, `{"prompt":"x","max_gen_len":2048}`},
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
		path := strings.NewReplacer("models/{model}", "models/gemini-2.5-pro", "model/{model}", "model/us.anthropic.claude-opus-4-1-20250805-v1:0", "{project}", "p", "{location}", "l", "{deployment}", "our-old").Replace(e.Path)
		if strings.HasPrefix(tt.to, "meta.") {
			path = strings.Replace(path, "us.anthropic.claude-opus-4-1-20250805-v1:0", "meta.llama3-70b-instruct-v1:0", 1)
		}
		if strings.HasSuffix(path, "rawPredict") || strings.HasSuffix(path, "RawPredict") {
			path = strings.Replace(path, "gemini-2.5-pro", "claude-opus-4-1", 1)
		}
		r := RawRequest{Path: path, ContentType: "application/json", Body: []byte(tt.body), Known: ofDeployments}
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
