package provider

import (
	"cmp"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// ofDeployments are the models of Azure's deployments in the tests.
func ofDeployments(name string) string {
	return cmp.Or(map[string]string{"our-chat": "eu/gpt-5-mini", "our-old": "gpt-4.1", "our-new": "eu/gpt-5.2"}[name], name)
}

func TestAShorterAnswerIsAskedForAndNothingElseChanges(t *testing.T) {
	for name, tt := range map[string]struct{ preset, endpoint, body, want string }{
		"said":                              {"openai", "chat.completions", `{"model":"gpt-5","max_completion_tokens":1000,"messages":[]}`, `{"model":"gpt-5","max_completion_tokens":7,"messages":[]}`},
		"said in two ways":                  {"openai", "chat.completions", `{"max_tokens":9,"model":"gpt-5","max_completion_tokens":1000,"messages":[]}`, `{"max_tokens":7,"model":"gpt-5","max_completion_tokens":7,"messages":[]}`},
		"not said":                          {"openai", "chat.completions", `{ "model":"gpt-5","messages":[]}`, `{"max_completion_tokens":7, "model":"gpt-5","messages":[]}`},
		"not said to hosts":                 {"mistral", "chat.completions", `{"model":"m","messages":[]}`, `{"max_tokens":7,"model":"m","messages":[]}`},
		"images have their own length":      {"openai", "images.generations", `{"model":"gpt-image-1","prompt":"x"}`, ""},
		"Azure's images, too":               {"azure-openai", "v1.images.generations", `{"model":"gpt-image-1","prompt":"x"}`, ""},
		"speech has the text's":             {"openai", "audio.speech", `{"model":"gpt-4o-mini-tts","input":"x","stream_format":"sse"}`, ""},
		"responses":                         {"openai", "responses", `{"model":"gpt-5","input":"x"}`, `{"max_output_tokens":7,"model":"gpt-5","input":"x"}`},
		"messages":                          {"anthropic", "messages", `{"model":"claude","max_tokens":1000,"messages":[]}`, `{"model":"claude","max_tokens":7,"messages":[]}`},
		"thinking":                          {"anthropic", "messages", `{"model":"claude","max_tokens":5000,"thinking":{"type":"enabled","budget_tokens":4000},"messages":[]}`, ""},
		"Azure's responses":                 {"azure-openai", "v1.responses", `{"model":"our-chat","max_output_tokens":1000,"input":"x"}`, `{"model":"our-chat","max_output_tokens":7,"input":"x"}`},
		"not said to Azure's responses":     {"azure-openai", "v1.responses", `{"model":"our-chat","input":"x"}`, `{"max_output_tokens":7,"model":"our-chat","input":"x"}`},
		"not said to one that reasons":      {"azure-openai", "v1.chat.completions", `{"model":"our-chat","messages":[]}`, `{"max_completion_tokens":7,"model":"our-chat","messages":[]}`},
		"nor to a deployment of one":        {"azure-openai", "chat.completions", `{"messages":[]}`, `{"max_completion_tokens":7,"messages":[]}`},
		"not said to one that does not":     {"azure-openai", "v1.chat.completions", `{"model":"our-old","messages":[]}`, `{"max_tokens":7,"model":"our-old","messages":[]}`},
		"not said to one that nobody knows": {"azure-openai", "v1.chat.completions", `{"model":"mine","messages":[]}`, ""},
		"said to one that nobody knows":     {"azure-openai", "v1.chat.completions", `{"model":"mine","max_tokens":1000,"messages":[]}`, `{"model":"mine","max_tokens":7,"messages":[]}`},
		"old completions of Azure":          {"azure-openai", "completions", `{"prompt":"x"}`, `{"max_tokens":7,"prompt":"x"}`},
		"another endpoint":                  {"gemini", "models.generate", `{"contents":[]}`, ""},
		"Gemini":                            {"gemini", "generateContent", `{"contents":[],"generationConfig":{"temperature":0,"maxOutputTokens":1000}}`, `{"contents":[],"generationConfig":{"temperature":0,"maxOutputTokens":7}}`},
		"Gemini's other spelling":           {"gemini", "v1.streamGenerateContent", `{"generation_config":{"max_output_tokens":1000,"candidate_count":2},"contents":[]}`, `{"generation_config":{"max_output_tokens":7,"candidate_count":2},"contents":[]}`},
		"not said to Gemini":                {"gemini", "generateContent", `{"contents":[]}`, `{"generationConfig":{"maxOutputTokens":7},"contents":[]}`},
		"nothing said to Gemini":            {"gemini", "generateContent", `{"contents":[],"generationConfig": null}`, `{"contents":[],"generationConfig": {"maxOutputTokens":7}}`},
		"as good as nothing":                {"gemini", "generateContent", `{"contents":[],"generationConfig": { }}`, `{"contents":[],"generationConfig": {"maxOutputTokens":7 }}`},
		"other things said to Gemini":       {"gemini", "generateContent", `{"contents":[],"generationConfig":{"topK":3}}`, `{"contents":[],"generationConfig":{"maxOutputTokens":7,"topK":3}}`},
		"Gemini thinks as it likes":         {"gemini", "generateContent", `{"contents":[],"generationConfig":{"thinkingConfig":{"thinkingBudget":-1},"maxOutputTokens":9}}`, `{"contents":[],"generationConfig":{"thinkingConfig":{"thinkingBudget":-1},"maxOutputTokens":7}}`},
		"Gemini thinks by a budget":         {"gemini", "generateContent", `{"contents":[],"generationConfig":{"thinking_config":{"thinkingBudget":100},"maxOutputTokens":9}}`, ""},
		"Gemini draws":                      {"gemini", "generateContent", `{"contents":[],"generationConfig":{"responseModalities":["IMAGE"]}}`, ""},
		"Gemini on Vertex":                  {"vertex", "streamGenerateContent", `{"contents":[],"generationConfig":{"maxOutputTokens":1000}}`, `{"contents":[],"generationConfig":{"maxOutputTokens":7}}`},
		"Claude on Vertex":                  {"vertex", "rawPredict", `{"anthropic_version":"vertex-2023-10-16","max_tokens":1000,"messages":[]}`, `{"anthropic_version":"vertex-2023-10-16","max_tokens":7,"messages":[]}`},
		"Claude thinks on Vertex":           {"vertex", "rawPredict", `{"max_tokens":5000,"thinking":{"type":"enabled","budget_tokens":4000},"messages":[]}`, ""},
		"Converse":                          {"aws-bedrock", "converse", `{"messages":[],"inferenceConfig":{"maxTokens":1000,"topP":1}}`, `{"messages":[],"inferenceConfig":{"maxTokens":7,"topP":1}}`},
		"not said to Converse":              {"aws-bedrock", "converse-stream", `{"messages":[]}`, `{"inferenceConfig":{"maxTokens":7},"messages":[]}`},
		"Converse with more":                {"aws-bedrock", "converse", `{"messages":[],"inferenceConfig":{"maxTokens":1000},"additionalModelRequestFields":{"max_tokens":5}}`, ""},
		"Claude in its own words":           {"aws-bedrock", "invoke", `{"model":"anthropic.claude-haiku-4-5-20251001-v1:0","max_tokens":1000,"messages":[]}`, `{"model":"anthropic.claude-haiku-4-5-20251001-v1:0","max_tokens":7,"messages":[]}`},
		"Llama in its own words":            {"aws-bedrock", "invoke", `{"prompt":"x","max_gen_len":1000}`, `{"prompt":"x","max_gen_len":7}`},
		"Nova in its own words":             {"aws-bedrock", "invoke-with-response-stream", `{"messages":[],"inferenceConfig":{"max_new_tokens":1000}}`, `{"messages":[],"inferenceConfig":{"max_new_tokens":7}}`},
		"a format that says nothing":        {"aws-bedrock", "invoke", `{"prompt":"x"}`, ""},
		"Cohere":                            {"cohere", "chat", `{"model":"command-a-03-2025","messages":[],"max_tokens":1000}`, `{"model":"command-a-03-2025","messages":[],"max_tokens":7}`},
		"not said to Cohere":                {"cohere", "chat", `{"model":"command-a-03-2025","thinking":{"type":"disabled"},"messages":[]}`, `{"max_tokens":7,"model":"command-a-03-2025","thinking":{"type":"disabled"},"messages":[]}`},
		"Cohere thinks by a budget":         {"cohere", "chat", `{"model":"command-a-reasoning-08-2025","thinking":{"type":"enabled","token_budget":500},"messages":[]}`, ""},
		"Cohere's embeddings":               {"cohere", "embed", `{"model":"embed-v4.0","texts":["x"]}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := Find(tt.preset)
			var rq Request
			if o, err := readObject([]byte(tt.body), []string{"model"}); err == nil {
				rq.Model, _ = o.text("model")
			}
			rq.Model = cmp.Or(rq.Model, "our-chat") // of a path
			got, err := p.WithLength(Endpoint{Name: tt.endpoint}, RawRequest{Body: []byte(tt.body), Known: ofDeployments}, rq, 7)
			if string(got) != tt.want || (err != nil) != (tt.want == "") {
				t.Errorf("%s\n became %s, %v\n want   %s", tt.body, got, err, tt.want)
			}
		})
	}
}

// What was cut is read again as what it says: no other bound, and nothing that the strict decoder refuses.
func TestAShorterAnswerIsWhatItsRequestSays(t *testing.T) {
	for name, tt := range map[string]struct{ preset, endpoint, path, body string }{
		"Gemini":       {"gemini", "generateContent", "/v1beta/models/gemini-2.5-flash:generateContent", `{"contents":[],"generationConfig":{"candidateCount":2}}`},
		"Vertex":       {"vertex", "rawPredict", "/v1/projects/p/locations/global/publishers/anthropic/models/claude-opus-4-1:rawPredict", `{"max_tokens":900,"messages":[]}`},
		"Converse":     {"aws-bedrock", "converse", "/model/amazon.nova-lite-v1:0/converse", `{"messages":[]}`},
		"native":       {"aws-bedrock", "invoke", "/model/amazon.titan-text-express-v1/invoke", `{"inputText":"x","textGenerationConfig":{"maxTokenCount":900}}`},
		"two of a way": {"aws-bedrock", "invoke", "/model/mistral.mistral-large-2402-v1:0/invoke", `{"max_tokens":900,"inferenceConfig":{"maxTokens":800}}`},
		"Cohere":       {"cohere", "chat", "/v2/chat", `{"model":"command-a-03-2025","messages":[]}`},
	} {
		p, _ := Find(tt.preset)
		e, _ := p.Endpoint(tt.endpoint)
		raw := RawRequest{Path: tt.path, ContentType: "application/json", Body: []byte(tt.body)}
		rq, err := p.ReadRequest(e, raw)
		if err != nil || !p.Cuts(e, rq) {
			t.Errorf("%s: %+v, %v", name, rq, err)
			continue
		}
		if raw.Body, err = p.WithLength(e, raw, rq, 7); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, err := p.ReadRequest(e, raw); err != nil || got.Bound[sentinel.OutputTokens] != 7*rq.Choices || got.Choices != rq.Choices {
			t.Errorf("%s: %s is bound to %v, %v", name, raw.Body, got.Bound, err)
		}
	}
}

func TestAStreamIsCutInTheBodyThatGoesUpstream(t *testing.T) {
	p, _ := Find("openai")
	e, _ := p.Endpoint("chat.completions")
	raw := RawRequest{Body: []byte(`{"model":"gpt-5","stream":true,"max_completion_tokens":1000,"messages":[]}`)}
	rq, err := p.ReadRequest(e, raw)
	if err != nil || !p.Cuts(e, rq) {
		t.Fatalf("%+v, %v", rq, err)
	}
	got, err := p.WithLength(e, raw, rq, 7)
	if want := `{"stream_options":{"include_usage":true},"model":"gpt-5","stream":true,"max_completion_tokens":7,"messages":[]}`; err != nil || string(got) != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}
