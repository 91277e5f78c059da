package provider

import (
	"errors"
	"strings"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// bounds are the input, output and searches that a request can use at most.
type bounds [3]int64

func TestDialectsBoundTheirRequests(t *testing.T) {
	const all = AsModelAllows
	gem := "/v1beta/models/gemini-2.5-flash:generateContent"
	for name, tt := range map[string]struct {
		preset, endpoint, path, query, body string
		want                                bounds
		fault                               string
	}{
		"gemini":                       {"gemini", "generateContent", gem, "", `{"contents":[],"generationConfig":{"maxOutputTokens":9,"candidateCount":2}}`, bounds{75, 18}, ""},
		"gemini in snake case":         {"gemini", "generateContent", gem, "", `{"generation_config":{"max_output_tokens":9}}`, bounds{45, 9}, ""},
		"gemini in both spellings":     {"gemini", "generateContent", gem, "", `{"generation_config":{},"generationConfig":{}}`, bounds{}, "another spelling"},
		"gemini of v1":                 {"gemini", "v1.streamGenerateContent", "/v1/models/gemini-2.5-flash:streamGenerateContent", "alt=sse", `{"generationConfig":{"maxOutputTokens":9}}`, bounds{42, 9}, ""},
		"gemini with a file":           {"gemini", "generateContent", gem, "", `{"contents":[{"parts":[{"fileData":{"fileUri":"x"}}]}]}`, bounds{all, all}, ""},
		"gemini with a cache":          {"gemini", "generateContent", gem, "", `{"cachedContent":"cachedContents/1"}`, bounds{all, all}, ""},
		"gemini with a search":         {"gemini", "generateContent", gem, "", `{"tools":[{"google_search":{}}]}`, bounds{all, all, 1}, ""},
		"gemini 3 with a search":       {"gemini", "generateContent", strings.Replace(gem, "2.5", "3", 1), "", `{"tools":[{"googleSearch":{}}]}`, bounds{}, "not priced for this model"},
		"gemini with maps":             {"gemini", "generateContent", gem, "", `{"tools":[{"googleMaps":{}}]}`, bounds{}, "not priced"},
		"a key in the query":           {"gemini", "generateContent", gem, "key=AIza", `{}`, bounds{}, "x-goog-api-key"},
		"a key in a free call's query": {"gemini", "countTokens", "/v1beta/models/g:countTokens", "key=AIza", `{}`, bounds{}, "x-goog-api-key"},
		"two methods":                  {"gemini", "generateContent", "/v1beta/models/g:streamGenerateContent:generateContent", "", `{}`, bounds{}, "name a model"},
		"gemini embedding":             {"gemini", "embedContent", "/v1beta/models/e:embedContent", "", `{"content":{}}`, bounds{14, 0}, ""},
		"azure":                        {"azure-openai", "chat.completions", "/openai/deployments/our-chat/chat/completions", "", `{"messages":[],"max_tokens":5}`, bounds{30, 5}, ""},
		"azure, control byte":          {"azure-openai", "chat.completions", "/openai/deployments/a%01/chat/completions", "", `{}`, bounds{}, "name a model"},
		"cohere":                       {"cohere", "chat", "", "", `{"model":"c","messages":[],"max_tokens":5}`, bounds{42, 5}, ""},
		"cohere with an image":         {"cohere", "chat", "", "", `{"model":"c","messages":[{"content":[{"type":"image_url"}]}]}`, bounds{all, all}, ""},
		"cohere embedding":             {"cohere", "embed", "", "", `{"model":"c","texts":["a"]}`, bounds{27, 0}, ""},
		"invoke Claude":                {"aws-bedrock", "invoke", "/model/anthropic.claude-x/invoke", "", `{"max_tokens":5,"messages":[]}`, bounds{30, 5}, ""},
		"invoke Claude without limit":  {"aws-bedrock", "invoke", "/model/anthropic.claude-x/invoke", "", `{"messages":[]}`, bounds{}, "max_tokens"},
		"invoke Claude with a model":   {"aws-bedrock", "invoke", "/model/us.anthropic.claude-x/invoke", "", `{"model":"x","max_tokens":5}`, bounds{}, "the path says"},
		"invoke Llama":                 {"aws-bedrock", "invoke", "/model/meta.llama/invoke", "", `{"prompt":"x","max_gen_len":7}`, bounds{30 + toolPrompt, 7}, ""},
		"invoke Nova":                  {"aws-bedrock", "invoke", "/model/amazon.nova/invoke", "", `{"inferenceConfig":{"maxTokens":7}}`, bounds{35 + toolPrompt, 7}, ""},
		"invoke Titan":                 {"aws-bedrock", "invoke", "/model/amazon.titan/invoke", "", `{"inputText":"x"}`, bounds{17 + toolPrompt, all}, ""},
		"converse with a guardrail":    {"aws-bedrock", "converse-stream", "/model/m/converse-stream", "", `{"guardrailConfig":{}}`, bounds{}, "price list of its own"},
		"mistral":                      {"mistral", "chat.completions", "", "", `{"model":"m","messages":[],"max_tokens":5}`, bounds{42, 5}, ""},
		"openrouter's plugins":         {"openrouter", "chat.completions", "", "", `{"model":"m","plugins":[{"id":"web"}]}`, bounds{}, "billed apart"},
		"xai's live search":            {"xai", "chat.completions", "", "", `{"model":"m","search_parameters":{"mode":"on"}}`, bounds{}, "billed apart"},
		"a search of responses":        {"openai", "responses", "", "", `{"model":"m","max_tool_calls":3,"tools":[{"type":"web_search"}]}`, bounds{all, all, 3}, ""},
		"endless searches":             {"openai", "responses", "", "", `{"model":"m","tools":[{"type":"web_search"}]}`, bounds{}, "set max_tool_calls"},
		"a search on azure":            {"azure-openai", "v1.responses", "", "", `{"model":"m","max_tool_calls":3,"tools":[{"type":"web_search"}]}`, bounds{}, "billed apart"},
		"two images":                   {"openai", "images.generations", "", "", `{"model":"gpt-image-1","prompt":"x","n":2}`, bounds{42, 2 * imageTokens}, ""},
		"an image of another model":    {"openai", "images.generations", "", "", `{"model":"gpt-image-9","prompt":"x"}`, bounds{36, all}, ""},
		"an image streamed":            {"openai", "images.generations", "", "", `{"model":"gpt-image-1","stream":true}`, bounds{}, "too long to be read"},
		"speech by tokens":             {"openai", "audio.speech", "", "", `{"model":"gpt-4o-mini-tts","input":"x"}`, bounds{}, "ask for sse"},
		"speech by tokens, as events":  {"openai", "audio.speech", "", "", `{"model":"gpt-4o-mini-tts","input":"x","stream_format":"sse"}`, bounds{61, all}, ""},
		"best of five":                 {"openai", "completions", "", "", `{"model":"m","prompt":"x","best_of":5,"max_tokens":10}`, bounds{54, 50}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, e := use(t, tt.preset, tt.endpoint)
			path := tt.path
			if path == "" {
				path = e.Path
			}
			rq, err := p.ReadRequest(e, RawRequest{Path: path, Query: tt.query, Body: []byte(tt.body)})
			if tt.fault != "" {
				if bad := (*BadRequest)(nil); !errors.As(err, &bad) || !strings.Contains(err.Error(), tt.fault) {
					t.Errorf("%s: %v, want %q", tt.body, err, tt.fault)
				}
				return
			}
			got := bounds{rq.Bound[sentinel.InputTokens], rq.Bound[sentinel.OutputTokens], rq.Bound[sentinel.WebSearches]}
			if err != nil || got != tt.want {
				t.Errorf("%s: %v %v, want %v", tt.body, got, err, tt.want)
			}
		})
	}
}

