package extproc_test

import (
	"context"
	"io"
	"strings"
	"testing"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/extproc"
)

// played is a stream that gives what it was told, then ends, and keeps what it is sent.
type played struct {
	grpc.ServerStream
	ctx  context.Context
	in   []*extprocv3.ProcessingRequest
	sent []*extprocv3.ProcessingResponse
}

func (p *played) Context() context.Context { return p.ctx }

func (p *played) Send(r *extprocv3.ProcessingResponse) error {
	p.sent = append(p.sent, r)
	return nil
}

func (p *played) Recv() (*extprocv3.ProcessingRequest, error) {
	if len(p.in) == 0 {
		return nil, io.EOF
	}
	next := p.in[0]
	p.in = p.in[1:]
	return next, nil
}

// holds checks the rules that no input may break: a stream that ends well has a verdict, one that is let
// through has an intent and carries no credential of the client, and nothing is refused twice.
func holds(t *testing.T, p *parts, st *played, err error) {
	t.Helper()
	if err != nil {
		return // Envoy answers 500 and sends nothing upstream
	}
	if len(st.sent) == 0 {
		t.Fatal("the stream ended with OK and without a verdict: Envoy would let the request through")
	}
	last := st.sent[len(st.sent)-1]
	if _, err := proto.Marshal(last); err != nil {
		t.Errorf("the verdict cannot be sent: %v", err)
	}
	let := last.DynamicMetadata != nil
	if let == (last.GetImmediateResponse() != nil) || len(p.intents) > 1 || len(p.entries) > 1 || let != (len(p.intents) == 1 && len(p.entries) == 0) {
		t.Errorf("let through %v, answered %v, %d intents, %d entries", let, last.GetImmediateResponse() != nil, len(p.intents), len(p.entries))
	}
	if strings.Contains(last.String(), token) {
		t.Errorf("the verdict holds the client's credential: %v", last)
	}
	for _, r := range st.sent[:len(st.sent)-1] {
		if r.DynamicMetadata != nil || r.GetImmediateResponse() != nil {
			t.Errorf("a verdict came before the last word: %v", r)
		}
	}
}

func TestHostileHeadersNeverPassUnjudged(t *testing.T) {
	many := make([][2]string, 0, 20_000)
	for range cap(many) {
		many = append(many, [2]string{"x-api-key", token})
	}
	for name, tt := range map[string]struct {
		ask  ask
		line string
		let  bool
	}{
		"twenty thousand keys":     {ask{route: "weather/forecast", headers: many}, "GET /weather/v1/forecast/lima", false},
		"a name of a megabyte":     {ask{route: "weather/forecast", headers: [][2]string{{strings.Repeat("n", 1<<20), "v"}, {"x-api-key", token}}}, "GET /weather/v1/forecast/lima", true},
		"a value of a megabyte":    {ask{route: "weather/forecast", headers: [][2]string{{"x-api-key", strings.Repeat("v", 1<<20)}}}, "GET /weather/v1/forecast/lima", false},
		"a path of a megabyte":     {ask{route: "weather/forecast", headers: [][2]string{{"x-api-key", token}}}, "GET /weather/v1/forecast/" + strings.Repeat("a", 1<<20), false},
		"two paths":                {ask{route: "weather/forecast", headers: [][2]string{{":path", "/weather/v1/admin"}, {"x-api-key", token}}}, "GET /weather/v1/forecast/lima", true},
		"a path that is not text":  {ask{route: "weather/forecast", headers: [][2]string{{"x-api-key", token}}}, "GET /weather/v1/forecast/\xff\xfe", false},
		"an encoded slash":         {ask{route: "weather/forecast", headers: [][2]string{{"x-api-key", token}}}, "GET /weather/v1/forecast/a%2fb", false},
		"a marked request":         {ask{route: "weather/forecast", headers: [][2]string{{"x-sentinel-call", "forged"}}}, "GET /weather/v1/forecast/lima", false},
		"a negative length":        {ask{route: "openai/chat.completions", headers: [][2]string{bearer}, body: chat, length: "-1"}, chatLine, true},
		"a length past all":        {ask{route: "openai/chat.completions", headers: [][2]string{bearer}, body: chat, length: "99999999999999999999999"}, chatLine, false},
		"a scheme alone":           {ask{route: "openai/chat.completions", headers: [][2]string{{"authorization", "Bearer"}}, body: chat}, chatLine, false},
		"an empty header of a key": {ask{route: "openai/chat.completions", headers: [][2]string{{"authorization", ""}}, body: chat}, chatLine, false},
		"the token in a list":      {ask{route: "openai/chat.completions", headers: [][2]string{{"authorization", "Bearer " + token + ",Bearer x"}}, body: chat}, chatLine, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, p := newServer(t)
			method, path, _ := strings.Cut(tt.line, " ")
			st := &played{ctx: t.Context(), in: []*extprocv3.ProcessingRequest{tt.ask.first(method, path), wholeBody([]byte(tt.ask.body))}}
			err := s.Process(st)
			holds(t, p, st, err)
			if let := len(st.sent) > 0 && st.sent[len(st.sent)-1].DynamicMetadata != nil; let != tt.let {
				t.Errorf("let through %v, %v; want %v", let, err, tt.let)
			}
		})
	}
}

