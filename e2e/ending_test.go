package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// TestSDKsRaiseTheirErrorForAStreamThatWasEnded gives the SDKs of four providers streams that end as the gateway ends them.
func TestSDKsRaiseTheirErrorForAStreamThatWasEnded(t *testing.T) {
	const sse, frames = "text/event-stream", "application/vnd.amazon.eventstream"
	streams := []struct{ name, path, preset, endpoint, contentType, first, raises string }{
		{"chat", "/chat/completions", "openai", "chat.completions", sse,
			`data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"gpt-5-mini","choices":[{"index":0,"delta":{"content":"hi"}}]}` + "\n\n", "APIError after 1 "},
		{"responses", "/responses", "openai", "responses", sse,
			"event: response.output_text.delta\ndata: " + `{"type":"response.output_text.delta","item_id":"i","output_index":0,"content_index":0,"delta":"hi","sequence_number":1,"logprobs":[]}` + "\n\n",
			"APIError after 1 "},
		{"messages", "/messages", "anthropic", "messages", sse,
			"event: message_start\ndata: " + `{"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"usage":{"input_tokens":1,"output_tokens":1}}}` + "\n\n",
			"APIStatusError after 1 "},
		{"gemini", ":streamGenerateContent", "gemini", "streamGenerateContent", sse, `data: {"candidates":[{"content":{"role":"model","parts":[{"text":"hi"}]}}]}` + "\n\n", "ClientError after 1 "},
		{"converse", "/converse-stream", "aws-bedrock", "converse-stream", frames, "", "EventStreamError after 0 "},
		{"invoke", "/invoke-with-response-stream", "aws-bedrock", "invoke-with-response-stream", frames, "", "EventStreamError after 0 "},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, s := range streams {
			if !strings.HasSuffix(r.URL.Path, s.path) {
				continue
			}
			p, _ := provider.Find(s.preset)
			e, _ := p.Endpoint(s.endpoint)
			end := provider.NewEnding(provider.Speech{Preset: p, Endpoint: e}, s.contentType,
				provider.Refusal{Status: http.StatusTooManyRequests, Code: string(domain.ReasonBudget), Message: "a hard budget holds no more"})
			w.Header().Set("Content-Type", s.contentType)
			_, _ = w.Write(end.Write([]byte(s.first)))
			end.End()
			_, _ = w.Write(end.Write(nil))
			return
		}
		http.NotFound(w, r)
	}))
	defer server.Close()
	out, err := exec.CommandContext(t.Context(), filepath.Join(needTools(t), "venv", "bin", "python"), filepath.Join("testdata", "ended_streams.py"), server.URL).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, s := range streams {
		begins := s.name + ": " + s.raises
		if at := strings.Index(string(out), begins); at < 0 || !strings.Contains(strings.SplitN(string(out)[at:], "\n", 2)[0], "a hard budget holds no more") {
			t.Errorf("%q is not among what they raise:\n%s", begins, out)
		}
	}
}

// TestAProviderThatPassesItsMaximumDoesNotOverspendAHardBudget: each provider sends 3,000 tokens where it was asked for 20. What the streams of one budget would
// cost is above it, and what is booked stays below: real Envoy ends them in their APIs' words, the SDKs raise their usual errors, and the providers are hung up on.
func TestAProviderThatPassesItsMaximumDoesNotOverspendAHardBudget(t *testing.T) {
	const long, pace, budget = 3000, 4 * time.Millisecond, 20_000_000
	config := mockapi.DefaultConfig()
	config.Answers.Pace = pace
	for _, provider := range []string{"openai", "anthropic", "gemini", "bedrock"} {
		config.Faults = append(config.Faults, mockapi.Fault{Provider: provider, Kind: mockapi.FaultLong, First: 100, AfterTokens: long})
	}
	g := open(t, config, fmt.Sprintf("{budget: {usd: %g/day, mode: hard}}", float64(budget)/1e9), "")
	raises := map[string]string{"chat": "APIError after ", "responses": "APIError after ", "messages": "APIStatusError after ", "gemini": "ClientError after ", "converse": "EventStreamError after "}
	script := exec.CommandContext(t.Context(), filepath.Join(needTools(t), "venv", "bin", "python"), filepath.Join("testdata", "ended_streams.py"), g.url)
	script.Env = append(os.Environ(), "GATEWAY=1", "KEY="+token, "KEY_ID="+accessKey, "SECRET="+issued, "NAMES=chat,responses,messages,gemini,converse")
	out, err := script.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, raised := range raises {
		_, line, _ := strings.Cut(string(out), name+": ")
		line, _, _ = strings.Cut(line, "\n")
		events, text, _ := strings.Cut(strings.TrimPrefix(line, raised), " ")
		if n := len(events); !strings.HasPrefix(line, raised) || n == 0 || n > 3 || !strings.Contains(text, "ended this answer") { // of fewer than 1,000 events
			t.Errorf("%s: the SDK's reader got %s", name, line)
		}
	}
	// A client that does not hang up gets the same, and nothing after it.
	began := time.Now()
	answer, err := g.send(http.MethodPost, "/openai/v1/chat/completions", strings.Replace(stream, `"max_completion_tokens":60`, `"max_completion_tokens":20`, 1))
	g.must(err)
	body, _ := io.ReadAll(answer.Body) // the reset shows as an unexpected end
	_ = answer.Body.Close()
	took := time.Since(began)
	if text := string(body); answer.StatusCode != http.StatusOK || !strings.Contains(text, "ended this answer") || strings.Contains(text, "[DONE]") || !strings.HasSuffix(text, "}\n\n") {
		t.Errorf("a client that goes on to read gets %d and, at the end, %s", answer.StatusCode, text[max(0, len(text)-300):])
	}
	if whole := long * pace; took > whole*3/4 {
		t.Errorf("it was held for %s, a whole answer takes %s: the provider was not hung up on", took, whole)
	}
	var spent domain.NanoUSD
	rows := g.ledger(6)
	for _, e := range rows {
		spent += e.Cost
		if tokens := e.Usage[domain.OutputTokens] + e.Usage[domain.ReasoningTokens]; e.Status != http.StatusOK || tokens <= 20 || tokens > long/2 {
			t.Errorf("%s of %s is booked with %d tokens, status %d", e.Model, e.Provider, tokens, e.Status)
		}
	}
	var whole int64
	for _, r := range g.mock.Stats().Rows {
		whole += r.CostNanoUSD
	}
	t.Logf("%d streams of at most 20 tokens: booked %s of a budget of %s; the providers served %d", len(rows), spent, domain.NanoUSD(budget), whole)
	if spent > budget || whole > budget || len(rows) != 6 {
		t.Errorf("%d streams cost %s, and %d at the providers, of %s", len(rows), spent, whole, domain.NanoUSD(budget))
	}
}
