package provider

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// The totals of message_delta take the place of those of message_start, and are not added to them.
const claudeStream = "event: message_start\n" +
	`data: {"type":"message_start","message":{"id":"msg_1","model":"claude-sonnet-4-5-20250929","content":[],"usage":{"input_tokens":11,"cache_creation_input_tokens":300,"cache_read_input_tokens":2000,"cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":200},"output_tokens":1,"service_tier":"standard"}}}` + "\n\n" +
	"event: ping\ndata: {\"type\": \"ping\"}\n\n" +
	"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n" +
	"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello world\"}}\n\n"

const claudeEnd = "event: message_delta\n" +
	`data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":null,"cache_read_input_tokens":2000,"output_tokens":15,"server_tool_use":{"web_search_requests":2}}}` +
	"\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"

var claudeUsed = sentinel.Usage{
	sentinel.Requests: 1, sentinel.InputTokens: 11, sentinel.CachedInputTokens: 2000, sentinel.CacheWriteTokens: 100,
	sentinel.CacheWriteLongTokens: 200, sentinel.OutputTokens: 15, sentinel.WebSearches: 2,
}

func TestAnthropicStream(t *testing.T) {
	p, e := use(t, "anthropic", "messages")
	spec := MeterSpec{Endpoint: e, Status: 200, Stream: true, Model: "claude-sonnet-4-5", ContentType: "text/event-stream; charset=utf-8"}
	want := Metered{Usage: claudeUsed, Model: "claude-sonnet-4-5-20250929", Tier: "standard", Reported: true}
	for _, eol := range []string{"\n", "\r", "\r\n"} {
		answer := strings.ReplaceAll(claudeStream+claudeEnd, "\n", eol)
		everySplit(t, func() Meter { return p.NewMeter(spec) }, answer, answer, want)
	}
	cut := want // what message_start says stands; "Hello world" are two tokens
	cut.Usage[sentinel.OutputTokens], cut.Usage[sentinel.WebSearches], cut.Method, cut.Reported = 2, 0, "o200k_base", false
	if _, got := replay(p.NewMeter(spec), false, []byte(claudeStream)); !cmp.Equal(got, cut) {
		t.Errorf("aborted: %s", cmp.Diff(cut, got))
	}
}

func TestAnthropicRequests(t *testing.T) {
	p, _ := use(t, "anthropic", "messages")
	image := `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","data":"AAAA"}}]}]}`
	search := `{"model":"m","max_tokens":5,"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":3}],"messages":[]}`
	batch := `{"requests":[{"custom_id":"a","params":{"model":"m","max_tokens":5,"messages":[]}},{"custom_id":"b","params":{"model":"m","max_tokens":7,"messages":[]}}]}`
	for name, tt := range map[string]struct {
		endpoint, body string
		want           Request
		fault          string
	}{
		"text":            {"messages", `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}`, Request{Model: "m", Bound: sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: 72, sentinel.OutputTokens: 5}}, ""},
		"image":           {"messages", image, Request{Model: "m", Bound: sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: AsModelAllows, sentinel.OutputTokens: 5}}, ""},
		"searches":        {"messages", search, Request{Model: "m", Bound: sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: AsModelAllows, sentinel.OutputTokens: 5, sentinel.WebSearches: 3}}, ""},
		"fast":            {"messages", `{"model":"m","max_tokens":5,"speed":"fast"}`, Request{Model: "m", Tier: "fast", Bound: sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: 43, sentinel.OutputTokens: 5}}, ""},
		"batch":           {"batches.create", batch, Request{Model: "m", Tier: "batch", Bound: sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: 84, sentinel.OutputTokens: 12}}, ""},
		"tokens counted":  {"messages.count_tokens", `{"model":"m"}`, Request{Model: "m", Bound: sentinel.Usage{sentinel.Requests: 1}}, ""},
		"no maximum":      {"messages", `{"model":"m","messages":[]}`, Request{}, "max_tokens: say how many"},
		"endless search":  {"messages", strings.Replace(search, `,"max_uses":3`, "", 1), Request{}, "give web_search_20250305 a max_uses"},
		"code execution":  {"messages", strings.Replace(search, "web_search_2", "code_execution_2", 1), Request{}, "billed apart from tokens"},
		"container":       {"messages", `{"model":"m","max_tokens":5,"container":"c"}`, Request{}, "container: this is billed apart"},
		"tier":            {"messages", `{"model":"m","max_tokens":5,"service_tier":"gold"}`, Request{}, "service_tier: only auto"},
		"two of a key":    {"messages", `{"model":"m","model":"n","max_tokens":5}`, Request{}, "twice"},
		"two models":      {"batches.create", strings.Replace(batch, `"m"`, `"n"`, 1), Request{}, "one batch for each model"},
		"an empty batch":  {"batches.create", `{"requests":[]}`, Request{}, "from 1 to 100000"},
		"a batch's fault": {"batches.create", strings.Replace(batch, `"max_tokens":7,`, "", 1), Request{}, "request 1: max_tokens: say"},
	} {
		t.Run(name, func(t *testing.T) {
			_, e := use(t, "anthropic", tt.endpoint)
			rq, err := p.ReadRequest(e, RawRequest{Path: e.Path, Body: []byte(tt.body)})
			var bad *BadRequest
			if tt.fault != "" {
				if !errors.As(err, &bad) || !strings.Contains(err.Error(), tt.fault) {
					t.Errorf("%s: %v, want %q", tt.body, err, tt.fault)
				}
				return
			}
			if err != nil || rq.Model != tt.want.Model || rq.Tier != tt.want.Tier || rq.Fixed != (tt.endpoint != "messages") || rq.Bound != tt.want.Bound {
				t.Errorf("%s: %v, %s\n got %+v\nwant %+v", tt.body, err, rq.Tier, rq.Bound, tt.want.Bound)
			}
		})
	}
}

func TestAnthropicInAnotherModel(t *testing.T) {
	p, e := use(t, "anthropic", "messages")
	r := RawRequest{Path: "/v1/messages", Body: []byte(`{"max_tokens":5, "model": "claude-opus-5" ,"messages":[]}`)}
	rq, err := p.ReadRequest(e, r)
	if err != nil {
		t.Fatal(err)
	}
	body, path, err := p.WithModel(e, r, rq, "claude-haiku-4-5", 0)
	if want := `{"max_tokens":5, "model": "claude-haiku-4-5" ,"messages":[]}`; err != nil || string(body) != want || path != r.Path {
		t.Errorf("%s %s %v, want %s", path, body, err, want)
	}
}

func TestAnthropicRefusals(t *testing.T) {
	for status, want := range map[int]string{429: "rate_limit_error", 400: "invalid_request_error", 403: "permission_error", 500: "api_error", 503: "overloaded_error"} {
		shape := anthropic.ErrorBody(Refusal{Status: status, Code: "budget_spent", Message: "spent"})
		if got := string(shape.Body); got != `{"error":{"code":"budget_spent","message":"spent","type":"`+want+`"},"type":"error"}` {
			t.Errorf("%d: %s", status, got)
		}
	}
}