func wholeBody(b []byte) *extprocv3.ProcessingRequest {
	return &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestBody{RequestBody: &extprocv3.HttpBody{Body: b, EndOfStream: true}}}
}

// FuzzGuard sends whatever it likes where a client may: no input is let through unjudged or unbooked.
func FuzzGuard(f *testing.F) {
	f.Add("openai/chat.completions", "POST", "/openai/v1/chat/completions", "authorization", "Bearer "+token, "x-api-key", "x", []byte(chat))
	f.Add("weather/forecast", "GET", "/weather/v1/forecast/%2e%2e", "x-api-key", token, "x-api-key", "other", []byte(nil))
	f.Add("stripe/charges.create", "POST", "/stripe/v1/charges?a=b", "authorization", "Basic c3ZjX2FwcF8xMjM0Og==", "content-type", "application/x-www-form-urlencoded", []byte("amount=1&currency=usd"))
	f.Add("s3/object.get", "GET", "/s3/b/k", "authorization", "AWS4-HMAC-SHA256 Credential=SENTINELAPP00001/x", "cookie", token, []byte(nil))
	f.Fuzz(func(t *testing.T, route, method, path, name1, value1, name2, value2 string, body []byte) {
		s, p := newServer(t)
		a := ask{route: route, headers: [][2]string{{name1, value1}, {name2, value2}}, body: string(body)}
		st := &played{ctx: t.Context(), in: []*extprocv3.ProcessingRequest{a.first(method, path), wholeBody(body)}}
		holds(t, p, st, s.Process(st))
	})
}

// FuzzMeter cuts and garbles an answer at will: it is booked exactly once, for no less than nothing, and
// the stream does not fail, which would cut it.
func FuzzMeter(f *testing.F) {
	f.Add([]byte(chatReply), "application/json", "200", uint16(10), true, false)
	f.Add([]byte(delta("a")+usage), "text/event-stream", "200", uint16(40), false, true)
	f.Add([]byte("\x00\xff{"), "", "99999999999999999999", uint16(0), true, true)
	f.Fuzz(func(t *testing.T, answer []byte, kind, status string, cut uint16, whole, hide bool) {
		s, p := newServer(t)
		body := toChat.body
		if hide {
			body = streams.body
		}
		admitted := &played{ctx: t.Context(), in: []*extprocv3.ProcessingRequest{toChat.first("POST", "/openai/v1/chat/completions"), wholeBody([]byte(body))}}
		if err := s.Process(admitted); err != nil || len(p.intents) != 1 {
			t.Fatalf("not admitted: %v, %v", admitted.sent, err)
		}
		at := min(int(cut), len(answer))
		mark := admitted.sent[len(admitted.sent)-1].DynamicMetadata.Fields[extproc.Namespace].GetStructValue()
		first := &extprocv3.ProcessingRequest{
			Request:    &extprocv3.ProcessingRequest_ResponseHeaders{ResponseHeaders: headerMap([2]string{":status", status}, [2]string{"content-type", kind})},
			Attributes: ticket(mark.Fields["t"].GetStringValue()),
		}
		st := &played{ctx: t.Context(), in: []*extprocv3.ProcessingRequest{first, part(answer[:at], false)}}
		if whole {
			st.in = append(st.in, part(answer[at:], true))
		}
		if err := s.Process(st); err != nil {
			t.Fatalf("the answer was cut by %v", err)
		}
		if len(p.entries) != 1 || len(p.settled) != 1 {
			t.Fatalf("%d entries, %d settlements; want one of each", len(p.entries), len(p.settled))
		}
		e := p.entries[0]
		for unit, n := range e.Usage {
			if n < 0 {
				t.Errorf("%d %s were booked", n, sentinel.Unit(unit))
			}
		}
		if e.Cost < 0 || e.ID != p.intents[0].ID || p.late != nil {
			t.Errorf("it was booked as %+v, context %v", e, p.late)
		}
	})
}
