package provider

import (
	"errors"
	"strings"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func TestOnePathHasOneSpelling(t *testing.T) {
	for path, ok := range map[string]bool{
		"/": true, "/bucket/a%20b/c.txt": true, "/bucket/folder/": true, "/model/a.b-v1%3A0/converse": true,
		"/b/%7Euser": true, "/b/caf%C3%A9": true, "/b/...x": true, "/b/" + strings.Repeat("a", maxPath-3): true,
		"": false, "v1": false, "//v1": false, "/./x": false, "/v1/..": false, "/v1/.../x": false, "/v1/..;a/x": false,
		"/v1%2fx": false, "/v1/%2e%2E/x": false, "/v1/%252e": false, "/a\\b": false, "/a%5cb": false, "/a%00": false, "/a\x00": false,
		"/a%7f": false, "/a%": false, "/a%4": false, "/a%zz": false, "/a b": false, "/a?b": false, "/a#b": false, "/é": false,
		"/v1/ch%61rges": false, "/v1/payment%5Fintents": false, "/b/" + strings.Repeat("a", maxPath-2): false,
	} {
		if err := CanonicalPath(path); (err == nil) != ok {
			t.Errorf("CanonicalPath(%.60q) = %v, want allowed: %v", path, err, ok)
		}
	}
}

// The catch-all endpoints have no fee, so a charge must not reach them by another spelling.
func TestAChargeCannotHideBehindTheCatchAll(t *testing.T) {
	p, e := use(t, "stripe", "post")
	for path, ok := range map[string]bool{"/v1/customers": true, "/v1/charges/": false, "/v1/charges;x": false} {
		_, err := p.ReadRequest(e, RawRequest{Path: path})
		if (err == nil) != ok {
			t.Errorf("POST %s = %v, want allowed: %v", path, err, ok)
		}
	}
}

func TestDisguisesAreRefused(t *testing.T) {
	p, e := use(t, "openai", "chat.completions")
	for name, body := range map[string]string{
		"key twice, escaped": `{"model":"m","mod\u0065l":"n"}`, "exponent": `{"model":"m","n":1e2}`, "zero": `{"model":"m","n":0}`,
		"huge": `{"model":"m","max_tokens":9223372036854775808}`, "tool in disguise": `{"model":"m","tools":[{"type":"web_search","Type":"function"}]}`,
		"tool without type": `{"model":"m","tools":[{}]}`, "tool of text": `{"model":"m","tools":["x"]}`, "plugins": `{"model":"m","plugins":[]}`,
		"bad options": `{"model":"m","stream":true,"stream_options":1}`, "bad option": `{"model":"m","stream":true,"stream_options":{"include_usage":1}}`,
		"folded option": `{"model":"m","stream":true,"stream_options":{"Include_usage":true}}`,
	} {
		_, err := p.ReadRequest(e, RawRequest{Body: []byte(body)})
		if bad := (*BadRequest)(nil); !errors.As(err, &bad) || bad.Message == "" {
			t.Errorf("%s: ReadRequest(%s) = %v, want a *BadRequest", name, body, err)
		}
	}
}

// Every case is the body as it comes, and as it must go for model "other".
func TestAnotherModelStandsInTheEditedBody(t *testing.T) {
	p, e := use(t, "openai", "chat.completions")
	for in, want := range map[string]string{
		`{ "model" : "m", "stream":true }`:                                       `{"stream_options":{"include_usage":true}, "model" : "other", "stream":true }`,
		`{"model":"m","stream":true,"stream_options": null}`:                     `{"model":"other","stream":true,"stream_options": {"include_usage":true}}`,
		`{"stream_options":null,"stream":true,"model":"m"}`:                      `{"stream_options":{"include_usage":true},"stream":true,"model":"other"}`,
		`{"stream_options":{ },"stream":true,"model":"m"}`:                       `{"stream_options":{"include_usage":true},"stream":true,"model":"other"}`,
		`{"stream_options":{"include_usage" : false},"model":"m","stream":true}`: `{"stream_options":{"include_usage" : true},"model":"other","stream":true}`,
		`{"stream_options":{ "x":[1, 2]},"model":"m","stream":true}`:             `{"stream_options":{"include_usage":true, "x":[1, 2]},"model":"other","stream":true}`,
		`{"stream_options":{"include_usage":true},"model":"m","stream":true}`:    `{"stream_options":{"include_usage":true},"model":"other","stream":true}`,
		`{"x":"é\u00e9\n","model":"m"}`:                                          `{"x":"é\u00e9\n","model":"other"}`,
		"\n{\r\n\t\"stream\":true,\"model\":\n\"m\"\n}\n":                        "\n{\"stream_options\":{\"include_usage\":true},\r\n\t\"stream\":true,\"model\":\n\"other\"\n}\n",
	} {
		r := RawRequest{Path: e.Path, Body: []byte(in)}
		rq, err := p.ReadRequest(e, r)
		if err != nil {
			t.Fatalf("%s: %v", in, err)
		}
		body, path, err := p.WithModel(e, r, rq, "other", 0)
		if err != nil || string(body) != want || path != e.Path || string(r.Body) != in {
			t.Errorf("%s for another model: %s at %s, %v; want %s", in, body, path, err, want)
		}
	}
}

func TestBedrockModelStandsInThePath(t *testing.T) {
	p, e := use(t, "aws-bedrock", "converse")
	r := RawRequest{Path: "/model/amazon.nova-lite-v1%3A0/converse", Body: []byte(`{"inferenceConfig":{"maxTokens":9},"messages":[]}`)}
	rq, err := p.ReadRequest(e, r)
	if err != nil || rq.Model != "amazon.nova-lite-v1:0" || rq.Bound[sentinel.OutputTokens] != 9 {
		t.Fatalf("ReadRequest = %+v, %v", rq, err)
	}
	body, path, err := p.WithModel(e, r, rq, "amazon.nova-micro-v1:0", 0)
	if err != nil || body != nil || path != "/model/amazon.nova-micro-v1%3A0/converse" {
		t.Errorf("WithModel = %s, %s, %v", body, path, err)
	}
	if _, err := p.ReadRequest(e, RawRequest{Path: "/x", Body: r.Body}); err == nil {
		t.Error("a path without a model is read")
	}
}
