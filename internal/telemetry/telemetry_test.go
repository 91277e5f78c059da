package telemetry_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	metricsv1 "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	spanv1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/telemetry"
)

// collector takes OTLP over HTTP.
type collector struct {
	mu      sync.Mutex
	spans   []*spanv1.Span
	metrics map[string]float64 // sum of a histogram by name and gen_ai.token.type
	key     string             // of the last request
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.key = r.Header.Get("Authorization")
	var spans tracev1.ExportTraceServiceRequest
	var points metricsv1.ExportMetricsServiceRequest
	switch {
	case err != nil:
	case strings.HasSuffix(r.URL.Path, "/v1/traces"):
		err = proto.Unmarshal(body, &spans)
	case strings.HasSuffix(r.URL.Path, "/v1/metrics"):
		err = proto.Unmarshal(body, &points)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for _, resource := range spans.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			c.spans = append(c.spans, scope.GetSpans()...)
		}
	}
	for _, resource := range points.GetResourceMetrics() {
		for _, scope := range resource.GetScopeMetrics() {
			for _, m := range scope.GetMetrics() {
				for _, p := range m.GetHistogram().GetDataPoints() {
					c.metrics[strings.TrimSpace(m.GetName()+" "+values(p.GetAttributes())["gen_ai.token.type"])] += p.GetSum()
				}
			}
		}
	}
}

func values(list []*commonv1.KeyValue) map[string]string {
	out := map[string]string{}
	for _, kv := range list {
		text := kv.GetValue().String()
		_, text, _ = strings.Cut(text, ":")
		out[kv.GetKey()] = strings.Trim(text, `"`)
	}
	return out
}

func TestCallsBecomeSpansAndMetrics(t *testing.T) {
	c := &collector{metrics: map[string]float64{}}
	server := httptest.NewServer(c)
	defer server.Close()
	e, err := telemetry.New(t.Context(), telemetry.Options{URL: server.URL + "/otel", Headers: sentinel.NewSecret("authorization=Bearer%20k"), Sample: 0, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 28, 11, 0, 0, 0, time.UTC)
	call := sentinel.Call{ID: sentinel.NewCallID(at), At: at, Caller: sentinel.Caller{Org: "acme", Team: "growth", Service: "bot"},
		Provider: "openai-eu", Endpoint: "chat.completions", Model: "gpt-5-mini", Stream: true}
	usage := sentinel.Usage{sentinel.InputTokens: 70, sentinel.CachedInputTokens: 30, sentinel.OutputTokens: 8, sentinel.ReasoningTokens: 4}
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	e.Ended(telemetry.Call{Entry: sentinel.Entry{Call: call, Asked: "gpt-5", Action: sentinel.Downgrade, Reason: sentinel.ReasonBudget, Status: 200, Usage: usage, Cost: 12345,
		Duration: 3 * time.Second, FirstByte: 250 * time.Millisecond}, Preset: "openai", Host: "api.openai.com", Parent: parent})
	// With a sampling of nothing only those whose client has decided for it are seen.
	e.Ended(telemetry.Call{Entry: sentinel.Entry{Call: call, Status: 200}, Preset: "openai"})
	stripe := sentinel.Call{ID: sentinel.NewCallID(at), At: at, Provider: "stripe", Endpoint: "charges.create"}
	e.Ended(telemetry.Call{Entry: sentinel.Entry{Call: stripe, Action: sentinel.Deny, Reason: sentinel.ReasonBudget}, Preset: "stripe", Parent: parent})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if len(c.spans) != 2 || c.key != "Bearer k" {
		t.Fatalf("%d spans, key %q, want 2 and the collector's key", len(c.spans), c.key)
	}
	llm, refused := c.spans[0], c.spans[1]
	if llm.GetName() != "chat gpt-5-mini" || time.Duration(llm.GetEndTimeUnixNano()-llm.GetStartTimeUnixNano()) != 3*time.Second ||
		string(llm.GetTraceId()) != "\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80\x31\x9c" {
		t.Errorf("the span of the call is %v", llm)
	}
	want := map[string]string{
		"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5", "gen_ai.response.model": "gpt-5-mini",
		"gen_ai.usage.input_tokens": "100", "gen_ai.usage.output_tokens": "12", "gen_ai.usage.cache_read.input_tokens": "30",
		"gen_ai.usage.reasoning.output_tokens": "4", "sentinel.cost_nano_usd": "12345", "sentinel.action": "downgrade", "sentinel.call": call.ID.String(), "server.address": "api.openai.com",
	}
	for key, v := range want {
		if got := values(llm.GetAttributes())[key]; got != v {
			t.Errorf("%s is %q, want %q", key, got, v)
		}
	}
	if refused.GetName() != "stripe charges.create" || refused.GetStatus().GetCode() != spanv1.Status_STATUS_CODE_ERROR || values(refused.GetAttributes())["gen_ai.operation.name"] != "" {
		t.Errorf("the span of the refusal is %v", refused)
	}
	if got := c.metrics["gen_ai.client.token.usage input"]; got != 100 {
		t.Errorf("%v input tokens were counted, want 100: %v", got, c.metrics)
	}
	if got := c.metrics["gen_ai.client.token.usage output"]; got != 12 {
		t.Errorf("%v output tokens were counted, want 12: %v", got, c.metrics)
	}
	if got := c.metrics["gen_ai.client.operation.duration"]; got != 3 {
		t.Errorf("the calls took %v s, want 3: %v", got, c.metrics)
	}
}

func TestBadOptionsAreNamed(t *testing.T) {
	for name, o := range map[string]telemetry.Options{
		"telemetry.otlp":             {URL: "collector:4317"},
		"OTEL_EXPORTER_OTLP_HEADERS": {URL: "http://127.0.0.1:4318", Headers: sentinel.NewSecret("no value")},
	} {
		if _, err := telemetry.New(t.Context(), o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("New(%+v) gave %v, want a fault of %s", o, err, name)
		}
	}
}
