package provider

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// use finds a preset and one of its endpoints.
func use(t testing.TB, preset, endpoint string) (Preset, Endpoint) {
	t.Helper()
	p, ok := Find(preset)
	e, found := p.Endpoint(endpoint)
	if !ok || !found {
		t.Fatalf("no endpoint %s of %s", endpoint, preset)
	}
	return p, e
}

// replay writes the parts and gives what is passed on, and what was metered.
func replay(m Meter, complete bool, parts ...[]byte) ([]byte, Metered) {
	var out []byte
	for _, part := range parts {
		out = append(out, m.Write(part)...)
	}
	got := m.Finish(complete)
	out = append(out, got.Tail...)
	got.Tail = nil
	return out, got
}

// everySplit feeds the same bytes whole, cut in two at every byte, and byte by byte.
func everySplit(t *testing.T, make func() Meter, answer, passed string, want Metered) {
	t.Helper()
	b := []byte(answer)
	cuts := [][][]byte{{b}, bytes.SplitAfter(b, nil)}
	for i := range b {
		cuts = append(cuts, [][]byte{b[:i], b[i:]})
	}
	for i, parts := range cuts {
		out, got := replay(make(), true, parts...)
		if string(out) != passed {
			t.Fatalf("split %d: passed on %q, want %q", i, out, passed)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("split %d: (-want +got)\n%s", i, diff)
		}
	}
}

const chatReport = `{"prompt_tokens":100,"completion_tokens":50,"prompt_tokens_details":{"cached_tokens":30,"audio_tokens":5},"completion_tokens_details":{"reasoning_tokens":20,"audio_tokens":4}}`

// 100 − 30 cached − 5 audio = 65; 50 − 20 reasoning − 4 audio = 26.
var chatUsed = sentinel.Usage{
	sentinel.Requests: 1, sentinel.InputTokens: 65, sentinel.CachedInputTokens: 30, sentinel.AudioInputTokens: 5,
	sentinel.OutputTokens: 26, sentinel.ReasoningTokens: 20, sentinel.AudioOutputTokens: 4,
}

func TestJSONAnswers(t *testing.T) {
	reported := func(model string, u sentinel.Usage) Metered { return Metered{Usage: u, Model: model, Reported: true} }
	fee := func(u sentinel.Usage) Metered { return Metered{Usage: u, Tier: "standard", Reported: true} }
	for name, tt := range map[string]struct {
		preset, endpoint, answer string
		want                     Metered
	}{
		"chat": {"openai", "chat.completions", `{"id":"x","model":"gpt-5","choices":[{"message":{"content":"\"usage\":{\\"}}],"usage":` + chatReport + `}`, reported("gpt-5", chatUsed)},
		"decoys": {"openai", "chat.completions", ` { "a":"usage", "b":{"usage":{"prompt_tokens":9}}, "c":[{"usage":1},"usage"],` + "\n" + `"usage" : {"prompt_tokens":1, "x":"}\"{"} , "model" :"m" } `,
			reported("m", sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: 1})},
		"responses": {"openai", "responses", `{"model":"o3","usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":4},"output_tokens":8,"output_tokens_details":{"reasoning_tokens":3}}}`,
			reported("o3", sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: 6, sentinel.CachedInputTokens: 4, sentinel.OutputTokens: 5, sentinel.ReasoningTokens: 3})},
		"embeddings": {"openai", "embeddings", `{"data":[{"embedding":[0.1,-2e-3]}],"model":"e","usage":{"prompt_tokens":8,"total_tokens":8}}`,
			reported("e", sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: 8})},
		"converse": {"aws-bedrock", "converse", `{"output":{"usage":1},"usage":{"inputTokens":3,"outputTokens":4,"cacheReadInputTokens":5,"cacheWriteInputTokens":6}}`,
			reported("", sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: 3, sentinel.OutputTokens: 4, sentinel.CachedInputTokens: 5, sentinel.CacheWriteTokens: 6})},
		"charge": {"stripe", "charges.create", `{"object":"charge","amount":2000,"amount_captured":2000,"paid":true,"captured":true,"card":{"amount":1}}`,
			fee(sentinel.Usage{sentinel.Requests: 1, sentinel.AmountCents: 2000, sentinel.Messages: 1})},
		"charge declined":    {"stripe", "charges.create", `{"object":"charge","amount":2000,"paid":false}`, fee(sentinel.Usage{sentinel.Requests: 1})},
		"charge authorized":  {"stripe", "charges.create", `{"object":"charge","amount":2000,"paid":true,"captured":false}`, fee(sentinel.Usage{sentinel.Requests: 1})},
		"captured in part":   {"stripe", "charges.capture", `{"object":"charge","amount":2000,"amount_captured":500,"paid":true,"captured":true}`, fee(sentinel.Usage{sentinel.Requests: 1, sentinel.AmountCents: 500, sentinel.Messages: 1})},
		"intent succeeded":   {"stripe", "payment_intents.confirm", `{"object":"payment_intent","amount":900,"amount_received":900,"status":"succeeded"}`, fee(sentinel.Usage{sentinel.Requests: 1, sentinel.AmountCents: 900, sentinel.Messages: 1})},
		"intent not yet":     {"stripe", "payment_intents.create", `{"object":"payment_intent","amount":900,"status":"requires_action"}`, fee(sentinel.Usage{sentinel.Requests: 1})},
		"more than possible": {"stripe", "charges.create", `{"object":"charge","amount_captured":100000000,"paid":true,"captured":true}`, Metered{Usage: sentinel.Usage{sentinel.Requests: 1, sentinel.AmountCents: 99_999_999, sentinel.Messages: 1}, Tier: "standard", Method: "clamped", Reported: true}},
	} {
		t.Run(name, func(t *testing.T) {
			p, e := use(t, tt.preset, tt.endpoint)
			everySplit(t, func() Meter {
				return p.NewMeter(MeterSpec{Endpoint: e, Status: 200, ContentType: "application/json"})
			}, tt.answer, tt.answer, tt.want)
		})
	}
}

