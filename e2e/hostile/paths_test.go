package hostile

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// The reasons of the gateway's refusals.
const (
	unidentified = "unidentified_caller"
	unknown      = "unknown_endpoint"
	badRequest   = "bad_request"
	unpriced     = "unpriced"
	tooLarge     = "request_too_large"
	spent        = "budget_spent"
	noRoute      = "no_route"
	mismatch     = "host_mismatch"
)

// failing answers 500 in the provider's place.
func failing(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, `{"error":{"message":"down"}}`, http.StatusInternalServerError)
}

func failOpen() []attack {
	ok := request("GET "+lima, auth)
	return []attack{
		{name: "the processor is killed", status: 503, reason: envoyRefuses, play: func(s *stand) []answer {
			s.kill()
			x, err := s.send(ok)
			s.must(err)
			s.start()
			return []answer{x}
		}},
		{name: "the processor hangs", status: 504, reason: envoyRefuses, play: func(s *stand) []answer {
			s.must(s.child.Process.Signal(syscall.SIGSTOP))
			x, err := s.send(ok)
			s.must(s.child.Process.Signal(syscall.SIGCONT))
			s.must(err)
			return []answer{x}
		}},
		{name: "the processor is killed while it waits for the body", reason: envoyRefuses, play: func(s *stand) []answer {
			head := bare(chatLine+" HTTP/1.1", "", "Host: localhost", auth, json_, "Content-Length: 40")
			x := s.slowly(head, func() { s.kill() }, `{"model":"gpt-5-mini","messages":[]     }`)
			s.start()
			return []answer{x}
		}},
		{name: "the limiter hangs", status: 503, reason: "limiter_unavailable", play: func(s *stand) []answer {
			c := redis.NewClient(&redis.Options{Addr: s.redis})
			defer func() { _ = c.Close() }()
			s.must(c.Do(s.Context(), "CLIENT", "PAUSE", "3000", "ALL").Err())
			x, err := s.send(ok)
			s.must(err)
			s.eventually("the limiter answers again", func() bool { return c.Ping(s.Context()).Err() == nil })
			return []answer{x}
		}},
		{name: "a forged mark", raw: request("GET "+lima, "x-sentinel-id: 0193", "x-sentinel-call: 0193", "x-sentinel-verdict: allow"), status: 401, reason: unidentified},
		{name: "a forged ticket", raw: request("GET "+lima, "x-sentinel-t: eyJ9", "x-envoy-dynamic-metadata: sentinel"), status: 401, reason: unidentified},
		{name: "retries by header", provider: failing, status: 500, hits: 1, raw: request("GET "+lima, auth, "x-envoy-retry-on: 5xx,reset", "x-envoy-max-retries: 10", "x-envoy-hedge-on-per-try-timeout: true")},
		{name: "retriable codes by header", provider: failing, status: 500, hits: 1, raw: request("GET "+lima, auth, "x-envoy-retry-on: retriable-status-codes", "x-envoy-retriable-status-codes: 500", "x-envoy-max-retries: 10")},
		{name: "grpc retries by header", provider: failing, status: 500, hits: 1, raw: request("GET "+lima, auth, "x-envoy-retry-grpc-on: internal", "x-envoy-max-retries: 10")},
		{name: "a time limit by header", status: 200, hits: 1, raw: request("GET "+lima, auth, "x-envoy-upstream-rq-timeout-ms: 1", "x-envoy-expected-rq-timeout-ms: 1"), provider: func(w http.ResponseWriter, _ *http.Request) {
			<-time.After(50 * time.Millisecond)
			_, _ = w.Write([]byte("{}"))
		}},
		{name: "another cluster by header", status: 200, hits: 1, raw: request("GET "+lima, auth, "x-envoy-upstream-alt-stat-name: x", "x-envoy-original-dst-host: 127.0.0.1:1", "x-envoy-decorator-operation: x")},
		{name: "an internal address by header", status: 401, reason: unidentified, raw: request("GET "+lima, "x-envoy-internal: true", "x-forwarded-for: 127.0.0.1", "x-envoy-external-address: 127.0.0.1")},
		{name: "a fault by header", status: 200, hits: 1, raw: request("GET "+lima, auth, "x-envoy-fault-abort-request: 200", "x-envoy-fault-delay-request: 5000")},
		{name: "verbose debugging by header", status: 200, hits: 1, raw: request("GET "+lima, auth, "x-envoy-force-trace: true", "x-client-trace-id: 1", "x-envoy-attempt-count: 3"), holds: noHeader("X-Envoy-")},
	}
}

