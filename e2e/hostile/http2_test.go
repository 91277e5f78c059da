package hostile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2 is a connection of HTTP/2 without TLS, whose client writes whatever frames it likes.
type h2 struct {
	c      net.Conn
	framer *http2.Framer
	block  bytes.Buffer
	encode *hpack.Encoder
}

// dialH2 connects and greets.
func (s *stand) dialH2(settings ...http2.Setting) *h2 {
	s.Helper()
	c, err := s.dial()
	s.must(err)
	_ = c.SetDeadline(time.Now().Add(wait))
	h := &h2{c: c, framer: http2.NewFramer(c, c)}
	h.framer.AllowIllegalWrites = true
	h.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	h.encode = hpack.NewEncoder(&h.block)
	_, err = io.WriteString(c, http2.ClientPreface)
	s.must(err)
	s.must(h.framer.WriteSettings(settings...))
	return h
}

// fields encodes "name: value" pairs in their order; pseudo headers begin with a colon.
func (h *h2) fields(list ...string) []byte {
	h.block.Reset()
	for _, text := range list {
		name, value, _ := strings.Cut(text[1:], ": ")
		_ = h.encode.WriteField(hpack.HeaderField{Name: text[:1] + name, Value: value}) // a buffer never fails
	}
	return bytes.Clone(h.block.Bytes())
}

// get is what a well-behaved client would send, to be changed.
func get(path string, more ...string) []string {
	return append([]string{":method: GET", ":scheme: http", ":authority: localhost", ":path: " + path}, more...)
}

const (
	authH2 = "authorization: Bearer " + token
	jsonH2 = "content-type: application/json"
)

// ask sends the headers of a stream, with its end, or with a body behind them.
func (h *h2) ask(stream uint32, body string, list ...string) {
	_ = h.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: h.fields(list...), EndHeaders: true, EndStream: body == ""})
	if body != "" {
		_ = h.framer.WriteData(stream, true, []byte(body))
	}
}

// answer reads until a stream is answered or reset, or the connection has ended; status 0 is one of the latter.
func (h *h2) answer(stream uint32) (out answer) {
	var all bytes.Buffer
	defer func() { out.raw = all.Bytes() }()
	for {
		f, err := h.framer.ReadFrame()
		if err != nil {
			if _, broken := errors.AsType[http2.StreamError](err); broken {
				continue
			}
			return out
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = h.framer.WriteSettingsAck()
			}
		case *http2.MetaHeadersFrame:
			if f.StreamID != stream {
				continue
			}
			header := http.Header{}
			for _, x := range f.Fields {
				fmt.Fprintf(&all, "%s: %s\n", x.Name, x.Value)
				header.Add(x.Name, x.Value)
			}
			if status := header.Get(":status"); status != "" { // trailers have none
				out.answers++
				out.header = header
				out.status, _ = strconv.Atoi(status)
			}
			if f.StreamEnded() {
				return out
			}
		case *http2.DataFrame:
			all.Write(f.Data())
			if f.StreamID == stream {
				out.body = append(out.body, f.Data()...)
				if f.StreamEnded() {
					return out
				}
			}
		case *http2.RSTStreamFrame:
			if f.StreamID == stream {
				return out
			}
		case *http2.GoAwayFrame:
			all.Write(f.DebugData())
		}
	}
}

func timedOut(err error) bool {
	n, ok := errors.AsType[net.Error](err)
	return ok && n.Timeout()
}

// overH2 is one request of a client that chooses its own fields.
func overH2(name string, status, hits int, reason, body string, list ...string) attack {
	return attack{name: name, status: status, hits: hits, reason: reason, play: func(s *stand) []answer {
		h := s.dialH2()
		defer func() { _ = h.c.Close() }()
		h.ask(1, body, list...)
		x := h.answer(1)
		return []answer{x}
	}}
}

