package e2e

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

const messages = "../examples/clients/anthropic_messages.py"

// The official client sends its key as x-api-key, and reports input and output of a stream in different events.
func TestAnthropicsClientIsMeteredAsItsProviderBills(t *testing.T) {
	config := mockapi.DefaultConfig()
	config.Accept = map[string][]string{"anthropic": {claudeKey}}
	config.Answers.CachedPercent = 25
	g := open(t, config, "{}", "policies:\n  - {name: large, match: {model: claude-opus-5}, budget: {usd: 0.000001/day}, on_exceed: [{downgrade: [claude-haiku-4-5]}, throttle]}\n")
	script, err := filepath.Abs(messages)
	g.must(err)
	env := []string{"ANTHROPIC_BASE_URL=" + g.url + "/anthropic", "ANTHROPIC_API_KEY=" + token, "PROMPT=one two three four five six seven eight"}
	var got struct {
		Usage, Streamed map[string]int64
		Pieces          int64
		HungUp          bool `json:"hung_up"`
	}
	run := func(more ...string) {
		t.Helper()
		out, err := g.stack.Python(t.Context(), script, append(env, more...)...)
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		g.must(json.Unmarshal(out, &got))
	}
	run()
	rows := g.ledger(2)
	served := g.mock.Stats()
	if calls, cost := sums(rows); calls != 2 || int64(cost) != served.CostNanoUSD || served.CanarySeen {
		t.Errorf("the ledger has %d calls for %d, the provider served %d for %d; the service's token went out: %v", calls, cost, served.Calls, served.CostNanoUSD, served.CanarySeen)
	}
	for _, e := range rows {
		want := got.Usage
		if e.Stream {
			want = got.Streamed
		}
		if u := e.Usage; e.Estimated() || want["cached"] == 0 || u[domain.InputTokens] != want["input"] || u[domain.CachedInputTokens] != want["cached"] || u[domain.OutputTokens] != want["output"] {
			t.Errorf("stream %v was booked with %v, the client saw %v", e.Stream, e.Usage, want)
		}
	}
	run("MODEL=claude-opus-5") // the answers are those of the model that it was downgraded to
	if _, cost := sums(g.ledger(4)); int64(cost) != g.mock.Stats().CostNanoUSD {
		t.Errorf("after a downgrade the ledger has %d, the provider's bill is %d", cost, g.mock.Stats().CostNanoUSD)
	}
}

func TestAnAbortedAnthropicStreamIsBookedWithWhatWasSent(t *testing.T) {
	config := mockapi.DefaultConfig()
	config.Answers.Pace = 30 * time.Millisecond
	g := open(t, config, "{}", "")
	script, err := filepath.Abs(messages)
	g.must(err)
	_, err = g.stack.Python(t.Context(), script, "ANTHROPIC_BASE_URL="+g.url+"/anthropic", "ANTHROPIC_API_KEY="+token, "STOP_AFTER=5")
	g.must(err)
	for _, e := range g.ledger(2) {
		if e.Stream && (e.Source != domain.SourcePartial || !e.Estimated() || e.Usage[domain.InputTokens] == 0 || e.Usage[domain.OutputTokens] < 3 || e.Usage[domain.OutputTokens] > 20) {
			t.Errorf("a stream that ended after 5 pieces was booked as %+v", e)
		}
	}
	code, _, body := g.do(http.MethodPost, "/anthropic/v1/messages", `{"model":"claude-haiku-4-5","messages":[]}`)
	var refusal struct {
		Type  string
		Error struct{ Type, Message string }
	}
	if err := json.Unmarshal([]byte(body), &refusal); err != nil || code != http.StatusBadRequest || refusal.Type != "error" || refusal.Error.Type != "invalid_request_error" {
		t.Errorf("a message without max_tokens got %d %s", code, body)
	}
}