func TestLyingUsage(t *testing.T) {
	p, e := use(t, "openai", "chat.completions")
	bound := sentinel.Usage{sentinel.InputTokens: 70, sentinel.OutputTokens: 80}
	for usage, want := range map[string]Metered{
		`{"prompt_tokens":-5,"completion_tokens":2}`:                                 {Method: "clamped", Reported: true, Usage: sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: 70, sentinel.OutputTokens: 2}},
		`{"prompt_tokens":-5,"completion_tokens":-2}`:                                {Method: "clamped", Reported: true, Usage: sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: 70, sentinel.OutputTokens: 80}},
		`{"prompt_tokens":5,"prompt_tokens_details":{"cached_tokens":9}}`:            {Method: "clamped", Reported: true, Usage: sentinel.Usage{sentinel.Requests: 1, sentinel.CachedInputTokens: 5}},
		`{"completion_tokens":5,"completion_tokens_details":{"reasoning_tokens":9}}`: {Method: "clamped", Reported: true, Usage: sentinel.Usage{sentinel.Requests: 1, sentinel.ReasoningTokens: 5}},
		`{"prompt_tokens":9223372036854775807,"input_tokens":9223372036854775807}`:   {Method: "clamped", Reported: true, Usage: sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: 70}},
		`{"prompt_tokens":"5"}`:                           {Method: "bound", Usage: sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: 70, sentinel.OutputTokens: 80}},
		`{"prompt_tokens":1e99}`:                          {Method: "bound", Usage: sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: 70, sentinel.OutputTokens: 80}},
		`{"prompt_tokens":1164,"completion_tokens":1184}`: {Reported: true, Usage: sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: 1164, sentinel.OutputTokens: 1184}},
		`{"prompt_tokens":9,"completion_tokens":1185,"completion_tokens_details":{"reasoning_tokens":1000}}`: {Method: "clamped", Reported: true, Usage: sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: 9, sentinel.OutputTokens: 80}},
		`{"prompt_tokens":90000,"completion_tokens":3}`:                                                      {Method: "clamped", Reported: true, Usage: sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: 70, sentinel.OutputTokens: 3}},
		`null`: {Method: "bound", Usage: sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: 70, sentinel.OutputTokens: 80}},
		`"` + strings.Repeat("x", maxCapture+1) + `"`: {Method: "bound", Usage: sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: 70, sentinel.OutputTokens: 80}},
	} {
		m := p.NewMeter(MeterSpec{Endpoint: e, Status: 200, Bound: bound})
		if _, got := replay(m, true, []byte(`{"usage":`+usage+`}`)); !cmp.Equal(got, want) {
			t.Errorf("usage %.80s: %s", usage, cmp.Diff(want, got))
		}
	}
}

