package provider

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// decodedText is what takeText finds, read by a strict decoder; ok is false for what is no JSON object.
func decodedText(data []byte, wanted []textMember) (text string, ok bool) {
	v := jsontext.Value(data)
	if !v.IsValid() || v.Kind() != '{' {
		return "", false
	}
	var out strings.Builder
	var object func(v jsontext.Value, wanted []textMember)
	value := func(v jsontext.Value, m *textMember) {
		switch {
		case m == nil:
		case v.Kind() == '"' && m.take != noText:
			out.WriteString(unquote(v))
		case m.take == anyValue:
			out.Write(v)
		case v.Kind() == '{':
			object(v, m.in)
		case v.Kind() == '[':
			d := jsontext.NewDecoder(strings.NewReader(string(v)))
			_, _ = d.ReadToken()
			for d.PeekKind() != ']' {
				e, _ := d.ReadValue()
				if e.Kind() == '{' {
					object(e.Clone(), m.in)
				}
			}
		}
	}
	object = func(v jsontext.Value, wanted []textMember) {
		d := jsontext.NewDecoder(strings.NewReader(string(v)))
		_, _ = d.ReadToken()
		for d.PeekKind() == '"' {
			key, _ := d.ReadValue()
			m := find(wanted, key.Clone()[1:len(key)-1])
			member, _ := d.ReadValue()
			value(member.Clone(), m)
		}
	}
	object(v, wanted)
	return out.String(), true
}

var everyText = map[string][]textMember{
	"openai": openAITexts, "anthropic": anthropicTexts, "gemini": geminiTexts, "cohere": cohereTexts, "converse": converseTexts, "invoke": invokeTexts,
}

func TestTextOfAnEvent(t *testing.T) {
	for name, tt := range map[string]struct{ dialect, event, want string }{
		"a chunk":                {"openai", `{"id":"x","choices":[{"index":0,"delta":{"role":"assistant","content":" the"}}],"usage":null}`, " the"},
		"two choices":            {"openai", `{"choices":[{"delta":{"content":"a"}},{"delta":{"content":"b"}}]}`, "ab"},
		"escapes":                {"openai", `{"choices":[{"delta":{"content":"\"q\" \\ \n \u00e9 \ud83d\ude00"}}]}`, "\"q\" \\ \n é 😀"},
		"an escape behind 16":    {"openai", `{"choices":[{"delta":{"content":"0123456789abcdefgh\"i"}}]}`, `0123456789abcdefgh"i`},
		"a tool call":            {"openai", `{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":"{\"a\":1}"}}]}}]}`, `f{"a":1}`},
		"a delta of responses":   {"openai", "{\"type\":\"response.output_text.delta\" , \"delta\" : \"Hi\",\n\"obfuscation\":\"}]\\\"\"}", "Hi"},
		"a quoted member":        {"openai", `{"id":"\"delta\":\"no\"","x":{"delta":"no"},"delta":"yes"}`, "yes"},
		"padding":                {"openai", `{"pad":["}",{"delta":"no"},[[]]],"delta":"yes"}`, "yes"},
		"no text":                {"openai", `{"choices":[{"delta":{"content":null}}]}`, ""},
		"a list in a list":       {"openai", `{"choices":[[{"delta":{"content":"no"}}],{"delta":{"content":"a"}}]}`, "a"},
		"thinking":               {"anthropic", `{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}`, "hm"},
		"the arguments' own way": {"gemini", `{"candidates":[{"content":{"parts":[{"text":"a"},{"functionCall":{"name":"f","args":{"b": [1]}}}]}}]}`, `af{"b": [1]}`},
		"Nova":                   {"invoke", `{"contentBlockDelta":{"delta":{"text":"a"},"contentBlockIndex":0}}`, "a"},
		"Llama":                  {"invoke", `{"generation":"a","prompt_token_count":null}`, "a"},
		"cut off":                {"openai", `{"choices":[{"delta":{"content":"a"}},{"delta":{"content":"b`, "a"},
		"the end":                {"openai", `[DONE]`, ""},
		"nothing":                {"openai", ``, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var c textCounter
			if takeText([]byte(tt.event), everyText[tt.dialect], &c); string(c.text) != tt.want {
				t.Errorf("%s gave %q, want %q", tt.event, c.text, tt.want)
			}
			if text, ok := decodedText([]byte(tt.event), everyText[tt.dialect]); ok && text != tt.want {
				t.Errorf("a decoder reads %q from %s, want %q", text, tt.event, tt.want)
			}
		})
	}
}

