package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

// example runs one of the clients of examples/clients and reads what it prints into got; ok is false where the client raised an error.
func (g *gateway) example(name string, got any, env ...string) (ok bool) {
	g.t.Helper()
	script, err := filepath.Abs(filepath.Join("../examples/clients", name))
	g.must(err)
	out, err := g.stack.Python(g.t.Context(), script, env...)
	if err := json.Unmarshal(out, got); err != nil {
		g.t.Fatalf("%s printed %q: %v", name, out, err)
	}
	return err == nil
}

// Claude on Vertex stands in Anthropic's words behind Google's paths, and costs a tenth more in a region than at the global endpoint.
func TestClaudeOnVertexIsMeteredAsItsProviderBills(t *testing.T) {
	config := mockapi.DefaultConfig()
	config.Accept = map[string][]string{"vertex": {vaultKey}}
	config.Answers.CachedPercent, config.Answers.Pace = 25, 30*time.Millisecond
	g := open(t, config, "{}", "")
	g.stop()
	g.write("policies.yaml", g.policyOf("{}", fmt.Sprintf("  vertex: {preset: vertex, host: us-east5-aiplatform.googleapis.com, credential: \"vault:secret/openai#api_key\", address: %q, ca_file: %q}\n",
		g.mock.TLSAddr, g.mock.CAFile)))
	g.start()
	env := []string{"VERTEX_BASE_URL=" + g.url + "/vertex/v1", "VERTEX_TOKEN=" + token, "PROMPT=one two three four five six seven eight"}
	type usage struct{ Input, Cached, Output int64 }
	var got struct {
		Usage, Streamed usage
		Message         string
	}
	seen := map[bool]map[string]usage{false: {}, true: {}} // by whether it was streamed, and the price list
	for location, tier := range map[string]string{"us-east5": "regional", "global": ""} {
		if !g.example("vertex_claude.py", &got, append(env, "LOCATION="+location)...) {
			t.Fatalf("at %s the client raised: %s", location, got.Message)
		}
		seen[false][tier], seen[true][tier] = got.Usage, got.Streamed
	}
	rows := g.ledger(4)
	served := g.mock.Stats()
	if calls, cost := sums(rows); calls != 4 || served.Calls != 4 || int64(cost) != served.CostNanoUSD || served.CanarySeen {
		t.Errorf("the ledger has %d calls for %d, the provider served %d for %d; the service's token went out: %v", calls, cost, served.Calls, served.CostNanoUSD, served.CanarySeen)
	}
	for _, e := range rows {
		want, u := seen[e.Stream][e.Tier], e.Usage
		if e.Model != "claude-haiku-4-5@20251001" || e.Estimated() || want.Cached == 0 || u[domain.InputTokens] != want.Input || u[domain.CachedInputTokens] != want.Cached || u[domain.OutputTokens] != want.Output {
			t.Errorf("%s by %q, stream %v, was booked with %v, the client saw %+v", e.Model, e.Tier, e.Stream, u, want)
		}
	}
	g.example("vertex_claude.py", &got, append(env, "STOP_AFTER=5")...)
	for _, e := range g.ledger(6) {
		if e.Stream && e.Source == domain.SourcePartial && (!e.Estimated() || e.Usage.InputTokenSum() == 0 || e.Usage[domain.OutputTokens] < 3 || e.Usage[domain.OutputTokens] > 20) {
			t.Errorf("a stream that ended after 5 pieces was booked as %+v", e)
		}
	}
}

// Speech that is billed by tokens says what it used in its last event alone: without events it is refused, and where they break off the text is booked.
func TestSpeechByTheTokenIsMeteredAsItsProviderBills(t *testing.T) {
	config := mockapi.DefaultConfig()
	config.Accept = map[string][]string{"openai": {vaultKey}}
	config.Answers.Pace = 5 * time.Millisecond
	g := open(t, config, "{}", "")
	env := []string{"OPENAI_BASE_URL=" + g.url + "/openai/v1", "OPENAI_API_KEY=" + token, "PROMPT=The quick brown fox jumped over the lazy dog."}
	var got struct {
		Usage struct {
			In  int64 `json:"input_tokens"`
			Out int64 `json:"output_tokens"`
		}
		Status  int
		Message string
	}
	if !g.example("openai_speech.py", &got, env...) {
		t.Fatalf("the client raised: %s", got.Message)
	}
	spoken := g.ledger(1)[0]
	if u := spoken.Usage; spoken.Estimated() || got.Usage.Out == 0 || u[domain.InputTokens] != got.Usage.In || u[domain.OutputTokens] != got.Usage.Out || int64(spoken.Cost) != g.mock.Stats().CostNanoUSD {
		t.Errorf("speech was booked with %v for %d, the client saw %+v, the bill is %d", u, spoken.Cost, got.Usage, g.mock.Stats().CostNanoUSD)
	}
	g.example("openai_speech.py", &got, append(env, "STOP_AFTER=5")...)
	rows := g.ledger(2)
	_, cost := sums(rows)
	if bill := g.mock.Stats().CostNanoUSD; max(int64(cost)-bill, bill-int64(cost))*20 > bill {
		t.Errorf("with one that was cut the ledger has %d, the bill is %d: %+v", cost, bill, rows)
	}
	for _, e := range rows {
		if e.ID != spoken.ID && (e.Method != "speech_rate" || !e.Estimated() || e.Usage[domain.OutputTokens] != got.Usage.Out) {
			t.Errorf("speech that was cut was booked as %+v", e)
		}
	}
	if g.example("openai_speech.py", &got, append(env, "STREAM_FORMAT=audio")...) || got.Status != 400 || !strings.Contains(got.Message, "stream_format") {
		t.Errorf("speech without events got %d %q", got.Status, got.Message)
	}
	if n := g.mock.Stats().Calls; n != 2 {
		t.Errorf("the provider served %d calls, want 2", n)
	}
}