const (
	hello     = `data: {"choices":[{"delta":{"content":"Hello"}}],"usage":null}`
	lastUsage = `data: {"model":"gpt-5","choices":[],"usage":` + chatReport + `}`
)

func TestChatStreams(t *testing.T) {
	p, e := use(t, "openai", "chat.completions")
	want := Metered{Usage: chatUsed, Model: "gpt-5", Reported: true}
	many := strings.Replace(lastUsage, `,"choices"`, ",%sdata: \"choices\"", 1) // one event of two data lines
	for _, hide := range []bool{false, true} {
		for name, eol := range map[string]string{"LF": "\n", "CR": "\r", "CRLF": "\r\n"} {
			for form, usage := range map[string]string{"one line": lastUsage, "two lines": fmt.Sprintf(many, eol)} {
				t.Run(fmt.Sprintf("%s %s hide %v", name, form, hide), func(t *testing.T) {
					end := eol + eol
					before, hidden, after := ": comment"+end+hello+end, "event: x"+eol+usage+end, "data: [DONE]"+end
					passed := before + hidden + after
					if hide {
						passed = before + after
					}
					everySplit(t, func() Meter {
						return p.NewMeter(MeterSpec{Endpoint: e, Status: 200, Stream: true, HideUsage: hide, ContentType: "text/event-stream; charset=utf-8"})
					}, before+hidden+after, passed, want)
				})
			}
		}
	}
}

func TestResponsesStream(t *testing.T) {
	p, e := use(t, "openai", "responses")
	answer := "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"model\":\"o3\",\"usage\":null}}\n\n" +
		"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Hi\"}\n\n" +
		"event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"model\":\"o3\",\"usage\":{\"input_tokens\":7,\"output_tokens\":2}}}\n\n"
	everySplit(t, func() Meter { return p.NewMeter(MeterSpec{Endpoint: e, Status: 200, ContentType: "text/event-stream"}) },
		answer, answer, Metered{Model: "o3", Reported: true, Usage: sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: 7, sentinel.OutputTokens: 2}})
}

// The bytes held back are as many as those hidden: the answer must not be taken for the chunk.
func TestHeldBytesAreNotMistakenForTheChunk(t *testing.T) {
	p, e := use(t, "openai", "chat.completions")
	hidden := lastUsage + "\n\n"
	first := "data: " + strings.Repeat("x", len(hidden)-6)
	m := p.NewMeter(MeterSpec{Endpoint: e, Status: 200, HideUsage: true, ContentType: "text/event-stream"})
	out, _ := replay(m, true, []byte(first), []byte("\n\n"+hidden))
	if string(out) != first+"\n\n" {
		t.Errorf("passed on %q", out)
	}
}

func TestCompleteEventsAreNotDelayed(t *testing.T) {
	p, e := use(t, "openai", "chat.completions")
	m := p.NewMeter(MeterSpec{Endpoint: e, Status: 200, HideUsage: true, ContentType: "text/event-stream"})
	if got := m.Write([]byte(hello + "\n\ndata: {")); string(got) != hello+"\n\n" {
		t.Errorf("Write = %q", got)
	}
}

func TestEndlessEventsAreBounded(t *testing.T) {
	p, e := use(t, "openai", "chat.completions")
	for name, line := range map[string]string{"comments": ": x\n", "data": "data:\n", "one line": "x"} {
		m := p.NewMeter(MeterSpec{Endpoint: e, Status: 200, HideUsage: true, ContentType: "text/event-stream"}).(*streamMeter)
		chunk, in, out := []byte(strings.Repeat(line, 1000)), 0, 0
		for in < 3*maxEvent {
			in += len(chunk)
			out += len(m.Write(chunk))
		}
		if out != in || held(m) > 8*maxEvent {
			t.Errorf("%s: %d of %d bytes passed on, %d held", name, out, in, held(m))
		}
	}
}

