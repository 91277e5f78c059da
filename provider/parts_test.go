package provider

import (
	"errors"
	"strings"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// form makes a body in parts, each of which is a disposition and a text.
func form(parts ...string) string {
	var b strings.Builder
	for i := 0; i < len(parts); i += 2 {
		b.WriteString("--b\r\nContent-Disposition: form-data; " + parts[i] + "\r\n\r\n" + parts[i+1] + "\r\n")
	}
	return b.String() + "--b--\r\n"
}

const (
	modelPart = `name="model"`
	filePart  = `name="file"; filename="a.mp3"`
)

func TestFormsInPartsAreReadStrictly(t *testing.T) {
	p, e := use(t, "openai", "audio.transcriptions")
	whisper := form(modelPart, "whisper-1", filePart, strings.Repeat("x", 7500))
	for name, tt := range map[string]struct {
		body, field string // of the fault; "-" is none named
	}{
		"plain":                {whisper, ""},
		"a part that repeats":  {form(modelPart, "whisper-1", `name="include[]"`, "a", `name="include[]"`, "b", filePart, "x"), ""},
		"the model twice":      {form(modelPart, "whisper-1", modelPart, "gpt-4o-transcribe", filePart, "x"), "model"},
		"before the first":     {"x\r\n" + whisper, "body"},
		"behind the last":      {whisper + form(modelPart, "gpt-4o-transcribe"), "body"},
		"lines behind it":      {whisper + "\r\n", ""},
		"an end for some":      {form(modelPart, "whisper-1", filePart, "x\n--b--\ny"), "body"},
		"no model":             {form(filePart, "x"), "model"},
		"an extended name":     {form(`name="model"; name*=UTF-8''x`, "whisper-1"), "body"},
		"no name":              {form(`filename="a"`, "x"), "body"},
		"no end":               {strings.TrimSuffix(whisper, "--b--\r\n"), "body"},
		"another encoding":     {strings.Replace(whisper, "\r\n\r\nwhisper-1", "\r\nContent-Transfer-Encoding: base64\r\n\r\nd2hpc3Blci0x", 1), "body"},
		"two dispositions":     {strings.Replace(whisper, "\r\n\r\nwhisper-1", "\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nwhisper-1", 1), "body"},
		"a long text":          {form(modelPart, "whisper-1", `name="prompt"`, strings.Repeat("x", maxPartText+1)), "prompt"},
		"too many parts":       {form(append([]string{modelPart, "whisper-1"}, strings.Split(strings.Repeat(`name="x[]",y,`, maxParts), ",")[:2*maxParts]...)...), "body"},
		"an answer as text":    {form(modelPart, "whisper-1", `name="response_format"`, "srt", filePart, "x"), "response_format"},
		"no form":              {`{"model":"whisper-1"}`, "body"},
		"a model of two lines": {form(modelPart, "whisper-1\nx", filePart, "x"), "model"},
	} {
		t.Run(name, func(t *testing.T) {
			rq, err := p.ReadRequest(e, RawRequest{ContentType: "multipart/form-data; boundary=b", Body: []byte(tt.body)})
			var bad *BadRequest
			if errors.As(err, &bad) != (tt.field != "") || bad != nil && bad.Field != tt.field {
				t.Fatalf("%.200q: %v, want a fault of %q", tt.body, err, tt.field)
			}
			if err == nil && (rq.Model != "whisper-1" || rq.Bound[sentinel.Seconds] < 1 || !rq.Fixed) {
				t.Errorf("read as %+v", rq)
			}
		})
	}
	rq, err := p.ReadRequest(e, RawRequest{ContentType: "multipart/form-data; boundary=b", Body: []byte(whisper)})
	if err != nil || rq.Bound[sentinel.Seconds] != 11 { // 60,000 bits at 6,000 a second, and one begun
		t.Errorf("a file of 7,500 bytes has at most %d seconds, %v; want 11", rq.Bound[sentinel.Seconds], err)
	}
	for _, contentType := range []string{"application/json", "multipart/form-data", "multipart/mixed; boundary=b"} {
		if _, err := p.ReadRequest(e, RawRequest{ContentType: contentType, Body: []byte(whisper)}); err == nil {
			t.Errorf("a form was read from %s", contentType)
		}
	}
}

// What has another price list, or is billed apart, is refused by the name of the field or header that asks for it.
func TestOtherPriceListsAreRefused(t *testing.T) {
	nova := "/model/amazon.nova-lite-v1%3A0/converse"
	for name, tt := range map[string]struct {
		preset, endpoint, path, body, header, value, field string
	}{
		"svg":                  {"openai", "images.generations", "", `{"model":"gpt-image-2","output_format":"svg"}`, "", "", "output_format"},
		"png":                  {"openai", "images.generations", "", `{"model":"gpt-image-2","output_format":"png"}`, "", "", ""},
		"scale":                {"openai", "chat.completions", "", `{"model":"gpt-5","service_tier":"scale"}`, "", "", "service_tier"},
		"Gemini, another tier": {"gemini", "generateContent", "/v1beta/models/gemini-2.5-pro:generateContent", `{"serviceTier":"turbo"}`, "", "", "serviceTier"},
		"Gemini, twice":        {"gemini", "generateContent", "/v1beta/models/gemini-2.5-pro:generateContent", `{"serviceTier":"flex","service_tier":"flex"}`, "", "", "service_tier"},
		"Vertex, another tier": {"vertex", "generateContent", "/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro:generateContent", `{}`, vertexTier, "dedicated", vertexTier},
		"Bedrock, priority":    {"aws-bedrock", "converse", nova, `{}`, "x-amzn-bedrock-service-tier", "priority", "x-amzn-bedrock-service-tier"},
		"Bedrock, default":     {"aws-bedrock", "converse", nova, `{}`, "x-amzn-bedrock-service-tier", "default", ""},
		"Bedrock, optimized":   {"aws-bedrock", "converse", nova, `{}`, "x-amzn-bedrock-performanceconfig-latency", "optimized", "x-amzn-bedrock-performanceconfig-latency"},
		"Bedrock, a guardrail": {"aws-bedrock", "converse", nova, `{}`, "x-amzn-bedrock-guardrailidentifier", "gr-1", "x-amzn-bedrock-guardrailidentifier"},
	} {
		t.Run(name, func(t *testing.T) {
			p, e := use(t, tt.preset, tt.endpoint)
			_, err := p.ReadRequest(e, RawRequest{Path: tt.path, Body: []byte(tt.body), Header: func(n string) string { return map[string]string{tt.header: tt.value}[n] }})
			var bad *BadRequest
			if errors.As(err, &bad) != (tt.field != "") || bad != nil && bad.Field != tt.field {
				t.Errorf("%v, want a fault of %q", err, tt.field)
			}
		})
	}
}

// An answer that was served by a list that no catalog has says so, and the entry is flagged for it.
func TestAnswersNameTheListThatServedThem(t *testing.T) {
	for answer, want := range map[string]struct{ preset, endpoint, tier string }{
		`{"usage":{"input_tokens":1,"output_tokens":1,"service_tier":"standard","inference_geo":"us"}}`:         {"anthropic", "messages", "geo_us"},
		`{"usage":{"input_tokens":1,"output_tokens":1,"service_tier":"standard","inference_geo":"global"}}`:     {"anthropic", "messages", "standard"},
		`{"usageMetadata":{"promptTokenCount":1,"trafficType":"ON_DEMAND_PRIORITY"}}`:                           {"vertex", "generateContent", "priority"},
		`{"usageMetadata":{"promptTokenCount":1,"trafficType":"PROVISIONED_THROUGHPUT"}}`:                       {"vertex", "generateContent", "provisioned_throughput"},
		`{"usage":{"inputTokens":1,"outputTokens":1},"serviceTier":{"type":"priority"}}`:                        {"aws-bedrock", "converse", "priority"},
		`{"usage":{"inputTokens":1,"outputTokens":1},"serviceTier":"nonsense","performanceConfig":{"a":"\"}"}}`: {"aws-bedrock", "converse", ""},
	} {
		p, e := use(t, want.preset, want.endpoint)
		_, got := replay(p.NewMeter(MeterSpec{Endpoint: e, Status: 200}), true, []byte(answer))
		if got.Tier != want.tier || !got.Reported {
			t.Errorf("%s: served by %q, want %q", answer, got.Tier, want.tier)
		}
	}
}
