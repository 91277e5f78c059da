package provider

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func TestOpenAIInputBounds(t *testing.T) {
	parts := strings.Repeat(`{"type":"text","text":""},`, 5000)
	for name, tt := range map[string]struct {
		endpoint, body string
		unbounded      bool // by the body's bytes
	}{
		"text":                       {"chat.completions", `{"model":"gpt-5","messages":[{"role":"user","content":"hi"}]}`, false},
		"image behind many parts":    {"chat.completions", `{"model":"gpt-5","messages":[{"role":"user","content":[` + parts + `{"type":"image_url"}]}]}`, true},
		"a part nobody knows":        {"chat.completions", `{"model":"gpt-5","messages":[{"role":"user","content":[{"type":"hologram"}]}]}`, true},
		"an earlier spoken answer":   {"chat.completions", `{"model":"gpt-5","messages":[{"role":"assistant","audio":{"id":"audio_1"}}]}`, true},
		"schemas have types as well": {"chat.completions", `{"model":"gpt-5","messages":[],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"audio":{"type":"image_url"}}}}}]}`, false},
		"stored item":                {"responses", `{"model":"gpt-5","input":[{"type":"item_reference","id":"msg_1"}]}`, true},
		"stored item without a type": {"responses", `{"model":"gpt-5","input":[{"role":"user","content":"a"},{"id":"msg_1"}]}`, true},
		"stored reasoning":           {"responses", `{"model":"gpt-5","input":[{"type":"reasoning","id":"rs_1","summary":[]}]}`, true},
		"texts and tool results":     {"responses", `{"model":"gpt-5","input":[{"role":"user","content":[{"type":"input_text","text":"a"}]},{"type":"function_call","name":"f","arguments":"{}","call_id":"c"},{"type":"function_call_output","call_id":"c","output":"1"}]}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			e, ok := openAI.Endpoint(tt.endpoint)
			if !ok {
				t.Fatalf("no endpoint %s", tt.endpoint)
			}
			rq, err := openAI.ReadRequest(e, RawRequest{Path: e.Path, Body: []byte(tt.body)})
			if err != nil {
				t.Fatal(err)
			}
			want := int64(len(tt.body))
			if tt.unbounded {
				want = AsModelAllows
			}
			if got := rq.Bound[sentinel.InputTokens]; got != want {
				t.Errorf("input of %s is bounded by %d, want %d", clip(tt.body), got, want)
			}
		})
	}
}

func TestConverseInputBounds(t *testing.T) {
	for body, extra := range map[string]int64{
		`{"messages":[{"role":"user","content":[{"text":"hi"}]}]}`:                                                  0,
		`{"messages":[],"toolConfig":{"tools":[{"toolSpec":{"name":"image","inputSchema":{"json":{"video":1}}}}]}}`: toolPrompt,
		`{"messages":[{"role":"user","content":[{"toolResult":{"content":[{"image":{}}]}}]}]}`:                      AsModelAllows,
		`{"messages":[{"role":"user","content":[{"audio":{}}]}]}`:                                                   AsModelAllows,
		`{"messages":[],"system":[{"document":{}}]}`:                                                                AsModelAllows,
	} {
		rq, err := bedrock.ReadRequest(bedrock.Endpoints[0], RawRequest{Path: "/model/m/converse", Body: []byte(body)})
		want := int64(len(body)) + extra
		if extra == AsModelAllows {
			want = AsModelAllows
		}
		if err != nil || rq.Bound[sentinel.InputTokens] != want {
			t.Errorf("%s: %d, %v; want %d", body, rq.Bound[sentinel.InputTokens], err, want)
		}
	}
}

// A model's name enters tickets, labels and ledger rows, some of them before its price is known.
func TestModelNamesArePrintable(t *testing.T) {
	for _, name := range []string{"gpt-5\x1fx", "gpt-5\n", "gpt 5", "gpt-５", "gpt-5\x7f", strings.Repeat("a", maxModel+1), ""} {
		var bad *BadRequest
		body := fmt.Sprintf(`{"model":%s}`, strings.ReplaceAll(fmt.Sprintf("%+q", name), `\x`, `\u00`))
		if _, err := openAI.ReadRequest(chatEndpoint(t), RawRequest{Body: []byte(body)}); !errors.As(err, &bad) || bad.Field != "model" {
			t.Errorf("%s: %v, want a fault of the model", body, err)
		}
	}
	var bad *BadRequest
	if _, err := bedrock.ReadRequest(bedrock.Endpoints[0], RawRequest{Path: "/model/m%1f/converse", Body: []byte(`{}`)}); !errors.As(err, &bad) || bad.Field != "path" {
		t.Errorf("a control byte in the path: %v, want a fault of the path", err)
	}
}

func TestToolsAreAList(t *testing.T) {
	for _, tools := range []string{`{"type":"web_search"}`, `"web_search"`, `["web_search"]`, `[{}]`, `[{"type":7}]`} {
		if _, err := openAI.ReadRequest(chatEndpoint(t), RawRequest{Body: []byte(`{"model":"gpt-5","tools":` + tools + `}`)}); err == nil {
			t.Errorf("tools %s were accepted", tools)
		}
	}
}

// Reading must not take many times the memory of the body: it is the client's to choose.
func TestManyNamesTakeBoundedMemory(t *testing.T) {
	var body strings.Builder
	body.WriteString(`{"model":"gpt-5","messages":[{`)
	for i := 0; body.Len() < 8<<20; i++ {
		fmt.Fprintf(&body, `"%x":1,`, i)
	}
	body.WriteString(`"z":1}]}`)
	given := []byte(body.String())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := openAI.ReadRequest(chatEndpoint(t), RawRequest{Body: given}); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if took := (after.TotalAlloc - before.TotalAlloc) / uint64(len(given)); took > 25 {
		t.Errorf("a body of 8 MiB took %d times its length", took)
	} else {
		t.Logf("%d times the body's length", took)
	}
}
