package provider

import (
	"encoding/base64"
	"strings"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Requests that cost nothing are read as strictly as others: what they say reaches the provider's server as well.
func TestFreeRequestsAreReadStrictly(t *testing.T) {
	native := func(body string) string {
		return `{"input":{"invokeModel":{"body":"` + base64.StdEncoding.EncodeToString([]byte(body)) + `"}}}`
	}
	const inside = "http://169.254.169.254/latest/meta-data/"
	const picture = `{"model":"omni-moderation-latest","input":[{"type":"image_url","image_url":{"url":"` + inside + `"}}]}`
	const document = `"messages":[{"role":"user","content":[{"type":"document","source":{"type":"url","url":"` + inside + `"}}]}]`
	for name, tt := range map[string]struct{ preset, endpoint, path, body, coding, model, fault string }{
		"a text moderated":            {"openai", "moderations", "", `{"input":"x"}`, "", "", ""},
		"moderated by a model":        {"openai", "moderations", "", `{"model":"omni-moderation-latest","input":"x"}`, "", "omni-moderation-latest", ""},
		"moderated by two models":     {"openai", "moderations", "", `{"model":"a","model":"b","input":"x"}`, "", "", "twice"},
		"moderated by Model":          {"openai", "moderations", "", `{"model":"a","Model":"b","input":"x"}`, "", "", "must be written"},
		"moderated by no name":        {"openai", "moderations", "", `{"model":"a\u0000","input":"x"}`, "", "", "name a model"},
		"moderated elsewhere":         {"openai", "moderations", "", `{"input":"x","api_base":"https://evil.example"}`, "", "", "api_base"},
		"a private picture":           {"openai", "moderations", "", picture, "", "", "private network"},
		"moderated in gzip":           {"openai", "moderations", "", "\x1f\x8b", "gzip", "", "content-encoding"},
		"a batch":                     {"openai", "batches.create", "", `{"input_file_id":"f","endpoint":"/v1/chat/completions","completion_window":"24h"}`, "", "", ""},
		"a batch elsewhere":           {"openai", "batches.create", "", `{"input_file_id":"f","webhook_url":"https://evil.example"}`, "", "", "webhook_url"},
		"a session":                   {"openai", "realtime.client_secrets", "", `{"session":{"type":"realtime","model":"gpt-realtime"}}`, "", "", ""},
		"a session's private server":  {"openai", "realtime.client_secrets", "", `{"session":{"tools":[{"type":"mcp","server_url":"` + inside + `"}]}}`, "", "", "tools"},
		"counted":                     {"anthropic", "messages.count_tokens", "", `{"model":"m","messages":[],"thinking":{"type":"enabled","budget_tokens":9}}`, "", "m", ""},
		"counted by two models":       {"anthropic", "messages.count_tokens", "", `{"model":"m","model":"n","messages":[]}`, "", "", "twice"},
		"a private document":          {"anthropic", "messages.count_tokens", "", `{"model":"m",` + document + `}`, "", "", "private network"},
		"AWS: counted":                {"aws-bedrock", "count-tokens", "/model/m/count-tokens", `{"input":{"converse":{"messages":[{"role":"user","content":[{"text":"x"}]}]}}}`, "", "m", ""},
		"AWS: counted natively":       {"aws-bedrock", "count-tokens", "/model/m/count-tokens", native(`{"messages":[],"max_tokens":5}`), "", "m", ""},
		"AWS: a document within":      {"aws-bedrock", "count-tokens", "/model/m/count-tokens", native(`{` + document + `}`), "", "", "private network"},
		"AWS: a name twice within":    {"aws-bedrock", "count-tokens", "/model/m/count-tokens", native(`{"max_tokens":5,"max_tokens":6}`), "", "", "twice"},
		"AWS: no base64":              {"aws-bedrock", "count-tokens", "/model/m/count-tokens", `{"input":{"invokeModel":{"body":"{}"}}}`, "", "", "base64"},
		"Google: counted":             {"gemini", "countTokens", "/v1beta/models/g:countTokens", `{"contents":[{"parts":[{"text":"x"}]}]}`, "", "g", ""},
		"Google: counted by v1":       {"gemini", "v1.countTokens", "/v1/models/g:countTokens", `{"generateContentRequest":{"model":"models/g","contents":[]}}`, "", "g", ""},
		"Google: another model":       {"gemini", "countTokens", "/v1beta/models/g:countTokens", `{"generateContentRequest":{"model":"models/h","contents":[]}}`, "", "", "another model"},
		"Google: two spellings":       {"gemini", "countTokens", "/v1beta/models/g:countTokens", `{"generateContentRequest":{},"generate_content_request":{}}`, "", "", "another spelling"},
		"Google: a private file":      {"gemini", "countTokens", "/v1beta/models/g:countTokens", `{"contents":[{"parts":[{"fileData":{"fileUri":"` + inside + `"}}]}]}`, "", "", "private network"},
		"Vertex: counted":             {"vertex", "countTokens", vertexCount, `{"model":"projects/p/locations/l/publishers/google/models/g","contents":[]}`, "", "g", ""},
		"Vertex: another model":       {"vertex", "countTokens", vertexCount, `{"model":"projects/p/locations/l/publishers/google/models/h","contents":[]}`, "", "", "another model"},
		"Vertex: a private file":      {"vertex", "countTokens", vertexCount, `{"contents":[{"parts":[{"file_data":{"file_uri":"` + inside + `"}}]}]}`, "", "", "private network"},
		"Vertex: bytes that are none": {"vertex", "countTokens", vertexCount, `contents`, "", "", "a JSON object is expected"},
	} {
		t.Run(name, func(t *testing.T) {
			p, e := use(t, tt.preset, tt.endpoint)
			r := RawRequest{Path: tt.path, Body: []byte(tt.body), Header: func(name string) string {
				return map[string]string{"content-encoding": tt.coding}[name]
			}}
			rq, err := p.ReadRequest(e, r)
			if tt.fault != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fault) {
					t.Errorf("%s: %v, want %q", tt.body, err, tt.fault)
				}
				return
			}
			if err != nil || rq.Model != tt.model || rq.Tier != "" || rq.Bound != (sentinel.Usage{sentinel.Requests: 1}) || !rq.Fixed {
				t.Errorf("%s: read as %+v, %v", tt.body, rq, err)
			}
		})
	}
}

const vertexCount = "/v1/projects/p/locations/l/publishers/google/models/g:countTokens"
