package provider

import (
	"strings"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// A report that cannot be true has the gateway's own count beside it, in every dialect. "Hello world" is two tokens of o200k_base.
func TestOwnCountBesideAReportThatLies(t *testing.T) {
	for name, tt := range map[string]struct {
		preset, endpoint, kind, answer string
		method                         string
		out                            int64
	}{
		"negative":         {"openai", "chat.completions", "", `{"choices":[{"message":{"content":"Hello world"}}],"usage":{"prompt_tokens":-3,"completion_tokens":-9}}`, methodClamped, 2},
		"huge":             {"openai", "chat.completions", "", `{"usage":{"prompt_tokens":5,"completion_tokens":90000000000},"choices":[{"message":{"content":"Hello world"}}]}`, methodClamped, 2},
		"a text":           {"openai", "chat.completions", "", `{"choices":[{"message":{"content":"Hello world"}}],"usage":{"prompt_tokens":"5"}}`, methodBound, 2},
		"missing":          {"openai", "chat.completions", "", `{"choices":[{"message":{"content":"Hello","tool_calls":[{"function":{"name":" world","arguments":""}}]}}]}`, methodBound, 2},
		"another model":    {"openai", "chat.completions", "", `{"model":"o9","choices":[{"message":{"content":"Hello world"}}],"usage":{"prompt_tokens":5,"completion_tokens":2}}`, "", 2},
		"true":             {"openai", "chat.completions", "", `{"model":"m-2026-11-28","choices":[{"message":{"content":"Hello world"}}],"usage":{"prompt_tokens":5,"completion_tokens":2}}`, "", 0},
		"a response":       {"openai", "responses", "", `{"output":[{"type":"message","content":[{"type":"output_text","text":"Hello world"}]}],"usage":{"input_tokens":-1,"output_tokens":-1}}`, methodClamped, 2},
		"Anthropic's":      {"anthropic", "messages", "", `{"content":[{"type":"text","text":"Hello world"}],"usage":{"input_tokens":-1,"output_tokens":-1}}`, methodClamped, 2},
		"Google's":         {"gemini", "generateContent", "", `{"candidates":[{"content":{"parts":[{"text":"Hello world"}]}}],"usageMetadata":{"promptTokenCount":-1,"candidatesTokenCount":-1}}`, methodClamped, 2},
		"Cohere's":         {"cohere", "chat", "", `{"message":{"content":[{"type":"text","text":"Hello world"}]},"usage":{"billed_units":{"input_tokens":-1,"output_tokens":-1}}}`, methodClamped, 2},
		"Bedrock's":        {"aws-bedrock", "converse", "", `{"output":{"message":{"content":[{"text":"Hello world"}]}},"usage":{"inputTokens":-1,"outputTokens":-1}}`, methodClamped, 2},
		"a stream":         {"openai", "chat.completions", "text/event-stream", "data: {\"choices\":[{\"delta\":{\"content\":\"Hello world\"}}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":-1,\"completion_tokens\":-1}}\n\n", methodClamped, 2},
		"a true stream":    {"openai", "chat.completions", "text/event-stream", "data: {\"choices\":[{\"delta\":{\"content\":\"Hello world\"}}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n", "", 0},
		"longer than kept": {"openai", "completions", "", `{"choices":[{"text":"` + strings.Repeat(" word", 30_000) + `"}]}`, methodBound, 30_000},
	} {
		t.Run(name, func(t *testing.T) {
			p, e := use(t, tt.preset, tt.endpoint)
			if tt.kind == "" {
				tt.kind = "application/json"
			}
			m := p.NewMeter(MeterSpec{Endpoint: e, Model: "m", Weight: 7, Status: 200, ContentType: tt.kind, Bound: sentinel.Usage{sentinel.InputTokens: 50, sentinel.OutputTokens: 50}})
			_, got := replay(m, true, []byte(tt.answer))
			want := sentinel.Counted{}
			if tt.out > 0 {
				want = sentinel.Counted{Input: 7, Output: tt.out}
			}
			near := tt.out >= 1000 && got.Own.Input == 7 && got.Own.Output > tt.out*99/100 && got.Own.Output < tt.out*101/100
			if got.Own != want && !near || got.Method != tt.method {
				t.Errorf("%+v by %q, want %+v by %q", got.Own, got.Method, want, tt.method)
			}
		})
	}
}
