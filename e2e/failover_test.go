package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/internal/stack"
)

const spareKey = "sk-spare-canary-20"

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
	faults = append(faults, mockapi.Fault{Provider: "openai", Model: "gpt-5-nano", Kind: mockapi.FaultStatus, First: 1, Status: 429})
	config := failing(faults...)
	config.Accept["openai"] = append(config.Accept["openai"], spareKey)
	config.Accept["weather"] = []string{vaultKey}
	g := open(t, config, "{}", failingOver)
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
	g.goesOnWithTheNextKey()
}

// goesOnWithTheNextKey holds that a call whose credential is refused (401) or has no quota (429) is served by another one of its provider, with
// or without a body, and that a revoked one is tried once.
func (g *gateway) goesOnWithTheNextKey() {
	g.t.Helper()
	vault, _ := strings.CutPrefix(g.env[0], "VAULT_ADDR=")
	g.put(vault, g.root, "revoked", map[string]string{"api_key": "sk-revoked-canary-77"})
	g.put(vault, g.root, "spare", map[string]string{"api_key": spareKey})
	several := strings.NewReplacer(
		`openai: {preset: openai, credential: "vault:secret/openai#api_key"`, `openai: {preset: openai, credential: {vault: "secret/revoked#api_key", weight: 1000, also: [{vault: "secret/openai#api_key"}, {vault: "secret/spare#api_key"}]}`,
		`{vault: "secret/openai#api_key", header: x-api-key}`, `{vault: "secret/revoked#api_key", weight: 1000, header: x-api-key, also: [{vault: "secret/openai#api_key"}]}`,
	)
	g.replaces(several.Replace(g.policyOf("{}", "")))
	calls, rows := 0, len(g.ledger(5))
	asked := func(method, path, body string) {
		g.t.Helper()
		calls++
		if code, header, text := g.do(method, path, body); code != 200 || !strings.HasPrefix(header.Get("X-Sentinel-Verdict"), "allow") {
			g.t.Errorf("%s %s got %d %v %s", method, path, code, header, text)
		}
	}
	served := func(status int) (n int) {
		for _, e := range g.ledger(rows) {
			if e.Status == status && e.Attempt == 0 && e.Cost == 0 && e.Action == domain.Allow {
				n++
			}
		}
		return n
	}
	was := served(429)
	g.eventually("a revoked key was refused for each provider", func() bool {
		asked(http.MethodPost, "/openai/v1/chat/completions", chat)
		asked(http.MethodGet, "/weather/v1/forecast/lima", "")
		return served(401) >= 2
	})
	asked(http.MethodPost, "/openai/v1/chat/completions", strings.Replace(chat, "gpt-5-mini", "gpt-5-nano", 1))
	rows += calls + 3
	second := 0
	for _, e := range g.ledger(rows) {
		if e.Attempt == 1 && e.Action == domain.Allow && e.Status == 200 && e.Cost > 0 {
			second++
		}
	}
	if n, limited := served(401), served(429)-was; n != 2 || limited != 1 || second != 3 || len(g.ledger(rows)) != rows {
		g.t.Errorf("%d calls met a revoked key and %d a spent one, and %d were served by the next; %d rows, want 2, 1, 3 and %d", n, limited, second, len(g.ledger(rows)), rows)
	}
}

// A call that its provider may have served is repeated only where its client says that it may be.
func TestWhatCouldBeBilledTwiceIsNotRepeatedWithoutAKey(t *testing.T) {
	const broken, cut, slow = "gpt-5", "gpt-5-mini", "gpt-5-nano"
	g := open(t, failing(
		mockapi.Fault{Provider: "openai", Model: broken, Kind: mockapi.FaultStatus, First: 9, Status: 500},
		mockapi.Fault{Provider: "openai", Model: cut, Kind: mockapi.FaultReset, First: 9},
		mockapi.Fault{Provider: "openai", Model: slow, Kind: mockapi.FaultSlow, First: 9, Delay: 4 * time.Second},
	), "{}", `policies:
  - {name: openai fails, match: {provider: openai}, failover: {to: [anthropic/claude-haiku-4-5], timeout: 1s}}
`)
	for model, status := range map[string]int{broken: 500, cut: 503, slow: 504} {
		body := strings.Replace(chat, "gpt-5-mini", model, 1)
		if code, header, text := g.ask("/openai/v1/chat/completions", body); code != status || header.Get("X-Sentinel-Verdict") != "allow" {
			t.Errorf("%s without a key got %d %v %s, want %d", model, code, header, text, status)
		}
	}
	if n := g.mock.Stats().Providers["anthropic"].Calls; n != 0 {
		t.Errorf("anthropic was asked %d times, want never", n)
	}
	for _, model := range []string{broken, cut, slow} {
		body := strings.Replace(chat, "gpt-5-mini", model, 1)
		if code, header, text := g.ask("/openai/v1/chat/completions", body, "Idempotency-Key", "k-"+model); code != 200 || header.Get("X-Sentinel-Model") != "claude-haiku-4-5" {
			t.Errorf("%s with a key got %d %v %s", model, code, header, text)
		}
	}
	for _, e := range g.ledger(9) {
		unseen := e.Attempt == 0 && e.Model != broken
		if unseen != (e.Method == "bound") || unseen && e.Cost == 0 || e.Attempt == 1 && (e.Provider != "anthropic" || e.Estimated() || e.Cost == 0) {
			t.Errorf("%s, attempt %d at %s: status %d, %s, %s", e.Model, e.Attempt, e.Provider, e.Status, e.Cost, e.Method)
		}
	}
	g.ownKeys()
}

