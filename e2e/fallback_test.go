package e2e

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

// The official clients go on unchanged when their provider's budget is spent: the other provider answers, in their words.
func TestASpentBudgetFallsBackToTheOtherProvider(t *testing.T) {
	g := open(t, mockapi.DefaultConfig(), "{}", `policies:
  - {name: little openai, match: {provider: openai, model: gpt-5}, budget: {usd: 0.000001/day}, on_exceed: [{fallback: [anthropic/claude-haiku-4-5]}, throttle]}
  - {name: little opus, match: {model: claude-opus-5}, budget: {usd: 0.000001/day}, on_exceed: [{fallback: [openai/gpt-5-mini]}, throttle]}
`)
	run := func(script string, env ...string) string {
		t.Helper()
		path, err := filepath.Abs("../examples/clients/" + script)
		g.must(err)
		out, err := g.stack.Python(t.Context(), path, env...)
		if err != nil {
			t.Fatalf("%s: %v: %s", script, err, out)
		}
		return string(out)
	}
	openai := []string{"OPENAI_BASE_URL=" + g.url + "/openai/v1", "OPENAI_API_KEY=" + token, "MODEL=gpt-5", "MAX_TOKENS=30"}
	if out := run("openai_chat.py", openai...); !strings.Contains(out, `"model": "claude-haiku-4-5`) {
		t.Errorf("OpenAI's client was answered with %s", out)
	}
	run("openai_stream.py", openai...)
	var got struct {
		Model           string
		Usage, Streamed map[string]int64
	}
	g.must(json.Unmarshal([]byte(run("anthropic_messages.py", "ANTHROPIC_BASE_URL="+g.url+"/anthropic", "ANTHROPIC_API_KEY="+token, "MODEL=claude-opus-5")), &got))
	if !strings.HasPrefix(got.Model, "gpt-5-mini") || got.Usage["output"] == 0 || got.Streamed["output"] == 0 {
		t.Errorf("Anthropic's client was answered with %+v", got)
	}
	code, header, body := g.do(http.MethodPost, "/openai/v1/chat/completions", `{"model":"gpt-5","max_completion_tokens":9,"messages":[{"role":"user","content":"hi"}]}`)
	if code != 200 || header.Get("X-Sentinel-Verdict") != "fallback" || header.Get("X-Sentinel-Model") != "claude-haiku-4-5" || !strings.Contains(body, `"chat.completion"`) {
		t.Errorf("got %d %v %s", code, header, body)
	}
	code, _, body = g.do(http.MethodPost, "/openai/v1/chat/completions", `{"model":"gpt-5","seed":1,"max_completion_tokens":9,"messages":[{"role":"user","content":"hi"}]}`)
	if code != http.StatusTooManyRequests || !strings.Contains(body, "seed") || !strings.Contains(body, "budget_spent") {
		t.Errorf("a call that Anthropic has no words for got %d %s", code, body)
	}
	rows, served := g.ledger(6), g.mock.Stats()
	if calls, cost := sums(rows); calls != served.Calls || int64(cost) != served.CostNanoUSD || served.CanarySeen || calls < 5 {
		t.Errorf("the ledger has %d calls for %d, the providers served %d for %d; the service's token went out: %v", calls, cost, served.Calls, served.CostNanoUSD, served.CanarySeen)
	}
	for _, e := range rows {
		if e.Action.Refused() {
			continue
		}
		if e.Action != domain.Fallback || e.Estimated() || e.Asked == e.Model || (e.Asked == "gpt-5") != (e.Provider == "anthropic") {
			t.Errorf("booked as %s, %s for %s at %s, %s", e.Action, e.Model, e.Asked, e.Provider, e.Method)
		}
	}
}

// A deployment of Azure's serves what OpenAI's budget does not, streams included, with Azure's key in its own header; and OpenAI what a deployment's does not, without
// the older API's path and version.
func TestCallsFallBackToAzureAndFromIt(t *testing.T) {
	g := open(t, mockapi.DefaultConfig(), "{}", "")
	g.replaces(g.policyOf("{}", `  azure: {preset: azure-openai, host: acme.openai.azure.com, address: "`+g.mock.Addr+`", plaintext: true, models: {our-chat: gpt-5-mini}, credential: "vault:secret/openai#api_key"}
policies:
  - {name: little openai, match: {provider: openai, model: gpt-5}, budget: {usd: 0.000001/day}, on_exceed: [{fallback: [azure/our-chat]}, throttle]}
  - {name: little azure, match: {provider: azure, endpoint: chat.completions}, budget: {usd: 0.000001/day}, on_exceed: [{fallback: [openai/gpt-5-nano]}, throttle]}
`))
	const hi = `"max_completion_tokens":9,"messages":[{"role":"user","content":"hi"}]}`
	var header http.Header
	g.eventually("Envoy has Azure", func() bool {
		var code int
		code, header, _ = g.do(http.MethodPost, "/openai/v1/chat/completions", `{"model":"gpt-5",`+hi)
		return code == http.StatusOK
	})
	if header.Get("X-Sentinel-Verdict") != "fallback" || header.Get("X-Sentinel-Model") != "our-chat" {
		t.Errorf("the client is told %v", header)
	}
	code, header, body := g.do(http.MethodPost, "/openai/v1/chat/completions", `{"model":"gpt-5","stream":true,`+hi)
	if code != http.StatusOK || header.Get("X-Sentinel-Model") != "our-chat" || !strings.Contains(body, "data: [DONE]") || strings.Contains(body, `"usage":{`) {
		t.Errorf("a stream: %d %v %s", code, header, body)
	}
	code, header, body = g.do(http.MethodPost, "/azure/openai/deployments/our-chat/chat/completions?api-version=2024-10-21", `{`+hi)
	if code != http.StatusOK || header.Get("X-Sentinel-Verdict") != "fallback" || header.Get("X-Sentinel-Model") != "gpt-5-nano" {
		t.Errorf("a call to a deployment: %d %v %s", code, header, body)
	}
	served := 0
	for _, e := range g.ledger(3) {
		switch {
		case e.Action != domain.Fallback: // before Envoy had it
		case e.Provider == "azure" && (e.Endpoint != "v1.chat.completions" || e.Asked != "gpt-5" || e.Estimated() || e.Cost == 0), e.Provider == "openai" && (e.Asked != "our-chat" || e.Model != "gpt-5-nano"):
			t.Errorf("booked as %s for %s at %s/%s, %s by %s", e.Model, e.Asked, e.Provider, e.Endpoint, e.Cost, e.Method)
		default:
			served++
		}
	}
	if served != 3 || g.mock.Stats().CanarySeen {
		t.Errorf("%d of 3 calls are booked; the service's token went out: %v", served, g.mock.Stats().CanarySeen)
	}
}
