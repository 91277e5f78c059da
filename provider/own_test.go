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

// A stream of another vocabulary's model that was reported whole shows what our count of its text comes to, and one that was cut is estimated by that.
func TestCutAnswersOfOtherVocabulariesAreCalibrated(t *testing.T) {
	const text = `data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello world"}}` + "\n\n"
	const start = `data: {"type":"message_start","message":{"model":"claude-x","usage":{"input_tokens":7,"output_tokens":1}}}` + "\n\n"
	const end = `data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":25}}` + "\n\n" + `data: {"type":"message_stop"}` + "\n\n"
	p, e := use(t, "anthropic", "messages")
	for name, tt := range map[string]struct {
		model, answer  string
		ratio          int64
		sample         bool
		sampled, wants int64
		method         string
	}{
		"whole":                   {"claude-x", start + strings.Repeat(text, 10) + end, 0, true, 20, 25, ""},
		"whole, not asked for":    {"claude-x", start + strings.Repeat(text, 10) + end, 0, false, 0, 25, ""},
		"whole, of OpenAI":        {"gpt-5", start + strings.Repeat(text, 10) + end, 0, true, 0, 25, ""},
		"cut":                     {"claude-x", start + strings.Repeat(text, 10), 0, true, 0, 20, "o200k_base"},
		"cut, and known":          {"claude-x", start + strings.Repeat(text, 10), 1250, true, 0, 25, "o200k_base+calibrated"},
		"cut, of OpenAI":          {"gpt-5", start + strings.Repeat(text, 10), 1250, true, 0, 20, "o200k_base"},
		"cut before it has begun": {"claude-x", start, 1250, true, 0, 1, "o200k_base+calibrated"},
	} {
		t.Run(name, func(t *testing.T) {
			m := p.NewMeter(MeterSpec{Endpoint: e, Model: tt.model, Stream: true, Weight: 7, Status: 200, ContentType: "text/event-stream", OutputMilliTokens: tt.ratio, Sample: tt.sample,
				Bound: sentinel.Usage{sentinel.InputTokens: 50, sentinel.OutputTokens: 50}})
			_, got := replay(m, tt.method == "", []byte(tt.answer))
			if got.Sampled != tt.sampled || got.Usage[sentinel.OutputTokens] != tt.wants || got.Method != tt.method {
				t.Errorf("%d tokens by %q, our own count %d; want %d by %q and %d", got.Usage[sentinel.OutputTokens], got.Method, got.Sampled, tt.wants, tt.method, tt.sampled)
			}
		})
	}
}