// held counts the bytes of unfinished events.
func held(m *streamMeter) int {
	e := m.frames.(*events)
	return cap(e.pass.held) + cap(e.own) + cap(e.line)
}

func TestAbortedStreamsAreCounted(t *testing.T) {
	p, e := use(t, "openai", "chat.completions")
	for model, method := range map[string]string{"gpt-5": "o200k_base", "gpt-4": "cl100k_base"} {
		m := p.NewMeter(MeterSpec{Endpoint: e, Model: model, Weight: 3, Status: 200, ContentType: "text/event-stream"})
		// "Hello" and " world" are one token each, and so is each unit of the weight.
		_, got := replay(m, false, []byte(hello+"\n\n"+strings.Replace(hello, "Hello", " world", 1)+"\n\ndata: {\"cho"))
		want := Metered{Method: method, Usage: sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: 3, sentinel.OutputTokens: 2}}
		if !cmp.Equal(got, want) {
			t.Errorf("%s: %s", model, cmp.Diff(want, got))
		}
	}
}

func TestUsageByStatus(t *testing.T) {
	for _, tt := range []struct {
		preset, endpoint string
		status           int
		want             int64
	}{
		{"openai", "chat.completions", 429, 0}, {"openai", "models.list", 200, 0}, {"aws-bedrock", "converse", 400, 0}, {"stripe", "charges.create", 402, 0},
		{"stripe", "get", 200, 1}, {"aws-s3", "object.get", 200, 1}, {"aws-s3", "object.get", 404, 1}, {"aws-s3", "object.put", 503, 0}, {"aws-s3", "object.put", 0, 0},
		{"generic", "", 200, 1}, {"generic", "", 302, 1}, {"generic", "", 400, 0}, {"generic", "", 0, 0},
	} {
		p, e := Generic(nil), Endpoint{}
		if tt.preset != "generic" {
			p, e = use(t, tt.preset, tt.endpoint)
		}
		out, got := replay(p.NewMeter(MeterSpec{Endpoint: e, Status: tt.status}), true, []byte("x"))
		if string(out) != "x" || !got.Reported || got.Usage != (sentinel.Usage{sentinel.Requests: tt.want}) {
			t.Errorf("%s %s %d: passed on %q, used %+v", tt.preset, tt.endpoint, tt.status, out, got)
		}
	}
}

// fuzzMeter holds that any cut of any bytes gives the same usage and the same bytes.
func fuzzMeter(f *testing.F, contentType string) {
	p, e := use(f, "openai", "chat.completions")
	f.Fuzz(func(t *testing.T, answer []byte, cut uint16, hide bool) {
		spec := MeterSpec{Endpoint: e, Status: 200, HideUsage: hide, ContentType: contentType}
		at := int(cut) % (len(answer) + 1)
		whole, want := replay(p.NewMeter(spec), true, answer)
		out, got := replay(p.NewMeter(spec), true, answer[:at], answer[at:])
		if !bytes.Equal(out, whole) || !cmp.Equal(got, want) || !hide && !bytes.Equal(out, answer) {
			t.Errorf("cut at %d, %q gives %q and %+v, whole %q and %+v", at, answer, out, got, whole, want)
		}
		for u, n := range got.Usage {
			if n < 0 || n > maxReported {
				t.Errorf("%s = %d", sentinel.Unit(u), n)
			}
		}
	})
}

func FuzzStreamMeter(f *testing.F) {
	f.Add([]byte(hello+"\r\n\r\n"+lastUsage+"\n\ndata: [DONE]\r\r"), uint16(70), true)
	fuzzMeter(f, "text/event-stream")
}

func FuzzJSONMeter(f *testing.F) {
	f.Add([]byte(`{"model":"m","usage":`+chatReport+`}`), uint16(20), false)
	fuzzMeter(f, "application/json")
}
