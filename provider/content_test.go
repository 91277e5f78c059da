package provider

import (
	"slices"
	"testing"
)

func TestBodiesAreWhatTheirHeadersSay(t *testing.T) {
	const chat, charge = `{"model":"gpt-5","max_completion_tokens":5}`, "amount=2000&currency=usd&source=tok"
	for name, tt := range map[string]struct {
		preset, endpoint, kind, coding, body string
		ok                                   bool
	}{
		"JSON":                      {"openai", "chat.completions", "application/json", "", chat, true},
		"JSON in UTF-8":             {"openai", "chat.completions", `Application/JSON ; charset="UTF-8"`, "identity", chat, true},
		"JSON of a kind":            {"openai", "chat.completions", "application/vnd.api+json", "", chat, true},
		"JSON as AWS names it":      {"openai", "chat.completions", "application/x-amz-json-1.1", "", chat, true},
		"JSON without a name":       {"openai", "chat.completions", "", "", chat, true},
		"JSON in UTF-7":             {"openai", "chat.completions", "application/json; charset=utf-7", "", chat, false},
		"JSON in UTF-16":            {"openai", "chat.completions", "application/json; charset=utf-16le", "", chat, false},
		"a second charset":          {"openai", "chat.completions", "application/json; charset=utf-8; charset=utf-7", "", chat, false},
		"an extended charset":       {"openai", "chat.completions", "application/json; charset*=utf-8''utf-7", "", chat, false},
		"a charset in pieces":       {"openai", "chat.completions", "application/json; charset*0=utf-; charset*1=8", "", chat, false},
		"JSON as text":              {"openai", "chat.completions", "text/plain", "", chat, false},
		"JSON as parts":             {"openai", "chat.completions", "multipart/form-data; boundary=x", "", chat, false},
		"JSON as a form":            {"openai", "chat.completions", "application/x-www-form-urlencoded", "", chat, false},
		"two kinds in one":          {"openai", "chat.completions", "application/json, application/x-www-form-urlencoded", "", chat, false},
		"not quite JSON":            {"openai", "chat.completions", "application/jsonx", "", chat, false},
		"a suffix of another type":  {"openai", "chat.completions", "image/svg+json", "", chat, false},
		"brotli":                    {"openai", "chat.completions", "application/json", "br", chat, false},
		"gzip, then nothing":        {"openai", "chat.completions", "application/json", "gzip, identity", chat, false},
		"nothing twice":             {"openai", "chat.completions", "application/json", "identity, identity", chat, false},
		"a form":                    {"stripe", "charges.create", "application/x-www-form-urlencoded", "", charge, true},
		"a form in UTF-8":           {"stripe", "charges.create", "application/x-www-form-urlencoded; charset=utf-8", "", charge, true},
		"a form in Latin-1":         {"stripe", "charges.create", "application/x-www-form-urlencoded; charset=latin1", "", charge, false},
		"a form as JSON":            {"stripe", "charges.create", "application/json", "", charge, false},
		"a form without a name":     {"stripe", "charges.create", "", "", charge, false},
		"a compressed form":         {"stripe", "charges.create", "application/x-www-form-urlencoded", "deflate", charge, false},
		"bytes of any kind":         {"aws-lambda", "invoke", "application/octet-stream", "", "\x00", true},
		"compressed bytes":          {"aws-lambda", "invoke", "application/octet-stream", "gzip", "\x1f\x8b", false},
		"what is not read may be":   {"aws-s3", "object.put", "text/plain", "aws-chunked", "", true},
		"a form that has no fields": {"stripe", "charges.capture", "application/json", "", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			p, e := use(t, tt.preset, tt.endpoint)
			_, err := p.ReadRequest(e, RawRequest{Path: e.Path, ContentType: tt.kind, Body: []byte(tt.body), Header: func(name string) string {
				return map[string]string{"content-encoding": tt.coding}[name]
			}})
			if (err == nil) != tt.ok {
				t.Errorf("%s with coding %q: %v, want read: %v", tt.kind, tt.coding, err, tt.ok)
			}
		})
	}
}

func TestWhatDecidesOnReadingStandsOnce(t *testing.T) {
	_, dynamo := use(t, "aws-dynamodb", "call")
	_, chat := use(t, "openai", "chat.completions")
	if got := dynamo.Once(); len(got) != len(once)+1 || got[len(once)] != "x-amz-target" {
		t.Errorf("DynamoDB's price depends on %v", got)
	}
	for _, name := range []string{"content-type", "x-amzn-bedrock-service-tier", "x-vertex-ai-llm-shared-request-type"} {
		if got := chat.Once(); !slices.Contains(got, name) || slices.Contains(got, "x-amz-target") {
			t.Errorf("a completion depends on %v", got)
		}
	}
}