// When everything fails, a provider that is down must not double the load of the next.
func TestRetriesStayWithinTheirBudget(t *testing.T) {
	g := open(t, failing(
		mockapi.Fault{Provider: "openai", Kind: mockapi.FaultStatus, First: 1_000_000, Status: 429},
		mockapi.Fault{Provider: "anthropic", Kind: mockapi.FaultStatus, First: 1_000_000, Status: 503},
	), "{}", failingOver)
	const calls = 400
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			for range calls / 10 {
				if code, _, text := g.ask("/openai/v1/chat/completions", chat); code != 429 && code != 503 {
					t.Errorf("a call got %d %s", code, text)
				}
			}
		})
	}
	group.Wait()
	var attempts int64
	for _, r := range g.mock.Stats().Rows {
		attempts += r.Calls
	}
	if attempts > calls*11/10 || attempts < calls+10 {
		t.Errorf("%d attempts for %d calls, want at most 110 %% and at least the 10 that are free", attempts, calls)
	}
	g.exact(int(attempts))
}

// Where the second provider cannot serve the call either, the client is told both reasons in its own words, and nothing is sent there.
func TestASecondProviderKeepsItsOwnLimits(t *testing.T) {
	g := open(t, failing(mockapi.Fault{Provider: "openai", Kind: mockapi.FaultStatus, First: 1_000_000, Status: 429}), "{}", failingOver+`  - {name: little claude, match: {provider: anthropic}, budget: {usd: 0.000001/day}}
  - {name: one at a time, match: {provider: openai}, limits: {concurrent: 1}}
`)
	for name, tt := range map[string]struct{ body, why string }{
		"its budget is spent":                {chat, "little claude"},
		"it has no words for this":           {strings.Replace(chat, `"messages"`, `"seed":1,"messages"`, 1), "seed"},
		"the first one's slot is free again": {chat, "little claude"},
	} {
		code, header, text := g.ask("/openai/v1/chat/completions", tt.body)
		if code != 429 || header.Get("X-Sentinel-Verdict") != "throttle; reason=provider_limited" || !strings.Contains(text, "openai answered 429") || !strings.Contains(text, tt.why) || !strings.Contains(text, "rate_limit_error") {
			t.Errorf("%s: got %d %v %s", name, code, header, text)
		}
	}
	for _, e := range g.exact(3) {
		if e.Attempt != 0 || e.Status != 429 || e.Cost != 0 || e.Action != domain.Allow {
			t.Errorf("attempt %d: status %d, %s, %s", e.Attempt, e.Status, e.Cost, e.Action)
		}
	}
}

// The official clients notice nothing but the model; when both providers fail they raise their usual error.
func TestOfficialClientsFailOver(t *testing.T) {
	all := mockapi.Fault{Provider: "openai", Model: "gpt-5", Kind: mockapi.FaultStatus, First: 1_000_000, Status: 503}
	both := []mockapi.Fault{
		{Provider: "openai", Model: "gpt-5-nano", Kind: mockapi.FaultStatus, First: 1_000_000, Status: 503},
		{Provider: "anthropic", Model: "claude-sonnet-4-5", Kind: mockapi.FaultStatus, First: 1_000_000, Status: 429},
	}
	const rules = failingOver + "  - {name: both fail, priority: 1, match: {model: gpt-5-nano}, failover: {to: [anthropic/claude-sonnet-4-5]}}\n"
	g := open(t, failing(all, both[0], both[1], mockapi.Fault{Provider: "anthropic", Model: "claude-opus-5", Kind: mockapi.FaultStatus, First: 1_000_000, Status: 529}), "{}", rules)
	run := func(script string, env ...string) (string, error) {
		path, err := filepath.Abs("../examples/clients/" + script)
		g.must(err)
		out, err := g.stack.Python(t.Context(), path, env...)
		return string(out), err
	}
	openai := []string{"OPENAI_BASE_URL=" + g.url + "/openai/v1", "OPENAI_API_KEY=" + token, "MODEL=gpt-5", "MAX_TOKENS=30"}
	if out, err := run("openai_chat.py", openai...); err != nil || !strings.Contains(out, `"model": "claude-haiku-4-5`) {
		t.Errorf("OpenAI's client was answered with %s, %v", out, err)
	}
	if out, err := run("openai_stream.py", openai...); err != nil {
		t.Errorf("OpenAI's streaming client was answered with %s, %v", out, err)
	}
	if out, err := run("anthropic_messages.py", "ANTHROPIC_BASE_URL="+g.url+"/anthropic", "ANTHROPIC_API_KEY="+token, "MODEL=claude-opus-5"); err != nil || !strings.Contains(out, "gpt-5-mini") {
		t.Errorf("Anthropic's client was answered with %s, %v", out, err)
	}
	rows := g.ledger(6)
	g.exact(len(rows))
	if out, err := run("openai_chat.py", append(openai, "MODEL=gpt-5-nano")...); err == nil || !strings.Contains(err.Error()+out, "RateLimitError") {
		t.Errorf("with both providers failing OpenAI's client got %s, %v", out, err)
	}
}

