package e2e

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

// One service's storm must not burn everybody's quota: a provider that asks for a pause is asked no more for that model until it is over,
// and calls that may go elsewhere do so meanwhile.
func TestAProviderThatAsksForAPauseIsLeftAlone(t *testing.T) {
	config := mockapi.DefaultConfig()
	const pause = 12 * time.Second
	for _, model := range []string{"gpt-5-mini", "gpt-5"} {
		config.Faults = append(config.Faults, mockapi.Fault{Provider: "openai", Model: model, Kind: mockapi.FaultStatus, First: 1, Status: 429, RetryAfter: pause})
	}
	g := open(t, config, "{}", `policies:
  - {name: large, match: {model: gpt-5}, on_exceed: [{fallback: [anthropic/claude-haiku-4-5]}], limits: {requests: 1000/minute}}
`)
	large := strings.Replace(chat, "gpt-5-mini", "gpt-5", 1)
	began := time.Now()
	for _, body := range []string{chat, large} {
		if code, header, text := g.do(http.MethodPost, "/openai/v1/chat/completions", body); code != 429 || header.Get("Retry-After") != "12" || !strings.Contains(text, "injected_fault") {
			t.Fatalf("the provider's own refusal came as %d %v %s", code, header, text)
		}
	}
	for range 10 {
		code, header, text := g.do(http.MethodPost, "/openai/v1/chat/completions", chat)
		wait, _ := strconv.Atoi(header.Get("Retry-After"))
		if code != 429 || header.Get("X-Sentinel-Verdict") != "throttle; reason=provider_limited" || wait < 1 || wait > 12 || !strings.Contains(text, "rate_limit_error") {
			t.Errorf("a call in the pause got %d %v %s", code, header, text)
		}
		if code, header, text = g.do(http.MethodPost, "/openai/v1/chat/completions", large); code != 200 || header.Get("X-Sentinel-Verdict") != "fallback" {
			t.Errorf("a call that may go elsewhere got %d %v %s", code, header, text)
		}
		if code, _, text = g.do(http.MethodPost, "/openai/v1/chat/completions", strings.Replace(chat, "gpt-5-mini", "gpt-5-nano", 1)); code != 200 {
			t.Errorf("a call for a model without a pause got %d %s", code, text)
		}
	}
	if elapsed := time.Since(began); elapsed > pause {
		t.Fatalf("the calls took %s and must fit in %s", elapsed, pause)
	}
	for _, r := range g.mock.Stats().Rows {
		if r.Provider == "openai" && r.Model != "gpt-5-nano" && r.Calls != 1 {
			t.Errorf("%s was asked %d times, want once", r.Model, r.Calls)
		}
	}
	g.eventually("the pause is over", func() bool {
		code, _, _ := g.do(http.MethodPost, "/openai/v1/chat/completions", chat)
		return code == 200
	})
	if time.Since(began) < pause {
		t.Error("the pause ended before its time")
	}
}
