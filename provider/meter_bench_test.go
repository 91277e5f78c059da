package provider

import (
	"fmt"
	"strings"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// prose is what the benchmarks' answers are made of: words of several lengths and languages, line ends, quotes and other escapes.
var prose = strings.Fields(`The quick brown fox jumps over the lazy dog, and \"why\" nobody asked:\n - für Größe und Maß\n - 日本語の文章 🙂 func\tmain() { fmt.Println(\"ok\") } ` +
	`counting tokens is \u00e9asy when every answer says how many it had. Sum: 1,024 of 4,096 (25 %).`)

// someWords gives so many bytes of prose and up to a word more, from another place each time.
func someWords(from, bytes int) string {
	var b strings.Builder
	for i := from; b.Len() < bytes; i++ {
		b.WriteString(prose[i%len(prose)] + " ")
	}
	return b.String()
}

// benchmarkMeter reads the answers in turn.
func benchmarkMeter(b *testing.B, preset, endpoint, model, contentType string, answers []string) {
	p, e := use(b, preset, endpoint)
	spec := MeterSpec{
		Endpoint: e, Model: model, Status: 200, HideUsage: true, ContentType: contentType, Bound: sentinel.Usage{sentinel.InputTokens: 1 << 20, sentinel.OutputTokens: 1 << 20},
	}
	raw, sum := make([][]byte, len(answers)), 0
	for i, a := range answers {
		raw[i], sum = []byte(a), sum+len(a)
	}
	b.SetBytes(int64(sum / len(answers)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m := p.NewMeter(spec)
		m.Write(raw[i%len(raw)])
		if !m.Finish(true).Reported {
			b.Fatal("the usage was not found")
		}
	}
}

// BenchmarkJSONAnswer reads the usage of answers of 1 KB: what they say, how long it is beside the rest, and where the usage stands differ.
func BenchmarkJSONAnswer(b *testing.B) {
	answers := map[string][]string{}
	for i := range 32 {
		usage := fmt.Sprintf(`{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,"prompt_tokens_details":{"cached_tokens":%d,"audio_tokens":0},`+
			`"completion_tokens_details":{"reasoning_tokens":%d,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}`, 100+i*37, 50+i, 150+i*38, i*31, i)
		head := fmt.Sprintf(`{"id":"chatcmpl-%024d","object":"chat.completion","created":17415%05d,"model":"gpt-5-mini-2025-08-07",`, i*7919, i*101)
		tail := `"service_tier":"default","system_fingerprint":null}`
		calls := `,"tool_calls":[{"id":"call_abc","type":"function","function":{"name":"get_weather","arguments":"{\"city\":\"Bonn\",\"unit\":\"c\"}"}}]`
		if i%3 > 0 {
			calls = ""
		}
		rest := len(head) + len(usage) + len(tail) + len(calls) + 150
		choices := fmt.Sprintf(`"choices":[{"index":0,"message":{"role":"assistant","content":"%s"%s,"refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],`, someWords(i*5, 1024-rest), calls)
		answers["openai"] = append(answers["openai"], head+choices+`"usage":`+usage+","+tail, head+`"usage":`+usage+","+choices+tail)

		claude := fmt.Sprintf(`"usage":{"input_tokens":%d,"cache_creation_input_tokens":%d,"cache_read_input_tokens":%d,"cache_creation":{"ephemeral_5m_input_tokens":%d,"ephemeral_1h_input_tokens":0},`+
			`"output_tokens":%d,"service_tier":"standard"}}`, 10+i, i, i*100, i, 60+i)
		head = fmt.Sprintf(`{"id":"msg_%022d","type":"message","role":"assistant","model":"claude-haiku-4-5-20251001",`, i*7919)
		answers["anthropic"] = append(answers["anthropic"], head+fmt.Sprintf(`"content":[{"type":"text","text":"%s"}],"stop_reason":"end_turn","stop_sequence":null,`, someWords(i*5, 1024-len(head)-len(claude)-80))+claude)

		gemini := fmt.Sprintf(`"usageMetadata":{"promptTokenCount":%d,"candidatesTokenCount":%d,"totalTokenCount":%d,"promptTokensDetails":[{"modality":"TEXT","tokenCount":%d}],"thoughtsTokenCount":%d},"modelVersion":"gemini-2.5-flash"}`,
			10+i, 60+i, 70+3*i, 10+i, i)
		answers["gemini"] = append(answers["gemini"], fmt.Sprintf(`{"candidates":[{"content":{"parts":[{"text":"%s"}],"role":"model"},"finishReason":"STOP","index":0}],`, someWords(i*5, 1024-len(gemini)-90))+gemini)
	}
	for preset, of := range map[string][2]string{
		"openai": {"chat.completions", "gpt-5-mini"}, "anthropic": {"messages", "claude-haiku-4-5"}, "gemini": {"generateContent", "gemini-2.5-flash"},
	} {
		for _, a := range answers[preset] {
			if n := len(a); n < 900 || n > 1100 {
				b.Fatalf("%s: an answer of %d bytes is not 1 KB: %s", preset, n, a)
			}
		}
		b.Run(preset, func(b *testing.B) { benchmarkMeter(b, preset, of[0], of[1], "application/json", answers[preset]) })
	}
}

// chatStreamEvents are the events of a streamed answer, about 250 bytes each as OpenAI sends them, or short ones as others do: a word each, which
// differ in length, now and then with an escape, and some with a tool's arguments.
func chatStreamEvents(short bool, n int) []string {
	var out []string
	for i := range n {
		delta := fmt.Sprintf(`{"content":"%s "}`, prose[i*7%len(prose)])
		if i%17 == 16 {
			delta = `{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":` + fmt.Sprint(i) + `"}}]}`
		}
		if short {
			out = append(out, `data: {"choices":[{"delta":`+delta+`}],"usage":null}`+"\n\n")
			continue
		}
		out = append(out, `data: {"id":"chatcmpl-AbCdEfGhIjKlMnOpQrStUvWx","object":"chat.completion.chunk","created":1741569952,"model":"gpt-5-mini-2025-08-07","service_tier":"default",`+
			`"system_fingerprint":null,"choices":[{"index":0,"delta":`+delta+`,"logprobs":null,"finish_reason":null}],"usage":null}`+"\n\n")
	}
	return out
}

const chatEnd = lastUsage + "\n\ndata: [DONE]\n\n"

// BenchmarkStream reads whole streams that come in one piece.
func BenchmarkStream(b *testing.B) {
	for name, short := range map[string]bool{"events of 270 bytes": false, "events of 60 bytes": true} {
		b.Run(name, func(b *testing.B) {
			events := chatStreamEvents(short, 560)
			var streams []string
			for i := range 8 {
				streams = append(streams, strings.Join(events[i*8:i*8+500], "")+chatEnd)
			}
			benchmarkMeter(b, "openai", "chat.completions", "gpt-5", "text/event-stream", streams)
		})
	}
}

// BenchmarkSSE reads a stream without end, an event at a time.
func BenchmarkSSE(b *testing.B) {
	events, sum := [][]byte{}, 0
	for _, e := range chatStreamEvents(false, 256) {
		events, sum = append(events, []byte(e)), sum+len(e)
	}
	m := openAI.NewMeter(MeterSpec{Endpoint: chatEndpoint(b), Status: 200, ContentType: "text/event-stream"})
	b.SetBytes(int64(sum / len(events)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m.Write(events[i%len(events)])
	}
}
