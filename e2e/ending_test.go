package e2e

import (
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	domain "github.com/saas-sentinel/saas-sentinel"
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
