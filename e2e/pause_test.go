package e2e

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

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

// Google says when to come back in its error's body alone. Where another credential serves the call nobody gets that error, and it is heeded all the same.
func TestAnErrorThatNobodyGetsSaysWhenToComeBack(t *testing.T) {
	const pause = 90 * time.Second // beyond what a credential without quota is left out for by itself
	config := mockapi.DefaultConfig()
	config.Accept = map[string][]string{"gemini": {vaultKey, spareKey}}
	config.Faults = []mockapi.Fault{{Provider: "gemini", Kind: mockapi.FaultStatus, First: 1, Status: 429, RetryAfter: pause}}
	g := open(t, config, "{}", "")
	vault, _ := strings.CutPrefix(g.env[0], "VAULT_ADDR=")
	g.put(vault, g.root, "spare", map[string]string{"api_key": spareKey})
	g.replaces(strings.Replace(g.policyOf("{}", ""), `gemini: {preset: gemini, credential: "vault:secret/openai#api_key"`,
		`gemini: {preset: gemini, credential: {vault: "secret/openai#api_key", also: [{vault: "secret/spare#api_key"}]}`, 1))
	const path, hi = "/gemini/v1beta/models/gemini-2.5-flash:generateContent", `{"contents":[{"parts":[{"text":"hi"}]}]}`
	began := time.Now()
	if code, header, body := g.do(http.MethodPost, path, hi); code != http.StatusOK || header.Get("X-Sentinel-Verdict") != "allow; reason=provider_failed" {
		t.Fatalf("a call whose first credential has no quota got %d %v %s", code, header, body)
	}
	c := redis.NewClient(&redis.Options{Addr: g.redis})
	defer func() { _ = c.Close() }()
	var until map[string]string
	g.eventually("the pause is told", func() bool {
		until = c.HGetAll(t.Context(), "{o:acme}:pauses").Val()
		return len(until) > 0
	})
	for place, text := range until {
		ms, err := strconv.ParseInt(text, 10, 64)
		g.must(err)
		if left := time.UnixMilli(ms).Sub(began); len(until) != 1 || left < pause || left > pause+time.Minute {
			t.Errorf("%s is left alone for %s of the call, want %s", place, left, pause)
		}
	}
}
