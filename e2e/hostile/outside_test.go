package hostile

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// outside are attacks of every family, by somebody who had not seen the others.
func outside() []attack {
	return slices.Concat(
		of("fail-open", outsideCalls()), of("wrong destination", outsidePlaces()), of("identity", outsideCallers()), of("body parsing", outsideBodies()), of("cost evasion", outsideCosts()),
		of("leaks", spellingsOfTheKey()), of("availability", longBodies()), of("HTTP/2", outsideStreams()),
	)
}

func of(family string, list []attack) []attack {
	for i := range list {
		list[i].family = family
	}
	return list
}

func outsideCalls() []attack {
	return []attack{
		{name: "a refusal in the words of gRPC", status: 200, reason: unidentified, holds: failsInGRPC, raw: request("GET "+lima, "Content-Type: application/grpc")},
		{name: "a call that says it is gRPC", status: 200, reason: badRequest, holds: failsInGRPC, raw: withBody(chatLine, chat(""), auth, "Content-Type: application/grpc")},
		{name: "two calls under one id", status: 200, hits: 2, play: func(s *stand) []answer {
			var out []answer
			for range 2 {
				x, err := s.send(request("GET "+lima, auth, "x-request-id: 11111111-1111-4111-8111-111111111111"))
				s.must(err)
				out = append(out, x)
			}
			return out
		}},
	}
}

// failsInGRPC holds that an answer says in the way of gRPC, whose status of HTTP is always 200, that the call failed.
func failsInGRPC(s *stand, x answer) {
	s.Helper()
	if code := x.header.Get("Grpc-Status"); code == "" || code == "0" || len(x.body) > 0 {
		s.Errorf("a refusal has grpc-status %q and the body %q", code, x.body)
	}
}

func outsidePlaces() []attack {
	s3 := func(name, line, body string, headers ...string) attack {
		return attack{name: name, status: 400, reason: badRequest, raw: withBody(line, body, append([]string{asKey}, headers...)...)}
	}
	return []attack{
		s3("a bucket's policy", "PUT /s3/bucket?policy", `{"Statement":[{"Effect":"Allow","Principal":"*"}]}`),
		s3("an object for everybody", "PUT /s3/bucket/key?acl", "", "x-amz-acl: public-read"),
		s3("an upload for everybody", "PUT /s3/bucket/key", "x", "x-amz-acl: public-read"),
		s3("an upload for a stranger", "PUT /s3/bucket/key", "x", `x-amz-grant-full-control: id="1"`),
		s3("an upload for a stranger behind an empty grant", "PUT /s3/bucket/key", "x", "x-amz-grant-read:", `x-amz-grant-read: id="1"`),
		s3("a copy out of another bucket", "PUT /s3/bucket/key", "", "x-amz-copy-source: payroll/key"),
		s3("a bucket's policy by an escape", "PUT /s3/bucket?%70olicy", "x"),
		s3("a bucket that notifies a stranger", "PUT /s3/bucket?notification", "x"),
		{name: "a model of another account", status: 400, reason: envoyRefuses, raw: withBody("POST /bedrock/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A999999999999%3Aapplication-inference-profile%2Fabc/converse", `{"messages":[{"role":"user","content":[{"text":"x"}]}]}`, asKey, json_)},
		claude("a server of tools at Anthropic", `,"mcp_servers":[{"type":"url","url":"https://evil.example","name":"x"}]`),
		{name: "a server of tools in a batch", status: 400, reason: badRequest, raw: withBody("POST /anthropic/v1/messages/batches",
			`{"requests":[{"custom_id":"1","params":{"model":"claude-haiku-4-5","max_tokens":20,"messages":[],"mcp_servers":[{"type":"url","url":"https://evil.example","name":"x"}]}}]}`, asKey, json_)},
	}
}

func claude(name, members string) attack {
	return attack{name: name, status: 400, reason: badRequest, raw: withBody("POST /anthropic/v1/messages", `{"model":"claude-haiku-4-5","max_tokens":20,"messages":[{"role":"user","content":"x"}]`+members+`}`, asKey, json_)}
}

func outsideCallers() []attack {
	return []attack{
		{name: "an AWS signature by another algorithm", status: 401, reason: unidentified, raw: request("GET /s3/bucket/key", "x-amz-date: 20260101T000000Z", "Authorization: AWS4-ECDSA-P256-SHA256 Credential="+accessKey+"/20260101/s3/aws4_request, SignedHeaders=host, Signature=00")},
		{name: "events at an endpoint that takes none", status: 400, reason: badRequest, raw: withBody("POST /bedrock/model/amazon.nova-lite-v1%3A0/converse", `{"messages":[]}`, asKey, "Content-Type: application/vnd.amazon.eventstream", "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-EVENTS")},
	}
}

func outsideBodies() []attack {
	return []attack{
		{name: "a chat of nothing", status: 400, reason: badRequest, raw: post("")},
		{name: "a chat of no chunks", status: 400, reason: badRequest, raw: bare(chatLine+" HTTP/1.1", "0\r\n\r\n", "Host: localhost", auth, json_, "Transfer-Encoding: chunked")},
		{name: "an amount with a null byte", status: 400, reason: badRequest, raw: withBody("POST /stripe/v1/charges", "amount=100%00&currency=usd&source=tok_visa", auth, form)},
		{name: "an amount in full width", status: 400, reason: badRequest, raw: withBody("POST /stripe/v1/charges", "amount=%EF%BC%91%EF%BC%90%EF%BC%90&currency=usd&source=tok_visa", auth, form)},
	}
}

