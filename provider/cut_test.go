package provider

import (
	"cmp"
	"testing"
)

// ofDeployments are the models of Azure's deployments in the tests.
func ofDeployments(name string) string {
	return cmp.Or(map[string]string{"our-chat": "eu/gpt-5-mini", "our-old": "gpt-4.1"}[name], name)
}

func TestAShorterAnswerIsAskedForAndNothingElseChanges(t *testing.T) {
	for name, tt := range map[string]struct{ preset, endpoint, body, want string }{
		"said":                              {"openai", "chat.completions", `{"model":"gpt-5","max_completion_tokens":1000,"messages":[]}`, `{"model":"gpt-5","max_completion_tokens":7,"messages":[]}`},
		"said in two ways":                  {"openai", "chat.completions", `{"max_tokens":9,"model":"gpt-5","max_completion_tokens":1000,"messages":[]}`, `{"max_tokens":7,"model":"gpt-5","max_completion_tokens":7,"messages":[]}`},
		"not said":                          {"openai", "chat.completions", `{ "model":"gpt-5","messages":[]}`, `{"max_completion_tokens":7, "model":"gpt-5","messages":[]}`},
		"not said to hosts":                 {"mistral", "chat.completions", `{"model":"m","messages":[]}`, `{"max_tokens":7,"model":"m","messages":[]}`},
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
		"another dialect":                   {"gemini", "models.generate", `{"contents":[]}`, ""},
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
