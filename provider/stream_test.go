package provider

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func chatEndpoint(t testing.TB) Endpoint {
	t.Helper()
	e, ok := openAI.Endpoint("chat.completions")
	if !ok {
		t.Fatal("no chat completions")
	}
	return e
}

const usageEvent = "data: {\"id\":\"c\",\"model\":\"gpt-5-mini-2025-08-07\",\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":7," +
	"\"prompt_tokens_details\":{\"cached_tokens\":4},\"completion_tokens_details\":{\"reasoning_tokens\":2}}}\n\n"

// chatStream is a stream with comments, an event of two data lines and every line ending.
func chatStream(eol string) (shown, hidden string) {
	first := ": keep-alive\n\ndata: {\"model\":\"gpt-5-mini\",\"usage\":null,\ndata: \"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n" +
		"event: x\nid: 7\ndata: {\"choices\":[{\"delta\":{\"content\":\" world\"}}],\"usage\":null}\n\n"
	last := "data: [DONE]\n\n"
	return strings.ReplaceAll(first+last, "\n", eol), strings.ReplaceAll(first+usageEvent+last, "\n", eol)
}

// pour writes a stream in pieces and gives what is passed on and metered.
func pour(m Meter, pieces ...string) (string, Metered) {
	var out bytes.Buffer
	for _, p := range pieces {
		out.Write(m.Write([]byte(p)))
	}
	got := m.Finish(true)
	out.Write(got.Tail)
	return out.String(), got
}

var chatUsage = sentinel.Usage{
	sentinel.Requests: 1, sentinel.InputTokens: 6, sentinel.CachedInputTokens: 4, sentinel.OutputTokens: 5, sentinel.ReasoningTokens: 2,
}

func TestEverySplitOfAStreamGivesTheSame(t *testing.T) {
	for name, eol := range map[string]string{"LF": "\n", "CRLF": "\r\n", "CR": "\r"} {
		for _, hide := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s hide %v", name, hide), func(t *testing.T) {
				shown, whole := chatStream(eol)
				if !hide {
					shown = whole
				}
				spec := MeterSpec{Endpoint: chatEndpoint(t), Status: 200, ContentType: "text/event-stream; charset=utf-8", HideUsage: hide, Model: "gpt-5-mini"}
				for i := range len(whole) + 1 {
					for _, j := range []int{i, (i + len(whole)) / 2} {
						passed, got := pour(openAI.NewMeter(spec), whole[:i], whole[i:j], whole[j:])
						if passed != shown {
							t.Fatalf("split at %d and %d: passed on\n%q\nwant\n%q", i, j, passed, shown)
						}
						if got.Usage != chatUsage || !got.Reported || got.Method != "" {
							t.Fatalf("split at %d and %d: metered %+v", i, j, got)
						}
					}
				}
			})
		}
	}
}

func TestACompleteEventIsNeverHeldBack(t *testing.T) {
	m := openAI.NewMeter(MeterSpec{Endpoint: chatEndpoint(t), Status: 200, ContentType: "text/event-stream", HideUsage: true})
	event := "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"
	for range 3 {
		if got := string(m.Write([]byte(event))); got != event {
			t.Fatalf("a whole event gave %q", got)
		}
	}
}

func TestACutStreamIsCountedByItsText(t *testing.T) {
	m := openAI.NewMeter(MeterSpec{Endpoint: chatEndpoint(t), Status: 200, ContentType: "text/event-stream", Model: "gpt-5-mini", Weight: 11,
		Bound: sentinel.Usage{sentinel.InputTokens: 400}})
	for range 12 {
		m.Write([]byte("data: {\"choices\":[{\"delta\":{\"content\":\" the\"}}]}\n\n"))
	}
	got := m.Finish(false)
	if got.Usage[sentinel.OutputTokens] != 12 || got.Usage[sentinel.InputTokens] != 11 || got.Method != "o200k_base" || got.Reported {
		t.Errorf("twelve tokens gave %+v", got)
	}
}

