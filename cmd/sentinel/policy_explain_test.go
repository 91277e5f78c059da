package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/explain"
	"github.com/saas-sentinel/saas-sentinel/ratelimit"
)

// configured writes a configuration with a policy, a ledger and counters of its own. It gives the configuration's path.
func configured(t *testing.T, redis, dsn, policy string) string {
	t.Helper()
	dir := t.TempDir()
	site(t, dir, dsn, map[string]string{"sentinel.yaml": "policies: policies.yaml\nredis: {address: \"" + redis + "\"}\n", "policies.yaml": policy})
	return filepath.Join(dir, "sentinel.yaml")
}

const explained = `org: acme
teams: {a: {budget: {usd: 20/month}}}
services: {s: {team: a, identity: {token: abcdefgh}}}
providers:
  openai: {preset: openai, credential: secret/a#b}
  stripe: {preset: stripe, credential: secret/a#b}
  weather:
    host: api.weather.example
    credential: {vault: "secret/a#b", header: x-api-key}
    endpoints: [{name: forecast, method: GET, path: "/v1/forecast/{city}", price: {per_request_usd: 0.10}}]
policies:
  - {name: large, match: {model: gpt-5}, budget: {usd: 1/day}, on_exceed: [{downgrade: [gpt-5-mini]}]}
  - {name: few forecasts, match: {provider: weather}, limits: {requests: 1/minute}}
  - {name: no pro, match: {model: "gpt-5-pro"}, then: deny}
`

func TestADescribedCallIsExplainedByTheCountersAsTheyAre(t *testing.T) {
	m := miniredis.RunT(t)
	config := configured(t, m.Addr(), ledger(t), explained)
	r, err := ratelimit.Dial(t.Context(), ratelimit.Options{Addresses: []string{m.Addr()}, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	b, err := openBench(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	caller, _ := b.set.Caller("s")
	large := sentinel.Call{Caller: caller, Provider: "openai", Endpoint: "chat.completions"}
	forecast := sentinel.Call{Caller: caller, Provider: "weather", Endpoint: "forecast"}
	for _, held := range []struct {
		limits []sentinel.Limit
		bound  sentinel.Amounts
	}{
		{b.set.Plan(&large, "gpt-5", b.now).Limits, sentinel.Amounts{sentinel.MeasureRequests: 1, sentinel.MeasureCost: 990_000_000}},
		{b.set.Plan(&forecast, "", b.now).Limits, sentinel.Amounts{sentinel.MeasureRequests: 1}},
	} {
		a := sentinel.Ask{Org: "acme", Call: sentinel.NewCallID(time.Now()), TTL: time.Minute, Candidates: []sentinel.Candidate{{Limits: held.limits, Bound: held.bound}}}
		if got, err := r.Reserve(t.Context(), a); err != nil || got.Chosen != 0 {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	body := filepath.Join(t.TempDir(), "body.json")
	if err := os.WriteFile(body, []byte(`{"model":"gpt-5","max_completion_tokens":2000,"messages":[{"role":"user","content":"hello"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	const chat = "/openai/v1/chat/completions"
	before := m.Dump()
	for name, tt := range map[string]struct {
		args []string
		want []string // parts of the output, or of the error
	}{
		"downgraded": {[]string{"--service", "s", "--path", chat, "--body", body}, []string{"rules that match: large", `gpt-5 does not fit into "large: budget/day"; bound: at most $0.02`,
			"gpt-5-mini fits into every limit", "verdict: downgrade to gpt-5-mini: budget_spent", "rule/large/cost/day  $1.00   $0.99  $0.99", "team/a/cost/month"}},
		"a model without a body":   {[]string{"--service", "s", "--path", chat, "--model", "gpt-5-mini"}, []string{"no rule of policies matches", "verdict: allow", "528000 tokens"}},
		"another model of a body":  {[]string{"--service", "s", "--host", "api.openai.com", "--path", "/v1/chat/completions", "--body", body, "--model", "gpt-5-mini"}, []string{"asks for openai chat.completions gpt-5-mini", "verdict: allow"}},
		"a rule that refuses":      {[]string{"--service", "s", "--path", chat, "--model", "gpt-5-pro"}, []string{"rules that match: no pro", "verdict: deny: policy", "decided by: no pro"}},
		"without a price":          {[]string{"--service", "s", "--path", chat, "--model", "gpt-99"}, []string{"verdict: deny: unpriced", `"gpt-99"`}},
		"throttled":                {[]string{"--service", "s", "--path", "/weather/v1/forecast/lima?units=m"}, []string{"rules that match: few forecasts", "verdict: throttle: rate_limited", "worth another try after"}},
		"a bad body":               {[]string{"--service", "s", "--path", chat, "--body", config}, []string{"verdict: deny: bad_request"}},
		"a body is needed":         {[]string{"--service", "s", "--path", "/stripe/v1/charges", "--method", "POST"}, []string{"--body: what a call to stripe/charges.create can cost"}},
		"nobody":                   {[]string{"--service", "x", "--path", chat}, []string{`--service: the policy has no service "x"`}},
		"no provider":              {[]string{"--service", "s", "--path", "/v1/chat/completions"}, []string{"--path: begin it with the name of a provider"}},
		"no host":                  {[]string{"--service", "s", "--host", "x.example", "--path", "/v1"}, []string{"--host: the policy has no provider at x.example"}},
		"no endpoint":              {[]string{"--service", "s", "--path", "/openai/v1/nothing"}, []string{"--path: the policy has no endpoint at /openai/v1/nothing"}},
		"another method":           {[]string{"--service", "s", "--path", chat, "--method", "PUT"}, []string{"--method: the endpoints at " + chat + " take POST, not PUT"}},
		"neither":                  {nil, []string{"name either a call's id, or a service and a path"}},
		"both":                     {[]string{"01a20d60-e966-7a80-9ab1-c118bcb547b3", "--service", "s"}, []string{"name either"}},
		"a call that is not there": {[]string{"01a20d60-e966-7a80-9ab1-c118bcb547b3"}, []string{"the ledger has no call"}},
	} {
		t.Run(name, func(t *testing.T) {
			out, _ := command(t, append([]string{"policy", "explain", "--config", config}, tt.args...)...)
			for _, want := range tt.want {
				if !strings.Contains(out, want) {
					t.Errorf("it says\n%s\nwant %q in it", out, want)
				}
			}
		})
	}
	out, err := command(t, "policy", "explain", "--config", config, "--service", "s", "--path", chat, "--body", body, "--json")
	var x explain.Explanation
	if err := json.Unmarshal([]byte(out), &x); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err != nil || x.Action != "downgrade" || len(x.Candidates) != 2 || x.Candidates[0].Refused != "large: budget/day" || !x.Candidates[1].Chosen || len(x.Counters) != 2 ||
		x.Counters[1].Held != 990_000_000 || x.Counters[1].Left != 10_000_000 || x.Counters[1].Fits || !x.Counters[0].Fits || x.Counters[1].Wanted != int64(x.Candidates[0].BoundCost) {
		t.Errorf("%+v, %v", x, err)
	}
	if m.Dump() != before {
		t.Error("an explanation changed a counter")
	}
}
