package provider_test

import (
	"bytes"
	"cmp"
	"fmt"
	"runtime"
	"strings"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/pricing"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// cases gives every call of the suite.
func cases(t testing.TB, each func(s suite, c accuracyCase)) {
	t.Helper()
	for _, s := range suites(t) {
		for _, c := range s.Cases {
			each(s, c)
		}
	}
}

// Every answer of every provider, cut in two at every byte, and with every end of line, gives the same usage.
func TestAnySplitOfAnyAnswerGivesTheSameUsage(t *testing.T) {
	catalog, err := pricing.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	cases(t, func(s suite, c accuracyCase) {
		p, _ := s.api(t, catalog)
		_, spec := c.ready(t, s, p)
		answer := c.bytes()
		want := meter(p, spec, !c.Cut, answer)
		spellings := [][]byte{answer}
		if strings.HasPrefix(spec.ContentType, "text/event-stream") {
			for _, eol := range []string{"\r", "\r\n"} {
				spellings = append(spellings, []byte(strings.ReplaceAll(": a comment\n\n"+string(answer), "\n", eol)))
			}
		}
		for _, b := range spellings {
			for at := range b {
				if got := meter(p, spec, !c.Cut, b[:at], b[at:]); got != want {
					t.Fatalf("%s, %s, cut at byte %d: %+v, whole %+v", s.Preset, c.Name, at, got, want)
				}
			}
		}
	})
}

// What a reader holds does not grow with the answer, whatever that is filled with.
func TestAReaderHoldsLittle(t *testing.T) {
	const delta = `{"type":"content_block_delta","choices":[{"delta":{"content":"some words of text "}}],"delta":{"type":"text_delta","text":"some words of text "},"candidates":[{"content":{"parts":[{"text":"words"}]}}]}`
	const sse, plain = "text/event-stream", "application/json"
	long := strings.Repeat("x", 4096)
	for _, of := range []struct {
		preset, endpoint, contentType string
		begin, fill                   map[string]string // by what they are
	}{
		{"openai", "chat.completions", sse, nil, nil}, {"anthropic", "messages", sse, nil, nil}, {"gemini", "generateContent", sse, nil, nil}, {"cohere", "chat", sse, nil, nil},
		{"gemini", "streamGenerateContent", plain, map[string]string{"": `[`, "one long element": `[{"a":"`}, map[string]string{"elements": delta + ",", "one long element": long}},
		{"aws-bedrock", "converse-stream", "application/vnd.amazon.eventstream", nil, map[string]string{
			"frames": string(frame("contentBlockDelta", []byte(`{"delta":{"text":"some words"}}`))), "a frame of 100 KiB": string(frame("x", bytes.Repeat([]byte("y"), 100<<10)))}},
		{"openai", "chat.completions", plain, map[string]string{"": `{"choices":[`, "one long member": `{"usage":"`}, map[string]string{"choices": delta + ",", "one long member": long}},
		{"stripe", "charges.create", plain, map[string]string{"": `{`}, map[string]string{"the same member": `"payment_method_details":{"type":"card"},`}},
		{"twilio", "messages.create", plain, map[string]string{"": `{"num_segments":"`}, map[string]string{"digits": "9"}},
		{"mistral", "ocr", plain, map[string]string{"": `{"pages":[`}, map[string]string{"pages": `{"markdown":"text"},`}},
	} {
		fill := of.fill
		if fill == nil {
			fill = map[string]string{"deltas": "data: " + delta + "\n\n", "one line of 10 MiB": long, "comments": ": x\n", "lines of data": "data: {\n"}
			of.begin = map[string]string{"one line of 10 MiB": "data: "}
		}
		p, _ := provider.Find(of.preset)
		e, ok := p.Endpoint(of.endpoint)
		if !ok {
			t.Fatalf("no endpoint %s of %s", of.endpoint, of.preset)
		}
		for _, hide := range []bool{false, true} {
			for name, piece := range fill {
				begin, ok := of.begin[name]
				if !ok {
					begin = of.begin[""]
				}
				spec := provider.MeterSpec{Endpoint: e, Status: 200, Stream: true, HideUsage: hide, ContentType: of.contentType}
				holdsLittle(t, fmt.Sprintf("%s %s, hiding %v, filled with %s", of.preset, of.endpoint, hide, name), p.NewMeter(spec), begin, piece)
			}
		}
	}
}

// holdsLittle fills a meter with 10 MiB, and looks at what stays in memory.
func holdsLittle(t *testing.T, what string, m provider.Meter, begin, piece string) {
	t.Helper()
	const most = 1 << 20
	m.Write([]byte(begin))
	chunk := bytes.Repeat([]byte(piece), 1+8192/len(piece))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for sent := 0; sent < 10<<20; sent += len(chunk) {
		m.Write(chunk)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); held > most {
		t.Errorf("%s: %d bytes are held, at most %d", what, held, most)
	}
	runtime.KeepAlive(m)
}

// everyReader is each endpoint of each preset, and of the suite's own APIs, that reads its answer, in each form in which one may come.
func everyReader(t testing.TB) (names []string, specs []func() (provider.Preset, provider.MeterSpec)) {
	t.Helper()
	add := func(p provider.Preset) {
		for _, e := range p.Endpoints {
			if !e.Meters && e.Declared == nil {
				continue
			}
			for _, contentType := range []string{"application/json", "text/event-stream", "application/vnd.amazon.eventstream"} {
				names = append(names, p.Name+"/"+e.Name+"/"+contentType)
				specs = append(specs, func() (provider.Preset, provider.MeterSpec) {
					return p, provider.MeterSpec{Endpoint: e, Status: 200, ContentType: contentType}
				})
			}
		}
	}
	for _, name := range provider.Names() {
		p, _ := provider.Find(name)
		add(p)
	}
	catalog, err := pricing.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range suites(t) {
		if len(s.Endpoints) > 0 {
			p, _ := s.api(t, catalog)
			add(p)
		}
	}
	return names, specs
}

// FuzzEveryReader holds of every reader what fuzzReader holds of one, for calls of several models that are bounded or not, with and without the usage for the
// client: any two splits give the same usage within its limits, and the client the same bytes: all of them, but for what is hidden.
func FuzzEveryReader(f *testing.F) {
	names, specs := everyReader(f)
	at := map[string]int{}
	for i, n := range names {
		at[n] = i
	}
	cases(f, func(s suite, c accuracyCase) {
		contentType, _, _ := strings.Cut(cmp.Or(c.Type, "application/json"), ";")
		if i, ok := at[s.Preset+"/"+c.Endpoint+"/"+contentType]; ok {
			f.Add(c.bytes(), uint16(i), uint16(70), uint8(i))
		}
	})
	models := []string{"", "gemini-2.5-flash", "us.anthropic.claude-haiku-4-5", "amazon.nova-lite-v1:0"}
	f.Fuzz(func(t *testing.T, answer []byte, which, cut uint16, how uint8) {
		i := int(which) % len(specs)
		p, spec := specs[i]()
		spec.Model, spec.HideUsage, spec.Stream = models[how%4], how&4 > 0, how&8 > 0
		if how&16 > 0 {
			spec.Bound = sentinel.Usage{sentinel.InputTokens: 900, sentinel.OutputTokens: 1000, sentinel.WebSearches: 5, sentinel.FileSearches: 5, sentinel.Requests: 1}
			spec.Weight, spec.Sample = 100, true
		}
		whole, all := relay(p, spec, answer)
		split := int(cut) % (len(answer) + 1)
		parts, pieces := relay(p, spec, answer[:split], answer[split:])
		if whole != parts {
			t.Errorf("%s cut at %d: %+v, whole %+v", names[i], split, parts, whole)
		}
		if !bytes.Equal(all, pieces) || !spec.HideUsage && !bytes.Equal(all, answer) {
			t.Errorf("%s cut at %d: the client gets %q, whole %q, of %q", names[i], split, pieces, all, answer)
		}
		most := int64(2_000_000_000)
		if spec.Endpoint.Declared != nil {
			most = 1_000_000_000_000 // bytes and cents are many
		}
		for u, n := range whole.Usage {
			if n < 0 || n > most {
				t.Errorf("%s: %d %s", names[i], n, sentinel.Unit(u))
			}
		}
	})
}

// relay is meter that also gives what the client gets.
func relay(p provider.Preset, s provider.MeterSpec, parts ...[]byte) (metered, []byte) {
	var out []byte
	m := p.NewMeter(s)
	for _, b := range parts {
		out = append(out, m.Write(bytes.Clone(b))...)
	}
	got := m.Finish(true)
	return metered{got.Usage, got.Model, got.Tier, got.Method, got.Reported}, append(out, got.Tail...)
}

// fuzzReader holds that any two splits of any bytes give the same usage within its limits, for one reader.
func fuzzReader(f *testing.F, preset, endpoint, contentType string) {
	f.Helper()
	p, _ := provider.Find(preset)
	e, ok := p.Endpoint(endpoint)
	if !ok {
		f.Fatalf("no endpoint %s of %s", endpoint, preset)
	}
	cases(f, func(s suite, c accuracyCase) {
		if s.Preset == preset && c.Endpoint == endpoint && (contentType == "" || c.Type == contentType) {
			f.Add(c.bytes(), uint16(100))
		}
	})
	f.Fuzz(func(t *testing.T, answer []byte, cut uint16) {
		if contentType == "" {
			contentType = "application/json"
		}
		spec := provider.MeterSpec{Endpoint: e, Status: 200, ContentType: contentType, Model: "us.anthropic.claude"}
		at := int(cut) % (len(answer) + 1)
		whole, parts := meter(p, spec, true, answer), meter(p, spec, true, answer[:at], answer[at:])
		if whole != parts {
			t.Errorf("cut at %d it is %+v, whole %+v", at, parts, whole)
		}
		for u, n := range whole.Usage {
			if n < 0 || n > 2_000_000_000 {
				t.Errorf("%d %s", n, sentinel.Unit(u))
			}
		}
	})
}

func FuzzAnthropicJSON(f *testing.F) { fuzzReader(f, "anthropic", "messages", "") }
func FuzzAnthropicStream(f *testing.F) {
	fuzzReader(f, "anthropic", "messages", "text/event-stream; charset=utf-8")
}
func FuzzResponsesStream(f *testing.F) {
	fuzzReader(f, "openai", "responses", "text/event-stream; charset=utf-8")
}
func FuzzVertexClaudeJSON(f *testing.F) { fuzzReader(f, "vertex", "rawPredict", "") }
func FuzzVertexClaudeStream(f *testing.F) {
	fuzzReader(f, "vertex", "streamRawPredict", "text/event-stream; charset=utf-8")
}
func FuzzSpeech(f *testing.F) {
	fuzzReader(f, "openai", "audio.speech", "text/event-stream; charset=utf-8")
}
func FuzzXAIJSON(f *testing.F)    { fuzzReader(f, "xai", "chat.completions", "") }
func FuzzGeminiJSON(f *testing.F) { fuzzReader(f, "gemini", "generateContent", "") }
func FuzzGeminiStream(f *testing.F) {
	fuzzReader(f, "gemini", "streamGenerateContent", "text/event-stream")
}
func FuzzGeminiArray(f *testing.F)  { fuzzReader(f, "gemini", "streamGenerateContent", "") }
func FuzzConverseJSON(f *testing.F) { fuzzReader(f, "aws-bedrock", "converse", "") }
func FuzzConverseStream(f *testing.F) {
	fuzzReader(f, "aws-bedrock", "converse-stream", "application/vnd.amazon.eventstream")
}
func FuzzInvokeStream(f *testing.F) {
	fuzzReader(f, "aws-bedrock", "invoke-with-response-stream", "application/vnd.amazon.eventstream")
}
func FuzzInvokeJSON(f *testing.F)    { fuzzReader(f, "aws-bedrock", "invoke", "") }
func FuzzCohereJSON(f *testing.F)    { fuzzReader(f, "cohere", "chat", "") }
func FuzzResponsesJSON(f *testing.F) { fuzzReader(f, "openai", "responses", "") }
func FuzzImagesJSON(f *testing.F)    { fuzzReader(f, "openai", "images.generations", "") }
func FuzzTranscription(f *testing.F) { fuzzReader(f, "openai", "audio.transcriptions", "") }
func FuzzEmbeddingJSON(f *testing.F) { fuzzReader(f, "gemini", "embedContent", "") }
func FuzzOCR(f *testing.F)           { fuzzReader(f, "mistral", "ocr", "") }
func FuzzStripeCharge(f *testing.F)  { fuzzReader(f, "stripe", "charges.create", "") }
func FuzzTwilioMessage(f *testing.F) { fuzzReader(f, "twilio", "messages.create", "") }
func FuzzMistralStream(f *testing.F) {
	fuzzReader(f, "mistral", "chat.completions", "text/event-stream; charset=utf-8")
}
func FuzzCohereStream(f *testing.F) {
	fuzzReader(f, "cohere", "chat", "text/event-stream; charset=utf-8")
}

// FuzzRequests holds that no body makes a reader panic, or gives a bound below nothing.
func FuzzRequests(f *testing.F) {
	cases(f, func(_ suite, c accuracyCase) { f.Add([]byte(c.Request)) })
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, name := range provider.Names() {
			p, _ := provider.Find(name)
			for _, e := range p.Endpoints {
				path := strings.NewReplacer("{", "", "}", "", "...", "").Replace(e.Path)
				contentType := "application/json"
				switch e.Body { //nolint:exhaustive // the others are JSON, or not read
				case provider.BodyForm:
					contentType = "application/x-www-form-urlencoded"
				case provider.BodyParts:
					contentType = "multipart/form-data; boundary=b"
				}
				rq, err := p.ReadRequest(e, provider.RawRequest{Path: path, ContentType: contentType, Body: body})
				if err != nil {
					continue
				}
				for u, n := range rq.Bound {
					if n < 0 && n != provider.AsModelAllows {
						t.Errorf("%s %s: %s", name, e.Name, fmt.Sprint(n, sentinel.Unit(u)))
					}
				}
			}
		}
	})
}
