package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"testing"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

const failingOver = `policies:
  - {name: openai fails, match: {provider: openai}, failover: {to: [anthropic/claude-haiku-4-5]}}
  - {name: anthropic fails, match: {provider: anthropic}, failover: {to: [openai/gpt-5-mini]}}
`

// failing has stand-ins of which each takes its own key alone, and faults.
func failing(faults ...mockapi.Fault) mockapi.Config {
	c := mockapi.DefaultConfig()
	c.Accept = map[string][]string{"openai": {vaultKey}, "anthropic": {claudeKey}}
	c.Faults = faults
	return c
}

// ask sends a call with more headers than its own.
func (g *gateway) ask(path, body string, headers ...string) (int, http.Header, string) {
	g.t.Helper()
	r, err := g.request(http.MethodPost, path, body)
	g.must(err)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return g.answered(r)
}

// exact compares the ledger with the stand-ins' own account: attempts, money, and whose key each of them saw.
func (g *gateway) exact(rows int) []domain.Entry {
	g.t.Helper()
	ledger, served := g.ledger(rows), g.mock.Stats()
	var attempts int64
	seen := map[string]bool{}
	var cost domain.NanoUSD
	for _, e := range ledger {
		key := e.ID.String() + "/" + strconv.Itoa(int(e.Attempt))
		if seen[key] {
			g.t.Errorf("attempt %d of %s stands twice", e.Attempt, e.ID)
		}
		seen[key] = true
		if !e.Action.Refused() {
			attempts++
			cost += e.Cost
		}
	}
	if len(ledger) != rows || attempts != served.Calls || int64(cost) != served.CostNanoUSD {
		g.t.Errorf("the ledger has %d rows, %d attempts for %d; want %d rows, and the providers served %d for %d", len(ledger), attempts, cost, rows, served.Calls, served.CostNanoUSD)
	}
	g.ownKeys()
	return ledger
}

// ownKeys holds that no provider ever saw another credential than its own.
func (g *gateway) ownKeys() {
	g.t.Helper()
	served := g.mock.Stats()
	for _, c := range served.Credentials {
		own := sha256.Sum256([]byte(map[string]string{"openai": vaultKey, "anthropic": claudeKey}[c.Provider]))
		if c.SHA256 != hex.EncodeToString(own[:]) || c.Canary {
			g.t.Errorf("%s saw another credential than its own %d times, the service's token: %v", c.Provider, c.Calls, c.Canary)
		}
	}
	if served.CanarySeen {
		g.t.Error("the service's token went out")
	}
}

func TestAFailedCallIsServedByTheOtherProvider(t *testing.T) {
	var faults []mockapi.Fault
	for _, status := range []int{429, 503} {
		faults = append(faults, mockapi.Fault{Provider: "openai", Model: "gpt-5-mini", Kind: mockapi.FaultStatus, First: 1, Status: status})
	}
	g := open(t, failing(faults...), "{}", failingOver)
	for i := range 2 {
		code, header, body := g.ask("/openai/v1/chat/completions", chat)
		if code != 200 || header.Get("X-Sentinel-Verdict") != "fallback; reason=provider_failed" || header.Get("X-Sentinel-Model") != "claude-haiku-4-5" || !strings.Contains(body, `"chat.completion"`) || header.Get("X-Sentinel-Retry") != "" {
			t.Errorf("call %d got %d %v %s", i, code, header, body)
		}
	}
	code, header, body := g.ask("/openai/v1/chat/completions", chat)
	if code != 200 || header.Get("X-Sentinel-Verdict") != "allow" || !strings.Contains(body, `"gpt-5-mini`) {
		t.Errorf("a call that nothing failed got %d %v %s", code, header, body)
	}
	rows := g.exact(5)
	for _, e := range rows {
		first := e.Attempt == 0
		if e.Estimated() || first != (e.Provider == "openai") || first != (e.Action == domain.Allow) || e.Asked != "gpt-5-mini" || !first && (e.Status != 200 || e.Reason != domain.ReasonProviderFailed || e.Cost == 0) {
			t.Errorf("attempt %d at %s: %s, %s, status %d, %s, %s", e.Attempt, e.Provider, e.Action, e.Reason, e.Status, e.Cost, e.Method)
		}
	}
}
