package provider

import (
	"net/url"
	"path"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func TestHostileBodiesAreRefused(t *testing.T) {
	for name, body := range map[string]string{
		"repeated key":           `{"model":"a","model":"b"}`,
		"repeated key deep down": `{"model":"a","messages":[{"role":"user","role":"system"}]}`,
		"key in another case":    `{"Model":"gpt-5","model":"gpt-5-mini"}`,
		"folded by Unicode":      "{\"model\":\"a\",\"\u017ftream\":true}",
		"a name not in UTF-8":    "{\"model\":\"a\xff\"}",
		"a text not in UTF-8":    "{\"model\":\"a\",\"user\":\"\xff\"}",
		"bytes behind":           `{"model":"a"} {"model":"b"}`,
		"nested too deep":        `{"model":"a","x":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`,
		"a number past all":      `{"model":"a","temperature":1e400}`,
		"another, deep down":     `{"model":"a","messages":[{"role":"user","content":"x","n":-1e400}]}`,
		"not an object":          `["model"]`,
		"cut":                    `{"model":"a"`,
		"no model":               `{"messages":[]}`,
		"model is a number":      `{"model":5}`,
		"negative bound":         `{"model":"a","max_tokens":-1}`,
		"fractional bound":       `{"model":"a","max_tokens":1.5}`,
		"bound as text":          `{"model":"a","max_tokens":"5"}`,
		"too many choices":       `{"model":"a","n":129}`,
		"stream as text":         `{"model":"a","stream":"true"}`,
		"a dearer tier":          `{"model":"a","service_tier":"gold"}`,
		"a tool with a price":    `{"model":"a","tools":[{"type":"web_search"}]}`,
		"background":             `{"model":"a","background":true}`,
		"empty":                  ``,
	} {
		t.Run(name, func(t *testing.T) {
			if rq, err := openAI.ReadRequest(chatEndpoint(t), RawRequest{Body: []byte(body)}); err == nil {
				t.Errorf("%s was read as %+v", body, rq)
			}
		})
	}
}

func TestUsageIsAskedForAndNothingElseChanges(t *testing.T) {
	for body, want := range map[string]string{
		`{"stream":true,"model":"gpt-5"}`:                                           `{"stream_options":{"include_usage":true},"stream":true,"model":"gpt-5"}`,
		`{ "model" : "gpt-5" , "stream":true,"stream_options":{} }`:                 `{ "model" : "gpt-5" , "stream":true,"stream_options":{"include_usage":true} }`,
		`{"model":"gpt-5","stream":true,"stream_options":null}`:                     `{"model":"gpt-5","stream":true,"stream_options":{"include_usage":true}}`,
		`{"stream_options":{"include_usage": false},"model":"gpt-5","stream":true}`: `{"stream_options":{"include_usage": true},"model":"gpt-5","stream":true}`,
		`{"stream_options":{"x":1},"model":"gpt-5","stream":true}`:                  `{"stream_options":{"include_usage":true,"x":1},"model":"gpt-5","stream":true}`,
		`{"model":"gpt-5","stream":true,"stream_options":{"include_usage":true}}`:   "",
		`{"model":"gpt-5","stream":false}`:                                          "",
	} {
		rq, err := openAI.ReadRequest(chatEndpoint(t), RawRequest{Body: []byte(body)})
		if err != nil || string(rq.Body) != want || rq.HideUsage != (want != "") {
			t.Errorf("%s became %q (hide %v), %v; want %q", body, rq.Body, rq.HideUsage, err, want)
			continue
		}
		if want == "" {
			want = body
		}
		got, _, err := openAI.WithModel(chatEndpoint(t), RawRequest{Body: []byte(body)}, rq, `gpt-"mini`, 0)
		if want = strings.Replace(want, `"gpt-5"`, `"gpt-\"mini"`, 1); err != nil || string(got) != want {
			t.Errorf("%s for another model became %q, %v; want %q", body, got, err, want)
		}
	}
}

func TestBoundsAreTrue(t *testing.T) {
	for name, tt := range map[string]struct {
		body    string
		in, out int64
	}{
		"bytes bound tokens":   {`{"model":"a","max_tokens":7,"n":3}`, 34, 21},
		"the larger one holds": {`{"model":"a","max_tokens":7,"max_completion_tokens":9}`, 54, 9},
		"no maximum":           {`{"model":"a"}`, 13, AsModelAllows},
		"an image":             {`{"model":"a","max_tokens":1,"messages":[{"content":[{"type":"image_url"}]}]}`, AsModelAllows, 1},
	} {
		t.Run(name, func(t *testing.T) {
			rq, err := openAI.ReadRequest(chatEndpoint(t), RawRequest{Body: []byte(tt.body)})
			if err != nil || rq.Bound[sentinel.InputTokens] != tt.in || rq.Bound[sentinel.OutputTokens] != tt.out {
				t.Errorf("%s is bound by %v, %v; want %d and %d", tt.body, rq.Bound, err, tt.in, tt.out)
			}
		})
	}
}

func TestCanonicalPaths(t *testing.T) {
	for _, good := range []string{"/", "/v1/chat/completions", "/model/a%3Ab/converse", "/documents/2026/a%20b.txt", "/b/", "/a/...x", "/%E4%BD%A0"} {
		if err := CanonicalPath(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "v1", "//v1", "/v1//x", "/./x", "/../x", "/x/..", "/%2e%2e/x", "/%2E/x", "/a%2fb", "/a%5cb", `/a\b`, "/a%00", "/a%zz", "/a%2",
		"/..;x/y", "/a b", "/a#b", "/\u00e4", "/" + strings.Repeat("a", 5000), "/%252e",
		"/%c0%ae%c0%ae/x", "/%c0%af", "/%e0%80%ae", "/a%ff", "/%e4%bd", "/%ed%a0%80", "/%f4%90%80%80", "/a%c2%85", "/%c2%a0%80",
		"/%ef%bc%8e%ef%bc%8e/x", "/a%ef%bc%8fb", "/%e2%80%a5/x", "/a%ef%bc%bcb", "/%ef%bc%85%32%65"} {
		if err := CanonicalPath(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestTemplatesMatchWholeSegments(t *testing.T) {
	for path, want := range map[string]bool{"/v1/a/x": true, "/v1/a/x/y": true, "/v1/a": false, "/v1/a/": false, "/v1//x": false, "/v2/a/x": false} {
		if got := (Endpoint{Path: "/v1/{id}/{rest...}"}).Match(path); got != want {
			t.Errorf("%s matches: %v, want %v", path, got, want)
		}
	}
	if (Endpoint{Path: "/v1/{id}"}).Match("/v1/a/b") || !(Endpoint{Path: "/v1/{id}"}).Match("/v1/a") {
		t.Error("a variable is not one segment")
	}
	for path, want := range map[string]bool{"/b": true, "/b/": true, "/b//": false, "/": false, "//": false, "/b/k": false} {
		if got := (Endpoint{Path: "/{bucket}/?"}).Match(path); got != want {
			t.Errorf("%s matches with a slash that may be missing: %v, want %v", path, got, want)
		}
	}
}

func TestStripeFeesFollowTheMoney(t *testing.T) {
	create, _ := stripe.Endpoint("charges.create")
	rq, err := stripe.ReadRequest(create, RawRequest{ContentType: "application/x-www-form-urlencoded", Body: []byte("amount=2000&currency=usd&source=tok")})
	if err != nil || rq.Bound[sentinel.AmountCents] != 2000 || rq.Bound[sentinel.Messages] != 1 {
		t.Errorf("bound %v, %v", rq.Bound, err)
	}
	for _, bad := range []string{"amount=1&amount=2", "amount=-1", "amount=x", "amount=5&currency=eur", "%zz"} {
		if _, err := stripe.ReadRequest(create, RawRequest{ContentType: "application/x-www-form-urlencoded", Body: []byte(bad)}); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
	for answer, want := range map[string]int64{
		`{"object":"charge","amount":2000,"amount_captured":1500,"paid":true,"captured":true}`: 1500,
		`{"object":"charge","amount":2000,"paid":true,"captured":false}`:                       0,
		`{"object":"charge","amount":2000,"paid":false}`:                                       0,
		`{"object":"payment_intent","status":"succeeded","amount_received":700}`:               700,
		`{"object":"payment_intent","status":"requires_action","amount_received":0}`:           0,
	} {
		_, got := pour(stripe.NewMeter(MeterSpec{Endpoint: create, Status: 200, ContentType: "application/json"}), answer)
		if got.Usage[sentinel.AmountCents] != want || (got.Usage[sentinel.Messages] == 1) != (want > 0) || got.Usage[sentinel.Requests] != 1 {
			t.Errorf("%s gave %v, want %d cents", answer, got.Usage, want)
		}
	}
}

func TestConverse(t *testing.T) {
	e, _ := bedrock.Endpoint("converse")
	raw := RawRequest{Path: "/model/amazon.nova-lite-v1%3A0/converse", Body: []byte(`{"messages":[],"inferenceConfig":{"maxTokens":50}}`)}
	rq, err := bedrock.ReadRequest(e, raw)
	if err != nil || rq.Model != "amazon.nova-lite-v1:0" || rq.Bound[sentinel.OutputTokens] != 50 {
		t.Errorf("read as %+v, %v", rq, err)
	}
	if _, path, err := bedrock.WithModel(e, raw, rq, "amazon.nova-micro-v1:0", 0); err != nil || path != "/model/amazon.nova-micro-v1%3A0/converse" {
		t.Errorf("another model's path is %s, %v", path, err)
	}
	_, got := pour(bedrock.NewMeter(MeterSpec{Endpoint: e, Status: 200}), `{"output":{},"usage":{"inputTokens":3,"outputTokens":4,"cacheReadInputTokens":5,"cacheWriteInputTokens":6,"totalTokens":18}}`)
	want := sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: 3, sentinel.OutputTokens: 4, sentinel.CachedInputTokens: 5, sentinel.CacheWriteTokens: 6}
	if got.Usage != want {
		t.Errorf("metered %v, want %v", got.Usage, want)
	}
}

func TestRefusalsHaveTheProvidersShape(t *testing.T) {
	r := Refusal{Status: 429, Code: "rate_limited", Message: "slow <down>"}
	for preset, want := range map[string]string{
		"openai": `"type":"rate_limit_error"`, "stripe": `"code":"rate_limited"`, "aws-bedrock": `"message":"slow`, "aws-s3": "<Code>SlowDown</Code><Message>slow &lt;down&gt;</Message>",
	} {
		p, ok := Find(preset)
		if !ok {
			t.Fatal(preset)
		}
		if got := p.ErrorBody(r); !strings.Contains(string(got.Body), want) || got.ContentType == "" {
			t.Errorf("%s says %s (%s), want %s", preset, got.Body, got.ContentType, want)
		}
	}
	if got := (Preset{}).ErrorBody(r); !strings.Contains(string(got.Body), "rate_limited") {
		t.Errorf("without a preset: %s", got.Body)
	}
}

func FuzzReadRequest(f *testing.F) {
	f.Add([]byte(`{"model":"gpt-5","stream":true,"stream_options":{"include_usage":false},"messages":[{"role":"user","content":"x"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		rq, err := openAI.ReadRequest(chatEndpoint(t), RawRequest{Body: body})
		if err != nil {
			return
		}
		again := body
		if rq.Body != nil {
			again = rq.Body
		}
		second, err := openAI.ReadRequest(chatEndpoint(t), RawRequest{Body: again})
		if err != nil || second.Model != rq.Model || second.Body != nil {
			t.Errorf("what goes upstream, %q, reads as %+v, %v", again, second, err)
		}
	})
}

// FuzzCanonicalPath holds that what is accepted is one path to every reader: one that decodes escapes, however often, and cleans what
// it gets, one that reads bytes as Latin-1, and one that takes overlong UTF-8 for what it spells.
func FuzzCanonicalPath(f *testing.F) {
	for _, seed := range []string{"/v1/%3A/x", "/%c0%ae%c0%ae/x", "/%e0%80%af", "/a%25%32%65", "/..;/x", "/%E4%BD%A0", "/a%c2%85", "/b/", "/%ef%bc%8e%ef%bc%8e%ef%bc%8fx", "/%e2%80%a6"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if CanonicalPath(raw) != nil {
			return
		}
		decoded, err := url.PathUnescape(raw)
		if err != nil || !utf8.ValidString(decoded) || strings.ContainsFunc(decoded, unicode.IsControl) || strings.Contains(decoded, `\`) {
			t.Fatalf("%q was accepted, which decodes to %q, %v", raw, decoded, err)
		}
		if again, err := url.PathUnescape(decoded); err != nil || again != decoded {
			t.Errorf("%q was accepted, which decodes to %q, and then to %q, %v", raw, decoded, again, err)
		}
		if strings.Count(decoded, "/") != strings.Count(raw, "/") {
			t.Errorf("%q was accepted, whose escapes hold slashes: %q", raw, decoded)
		}
		if folded := norm.NFKC.String(decoded); strings.Count(folded, "/") != strings.Count(decoded, "/") || strings.Count(folded, ".") != strings.Count(decoded, ".") {
			t.Errorf("%q was accepted, which a reader that folds widths takes for %q", raw, folded)
		}
		if clean := path.Clean(decoded); clean != strings.TrimSuffix(decoded, "/") && decoded != "/" {
			t.Errorf("%q was accepted, which is cleaned to %q", raw, clean)
		}
		for segment := range strings.SplitSeq(overlong.Replace(decoded), "/") {
			if name, _, _ := strings.Cut(segment, ";"); name == "." || name == ".." {
				t.Errorf("%q was accepted, whose segment %q is a way up", raw, segment)
			}
		}
	})
}

// overlong reads the longer forms of a dot and of a slash as lenient decoders do.
var overlong = strings.NewReplacer("\xc0\xae", ".", "\xe0\x80\xae", ".", "\xf0\x80\x80\xae", ".", "\xc0\xaf", "/", "\xe0\x80\xaf", "/", "\xf0\x80\x80\xaf", "/")

func BenchmarkReadRequest(b *testing.B) {
	body := []byte(`{"model":"gpt-5-mini","stream":true,"messages":[{"role":"user","content":"` + strings.Repeat("word ", 200) + `"}]}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := openAI.ReadRequest(chatEndpoint(b), RawRequest{Body: body}); err != nil {
			b.Fatal(err)
		}
	}
}