func outsideCosts() []attack {
	responses := func(name, members string) attack {
		return attack{name: name, status: 400, reason: badRequest, raw: withBody("POST /openai/v1/responses", `{"model":"gpt-5-mini","input":"x","max_output_tokens":20`+members+`}`, auth, json_)}
	}
	return []attack{
		{name: "the best of a billion", status: 400, reason: badRequest, raw: withBody("POST /openai/v1/completions", `{"model":"gpt-3.5-turbo-instruct","prompt":"x","max_tokens":20,"best_of":1000000000}`, auth, json_)},
		responses("code that runs at the provider", `,"tools":[{"type":"code_interpreter","container":{"type":"auto"}}]`),
		responses("a picture by a tool", `,"tools":[{"type":"image_generation"}]`),
		claude("code that runs at Anthropic", `,"tools":[{"type":"code_execution_20250825","name":"code_execution"}]`),
		{name: "a stream that is not to tell its usage", status: 200, hits: 1, raw: post(chat(`,"stream":true,"stream_options":{"include_usage":false}`)), holds: lastCosts},
		{name: "five hundred models that nobody knows", play: func(s *stand) []answer {
			for i := range 500 {
				_, err := s.send(post(fmt.Sprintf(`{"model":"gpt-zz-%d","max_completion_tokens":20,"messages":[]}`, i)))
				s.must(err)
			}
			if metrics := s.get(s.probes + "/metrics"); bytes.Contains(metrics, []byte("gpt-zz-")) {
				s.Errorf("callers make series of metrics")
			}
			return nil
		}},
	}
}

func spellingsOfTheKey() []attack {
	return []attack{
		{name: "the provider's key as .NET writes JSON", status: 400, hits: 1, raw: request("GET "+lima, auth), provider: spelling(func(key string) string {
			return `{"m":"` + strings.NewReplacer(`"`, `\u0022`, "+", `\u002B`).Replace(key) + `"}`
		}), holds: noKeyInJSON},
		{name: "the provider's key in HTML", status: 400, hits: 1, raw: request("GET "+lima, auth), provider: spelling(func(key string) string {
			return "<p>" + strings.NewReplacer(`"`, "&quot;", "+", "&#x2B;").Replace(key)
		}), holds: withoutText("&quot;x&quot;")},
		{name: "the provider's key in hexadecimal", status: 400, hits: 1, raw: request("GET "+lima, auth), provider: spelling(func(key string) string { return "key " + hex.EncodeToString([]byte(key)) })},
		{name: "the provider's key in hexadecimal capitals", status: 400, hits: 1, raw: request("GET "+lima, auth), provider: spelling(func(key string) string { return "key " + strings.ToUpper(hex.EncodeToString([]byte(key))) }),
			holds: withoutText(strings.ToUpper(hex.EncodeToString([]byte(vaultKey))))},
	}
}

func longBodies() []attack {
	return []attack{
		{name: "a prompt of a million letters that are the same", hits: 1, status: 200, raw: post(`{"model":"gpt-5-mini","max_completion_tokens":20,"messages":[{"role":"user","content":"` + strings.Repeat("a", 1<<20) + `"}]}`)},
		{name: "a prompt of a million blanks", hits: 1, status: 200, raw: post(`{"model":"gpt-5-mini","max_completion_tokens":20,"messages":[{"role":"user","content":"` + strings.Repeat(" ", 1<<20) + `"}]}`)},
		{name: "an answer of a million letters that are the same", hits: 1, status: 200, raw: post(chat("")), provider: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"id":"x","choices":[{"message":{"role":"assistant","content":"` + strings.Repeat("a", 900<<10) + `"}}]}`))
		}, holds: lastCosts},
		{name: "a hundred thousand members", hits: 1, status: 200, raw: post(chat(members(100_000)))},
	}
}

func outsideStreams() []attack {
	return []attack{
		overH2("a tunnel for a socket by HTTP/2", 0, 0, envoyRefuses, "", ":method: CONNECT", ":protocol: websocket", ":scheme: http", ":authority: localhost", ":path: "+lima, authH2),
		overH2("a length longer than the body", 0, 0, envoyRefuses, chat(""), ":method: POST", ":scheme: http", ":authority: localhost", ":path: /openai/v1/chat/completions", authH2, jsonH2, "content-length: 500"),
	}
}

func members(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"m%d":%d`, i, i)
	}
	return b.String()
}

// spelling answers with the key as a server may write it.
func spelling(as func(key string) string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(as(vaultKey)))
	}
}

// noKeyInJSON holds that who reads the JSON of an answer does not find the key in it.
func noKeyInJSON(s *stand, x answer) {
	s.Helper()
	var got map[string]string
	if err := json.Unmarshal(x.body, &got); err == nil && strings.Contains(got["m"], vaultKey) {
		s.Errorf("the client reads the provider's key in %s", x.body)
	}
}

func withoutText(text string) func(*stand, answer) {
	return func(s *stand, x answer) {
		s.Helper()
		if strings.Contains(string(x.body), text) {
			s.Errorf("the client reads a part of the key: %s", x.body)
		}
	}
}
