package e2e

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	tracev1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spanv1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/internal/stack"
)

// A call through Envoy is a span of its client's own trace, with what the ledger has of it.
func TestACallIsASpanOfItsClientsTrace(t *testing.T) {
	var mu sync.Mutex
	var spans []*spanv1.Span
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var request tracev1.ExportTraceServiceRequest
		body, err := io.ReadAll(r.Body)
		if r.URL.Path != "/v1/traces" || err != nil || proto.Unmarshal(body, &request) != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for _, resource := range request.GetResourceSpans() {
			for _, scope := range resource.GetScopeSpans() {
				spans = append(spans, scope.GetSpans()...)
			}
		}
	}))
	defer collector.Close()
	g := openOn(t, mockapi.DefaultConfig(), "{}", "", (*stack.Stack).Postgres, "telemetry: {otlp: \""+collector.URL+"\"}\n")
	const trace = "0af7651916cd43dd8448eb211c80319c"
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url+"/openai/v1/chat/completions",
		strings.NewReader(`{"model":"gpt-5-mini","messages":[{"role":"user","content":"Hello"}],"max_completion_tokens":50}`))
	g.must(err)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Traceparent", "00-"+trace+"-b7ad6b7169203331-01")
	answer, err := http.DefaultClient.Do(r)
	g.must(err)
	_, err = io.Copy(io.Discard, answer.Body)
	g.must(err)
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("the call was answered %d", answer.StatusCode)
	}
	entry := g.ledger(1)[0]
	g.eventually("the collector has the call's span", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(spans) > 0
	})
	mu.Lock()
	defer mu.Unlock()
	span := spans[0]
	if got := hex.EncodeToString(span.GetTraceId()); got != trace || span.GetName() != "chat gpt-5-mini" {
		t.Errorf("the span %q is of trace %s, want chat gpt-5-mini of %s", span.GetName(), got, trace)
	}
	got := map[string]int64{}
	for _, kv := range span.GetAttributes() {
		got[kv.GetKey()] = kv.GetValue().GetIntValue()
	}
	for key, want := range map[string]int64{
		"gen_ai.usage.input_tokens": entry.Usage.InputTokenSum(), "gen_ai.usage.output_tokens": entry.Usage.OutputTokenSum(),
		"sentinel.cost_nano_usd": int64(entry.Cost), "http.response.status_code": http.StatusOK,
	} {
		if got[key] != want || want == 0 {
			t.Errorf("%s is %d, and the ledger has %d", key, got[key], want)
		}
	}
}
