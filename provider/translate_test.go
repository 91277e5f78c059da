package provider

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var (
	chatSpeech     = speech("openai", "chat.completions")
	messagesSpeech = speech("anthropic", "messages")
)

func speech(preset, endpoint string) Speech {
	p, _ := Find(preset)
	e, _ := p.Endpoint(endpoint)
	return Speech{Preset: p, Endpoint: e}
}

// golden compares with the file beside a case.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, append(got, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil || string(want) != string(got)+"\n" {
		t.Errorf("%s: got %s, want %s, %v", name, got, want, err)
	}
}

func cases(t *testing.T, pattern string) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", "translate", pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("no case %s: %v", pattern, err)
	}
	out := map[string][]byte{}
	for _, name := range names {
		if out[name], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func translated(from, to Speech, body string, model string) (Translated, error) {
	r := RawRequest{Path: from.Endpoint.Path, ContentType: "application/json", Body: []byte(body)}
	rq, err := from.Preset.ReadRequest(from.Endpoint, r)
	if err != nil {
		return Translated{}, err
	}
	return Translate(from, to, r, rq, model, 4096)
}

func TestRequestsAreTranslatedAsTheFilesSay(t *testing.T) {
	for pattern, pair := range map[string]struct {
		from, to Speech
		model    string
	}{
		"*.chat.json":     {chatSpeech, messagesSpeech, "claude-haiku-4-5"},
		"*.messages.json": {messagesSpeech, chatSpeech, "gpt-5-mini"},
	} {
		for name, body := range cases(t, pattern) {
			got, err := translated(pair.from, pair.to, string(body), pair.model)
			if err != nil || got.Request.Model != pair.model || got.Path != pair.to.Endpoint.Path {
				t.Errorf("%s: %+v, %v", name, got.Request, err)
				continue
			}
			golden(t, strings.TrimSuffix(name, ".json")+".golden", got.Body)
		}
	}
}

// What has no counterpart makes the other provider unusable, and the reason names its place.
func TestNothingIsLeftOutSilently(t *testing.T) {
	const message, said = `"messages":[{"role":"user","content":"hi"}]`, `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":`
	for name, tt := range map[string]struct {
		from, to Speech
		body     string
	}{
		"seed":                   {chatSpeech, messagesSpeech, `{"model":"m","seed":1,` + message + `}`},
		"n":                      {chatSpeech, messagesSpeech, `{"model":"m","n":2,` + message + `}`},
		"temperature":            {chatSpeech, messagesSpeech, `{"model":"m","temperature":1.5,` + message + `}`},
		"response_format":        {chatSpeech, messagesSpeech, `{"model":"m","response_format":{"type":"json_object"},` + message + `}`},
		"logit_bias":             {chatSpeech, messagesSpeech, `{"model":"m","logit_bias":{"1":2},` + message + `}`},
		"frequency_penalty":      {chatSpeech, messagesSpeech, `{"model":"m","frequency_penalty":1,` + message + `}`},
		"tools[0]":               {chatSpeech, messagesSpeech, `{"model":"m","tools":[{"type":"function","function":{"name":"f","strict":true}}],` + message + `}`},
		"messages[1]":            {chatSpeech, messagesSpeech, `{"model":"m","messages":[{"role":"user","content":"a"},{"role":"system","content":"b"}]}`},
		"messages[0].tool_calls": {chatSpeech, messagesSpeech, `{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{"}}]}]}`},
		"tier flex":              {chatSpeech, messagesSpeech, `{"model":"m","service_tier":"flex",` + message + `}`},
		"top_k":                  {messagesSpeech, chatSpeech, `{"model":"m","max_tokens":9,"top_k":3,` + message + `}`},
		"thinking":               {messagesSpeech, chatSpeech, `{"model":"m","max_tokens":9,"thinking":{"type":"adaptive"},` + message + `}`},
		"stop_sequences":         {messagesSpeech, chatSpeech, `{"model":"m","max_tokens":9,"stop_sequences":["a","b","c","d","e"],` + message + `}`},
		"document":               {messagesSpeech, chatSpeech, said + `[{"type":"document","source":{"type":"url","url":"https://a.example"}}]}]}`},
		"tool_result":            {messagesSpeech, chatSpeech, said + `[{"type":"tool_result","tool_use_id":"t","is_error":true,"content":"no"}]}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := translated(tt.from, tt.to, tt.body, "other")
			if !errors.Is(err, ErrUntranslatable) || !strings.Contains(err.Error(), name) {
				t.Errorf("%s became %s, %v", tt.body, got.Body, err)
			}
		})
	}
}

// Mistral's streams report their usage without being asked, and asking is an error.
func TestCallsFallBackToMistralAndFromIt(t *testing.T) {
	mistral := speech("mistral", "chat.completions")
	for name, tt := range map[string]struct {
		from, to Speech
		body     string
		want     string
	}{
		"alike":          {chatSpeech, mistral, `{"model":"gpt-5","stream":true,"stream_options":{"include_usage":true},"messages":[]}`, `{"model":"m","stream":true,"messages":[]}`},
		"back":           {mistral, chatSpeech, `{"model":"mistral-small","messages":[]}`, `{"model":"m","messages":[]}`},
		"from Anthropic": {messagesSpeech, mistral, `{"model":"claude-haiku-4-5","max_tokens":5,"stream":true,"messages":[{"role":"user","content":"x"}]}`, `{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":5,"stream":true}`},
	} {
		to, ok := tt.from.Counterpart(tt.to.Preset)
		got, err := translated(tt.from, tt.to, tt.body, "m")
		if !ok || to.Endpoint.Name != tt.to.Endpoint.Name || err != nil || string(got.Body) != tt.want {
			t.Errorf("%s: %v, got %s, %v, want %s", name, ok, got.Body, err, tt.want)
		}
	}
}

// Azure's deployments stand where OpenAI's models do, and the older API's path and version are left behind.
func TestCallsFallBackToAzureAndFromIt(t *testing.T) {
	const hi = `"messages":[{"role":"user","content":"x"}]`
	azure := func(endpoint string) Speech { return speech("azure-openai", endpoint) }
	for name, tt := range map[string]struct {
		from, to          Speech
		path, query, body string
		wantPath, want    string
	}{
		"alike":          {chatSpeech, azure("v1.chat.completions"), "/v1/chat/completions", "", `{"seed":1, "model":"gpt-5",` + hi + `}`, "/openai/v1/chat/completions", `{"seed":1, "model":"m",` + hi + `}`},
		"from Anthropic": {messagesSpeech, azure("v1.chat.completions"), "/v1/messages", "", `{"model":"claude-haiku-4-5","max_tokens":5,` + hi + `}`, "/openai/v1/chat/completions", `{"model":"m",` + hi + `,"max_completion_tokens":5}`},
		"responses":      {speech("openai", "responses"), azure("v1.responses"), "/v1/responses", "", `{"model":"gpt-5","input":"x"}`, "/openai/v1/responses", `{"model":"m","input":"x"}`},
		"embeddings":     {speech("openai", "embeddings"), azure("v1.embeddings"), "/v1/embeddings", "", `{"model":"text-embedding-3-small","input":"x"}`, "/openai/v1/embeddings", `{"model":"m","input":"x"}`},
		"from a deployment": {azure("chat.completions"), chatSpeech, "/openai/deployments/our-chat/chat/completions", "api-version=2024-10-21", `{ ` + hi + `}`,
			"/v1/chat/completions", `{"model":"m", ` + hi + `}`},
		"a stream of a deployment": {azure("chat.completions"), chatSpeech, "/openai/deployments/our-chat/chat/completions", "api-version=2024-10-21", `{"stream":true,` + hi + `}`,
			"/v1/chat/completions", `{"stream_options":{"include_usage":true},"model":"m","stream":true,` + hi + `}`},
		"from a deployment to another resource": {azure("chat.completions"), azure("v1.chat.completions"), "/openai/deployments/our-chat/chat/completions", "api-version=2024-10-21", `{"model":"our-chat",` + hi + `}`,
			"/openai/v1/chat/completions", `{"model":"m",` + hi + `}`},
		"from a deployment to Anthropic": {azure("chat.completions"), messagesSpeech, "/openai/deployments/our-chat/chat/completions", "api-version=2024-10-21", `{"max_tokens":7,` + hi + `}`,
			"/v1/messages", `{"model":"m","max_tokens":7,"messages":[{"role":"user","content":[{"type":"text","text":"x"}]}]}`},
		"embeddings of a deployment": {azure("embeddings"), speech("openai", "embeddings"), "/openai/deployments/ours/embeddings", "api-version=2024-10-21", `{"input":"x"}`, "/v1/embeddings", `{"model":"m","input":"x"}`},
	} {
		to, ok := tt.from.Counterpart(tt.to.Preset)
		if !ok || to.Endpoint.Name != tt.to.Endpoint.Name {
			t.Errorf("%s: its counterpart is %v %s", name, ok, to.Endpoint.Name)
			continue
		}
		r := RawRequest{Path: tt.path, Query: tt.query, ContentType: "application/json", Body: []byte(tt.body)}
		rq, err := tt.from.Preset.ReadRequest(tt.from.Endpoint, r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := Translate(tt.from, to, r, rq, "m", 4096)
		if err != nil || got.Path != tt.wantPath || string(got.Body) != tt.want || got.Request.Model != "m" {
			t.Errorf("%s: %v\n got %s %s\nwant %s %s", name, err, got.Path, got.Body, tt.wantPath, tt.want)
		}
	}
	// What a deployment can use goes by the model that it has.
	draw := RawRequest{Path: "/v1/images/generations", ContentType: "application/json", Body: []byte(`{"model":"dall-e-3","prompt":"x"}`)}
	to, _ := speech("openai", "images.generations").Counterpart(azureOpenAI)
	to.Known = func(model string) string { return map[string]string{"our-images": "gpt-image-1"}[model] }
	got, err := Translate(speech("openai", "images.generations"), to, draw, Request{Model: "dall-e-3"}, "our-images", 0)
	if err != nil || got.Path != "/openai/v1/images/generations" || got.Request.Bound[sentinel.OutputTokens] != imageTokens {
		t.Errorf("a deployment of a known model: %s is bound to %v, %v", got.Path, got.Request.Bound, err)
	}
	if _, ok := speech("openai", "completions").Counterpart(azureOpenAI); ok {
		t.Error("Azure has completions by deployment only, whose versions nobody knows")
	}
	r := RawRequest{Path: "/openai/deployments/our-chat/chat/completions", Query: "api-version=2024-10-21&debug=1", ContentType: "application/json", Body: []byte(`{` + hi + `}`)}
	if _, err := Translate(azure("chat.completions"), chatSpeech, r, Request{Model: "our-chat"}, "m", 0); !errors.Is(err, ErrUntranslatable) {
		t.Errorf("a query that says more went nowhere: %v", err)
	}
}

func TestAHostThatSpeaksAlikeGetsAnotherModelsNameOnly(t *testing.T) {
	groq := speech("groq", "chat.completions")
	to, ok := chatSpeech.Counterpart(groq.Preset)
	got, err := translated(chatSpeech, to, `{"seed":1, "model":"gpt-5","messages":[]}`, "llama")
	if want := `{"seed":1, "model":"llama","messages":[]}`; !ok || err != nil || string(got.Body) != want || got.Path != "/openai/v1/chat/completions" {
		t.Errorf("got %s at %s, %v, want %s", got.Body, got.Path, err, want)
	}
	if _, ok := speech("openai", "audio.speech").Counterpart(messagesSpeech.Preset); ok {
		t.Error("Anthropic does not speak")
	}
}

// A host that speaks alike is sent what its model takes: the rest is left out, or renamed. What cannot be left out makes it unusable.
func TestAHostIsSentWhatItsModelTakes(t *testing.T) {
	const said = `"messages":[{"role":"user","content":"x"}]}`
	host := func(preset string) Speech { return speech(preset, "chat.completions") }
	for name, tt := range map[string]struct {
		from, to           Speech
		body, model, refer string // refer: what the refusal names; empty for none
		want               string
	}{
		"Groq's open model": {chatSpeech, host("groq"), `{"model":"gpt-5","reasoning_effort":"minimal","verbosity":"low","logprobs":true,"service_tier":"auto","max_completion_tokens":9,` + said, "openai/gpt-oss-120b", "",
			`{"model":"openai/gpt-oss-120b","reasoning_effort":"low","max_completion_tokens":9,` + said},
		"Groq's Llama":            {chatSpeech, host("groq"), `{"model":"gpt-5","reasoning_effort":"low",` + said, "llama-3.3-70b-versatile", "", `{"model":"llama-3.3-70b-versatile",` + said},
		"Groq answers once":       {chatSpeech, host("groq"), `{"model":"gpt-5","n":2,` + said, "llama-3.3-70b-versatile", "n: there is one answer only", ""},
		"Groq answers once, said": {chatSpeech, host("groq"), `{"model":"gpt-5","n":1,` + said, "llama-3.3-70b-versatile", "", `{"model":"llama-3.3-70b-versatile","n":1,` + said},
		"Cerebras": {chatSpeech, host("cerebras"), `{"model":"gpt-4o","frequency_penalty":0.1,"parallel_tool_calls":true,"temperature":0.2,` + said, "gpt-oss-120b", "",
			`{"model":"gpt-oss-120b","temperature":0.2,` + said},
		"Mistral": {chatSpeech, host("mistral"), `{"model":"gpt-5","seed":4,"user":"u","reasoning_effort":"high","max_completion_tokens":9,` + said, "mistral-small", "",
			`{"model":"mistral-small","random_seed":4,"max_tokens":9,` + said},
		"Mistral thinks or not":     {chatSpeech, host("mistral"), `{"model":"gpt-5","reasoning_effort":"medium","prompt_cache_key":"k",` + said, "mistral-small-latest", "", `{"model":"mistral-small-latest","reasoning_effort":"none","prompt_cache_key":"k",` + said},
		"Mistral thinks hard":       {chatSpeech, host("mistral"), `{"model":"gpt-5.2","reasoning_effort":"xhigh",` + said, "mistral-medium-3-5", "", `{"model":"mistral-medium-3-5","reasoning_effort":"high",` + said},
		"DeepSeek thinks least":     {chatSpeech, host("deepseek"), `{"model":"gpt-5.2","reasoning_effort":"none",` + said, "deepseek-chat", "", `{"model":"deepseek-chat","reasoning_effort":"low",` + said},
		"DeepSeek knows one length": {chatSpeech, host("deepseek"), `{"model":"gpt-5","max_completion_tokens":9,` + said, "deepseek-chat", "", `{"model":"deepseek-chat","max_tokens":9,` + said},
		"a longer answer than there is": {chatSpeech, host("deepseek"), `{"model":"gpt-5","max_completion_tokens":9000,` + said, "deepseek-chat", "",
			`{"model":"deepseek-chat","max_tokens":4096,` + said},
		"Grok reasons":        {chatSpeech, host("xai"), `{"model":"gpt-4o","presence_penalty":1,"temperature":0.2,` + said, "grok-4", "", `{"model":"grok-4","temperature":0.2,` + said},
		"Grok that does not":  {chatSpeech, host("xai"), `{"model":"gpt-4o","presence_penalty":1,"stop":"a",` + said, "grok-4-fast-non-reasoning", "", `{"model":"grok-4-fast-non-reasoning","stop":"a",` + said},
		"Grok's effort":       {chatSpeech, host("xai"), `{"model":"gpt-5","reasoning_effort":"medium",` + said, "grok-3-mini", "", `{"model":"grok-3-mini","reasoning_effort":"low",` + said},
		"Grok without effort": {chatSpeech, host("xai"), `{"model":"gpt-5","reasoning_effort":"low",` + said, "grok-4", "", `{"model":"grok-4",` + said},
		"Grok does not stop":  {chatSpeech, host("xai"), `{"model":"gpt-5","stop":["a"],` + said, "grok-4", "stop: grok-4 does not take it", ""},
		"a host that nobody knows": {chatSpeech, host("together"), `{"model":"gpt-5","reasoning_effort":"low","seed":1,` + said, "meta-llama/Llama-4", "",
			`{"model":"meta-llama/Llama-4","reasoning_effort":"low","seed":1,` + said},
		"OpenAI's by another": {chatSpeech, host("openrouter"), `{"model":"gpt-5.2","reasoning_effort":"xhigh",` + said, "openai/gpt-5-mini", "", `{"model":"openai/gpt-5-mini","reasoning_effort":"high",` + said},
		"back to OpenAI":      {host("groq"), chatSpeech, `{"model":"llama-3.3-70b-versatile","temperature":0.2,"max_tokens":9,` + said, "gpt-5-mini", "", `{"model":"gpt-5-mini","max_completion_tokens":9,` + said},
		"an Azure deployment": {chatSpeech, speech("azure-openai", "v1.chat.completions"), `{"model":"gpt-5","reasoning_effort":"low","verbosity":"low",` + said, "our-old", "", `{"model":"our-old",` + said},
		"another Anthropic": {messagesSpeech, messagesSpeech, `{"model":"claude-opus-4-8","max_tokens":9000,"thinking":{"type":"adaptive"},` + said, "claude-haiku-4-5", "",
			`{"model":"claude-haiku-4-5","max_tokens":4096,` + said},
		"Anthropic's samples":         {chatSpeech, messagesSpeech, `{"model":"gpt-4o","max_tokens":9,"temperature":0.2,` + said, "claude-opus-4-7", "", `{"model":"claude-opus-4-7","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"x"}]}]}`},
		"OpenAI's before it reasoned": {messagesSpeech, chatSpeech, `{"model":"claude-haiku-4-5","max_tokens":9000,"temperature":0.5,` + said, "gpt-4.1", "", `{"model":"gpt-4.1","messages":[{"role":"user","content":"x"}],"max_completion_tokens":4096,"temperature":0.5}`},
	} {
		to := tt.to
		to.Known = ofDeployments
		got, err := translated(tt.from, to, tt.body, tt.model)
		switch {
		case tt.refer != "":
			if !errors.Is(err, ErrUntranslatable) || !strings.Contains(err.Error(), tt.refer) {
				t.Errorf("%s: became %s, %v", name, got.Body, err)
			}
		case err != nil || string(got.Body) != tt.want || got.Request.Bound[sentinel.OutputTokens] > 4096:
			t.Errorf("%s: %v\n got %s\nwant %s", name, err, got.Body, tt.want)
		}
	}
}

// DeepSeek passes over a length in OpenAI's newer name, and Mistral refuses it: the call goes out with the name that they know, and is held at it.
func TestALengthHasTheHostsOwnName(t *testing.T) {
	const hi = `"messages":[{"role":"user","content":"x"}]}`
	for body, want := range map[string]struct {
		deepseek, together string
		held               int64
	}{
		`{"model":"m","max_completion_tokens":9,` + hi:                {`{"model":"m","max_tokens":9,` + hi, "", 9},
		`{"model":"m","max_tokens":7,"max_completion_tokens":9,` + hi: {`{"model":"m","max_tokens":7,` + hi, "", 7},
		`{"model":"m","max_tokens":7,` + hi:                           {"", "", 7},
		`{"model":"m","max_completion_tokens":null,` + hi:             {"", "", AsModelAllows},
		`{"max_completion_tokens":9,"model":"m","stream":true,` + hi:  {`{"stream_options":{"include_usage":true},"max_tokens":9,"model":"m","stream":true,` + hi, `{"stream_options":{"include_usage":true},"max_completion_tokens":9,"model":"m","stream":true,` + hi, 9},
	} {
		for preset, sent := range map[string]string{"deepseek": want.deepseek, "together": want.together} {
			s := speech(preset, "chat.completions")
			r := RawRequest{Path: s.Endpoint.Path, ContentType: "application/json", Body: []byte(body)}
			rq, err := s.Preset.ReadRequest(s.Endpoint, r)
			if held := rq.Bound[sentinel.OutputTokens]; err != nil || string(rq.Body) != sent || preset == "deepseek" && held != want.held {
				t.Errorf("%s is sent %s, held at %d, %v; want %s at %d", preset, rq.Body, held, err, sent, want.held)
			}
			other, _, err := s.Preset.WithModel(s.Endpoint, r, rq, "other", 0)
			if o, fault := readObject(other, openAIKeys); err != nil || fault != nil || string(o.members["model"].value) != `"other"` {
				t.Errorf("%s is sent %s for another model, %v, %v", preset, other, err, fault)
			}
		}
	}
	twice := RawRequest{ContentType: "application/json", Body: []byte(`{"model":"m","max_completion_tokens":9,"max_completion_tokens":9000,` + hi)}
	if rq, err := speech("deepseek", "chat.completions").Preset.ReadRequest(speech("deepseek", "chat.completions").Endpoint, twice); err == nil {
		t.Errorf("a length that stands twice is sent as %s", rq.Body)
	}
}

func answerSpec(name, contentType string, status int) AnswerSpec {
	s := AnswerSpec{Client: chatSpeech, Provider: messagesSpeech, Status: status, ContentType: contentType, At: time.Unix(1_700_000_000, 0)}
	if strings.Contains(name, "openai") {
		s.Client, s.Provider = s.Provider, s.Client
	}
	return s
}

func TestAnswersAreTranslatedAsTheFilesSayHoweverTheirBytesAreSplit(t *testing.T) {
	for pattern, kind := range map[string]struct {
		contentType string
		status      int
	}{"answer.*.json": {"application/json", 200}, "error.*.json": {"application/json", 429}, "stream.*.sse": {"text/event-stream", 200}} {
		for name, body := range cases(t, pattern) {
			s := answerSpec(name, kind.contentType, kind.status)
			at := func(cuts ...int) string {
				tr := NewTranslator(s)
				var out []byte
				from := 0
				for _, cut := range append(cuts, len(body)) {
					out = append(out, tr.Write(body[from:cut])...)
					from = cut
				}
				return string(append(out, tr.Finish()...))
			}
			want := at()
			golden(t, strings.TrimSuffix(strings.TrimSuffix(name, ".json"), ".sse")+".golden", []byte(want))
			single := make([]int, len(body))
			for i := range body {
				single[i] = i
				if got := at(i); got != want {
					t.Fatalf("%s split at %d: %s, want %s", name, i, got, want)
				}
			}
			if got := at(single...); got != want {
				t.Errorf("%s byte by byte: %s", name, got)
			}
			if got := at(); strings.Contains(string(body), "\n\n") {
				body = []byte(strings.ReplaceAll(string(body), "\n", "\r\n"))
				if crlf := at(); crlf != got {
					t.Errorf("%s with CRLF: %s, want %s", name, crlf, got)
				}
			}
		}
	}
}

// There and back a stream says the same: its text, its tools, its reason and its counts.
func TestAStreamComesBackAsItWas(t *testing.T) {
	body := cases(t, "stream.anthropic.sse")[filepath.Join("testdata", "translate", "stream.anthropic.sse")]
	there, back := NewTranslator(answerSpec("anthropic", "text/event-stream", 200)), NewTranslator(answerSpec("openai", "text/event-stream", 200))
	chat := append(there.Write(body), there.Finish()...)
	got := string(append(back.Write(chat), back.Finish()...))
	for _, want := range []string{`"text":"Grüße 🌍"`, `"id":"t1"`, `"partial_json":"\"Lima\"}"`, `"stop_reason":"tool_use"`, `"cache_read_input_tokens":5`, `"output_tokens":17`, `"type":"message_stop"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing in %s", want, got)
		}
	}
}

func TestAStreamThatCannotBeTranslatedEndsWithAnError(t *testing.T) {
	for name, s := range map[string]string{"no JSON": "data: {\n\n", "an endless event": "data: " + strings.Repeat("x", maxEvent+1) + "\n\n"} {
		tr := NewTranslator(answerSpec("anthropic", "text/event-stream", 200))
		got := string(tr.Write([]byte(s + "data: {\"type\":\"message_stop\"}\n\n")))
		if !strings.Contains(got, `"untranslatable_answer"`) || strings.Contains(got, "[DONE]") {
			t.Errorf("%s gave %s", name, got)
		}
		if back := NewTranslator(answerSpec("openai", "text/event-stream", 200)).Write([]byte(s)); !strings.HasPrefix(string(back), "event: error\n") {
			t.Errorf("%s gave %s", name, back)
		}
	}
	w := NewTranslator(answerSpec("anthropic", "application/json", 200))
	w.Write(make([]byte, maxWhole+1))
	if got := string(w.Finish()); !strings.Contains(got, "untranslatable_answer") {
		t.Errorf("an endless answer gave %s", got)
	}
}