// FuzzTextOfAnEvent holds that the walk gives what a strict decoder reads, for every dialect.
func FuzzTextOfAnEvent(f *testing.F) {
	f.Add([]byte(`{"choices":[{"delta":{"content":"a\n","tool_calls":[{"function":{"name":"f"}}]}}],"delta":{"text":"b"},"x":[{}]}`))
	f.Add([]byte(`{"choices":[}`)) // no JSON, and yet it has an end
	f.Add([]byte(`{"candidates":[{"content":{"parts":[{"text":"a"},{"functionCall":{"args":{"b":[1,"}"]}}}]}}]}`))
	f.Fuzz(func(t *testing.T, event []byte) {
		for dialect, wanted := range everyText {
			want, ok := decodedText(event, wanted)
			var c textCounter
			takeText(event, wanted, &c)
			if ok && len(event) < maxText && string(c.text) != want {
				t.Errorf("%s: %q gave %q, a decoder reads %q", dialect, event, c.text, want)
			}
		}
	})
}

// readers makes the reader of each dialect's stream.
var readers = map[string]func() streamReader{
	"openai": func() streamReader { return &openAIStream{} }, "anthropic": func() streamReader { return &anthropicStream{} },
	"gemini": func() streamReader { return newGeminiStream(MeterSpec{}) }, "cohere": func() streamReader { return &cohereStream{} },
	"converse": func() streamReader { return &converseStream{} }, "invoke": func() streamReader { return &invokeStream{} },
}

// Events that are alike but for their text give the text and the report that each gives by itself, in whatever order they come.
func FuzzAlikeEvents(f *testing.F) {
	chunk := func(text string) []byte {
		return []byte(`{"id":"x","choices":[{"index":0,"delta":{"content":"` + text + `"}}],"usage":null}`)
	}
	reports := func(text string) []byte {
		return []byte(`{"choices":[{"delta":{"content":"` + text + `"}}],"usage":` + chatReport + `}`)
	}
	f.Add(chunk(" the"), chunk(" quick"), "openai")
	f.Add(chunk(""), chunk(`a","content":"b`), "openai")
	f.Add(chunk(" the"), chunk(`\n`), "openai")
	f.Add(chunk("a\\"), chunk("b"), "openai")
	f.Add(chunk("a"), chunk("usage"), "openai")
	f.Add(reports("a"), reports("b"), "openai")
	f.Add([]byte(`{"choices":[{"delta":{"content":"a"}},{"delta":{"content":"b"}}]}`), []byte(`{"choices":[{"delta":{"content":"a"}},{"delta":{"content":"c"}}]}`), "openai")
	f.Add([]byte(`{"type":"content_block_delta","delta":{"text":"a"}}`), []byte(`{"type":"content_block_delta","delta":{"text":"bb"}}`), "anthropic")
	f.Add([]byte(`{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":7}}`), []byte(`{"candidates":[{"content":{"parts":[{"text":"b"}]}}],"usageMetadata":{"promptTokenCount":7}}`), "gemini")
	f.Fuzz(func(t *testing.T, one, other []byte, dialect string) {
		reader, ok := readers[dialect]
		if !ok {
			return
		}
		m, each := newStreamMeter(MeterSpec{}, reader()), reader()
		var apart textCounter
		for _, event := range [][]byte{one, other, other, one, one} {
			hidden := m.event(event)
			takeText(event, each.texts(), &apart)
			if want := each.reports(event) && each.read(event); hidden != want {
				t.Errorf("%q after %q of %s: hidden %v, by itself %v", event, one, dialect, hidden, want)
			}
		}
		m.readText()
		if string(m.text.text) != string(apart.text) || m.text.lost != apart.lost {
			t.Errorf("%q and %q of %s give %q, each by itself %q", one, other, dialect, m.text.text, apart.text)
		}
		got, whole := m.reader.result()
		if want, wantWhole := each.result(); !cmp.Equal(got, want) || whole != wantWhole {
			t.Errorf("%q and %q of %s report %+v, each by itself %+v", one, other, dialect, got, want)
		}
	})
}
