package extproc_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// captured collects what the server hands on.
type captured struct {
	mu   sync.Mutex
	list []sentinel.Body
}

func (c *captured) add(b sentinel.Body) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, b)
}

// of gives the body of one part, and how many there are.
func (c *captured) of(part sentinel.BodyPart) (b sentinel.Body, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range c.list {
		if x.Part == part {
			b, n = x, n+1
		}
	}
	return b, n
}

// capturing is a rig whose policy stores bodies.
func capturing(t *testing.T, capture string) (*rig, *captured) {
	t.Helper()
	r := newRig(t)
	got := &captured{}
	r.server.Capture = got.add
	if capture != "" {
		state, err := stateOf(rules + "  - {name: looked at, match: {endpoint: chat.completions}, capture: " + capture + "}\n")
		must(t, err)
		r.server.Governor.Swap(state)
	}
	return r, got
}

func TestBodiesAreHandedOnOnlyWhereThePolicySaysSo(t *testing.T) {
	const answer = `{"model":"gpt-5-mini","choices":[{"message":{"content":"the canary sings"}}],"usage":{"prompt_tokens":3,"completion_tokens":5}}`
	body := strings.Replace(chat, "hello", "canary", 1)
	for name, tt := range map[string]struct {
		capture           string
		request, response string
	}{
		"no rule":           {"", "", ""},
		"both":              {"{bodies: [request, response], keep: 1h}", body, answer},
		"the request alone": {"{bodies: request, keep: 1h}", body, ""},
		"a beginning":       {"{bodies: [response], keep: 1h, max_bytes: 256}", "", answer[:min(256, len(answer))]},
	} {
		t.Run(name, func(t *testing.T) {
			r, got := capturing(t, tt.capture)
			a := r.answer(ask{route: "openai/chat.completions", headers: [][2]string{bearer}, body: body}, "POST /openai/v1/chat/completions",
				[2]string{":status", "200"}, [2]string{"content-type", "application/json"})
			for i := 0; i < len(answer); i += 50 {
				a.chunk(answer[i:min(len(answer), i+50)], false)
			}
			a.chunk("", true)
			r.finish()
			for part, want := range map[sentinel.BodyPart]string{sentinel.RequestBody: tt.request, sentinel.ResponseBody: tt.response} {
				b, n := got.of(part)
				if want == "" && n == 0 {
					continue
				}
				if n != 1 || string(b.Data) != want || b.Call.ID != a.id || b.Call.Caller.Service != "app" || time.Until(b.Expires) > time.Hour || time.Until(b.Expires) < 50*time.Minute {
					t.Errorf("%d %s bodies, the last is %q of %s until %s; want one, %q of the call, for an hour", n, part, b.Data, b.Call.ID, b.Expires, want)
				}
			}
		})
	}
}

// What is stored of an answer is what the client gets: no credential that it quotes, and no usage event that the client did not ask for.
func TestACapturedAnswerIsTheClientsOwn(t *testing.T) {
	r, got := capturing(t, "{bodies: response, keep: 1h}")
	a := r.answer(streams, "POST /openai/v1/chat/completions", [2]string{":status", "200"}, [2]string{"content-type", "text/event-stream"})
	var client strings.Builder
	for _, event := range []string{
		"data: {\"choices\":[{\"delta\":{\"content\":\"your key is " + secret[:6], secret[6:] + "\"}}]}\n\n",
		"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5}}\n\n", "data: [DONE]\n\n",
	} {
		client.WriteString(a.chunk(event, false))
	}
	client.WriteString(a.chunk("", true))
	r.finish()
	b, _ := got.of(sentinel.ResponseBody)
	if string(b.Data) != client.String() || b.Size != int64(client.Len()) || strings.Contains(client.String(), secret) || !strings.Contains(client.String(), "your key is") {
		t.Errorf("stored is %q, and the client got %q", b.Data, client.String())
	}
}

func TestACallThatHangsUpIsCapturedAsFarAsItCame(t *testing.T) {
	r, got := capturing(t, "{bodies: response, keep: 1h}")
	a := r.answer(asks, "POST /openai/v1/chat/completions", [2]string{":status", "200"}, [2]string{"content-type", "text/event-stream"})
	a.chunk("data: {}\n\n", false)
	a.stop()
	r.finish()
	if b, n := got.of(sentinel.ResponseBody); n != 1 || string(b.Data) != "data: {}\n\n" {
		t.Errorf("%d bodies, %q", n, b.Data)
	}
}
