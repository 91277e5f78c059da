package provider

import (
	"slices"
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
		"less effort": {"openai", "chat.completions", `{"model":"gpt-5.2","reasoning_effort":"xhigh","messages":[]}`, "gpt-5-mini", 0,
			`{"model":"gpt-5-mini","reasoning_effort":"high","messages":[]}`},
		"no effort where there has to be one": {"openai", "responses", `{"model":"gpt-5.2","reasoning":{"summary":"auto","effort":"none"},"input":"x"}`, "o4-mini", 0,
			`{"model":"o4-mini","reasoning":{"summary":"auto","effort":"low"},"input":"x"}`},
		"little effort where there can be none": {"openai", "chat.completions", `{"model":"gpt-5","reasoning_effort":"minimal","messages":[]}`, "gpt-5.1", 0,
			`{"model":"gpt-5.1","reasoning_effort":"none","messages":[]}`},
		"efforts that nobody knows": {"openai", "chat.completions", `{"model":"gpt-5.5","reasoning_effort":"xhigh","messages":[]}`, "gpt-6-luna", 0,
			`{"model":"gpt-6-luna","reasoning_effort":"xhigh","messages":[]}`},
		"an effort that is none": {"openai", "chat.completions", `{"model":"gpt-5.2","reasoning_effort":null,"messages":[]}`, "gpt-5-mini", 0,
			`{"model":"gpt-5-mini","reasoning_effort":null,"messages":[]}`},
		"a model that reasons as it likes": {"openai", "chat.completions", `{"model":"o3","reasoning_effort":"low","messages":[]}`, "o1-mini", 0, `{"model":"o1-mini","messages":[]}`},
		"Azure's effort": {"azure-openai", "v1.chat.completions", `{"model":"our-new","reasoning_effort":"xhigh","messages":[]}`, "our-chat", 0,
			`{"model":"our-chat","reasoning_effort":"high","messages":[]}`},
		"a budget of a longer answer": {"anthropic", "messages", `{"model":"claude-opus-4-5","max_tokens":128000,"thinking":{"budget_tokens":64000,"type":"enabled"},"messages":[]}`, "claude-haiku-4-5", 64_000,
			`{"model":"claude-haiku-4-5","max_tokens":64000,"thinking":{"budget_tokens":32000,"type":"enabled"},"messages":[]}`},
		"a budget for one that thinks as it likes": {"anthropic", "messages", `{"model":"claude-opus-4-1","max_tokens":9000,"temperature":1,"thinking":{"type":"enabled","budget_tokens":2000},"messages":[]}`, "claude-sonnet-5", 64_000,
			`{"model":"claude-sonnet-5","max_tokens":9000,"thinking":{"type":"adaptive"},"messages":[]}`},
		"as it likes for one with a budget": {"anthropic", "messages", `{"model":"claude-opus-4-8","max_tokens":9000,"thinking":{"type":"adaptive"},"output_config":{"effort":"max","format":{}},"messages":[]}`, "claude-haiku-4-5-20251001", 64_000,
			`{"model":"claude-haiku-4-5-20251001","max_tokens":9000,"output_config":{"format":{}},"messages":[]}`},
		"either is well": {"anthropic", "messages", `{"model":"claude-opus-4-8","max_tokens":9000,"temperature":1,"thinking":{"type":"adaptive"},"output_config":{"effort":"xhigh"},"messages":[]}`, "claude-sonnet-4-6", 64_000,
			`{"model":"claude-sonnet-4-6","max_tokens":9000,"temperature":1,"thinking":{"type":"adaptive"},"output_config":{"effort":"high"},"messages":[]}`},
		"the first with an effort": {"anthropic", "messages", `{"model":"claude-opus-4-8","max_tokens":9000,"output_config":{"effort":"max"},"messages":[]}`, "claude-opus-4-5", 64_000,
			`{"model":"claude-opus-4-5","max_tokens":9000,"output_config":{"effort":"high"},"messages":[]}`},
		"a generation that nobody knows": {"anthropic", "messages", `{"model":"claude-opus-5","max_tokens":9000,"thinking":{"type":"adaptive"},"output_config":{"effort":"max"},"messages":[]}`, "claude-haiku-5-5", 64_000,
			`{"model":"claude-haiku-5-5","max_tokens":9000,"thinking":{"type":"adaptive"},"output_config":{"effort":"max"},"messages":[]}`},
		"Claude thinks as it likes by Converse": {"aws-bedrock", "converse",
			`{"messages":[],"inferenceConfig":{"maxTokens":9000,"temperature":1},"additionalModelRequestFields":{"reasoning_config":{"type":"enabled","budget_tokens":2000},"top_k":5}}`, "us.anthropic.claude-opus-4-7-v1:0", 64_000,
			`{"messages":[],"inferenceConfig":{"maxTokens":9000},"additionalModelRequestFields":{"reasoning_config":{"type":"adaptive"}}}`},
		"Claude on Vertex that thinks as it likes": {"vertex", "rawPredict", `{"anthropic_version":"vertex-2023-10-16","max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":2000},"messages":[]}`, "claude-opus-4-7@20260416", 64_000,
			`{"anthropic_version":"vertex-2023-10-16","max_tokens":9000,"thinking":{"type":"adaptive"},"messages":[]}`},
		"more thought than Gemini's flash has": {"gemini", "generateContent", `{"contents":[],"generationConfig":{"thinkingConfig":{"thinkingBudget":32768}}}`, "gemini-2.5-flash", 65536,
			`{"contents":[],"generationConfig":{"thinkingConfig":{"thinkingBudget":24576}}}`},
		"less thought than Gemini's flash lite has": {"vertex", "generateContent", `{"contents":[],"generation_config":{"thinking_config":{"thinking_budget":128}}}`, "gemini-2.5-flash-lite", 65536,
			`{"contents":[],"generation_config":{"thinking_config":{"thinking_budget":512}}}`},
		"Gemini cannot be kept from it": {"gemini", "generateContent", `{"contents":[],"generationConfig":{"thinkingConfig":{"thinkingBudget":0}}}`, "gemini-2.5-pro", 65536, `{"contents":[],"generationConfig":{"thinkingConfig":{"thinkingBudget":128}}}`},
		"Gemini can be kept from it":    {"gemini", "generateContent", `{"contents":[],"generationConfig":{"thinkingConfig":{"thinkingBudget":0}}}`, "gemini-2.5-flash-lite", 65536, ""},
		"as much thought as there is":   {"gemini", "generateContent", `{"contents":[],"generationConfig":{"thinkingConfig":{"thinkingBudget":-1}}}`, "gemini-2.5-flash-lite", 65536, ""},
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

func TestTheGenerationOfAClaudeStandsInItsName(t *testing.T) {
	for name, want := range map[string]int{
		"claude-haiku-4-5-20251001": 405, "claude-3-7-sonnet-20250219": 307, "claude-sonnet-4-20250514": 400, "claude-opus-4-1@20250805": 401, "claude-opus-5": 500,
		"claude-fable-5-1": 501, "claude-2.1": 201, "claude-haiku-4-5-20251001-v1:0": 405, "claude": 0, "claude-v1": 0, "": 0,
	} {
		if got := claudeVersion(name); got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
}

// Whatever effort is asked, a model is asked one that it knows, and never a stronger one where a weaker is known.
func TestEffortsAreThoseThatAModelKnows(t *testing.T) {
	for _, model := range []string{"o1", "o3-mini", "gpt-5", "gpt-5-nano-2025-08-07", "gpt-5-pro", "gpt-5-codex", "gpt-5.1", "gpt-5.1-codex-max", "gpt-5.2", "gpt-5.2-pro", "gpt-5.3-codex", "gpt-5.4-mini"} {
		known := openAIEfforts(model)
		to := weakened(known)
		for i, asked := range efforts {
			got, changed := to[asked]
			if slices.Contains(known, asked) == changed || changed && !slices.Contains(known, got) {
				t.Errorf("%s is asked %q for %q, it knows %q", model, got, asked, known)
			}
			if changed && slices.Index(efforts, got) > i && slices.ContainsFunc(efforts[:i], func(e string) bool { return slices.Contains(known, e) }) {
				t.Errorf("%s is asked %q for %q", model, got, asked)
			}
		}
	}
	for _, model := range []string{"gpt-6-luna", "gpt-5-chat-latest", "gpt-5-search-api", "gpt-4o", "llama"} {
		if known := openAIEfforts(model); known != nil {
			t.Errorf("%s is said to know %q", model, known)
		}
	}
}