// trailing is a request with the caller's token behind its body.
func trailing(name string, status, hits int, reason, body string, list ...string) attack {
	return attack{name: name, status: status, hits: hits, reason: reason, play: func(s *stand) []answer {
		h := s.dialH2()
		defer func() { _ = h.c.Close() }()
		s.must(h.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, BlockFragment: h.fields(list...)}))
		s.must(h.framer.WriteData(1, false, []byte(body)))
		s.must(h.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, EndStream: true, BlockFragment: h.fields("x-trace: of " + token)}))
		return []answer{h.answer(1)}
	}}
}

// quotedBehind is an ordinary call whose provider quotes its key behind the answer.
func quotedBehind(name string, list ...string) attack {
	body := ""
	if strings.HasSuffix(list[0], "POST") {
		body = chat("")
	}
	a := overH2(name, 200, 1, "", body, list...)
	a.provider = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Debug-Key")
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"usage":{"prompt_tokens":5,"completion_tokens":5}}`)
		w.Header().Set("X-Debug-Key", vaultKey)
	}
	return a
}

// flood is a client that sends one kind of frames without an end: its connection has to be ended, before it has written so many.
func flood(name string, frames int, write func(h *h2, n int) error) attack {
	return attack{name: name, play: func(s *stand) []answer {
		h := s.dialH2()
		defer func() { _ = h.c.Close() }()
		written := make(chan int, 1)
		go func() {
			n := 0
			for ; n < frames; n++ {
				if write(h, n) != nil {
					break
				}
			}
			written <- n
		}()
		raw, err := io.ReadAll(h.c) // by another than the framer, which writes
		_ = h.c.Close()
		if n := <-written; timedOut(err) {
			s.Errorf("the connection was still open after %d frames", n)
		}
		return []answer{{raw: raw}}
	}}
}

// many more than any limit of Envoy's against floods.
const floodFrames = 200_000

func http2Attacks() []attack {
	return append(http2Fields(), http2Floods()...)
}

// http2Fields are requests that HTTP/1.1 could not spell, or that would be two there.
func http2Fields() []attack {
	broken := func(name string, list ...string) attack { return overH2(name, 0, 0, envoyRefuses, "", list...) }
	return []attack{
		overH2("an ordinary call", 200, 1, "", "", get(lima, authH2)...),
		overH2("no credential", 401, 0, unidentified, "", get(lima)...),
		broken("two paths", ":method: GET", ":scheme: http", ":authority: localhost", ":path: "+lima, ":path: /openai/v1/models", authH2),
		broken("two methods", ":method: GET", ":method: POST", ":scheme: http", ":authority: localhost", ":path: "+lima, authH2),
		broken("two authorities", ":method: GET", ":scheme: http", ":authority: localhost", ":authority: evil.example", ":path: "+lima, authH2),
		broken("no path", ":method: GET", ":scheme: http", ":authority: localhost", authH2),
		broken("an empty path", ":method: GET", ":scheme: http", ":authority: localhost", ":path: ", authH2),
		broken("no method", ":scheme: http", ":authority: localhost", ":path: "+lima, authH2),
		broken("a pseudo header behind others", ":method: GET", ":scheme: http", ":authority: localhost", authH2, ":path: "+lima),
		broken("a pseudo header of one's own", append(get(lima, authH2), ":x-sentinel-call: 1")...),
		broken("an answer's pseudo header", append(get(lima, authH2), ":status: 200")...),
		broken("a name in capitals", get(lima, "Authorization: Bearer "+token)...),
		broken("a name with a space", get(lima, authH2, "x a: b")...),
		broken("a name with a line break", get(lima, authH2, "x\r\nx-injected: b")...),
		broken("a line break in a value", get(lima, authH2, "x-a: b\r\nx-injected: c")...),
		broken("a second request in a value", get(lima, authH2, "x-a: b\r\n\r\nGET /v1/admin HTTP/1.1\r\nHost: evil.example")...),
		broken("a line break in the path", get(lima+" HTTP/1.1\r\nx-injected: b", authH2)...),
		broken("a line break in the method", ":method: GET "+lima+" HTTP/1.1\r\nx: y", ":scheme: http", ":authority: localhost", ":path: "+lima, authH2),
		broken("a null byte in a value", get(lima, authH2, "x-a: b\x00c")...),
		broken("a header of one hop", get(lima, authH2, "connection: keep-alive, authorization")...),
		broken("chunks", append([]string{":method: POST", ":scheme: http", ":authority: localhost", ":path: /openai/v1/chat/completions", authH2, jsonH2}, "transfer-encoding: chunked")...),
		overH2("a length that is not the body's", 0, 0, envoyRefuses, chat(""), ":method: POST", ":scheme: http", ":authority: localhost", ":path: /openai/v1/chat/completions", authH2, jsonH2, "content-length: 5"),
		overH2("a request behind a body", 0, 0, envoyRefuses, "0\r\n\r\n"+request("GET "+lima, auth), ":method: POST", ":scheme: http", ":authority: localhost", ":path: /openai/v1/chat/completions", authH2, jsonH2, "content-length: 0"),
		overH2("a host beside the authority", 200, 1, "", "", get(lima, authH2, "host: evil.example")...),
		overH2("another authority", 403, 0, noRoute, "", ":method: GET", ":scheme: http", ":authority: evil.example", ":path: "+lima, authH2),
		broken("an authority with a user", ":method: GET", ":scheme: http", ":authority: localhost@evil.example", ":path: "+lima, authH2),
		overH2("dot segments", 403, 0, noRoute, "", get("/weather/v1/x/../forecast/lima", authH2)...),
		overH2("full-width dot segments", 400, 0, badRequest, "", get("/weather/v1/forecast/%ef%bc%8e%ef%bc%8e", authH2)...),
		broken("a path that is a URL", get("http://evil.example"+lima, authH2)...),
		overH2("two credentials", 401, 0, unidentified, "", get(lima, authH2, "authorization: Bearer "+otherToken)...),
		quotedBehind("the provider's key in a trailer", get(lima, authH2, "te: trailers")...),
		quotedBehind("the provider's key in a trailer of a metered answer", ":method: POST", ":scheme: http", ":authority: localhost", ":path: /openai/v1/chat/completions", authH2, jsonH2),
		trailing("a trailer behind a body that is judged", 503, 0, envoyRefuses, chat(""), ":method: POST", ":scheme: http", ":authority: localhost", ":path: /openai/v1/chat/completions", authH2, jsonH2),
		trailing("the caller's token in a trailer", 200, 1, "", "", get(lima, authH2)...),
		overH2("a steering header", 401, 0, unidentified, "", get(lima, "x-envoy-internal: true", "x-sentinel-call: 1")...),
	}
}

// http2Floods are known ways to keep a server of HTTP/2 busy at no cost.
func http2Floods() []attack {
	return []attack{
		flood("SETTINGS without an end", floodFrames, func(h *h2, _ int) error { return h.framer.WriteSettings() }),
		flood("PING without an end", floodFrames, func(h *h2, _ int) error { return h.framer.WritePing(false, [8]byte{}) }), // CVE-2019-9512
		flood("PRIORITY without an end", floodFrames, func(h *h2, n int) error { // CVE-2019-9513
			return h.framer.WritePriority(uint32(2*(n%1000)+1), http2.PriorityParam{Weight: uint8(n)})
		}),
		flood("PRIORITY for itself without an end", floodFrames, func(h *h2, _ int) error { // a stream that depends on itself
			return h.framer.WriteRawFrame(http2.FramePriority, 0, 1, []byte{0, 0, 0, 1, 0})
		}),
		flood("WINDOW_UPDATE without an end", floodFrames, func(h *h2, _ int) error { return h.framer.WriteWindowUpdate(0, 1) }),
		flood("rapid resets", floodFrames, func(h *h2, n int) error { // CVE-2023-44487
			h.ask(uint32(2*n+1), "", get(lima)...)
			return h.framer.WriteRSTStream(uint32(2*n+1), http2.ErrCodeCancel)
		}),
		flood("CONTINUATION without an end", floodFrames, func(h *h2, n int) error { // CVE-2024-30255
			if n == 0 {
				return h.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: h.fields(get(lima)...)})
			}
			return h.framer.WriteContinuation(1, false, h.fields(fmt.Sprintf("x-%d: %s", n, strings.Repeat("a", 100))))
		}),
		flood("empty CONTINUATION without an end", floodFrames, func(h *h2, n int) error {
			if n == 0 {
				return h.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: h.fields(get(lima)...)})
			}
			return h.framer.WriteContinuation(1, false, nil)
		}),
		flood("empty DATA without an end", floodFrames, func(h *h2, n int) error {
			if n == 0 {
				return h.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, BlockFragment: h.fields(
					":method: POST", ":scheme: http", ":authority: localhost", ":path: /openai/v1/chat/completions", jsonH2)})
			}
			return h.framer.WriteData(1, false, nil)
		}),
		flood("a header that refers to itself", 1000, func(h *h2, n int) error { // HPACK: a byte each, 4 KB when they are read
			if n > 0 {
				return h.framer.WriteContinuation(1, false, bytes.Repeat([]byte{0xbe}, 16<<10))
			}
			return h.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: h.fields(get(lima, "x-bomb: "+strings.Repeat("a", 3900))...)})
		}),
		{name: "more streams than are allowed", play: func(s *stand) []answer {
			h := s.dialH2()
			defer func() { _ = h.c.Close() }()
			for n := range 1000 { // Envoy allows 100: none of these ends
				if h.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*n + 1), EndHeaders: true, BlockFragment: h.fields(
					":method: POST", ":scheme: http", ":authority: localhost", ":path: /openai/v1/chat/completions", jsonH2)}) != nil {
					break
				}
			}
			_ = h.c.SetDeadline(time.Now().Add(time.Second))
			refused := 0
			for {
				f, err := h.framer.ReadFrame()
				if err != nil {
					break
				}
				switch f := f.(type) {
				case *http2.GoAwayFrame:
					refused++
				case *http2.RSTStreamFrame: // those that are answered 401 are reset too, without an error
					if f.ErrCode == http2.ErrCodeRefusedStream {
						refused++
					}
				}
			}
			if refused == 0 {
				s.Errorf("none of a thousand streams was refused")
			}
			return nil
		}},
		{name: "a reader who takes no byte", hits: 1, play: func(s *stand) []answer {
			h := s.dialH2(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			defer func() { _ = h.c.Close() }()
			h.ask(1, "", get(lima, authH2)...)
			s.eventually("the call arrives", func() bool { return s.provider.hits() > 0 })
			_ = h.c.SetDeadline(time.Now().Add(time.Second))
			x := h.answer(1)
			if len(x.body) > 0 {
				s.Errorf("%d bytes came without a window for them", len(x.body))
			}
			return []answer{{raw: x.raw}}
		}},
		{name: "no greeting", reason: envoyRefuses, play: func(s *stand) []answer {
			c, err := s.dial()
			s.must(err)
			defer func() { _ = c.Close() }()
			_, _ = io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")
			_ = c.SetDeadline(time.Now().Add(wait))
			b, _ := io.ReadAll(io.LimitReader(c, 1<<16))
			return []answer{{raw: b}}
		}},
		{name: "a tunnel for a socket", reason: envoyRefuses, play: func(s *stand) []answer { // RFC 8441
			h := s.dialH2()
			defer func() { _ = h.c.Close() }()
			h.ask(1, "", ":method: CONNECT", ":protocol: websocket", ":scheme: http", ":authority: localhost", ":path: "+lima, authH2)
			_ = h.c.SetDeadline(time.Now().Add(3 * time.Second))
			x := h.answer(1)
			return []answer{x}
		}},
	}
}