func TestResponsesStreamEndsWithItsUsage(t *testing.T) {
	e, _ := openAI.Endpoint("responses")
	m := openAI.NewMeter(MeterSpec{Endpoint: e, Status: 200, ContentType: "text/event-stream"})
	_, got := pour(m, "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Hi\"}\n\n",
		"data: {\"type\":\"response.completed\",\"response\":{\"model\":\"gpt-5\",\"usage\":{\"input_tokens\":9,\"input_tokens_details\":{\"cached_tokens\":3},\"output_tokens\":5,\"output_tokens_details\":{\"reasoning_tokens\":4}}}}\n\n")
	want := sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: 6, sentinel.CachedInputTokens: 3, sentinel.OutputTokens: 1, sentinel.ReasoningTokens: 4}
	if got.Usage != want || got.Model != "gpt-5" {
		t.Errorf("metered %+v, want %v", got, want)
	}
}

func TestEverySplitOfAJSONAnswerGivesTheSame(t *testing.T) {
	answer := `{"id":"x","choices":[{"message":{"content":"a \"usage\": {\"prompt_tokens\":99} \\"}, "usage":{"prompt_tokens":77}}],` +
		`"model" : "gpt-5-mini" ,"usage":{"prompt_tokens":10,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}},"x":null}`
	for i := range len(answer) + 1 {
		m := openAI.NewMeter(MeterSpec{Endpoint: chatEndpoint(t), Status: 200, ContentType: "application/json"})
		passed, got := pour(m, answer[:i], answer[i:])
		if passed != answer || got.Usage != chatUsage || got.Model != "gpt-5-mini" || !got.Reported {
			t.Fatalf("split at %d: %+v", i, got)
		}
	}
}

func TestUsageThatLiesIsClamped(t *testing.T) {
	for name, tt := range map[string]struct {
		usage  string
		in     int64
		method string
	}{
		"negative":                {`{"prompt_tokens":-5,"completion_tokens":1}`, 50, methodClamped},
		"more cached than prompt": {`{"prompt_tokens":5,"prompt_tokens_details":{"cached_tokens":50}}`, 5, methodClamped},
		"huge":                    {`{"prompt_tokens":5000000000}`, 50, methodClamped},
		"text":                    {`{"prompt_tokens":"5"}`, 50, "bound"},
		"missing":                 {`null`, 50, "bound"},
	} {
		t.Run(name, func(t *testing.T) {
			m := openAI.NewMeter(MeterSpec{Endpoint: chatEndpoint(t), Status: 200, ContentType: "application/json", Bound: sentinel.Usage{sentinel.InputTokens: 50}})
			_, got := pour(m, `{"usage":`+tt.usage+`}`)
			if got.Usage.InputTokenSum() != tt.in || got.Method != tt.method {
				t.Errorf("%s gave %+v, want %d by %q", tt.usage, got, tt.in, tt.method)
			}
		})
	}
}

func TestRefusalsOfTheProviderCostNothing(t *testing.T) {
	m := openAI.NewMeter(MeterSpec{Endpoint: chatEndpoint(t), Status: 429, ContentType: "application/json"})
	if _, got := pour(m, `{"usage":{"prompt_tokens":10}}`); got.Usage != (sentinel.Usage{}) || !got.Reported {
		t.Errorf("a 429 gave %+v", got)
	}
}

func FuzzStream(f *testing.F) {
	_, whole := chatStream("\r\n")
	f.Add([]byte(whole), 5)
	f.Fuzz(func(t *testing.T, data []byte, at int) {
		spec := MeterSpec{Endpoint: chatEndpoint(t), Status: 200, ContentType: "text/event-stream"}
		at = min(max(at, 0), len(data))
		passed, one := pour(openAI.NewMeter(spec), string(data))
		_, two := pour(openAI.NewMeter(spec), string(data[:at]), string(data[at:]))
		if passed != string(data) || one.Usage != two.Usage {
			t.Errorf("split at %d: %v, whole: %v", at, two.Usage, one.Usage)
		}
	})
}