func TestModelsInThePathAreReplaced(t *testing.T) {
	for _, tt := range []struct{ preset, endpoint, path, want string }{
		{"gemini", "generateContent", "/v1beta/models/gemini-2.5-pro:generateContent", "/v1beta/models/cheap-1:generateContent"},
		{"vertex", "streamGenerateContent", "/v1/projects/p/locations/l/publishers/google/models/g:streamGenerateContent", "/v1/projects/p/locations/l/publishers/google/models/cheap-1:streamGenerateContent"},
		{"azure-openai", "chat.completions", "/openai/deployments/dear/chat/completions", "/openai/deployments/cheap-1/chat/completions"},
		{"aws-bedrock", "converse-stream", "/model/dear%3A0/converse-stream", "/model/cheap-1/converse-stream"},
	} {
		p, e := use(t, tt.preset, tt.endpoint)
		r := RawRequest{Path: tt.path, Body: []byte(`{"messages":[]}`)}
		rq, err := p.ReadRequest(e, r)
		if err != nil {
			t.Fatal(err)
		}
		if body, path, err := p.WithModel(e, r, rq, "cheap-1", 0); err != nil || path != tt.want || body != nil {
			t.Errorf("%s becomes %s %s, %v; want %s", tt.path, path, body, err, tt.want)
		}
	}
}

// Every host's stream is asked for its usage, but where asking is an error.
func TestHostsAreAskedForUsage(t *testing.T) {
	for _, p := range hosts {
		e, _ := p.Endpoint("chat.completions")
		rq, err := p.ReadRequest(e, RawRequest{Path: e.Path, Body: []byte(`{"model":"m","stream":true,"messages":[]}`)})
		asks := strings.Contains(string(rq.Body), `"include_usage":true`)
		if err != nil || asks != (p.Name != "mistral") || rq.HideUsage != asks {
			t.Errorf("%s: %v, sends %s, hides %v", p.Name, err, rq.Body, rq.HideUsage)
		}
	}
}

// Every preset refuses in JSON or XML, and has endpoints that its own paths match.
func TestEveryPresetIsWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range presets {
		shape := p.ErrorBody(Refusal{Status: 429, Code: "budget_spent", Message: "spent"})
		if seen[p.Name] || !strings.Contains(string(shape.Body), "spent") || len(p.Endpoints) == 0 {
			t.Errorf("%s refuses with %s", p.Name, shape.Body)
		}
		seen[p.Name] = true
		for _, e := range p.Endpoints {
			path := strings.NewReplacer("{", "", "}", "", "...", "", "/?", "/").Replace(e.Path)
			path, _, _ = strings.Cut(path, "|")
			if !e.Match(path) || CanonicalPath(path) != nil {
				t.Errorf("%s %s does not match %s", p.Name, e.Name, path)
			}
		}
	}
}