// A provider that cannot be reached has not billed anything, so its calls need no key; what clients say of retries is not heard.
func TestACallThatReachesNobodyGoesToTheOtherProvider(t *testing.T) {
	g := open(t, failing(), "{}", failingOver)
	ports, err := stack.FreePorts(1)
	g.must(err)
	nobody := "127.0.0.1:" + strconv.Itoa(ports[0])
	policy := g.policyOf("{}", failingOver)
	const openai = `openai: {preset: openai, credential: "vault:secret/openai#api_key", address: "`
	g.replaces(strings.Replace(policy, openai+g.mock.TLSAddr, openai+nobody, 1))
	if code, header, text := g.ask("/openai/v1/chat/completions", chat, "X-Envoy-Max-Retries", "9", "X-Envoy-Retry-On", "5xx,reset", "X-Sentinel-Retry", "1"); code != 200 || header.Get("X-Sentinel-Verdict") != "fallback; reason=provider_failed" {
		t.Errorf("a call with headers of retries got %d %v %s", code, header, text)
	}
	for range 5 {
		if code, header, text := g.ask("/openai/v1/chat/completions", chat); code != 200 || header.Get("X-Sentinel-Model") != "claude-haiku-4-5" {
			t.Errorf("got %d %v %s", code, header, text)
		}
	}
	for _, e := range g.ledger(6 * 2) {
		if failed := e.Attempt == 0 && e.Status <= 0; failed && (e.Cost != 0 || e.Provider != "openai" || e.Estimated()) || e.Attempt == 1 && (e.Provider != "anthropic" || e.Cost == 0) {
			t.Errorf("attempt %d at %s: status %d, %s, %s", e.Attempt, e.Provider, e.Status, e.Cost, e.Method)
		}
	}
	served := g.mock.Stats()
	if _, cost := sums(g.ledger(6 * 2)); int64(cost) != served.CostNanoUSD {
		t.Errorf("the ledger has %d, the providers billed %d", cost, served.CostNanoUSD)
	}
	g.ownKeys()
}

// A provider that took a call and did not answer may bill for it; one that was never reached cannot.
func TestACallWithoutAnAnswerIsBookedAtItsBound(t *testing.T) {
	g := open(t, failing(mockapi.Fault{Provider: "openai", Kind: mockapi.FaultReset, First: 1}), "{}", "")
	if code, _, text := g.ask("/openai/v1/chat/completions", chat); code != http.StatusServiceUnavailable {
		t.Fatalf("the call that was reset got %d %s", code, text)
	}
	e := g.ledger(1)[0]
	if billed := g.mock.Stats().CostNanoUSD; e.Method != "bound" || int64(e.Cost) < billed || billed == 0 || e.Status != http.StatusServiceUnavailable {
		t.Errorf("the ledger has %s by %q with status %d, the provider billed %d", e.Cost, e.Method, e.Status, billed)
	}
	ports, err := stack.FreePorts(1)
	g.must(err)
	g.replaces(strings.ReplaceAll(g.policyOf("{}", ""), g.mock.TLSAddr, "127.0.0.1:"+strconv.Itoa(ports[0])))
	if code, _, text := g.ask("/openai/v1/chat/completions", chat); code != http.StatusServiceUnavailable {
		t.Errorf("a call to a port where nobody listens got %d %s", code, text)
	}
	unreached := 0
	for _, other := range g.ledger(2) {
		if other.ID == e.ID {
			continue
		}
		if unreached++; other.Cost != 0 || other.Estimated() {
			t.Errorf("a call that nobody took is booked at %s by %q", other.Cost, other.Method)
		}
	}
	if unreached != 1 {
		t.Errorf("%d calls reached nobody, want the last", unreached)
	}
}