// noHeader holds that no header of the answer begins with a prefix.
func noHeader(prefix string) func(*stand, answer) {
	return func(s *stand, x answer) {
		for name := range x.header {
			if strings.HasPrefix(name, prefix) {
				s.Errorf("the answer has %s", name)
			}
		}
	}
}

func wrongDestination() []attack {
	at := func(s *stand) string { return s.trap.addr }
	to := func(name string, status int, reason string, hits int, raw func(trap string) string) attack {
		return attack{name: name, status: status, reason: reason, hits: hits, play: func(s *stand) []answer {
			x, err := s.send(raw(at(s)))
			s.must(err)
			return []answer{x}
		}}
	}
	toMock := func(path string) func(string) string {
		return func(string) string { return request("GET "+path, auth) }
	}
	list := []attack{
		to("a host of the caller's", 403, noRoute, 0, func(string) string {
			return bare("GET "+lima+" HTTP/1.1", "", "Host: evil.example", auth)
		}),
		to("another port of the gateway's host", 200, "", 1, func(x string) string { return bare("GET "+lima+" HTTP/1.1", "", "Host: "+x, auth) }),
		to("an absolute target elsewhere", 0, envoyRefuses, 0, func(x string) string {
			return bare("GET http://"+x+lima+" HTTP/1.1", "", "Host: localhost", auth)
		}),
		to("an absolute target of the gateway's", 0, envoyRefuses, 0, func(string) string { return request("GET http://localhost"+lima, auth) }),
		to("an absolute target with another host header", 0, envoyRefuses, 0, func(x string) string {
			return bare("GET http://localhost"+lima+" HTTP/1.1", "", "Host: "+x, auth)
		}),
		to("a tunnel", 403, unknown, 0, func(x string) string { return bare("CONNECT "+x+" HTTP/1.1", "", "Host: "+x, auth) }),
		to("a tunnel to a provider", 403, unknown, 0, func(string) string {
			return bare("CONNECT api.openai.com:443 HTTP/1.1", "", "Host: api.openai.com:443", auth)
		}),
		to("two hosts", 403, noRoute, 0, func(x string) string {
			return bare("GET "+lima+" HTTP/1.1", "", "Host: localhost", "Host: "+x, auth)
		}),
		to("two hosts that are the same", 403, noRoute, 0, func(string) string {
			return bare("GET "+lima+" HTTP/1.1", "", "Host: localhost", "Host: localhost", auth)
		}),
		to("a host by x-forwarded-host", 200, "", 1, func(x string) string { return request("GET "+lima, auth, "x-forwarded-host: "+x, "x-host: "+x) }),
		to("a host by forwarded", 200, "", 1, func(x string) string { return request("GET "+lima, auth, "forwarded: host="+x+";for=127.0.0.1") }),
		to("a path by x-original-url", 200, "", 1, func(x string) string {
			return request("GET "+lima, auth, "x-original-url: /v1/admin", "x-rewrite-url: http://"+x+"/")
		}),
		to("a method by header", 200, "", 1, func(string) string {
			return request("GET "+lima, auth, "x-http-method-override: DELETE", "x-http-method: PUT", "x-method-override: POST")
		}),
		to("an upgrade to a socket", 403, envoyRefuses, 0, func(string) string {
			return request("GET "+lima, auth, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
		}),
		to("a host with credentials in it", 403, noRoute, 0, func(x string) string { return bare("GET "+lima+" HTTP/1.1", "", "Host: localhost@"+x, auth) }),
		to("a host with a dot at its end", 403, noRoute, 0, func(string) string { return bare("GET "+lima+" HTTP/1.1", "", "Host: localhost.", auth) }),
		to("a host in the path", 403, noRoute, 0, func(x string) string { return request("GET //"+x+"/v1/forecast/lima", auth) }),
		to("an address of metadata as host", 403, noRoute, 0, func(string) string { return bare("GET /latest/meta-data/ HTTP/1.1", "", "Host: 169.254.169.254", auth) }),
		{name: "a provider whose certificate is another's", status: 503, lost: 1, raw: request("GET /imposter/v1/things", auth), reason: ""},
		to("a provider's whole organisation", 403, noRoute, 0, toMock("/openai/v1/organization/api_keys")),
		to("a provider's projects", 403, noRoute, 0, toMock("/openai/v1/organization/projects/x/service_accounts")),
		to("an endpoint that nobody listed", 403, noRoute, 0, toMock("/openai/v1/assistants")),
		to("a provider that nobody configured", 403, noRoute, 0, toMock("/gemini/v1beta/models")),
		to("a fragment that redirects", 0, envoyRefuses, 0, func(x string) string { return request("GET /weather/v1/forecast/lima#@"+x+"/", auth) }),
	}
	for _, path := range []string{"payouts", "transfers", "topups", "accounts", "account", "account_links", "account_sessions", "webhook_endpoints", "ephemeral_keys", "issuing/cards", "treasury/outbound_payments", "apps/secrets"} {
		list = append(list, attack{
			name: "stripe's " + path, status: 403, reason: noRoute,
			raw: withBody("POST /stripe/v1/"+path, "amount=1&currency=usd", auth, form),
		})
	}
	return append(list,
		attack{name: "stripe's bank accounts by a longer path", status: 403, reason: noRoute, raw: withBody("POST /stripe/v1/accounts/acct_1/external_accounts", "external_account=btok_1", auth, form)},
		attack{name: "stripe's accounts by reading", status: 403, reason: noRoute, raw: request("GET /stripe/v1/accounts/acct_1", auth)},
		attack{name: "stripe's accounts by deleting", status: 403, reason: noRoute, raw: request("DELETE /stripe/v1/accounts/acct_1", auth)},
		attack{name: "stripe for another account", status: 400, reason: badRequest, raw: withBody("POST /stripe/v1/charges", "amount=100&currency=usd&source=tok_visa", auth, form, "Stripe-Account: acct_evil")},
		attack{name: "a charge whose money goes elsewhere", status: 400, reason: badRequest, raw: withBody("POST /stripe/v1/charges", "amount=100&currency=usd&source=tok_visa&transfer_data[destination]=acct_evil", auth, form)},
		attack{name: "a charge whose money goes elsewhere, in brackets", status: 400, reason: badRequest, raw: withBody("POST /stripe/v1/charges", "amount=100&currency=usd&source=tok_visa&[transfer_data][destination]=acct_evil", auth, form)},
		attack{name: "a checkout whose money goes elsewhere", status: 400, reason: badRequest, raw: withBody("POST /stripe/v1/checkout/sessions", "mode=payment&payment_intent_data[transfer_data][destination]=acct_evil", auth, form)},
		attack{name: "a charge on another's behalf by the query", status: 400, reason: badRequest, raw: withBody("POST /stripe/v1/charges?on_behalf_of=acct_evil", "amount=100&currency=usd&source=tok_visa", auth, form)},
		toServer("another base for the server", `,"api_base":"https://evil.example"`),
		toServer("another base by an escape", `,"\u0061pi_base":"https://evil.example"`),
		toServer("another key for the server", `,"api_key":"sk-evil"`),
		toServer("members of the server's own client", `,"extra_body":{"model":"gpt-5"}`),
		toServer("other models behind the first", `,"fallbacks":["gpt-5"]`),
		toServer("a webhook", `,"webhook_url":"https://evil.example"`),
		picture("a picture of the metadata service", "http://169.254.169.254/latest/meta-data/"),
		picture("a picture of a private host", "http://10.0.0.1/"),
		picture("a picture of this machine in another spelling", "http://2130706433/"),
		picture("a picture of this machine by IPv6", "http://[::ffff:127.0.0.1]/"),
		picture("a picture of an internal name", "http://metadata.google.internal/"),
		picture("a picture of this machine in octal", "http://0177.0.0.1/"),
		picture("a picture of this machine in hexadecimal", "http://0x7f.1/"),
		picture("a picture of this machine by nothing", "http://0/"),
		picture("a picture of this machine in circled digits", "http://\u2460\u2461\u2466.0.0.1/"),
		picture("a picture of this machine with a tab in its scheme", "ht\\ttp://127.0.0.1/"),
		picture("a picture of this machine with a line break before it", "\\nhttp://127.0.0.1/"),
		picture("a picture of this machine behind backslashes", "http:\\\\\\\\127.0.0.1/"),
		picture("a picture of this machine without slashes", "http:127.0.0.1/"),
		picture("a picture of this machine without a scheme", "//127.0.0.1/"),
		picture("a picture of this machine by a name with a dot behind it", "http://localhost./"),
		picture("a picture of a private host by IPv6", "http://[fd00::1]/"),
		picture("a picture of a carrier's private network", "http://100.64.0.1/"),
		picture("a picture by another protocol", "gopher://10.0.0.1:70/x"),
		attack{name: "a file of a private host", status: 400, reason: badRequest, raw: withBody("POST /openai/v1/responses", `{"model":"gpt-5-mini","max_output_tokens":20,"input":[{"role":"user","content":[{"type":"input_file","file_url":"http://169.254.169.254/"}]}]}`, auth, json_)},
		attack{name: "a document of a private host", status: 400, reason: badRequest, raw: withBody("POST /anthropic/v1/messages", `{"model":"claude-sonnet-4-5","max_tokens":20,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"url","url":"http://10.0.0.1/"}}]}]}`, auth, json_, "anthropic-version: 2023-06-01")},
		attack{name: "a picture of the metadata service to be moderated", status: 400, reason: badRequest, raw: moderated(`{"input":[{"type":"image_url","image_url":{"url":"http://169.254.169.254/"}}]}`)},
		attack{name: "another base for a server that moderates", status: 400, reason: badRequest, raw: moderated(`{"input":"x","api_base":"https://evil.example"}`)},
		attack{name: "a document of a private host to be counted", status: 400, reason: badRequest, raw: withBody("POST /anthropic/v1/messages/count_tokens", `{"model":"claude-sonnet-4-5","messages":[{"role":"user","content":[{"type":"document","source":{"type":"url","url":"http://10.0.0.1/"}}]}]}`, auth, json_, "anthropic-version: 2023-06-01")},
		attack{name: "another base in a form with parts", status: 400, reason: badRequest, raw: withParts(part("model", "whisper-1") + part("response_format", "json") + part("api_base", "https://evil.example") + speech)},
		attack{name: "another base in the query", status: 400, reason: badRequest, raw: withBody(chatLine+"?base_url=https://evil.example", chat(""), auth, json_)},
		to("a host in a list", 0, envoyRefuses, 0, func(x string) string { return bare("GET "+lima+" HTTP/1.1", "", "Host: localhost, "+x, auth) }),
		to("a host with two ports", 403, noRoute, 0, func(string) string { return bare("GET "+lima+" HTTP/1.1", "", "Host: localhost:80:80", auth) }),
		to("a host with an escape", 403, noRoute, 0, func(string) string { return bare("GET "+lima+" HTTP/1.1", "", "Host: localhost%00.evil.example", auth) }),
		to("an empty host", 403, noRoute, 0, func(string) string { return bare("GET "+lima+" HTTP/1.1", "", "Host: ", auth) }),
		to("a host in capitals", 200, "", 1, func(string) string { return bare("GET "+lima+" HTTP/1.1", "", "Host: LOCALHOST", auth) }),
		picture("a picture that is a file", "file:///etc/passwd"),
		picture("a picture with a user before its host", "https://img.example@127.0.0.1/"),
		attack{name: "a project that others pay for", status: 200, hits: 1, raw: request("GET "+lima, auth, "x-goog-user-project: evil", "x-amz-request-payer: requester"), holds: notArrived("X-Goog-User-Project", "X-Amz-Request-Payer")},
		attack{name: "an organisation by header", status: 200, hits: 1, raw: post(chat(""), "OpenAI-Organization: org-evil", "OpenAI-Project: proj_evil"), holds: notArrived("Openai-Organization", "Openai-Project")},
	)
}

// moderated is a request to judge a text or a picture, which costs nothing.
func moderated(body string, headers ...string) string {
	return withBody("POST /openai/v1/moderations", body, append([]string{auth, json_}, headers...)...)
}

// toServer is a request that redirects the provider's server.
func toServer(name, members string) attack {
	return attack{name: name, status: 400, reason: badRequest, raw: post(chat(members))}
}

// picture is a request with a picture that the provider's server is to fetch.
func picture(name, address string) attack {
	return attack{name: name, status: 400, reason: badRequest, raw: post(`{"model":"gpt-5-mini","max_completion_tokens":20,"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"` + address + `"}}]}]}`)}
}

// notArrived holds that the provider's last request has none of these headers.
func notArrived(names ...string) func(*stand, answer) {
	return func(s *stand, _ answer) {
		list := s.provider.since(0)
		for _, name := range names {
			if v := list[len(list)-1].header.Get(name); v != "" {
				s.Errorf("the provider got %s: %s", name, v)
			}
		}
	}
}

func identity() []attack {
	no := func(name string, headers ...string) attack {
		return attack{name: name, status: 401, reason: unidentified, raw: request("GET "+lima, headers...)}
	}
	return []attack{
		no("no credential"),
		no("a mistyped token", "Authorization: Bearer "+mistyped),
		no("a token cut short", "Authorization: Bearer "+token[:len(token)-1]),
		no("a token with more behind it", "Authorization: Bearer "+token+"x"),
		no("a token in capitals", "Authorization: Bearer "+strings.ToUpper(token)),
		no("two tokens in one header", "Authorization: Bearer "+token+", Bearer "+otherToken),
		no("two authorization headers", "Authorization: Bearer "+token, "Authorization: Bearer "+otherToken),
		no("a scheme that nobody knows", "Authorization: Token "+token),
		no("a good key beside a bad authorization", "Authorization: Bearer "+mistyped, asKey),
		no("two keys, the second good", "x-api-key: "+mistyped, asKey),
		no("two keys, the first good", asKey, "x-api-key: "+mistyped),
		no("a token behind two blanks", "Authorization: Bearer  "+token+" "+token),
		no("a token with a zero-width blank", "Authorization: Bearer "+token+"\u200b"),
		no("the token as a cookie", "Cookie: authorization="+token),
		no("the token for the proxy", "Proxy-Authorization: Bearer "+token),
		no("a certificate by header", `x-forwarded-client-cert: By=x;URI=spiffe://acme/app`, "x-client-cert: spiffe://acme/app"),
		no("a name by header", "x-sentinel-service: app", "x-user: app", "x-team: core"),
		no("a database's quote", "Authorization: Bearer ' OR '1'='1"),
		no("a wildcard", "Authorization: Bearer *"),
		no("an empty bearer", "Authorization: Bearer "),
		no("base64 that is none", "Authorization: Basic !!!!"),
		no("the token as a password alone", "Authorization: Basic OnN2Y19jYW5hcnk="),
		no("a hash of the token", "Authorization: Bearer sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"),
		no("an AWS key without a signature", "Authorization: AWS4-HMAC-SHA256 Credential="+accessKey),
		{name: "an AWS signature that is wrong", status: 401, reason: unidentified, raw: request("GET /s3/bucket/key", "x-amz-date: "+time.Now().UTC().Format("20060102T150405Z"), "x-amz-content-sha256: UNSIGNED-PAYLOAD",
			"Authorization: AWS4-HMAC-SHA256 Credential="+accessKey+"/"+time.Now().UTC().Format("20060102")+"/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature="+strings.Repeat("0", 64))},
		{name: "an AWS signature in chunks", status: 401, reason: unidentified, raw: withBody("PUT /s3/bucket/key", "5;chunk-signature="+strings.Repeat("0", 64)+"\r\nhello\r\n0;chunk-signature="+strings.Repeat("0", 64)+"\r\n\r\n", "x-amz-date: "+time.Now().UTC().Format("20060102T150405Z"),
			"x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "x-amz-decoded-content-length: 5", "Authorization: AWS4-HMAC-SHA256 Credential="+accessKey+"/"+time.Now().UTC().Format("20060102")+"/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature="+strings.Repeat("0", 64))},
		{name: "an AWS signature without a host", status: 401, reason: unidentified, raw: request("GET /s3/bucket/key", "x-amz-date: "+time.Now().UTC().Format("20060102T150405Z"), "x-amz-content-sha256: UNSIGNED-PAYLOAD",
			"Authorization: AWS4-HMAC-SHA256 Credential="+accessKey+"/"+time.Now().UTC().Format("20060102")+"/us-east-1/s3/aws4_request, SignedHeaders=x-amz-date, Signature="+strings.Repeat("0", 64))},
		{name: "a presigned URL", status: 401, reason: unidentified, raw: request("GET /s3/bucket/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + accessKey + "&X-Amz-Signature=" + strings.Repeat("0", 64))},
		{name: "a token in the query", status: 401, reason: unidentified, raw: request("GET " + lima + "?api_key=" + mistyped)},
		{name: "another service's name in the body", status: 429, reason: spent, raw: withBody(chatLine, chat(`,"user":"app","metadata":{"team":"core"}`), "Authorization: Bearer "+otherToken, json_)},
		{name: "another service's name by header", status: 429, reason: spent, raw: request("GET "+lima, "Authorization: Bearer "+otherToken, "x-sentinel-team: core", "x-sentinel-caller: app")},
	}
}

// slowly sends a head, does something, and sends the rest.
func (s *stand) slowly(head string, between func(), rest string) answer {
	s.Helper()
	c, err := s.dial()
	s.must(err)
	defer func() { _ = c.Close() }()
	_, _ = c.Write([]byte(head))
	<-time.After(200 * time.Millisecond)
	between()
	_, _ = c.Write([]byte(rest))
	method, _, _ := strings.Cut(head, " ")
	x, err := read(c, method)
	s.must(err)
	return x
}

// admin is what lies beside the path of calls.
func admin() []attack {
	through := func(name, path string) attack {
		return attack{name: name, status: 403, reason: noRoute, raw: request("GET "+path, auth)}
	}
	return []attack{
		through("the metrics through the gateway", "/metrics"),
		through("Envoy's configuration through the gateway", "/config_dump"),
		through("profiles through the gateway", "/debug/pprof/heap"),
		through("readiness through the gateway", "/readyz"),
		through("the admin API through the gateway", "/api/v1/policy"),
		{name: "an order to end Envoy through the gateway", status: 403, reason: noRoute, raw: withBody("POST /quitquitquit", "x", auth)},
		{name: "profiles on the metrics port", play: func(s *stand) []answer {
			for _, path := range []string{"/debug/pprof/", "/debug/vars", "/config", "/env", "/../etc/passwd"} {
				if r, err := http.Get(s.probes + path); err == nil {
					_ = r.Body.Close()
					if r.StatusCode != http.StatusNotFound {
						s.Errorf("%s answered %s", path, r.Status)
					}
				}
			}
			return nil
		}},
		{name: "ports beyond this machine", play: func(s *stand) []answer {
			for name, at := range map[string]string{"sentinel's control": s.control, "the metrics": strings.TrimPrefix(s.probes, "http://"), "Envoy's admin page": strings.TrimPrefix(s.admin, "http://")} {
				if listensBeyondLoopback(s, at) {
					s.Errorf("%s listens beyond loopback", name)
				}
			}
			return nil
		}},
		{name: "HTTP on the processor's port", play: func(s *stand) []answer {
			c, err := dial(s.control)
			s.must(err)
			defer func() { _ = c.Close() }()
			_, _ = c.Write([]byte(request("GET /", auth)))
			x, _ := read(c, "GET") // gRPC answers frames, or nothing
			if x.status == http.StatusOK {
				s.Errorf("it answered %d %s", x.status, x.body)
			}
			return []answer{{raw: x.raw}}
		}},
		{name: "a core dump", play: func(s *stand) []answer {
			limits := s.proc("limits")
			for line := range strings.Lines(limits) {
				if strings.HasPrefix(line, "Max core file size") && !strings.HasPrefix(strings.TrimSpace(strings.TrimPrefix(line, "Max core file size")), "0 ") {
					s.Errorf("core dumps are on: %s", line)
				}
			}
			return nil
		}},
		{name: "memory that another user reads", play: func(s *stand) []answer {
			var mem syscall.Stat_t
			s.must(syscall.Stat(fmt.Sprintf("/proc/%d/mem", s.child.Process.Pid), &mem))
			if mem.Uid != 0 {
				s.Errorf("the memory of the process is user %d's to read", mem.Uid)
			}
			return nil
		}},
	}
}
