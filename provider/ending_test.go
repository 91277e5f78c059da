package provider

import (
	"bytes"
	"encoding/json"
	"hash/crc32"
	"strings"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

var spentAbove = Refusal{Status: 429, Code: string(sentinel.ReasonBudget), Message: "no more is held"}

// speechOf names an endpoint of a preset.
func speechOf(t *testing.T, preset, endpoint string) Speech {
	t.Helper()
	p, ok := Find(preset)
	if !ok {
		t.Fatal(preset)
	}
	e, ok := p.Endpoint(endpoint)
	if !ok {
		t.Fatal(endpoint)
	}
	return Speech{Preset: p, Endpoint: e}
}

// memberAt reads a member of a member of an event's data.
func memberAt(t *testing.T, data, path string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(data), &v); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	for name := range strings.SplitSeq(path, ".") {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	return v
}

// TestAStreamEndsWithAnErrorInItsProvidersWords ends streams at every byte, and cuts what follows at every byte.
func TestAStreamEndsWithAnErrorInItsProvidersWords(t *testing.T) {
	lines := "event: a\ndata: {\"x\":1}\n\n: a comment\r\n\r\ndata: {\"y\":\rdata: 2}\r\rdata: 3\n\n"
	for name, tt := range map[string]struct {
		preset, endpoint, event string
		want                    map[string]any // members of the last event's data
	}{
		"OpenAI's chat":               {"openai", "chat.completions", "", map[string]any{"error.message": "no more is held", "error.type": "insufficient_quota", "error.code": "budget_spent"}},
		"OpenAI's responses":          {"openai", "responses", "error", map[string]any{"type": "error", "message": "no more is held", "code": "budget_spent", "error.type": "insufficient_quota"}},
		"Azure's responses":           {"azure-openai", "v1.responses", "error", map[string]any{"type": "error", "message": "no more is held", "code": "budget_spent"}},
		"Azure's chat":                {"azure-openai", "v1.chat.completions", "", map[string]any{"error.message": "no more is held"}},
		"Anthropic's messages":        {"anthropic", "messages", "error", map[string]any{"type": "error", "error.type": "rate_limit_error", "error.message": "no more is held"}},
		"Gemini":                      {"gemini", "streamGenerateContent", "", map[string]any{"error.code": 429.0, "error.status": "RESOURCE_EXHAUSTED", "error.message": "no more is held"}},
		"Gemini on Vertex":            {"vertex", "streamGenerateContent", "", map[string]any{"error.status": "RESOURCE_EXHAUSTED"}},
		"Claude on Vertex":            {"vertex", "streamRawPredict", "error", map[string]any{"type": "error", "error.type": "rate_limit_error"}},
		"a host that speaks OpenAI's": {"groq", "chat.completions", "", map[string]any{"error.message": "no more is held"}},
		"Cohere":                      {"cohere", "chat", "", map[string]any{"message": "no more is held"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := speechOf(t, tt.preset, tt.endpoint)
			for at := range len(lines) + 1 {
				e := NewEnding(s, "text/event-stream; charset=utf-8", spentAbove)
				if got := string(e.Write([]byte(lines[:at]))); got != lines[:at] {
					t.Fatalf("before its end %q became %q", lines[:at], got)
				}
				if !e.End() || e.End() {
					t.Fatal("who asks first does not learn it")
				}
				var got string
				for i := at; i < len(lines); i++ {
					got += string(e.Write([]byte(lines[i : i+1])))
				}
				got += string(e.Write([]byte("data: more\n\n")))
				last := strings.LastIndex(lines[:at]+got, "data: ")
				passed, data := (lines[:at] + got)[:last], strings.TrimSuffix((lines[:at] + got)[last+len("data: "):], "\n\n")
				if tt.event != "" {
					var named bool
					if passed, named = strings.CutSuffix(passed, "event: "+tt.event+"\n"); !named {
						t.Fatalf("ended at byte %d the last event has no name: %q", at, got)
					}
				}
				if !strings.HasPrefix(lines+"data: more\n\n", passed) || len(passed) < at || len(passed) > 0 && !endsEvent([]byte(passed)) {
					t.Fatalf("ended at byte %d it passes %q", at, passed)
				}
				for path, want := range tt.want {
					if m := memberAt(t, data, path); m != want {
						t.Fatalf("%s of %s is %v, want %v", path, data, m, want)
					}
				}
			}
		})
	}
}

// TestAStreamOfAWSEndsWithAnException does the same with binary messages.
func TestAStreamOfAWSEndsWithAnException(t *testing.T) {
	stream := append(append(message("a", `{"x":1}`), message("b", "")...), message("c", "{}")...)
	ends := map[int]bool{0: true, len(message("a", `{"x":1}`)): true, len(stream) - len(message("c", "{}")): true, len(stream): true}
	for _, endpoint := range []string{"converse-stream", "invoke-with-response-stream"} {
		s := speechOf(t, "aws-bedrock", endpoint)
		for at := range len(stream) + 1 {
			e := NewEnding(s, "application/vnd.amazon.eventstream", spentAbove)
			got := bytes.Clone(e.Write(stream[:at]))
			e.End()
			cut := at + (len(stream)-at)/2
			got = append(append(got, e.Write(stream[at:cut])...), e.Write(stream[cut:])...)
			got = append(got, e.Write(message("d", "{}"))...)
			passed := len(got)
			for passed > 0 && !bytes.HasPrefix(stream, got[:passed]) {
				passed--
			}
			for !ends[passed] { // the beginnings of messages may be alike
				passed--
			}
			last := got[passed:]
			if passed < at || len(last) < smallest || crc32.ChecksumIEEE(last[:len(last)-crcBytes]) != uint32(last[len(last)-4])<<24|uint32(last[len(last)-3])<<16|uint32(last[len(last)-2])<<8|uint32(last[len(last)-1]) {
				t.Fatalf("ended at byte %d it passes %d bytes and %q", at, passed, last)
			}
			for _, part := range []string{":exception-type\x07\x00\x13throttlingException", ":message-type\x07\x00\x09exception", `no more is held`} {
				if !strings.Contains(string(last), part) {
					t.Fatalf("%q lacks %q", last, part)
				}
			}
		}
	}
	broken := NewEnding(speechOf(t, "aws-bedrock", "converse-stream"), "application/vnd.amazon.eventstream", spentAbove)
	broken.Write([]byte{0, 0, 0, 1, 9})
	if broken.End(); string(broken.Write([]byte("rest"))) != "rest" {
		t.Error("a stream of which nobody knows where its messages end was ended")
	}
}

func TestOnlyStreamsAreEnded(t *testing.T) {
	for preset, kind := range map[string]string{"openai": "application/json", "stripe": "application/vnd.amazon.eventstream", "gemini": ""} {
		p, ok := Find(preset)
		if !ok {
			t.Fatal(preset)
		}
		if NewEnding(Speech{Preset: p, Endpoint: p.Endpoints[0]}, kind, spentAbove) != nil {
			t.Errorf("an answer of %s in %q can be ended", preset, kind)
		}
	}
}

// TestWhatOutgrowsItsBoundIsSeen has answers of fifty tokens at most.
func TestWhatOutgrowsItsBoundIsSeen(t *testing.T) {
	const most = 50
	s := speechOf(t, "openai", "chat.completions")
	tokens := func(text string) int64 {
		var c textCounter
		c.add([]byte(text))
		n, _ := c.count("gpt-5-mini")
		return n
	}
	for name, tt := range map[string]struct {
		piece string
		ends  bool
	}{
		"prose":                {"The weather in Lima is mild, and the forecast says that it stays so. ", true},
		"few and long tokens":  {strings.Repeat(" ", 64), false},
		"letters of one token": {" internationalization", false},
	} {
		m := s.Preset.NewMeter(MeterSpec{Endpoint: s.Endpoint, Model: "gpt-5-mini", Stream: true, Status: 200, ContentType: "text/event-stream", Bound: sentinel.Usage{sentinel.InputTokens: 9, sentinel.OutputTokens: most}})
		text, at := "", int64(0)
		for tokens(text+tt.piece) <= most || tt.ends && at == 0 && tokens(text) < 4*most {
			quoted, _ := json.Marshal(tt.piece)
			m.Write([]byte(`data: {"id":"x","model":"gpt-5-mini","choices":[{"index":0,"delta":{"content":` + string(quoted) + "}}]}\n\n"))
			if text += tt.piece; Outgrown(m) {
				at = tokens(text)
				break
			}
		}
		if tt.ends != (at > 0) || tt.ends && (at <= most+most/2 || at > 4*most) {
			t.Errorf("%s: outgrown at %d tokens of %d", name, at, most)
		}
		if used := m.Finish(false).Usage.OutputTokenSum(); used != tokens(text) {
			t.Errorf("%s: %d tokens are booked, want %d", name, used, tokens(text))
		}
	}
}

// TestSpeechDoesNotOutgrowItsBound: what stands for sound has no length in tokens.
func TestSpeechDoesNotOutgrowItsBound(t *testing.T) {
	s := speechOf(t, "openai", "responses")
	m := s.Preset.NewMeter(MeterSpec{Endpoint: s.Endpoint, Model: "gpt-5-mini", Stream: true, Status: 200, ContentType: "text/event-stream", Bound: sentinel.Usage{sentinel.OutputTokens: 50}})
	for i := range 40 {
		m.Write([]byte("event: response.audio.delta\ndata: {\"type\":\"response.audio.delta\",\"delta\":\"" + strings.Repeat("UklGRiQA", 40) + "\",\"sequence_number\":1}\n\n"))
		if Outgrown(m) {
			t.Fatalf("outgrown after %d pieces", i+1)
		}
	}
	m.Finish(false)
}
