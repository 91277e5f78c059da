package policytest_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saas-sentinel/saas-sentinel/internal/app"
	"github.com/saas-sentinel/saas-sentinel/internal/policytest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const rules = `org: acme
timezone: America/New_York
teams: {a: {budget: {usd: 1/day}}}
services: {other: {team: a, identity: {token: svc_test_0002}}, s: {team: a, identity: {token: svc_test_0001}}}
providers:
  w:
    host: api.example.com
    credential: {vault: secret/w#key, header: x-api-key}
    endpoints: [{name: get, method: GET, path: "/v1/{x}", price: {per_request_usd: 0.1}}]
policies: [{name: unused, match: {service: other}, limits: {requests: 1/day}}]
`

// suite runs a test file against the rules.
func suite(t *testing.T, tests string) (policytest.Report, error) {
	t.Helper()
	dir := t.TempDir()
	name := filepath.Join(dir, "policies.yaml")
	if err := os.WriteFile(name, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := policytest.Read("p_test.yaml", []byte(tests))
	if err != nil {
		return policytest.Report{}, err
	}
	state, err := app.LoadState(name)
	if err != nil {
		t.Fatal(err)
	}
	return s.Run(t.Context(), state)
}

// TestBudgetTurnsWithTheDayOfItsZone: New York's day begins at 05:00 UTC in winter.
func TestBudgetTurnsWithTheDayOfItsZone(t *testing.T) {
	got, err := suite(t, `policy: policies.yaml
clock: 2026-01-05T04:00:00Z
tests:
- name: a day
  calls:
  - {service: s, provider: w, endpoint: get, path: /v1/a, times: 10, expect: {action: allow}}
  - {service: s, provider: w, endpoint: get, path: /v1/a, expect: {action: deny, reason: budget_spent}}
  - {service: s, provider: w, endpoint: get, path: /v1/a, after: 59m, expect: {action: deny}}
  - {service: s, provider: w, endpoint: get, path: /v1/a, after: 1m, times: 10, expect: {action: allow}}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := policytest.Report{Results: []policytest.Result{{Name: "a day", Calls: 22}}, Rules: 1, Untouched: []string{"unused"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWrongExpectationsAreNamed(t *testing.T) {
	got, err := suite(t, `policy: policies.yaml
tests:
- name: too much
  calls: [{service: s, provider: w, endpoint: get, path: /v1/a, times: 11, expect: {action: allow}}]
`)
	if err != nil {
		t.Fatal(err)
	}
	if got.Failed() != 1 || len(got.Results[0].Faults) != 1 || !strings.Contains(got.Results[0].Faults[0], `tests[0].calls[0], call 11 of 11: action is "deny", want "allow"`) {
		t.Errorf("%+v", got)
	}
}

func TestFaultsOfTheFileAreNamedWithTheirPlace(t *testing.T) {
	const head = "policy: policies.yaml\ntests:\n- name: x\n  calls:\n  - "
	for name, c := range map[string]struct{ in, want string }{
		"no such service": {head + "{service: q, provider: w, endpoint: get, path: /v1/a, expect: {action: allow}}", `p_test.yaml:5:6: tests[0].calls[0].service: "q" is not a service`},
		"no such route":   {head + "{service: s, provider: w, endpoint: put, expect: {action: allow}}", "no endpoint put of w"},
		"no path":         {head + "{service: s, provider: w, endpoint: get, expect: {action: allow}}", "name a path: parts of the endpoint's vary, /v1/"},
		"another path":    {head + "{service: s, provider: w, endpoint: get, path: /v2/a, expect: {action: allow}}", "/v2/a is not a path of the endpoint, which is /v1/"},
		"a bad action":    {head + "{service: s, provider: w, endpoint: get, expect: {action: alow}}", "use allow, clamp, downgrade, fallback, delay, throttle or deny"},
		"an unknown key":  {head + "{servise: s}", "did you mean service"},
		"a bad clock":     {"clock: noon\n" + head + "{service: s, provider: w, endpoint: get, path: /v1/a, expect: {action: allow}}", "not an RFC 3339 time"},
		"too often":       {head + "{service: s, provider: w, endpoint: get, path: /v1/a, times: 100001, expect: {action: allow}}", "outside of 1 to 100000"},
	} {
		if _, err := suite(t, c.in); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestExamplePasses(t *testing.T) {
	const name = "../../examples/policies_test.yaml"
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := policytest.Read(name, data)
	if err != nil {
		t.Fatal(err)
	}
	state, err := app.LoadState(filepath.Join(filepath.Dir(name), s.Policy))
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Run(t.Context(), state)
	if err != nil || got.Failed() > 0 {
		t.Errorf("%v: %+v", err, got.Results)
	}
}

func TestSchemaIsPublished(t *testing.T) {
	const name = "../../schemas/policies_test.schema.json"
	got, err := policytest.Schema()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the code says: run make golden (%v)", name, err)
	}
}

// A test says how unusual a service is, how long a call may wait, and what the client is told.
func TestScoresWaitsAndRetryAfter(t *testing.T) {
	const more = `
policies:
  - {name: strange, match: {service: s}, anomaly: {above: 0.999, for: 2m}, then: deny}
  - {name: pace, match: {service: other}, limits: {requests: 60/minute}, on_exceed: [{delay: 1s}, throttle]}
`
	head := strings.Split(rules, "policies:")[0]
	name := filepath.Join(t.TempDir(), "policies.yaml")
	if err := os.WriteFile(name, []byte(strings.Replace(head, "budget: {usd: 1/day}", "", 1)+more), 0o600); err != nil {
		t.Fatal(err)
	}
	state, err := app.LoadState(name)
	if err != nil {
		t.Fatal(err)
	}
	run := func(tests string) (policytest.Report, error) {
		s, err := policytest.Read("p_test.yaml", []byte("policy: policies.yaml\ntests:\n"+tests))
		if err != nil {
			t.Fatal(err)
		}
		return s.Run(t.Context(), state)
	}
	got, err := run(`- {name: usual, calls: [{service: s, provider: w, endpoint: get, path: /v1/a, expect: {action: allow, provider: w, retry_after: 0s}}]}
- name: unusual
  scores: {s: 0.9995}
  calls:
  - {service: s, provider: w, endpoint: get, path: /v1/a, expect: {action: deny, reason: anomaly, limit: strange}}
  - {service: other, provider: w, endpoint: get, path: /v1/a, expect: {action: allow}}
- name: a wait
  calls:
  - {service: other, provider: w, endpoint: get, path: /v1/a, times: 60, expect: {action: allow}}
  - {service: other, provider: w, endpoint: get, path: /v1/a, expect: {action: delay}}
`)
	if err != nil || got.Failed() != 0 || len(got.Untouched) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = run(`- {name: wrong, calls: [{service: s, provider: w, endpoint: get, path: /v1/a, expect: {action: allow, retry_after: 5s}}]}` + "\n")
	if err != nil || got.Failed() != 1 || !strings.Contains(got.Results[0].Faults[0], "retry_after is 0s, want 5s") {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err = run(`- {name: nobody, scores: {nobody: 2}, calls: [{service: s, provider: w, endpoint: get, path: /v1/a, expect: {action: allow}}]}` + "\n"); err == nil ||
		!strings.Contains(err.Error(), `"nobody" is not a service`) || !strings.Contains(err.Error(), `"2" is not a score`) {
		t.Errorf("a score of 2 of nobody: %v", err)
	}
}

// Counters begin where the file says, and a refusal's answer is the gateway's own.
func TestCountersAndAnswersOfATest(t *testing.T) {
	const calls = "  calls: [{service: s, provider: w, endpoint: get, path: /v1/a, expect: "
	for name, c := range map[string]struct{ test, want string }{
		"one call fits":       {"counters: {'team a: budget/day': 0.90}\n" + calls + "{action: allow}}]", ""},
		"by its cell":         {"counters: {team/a/cost/day: 0.95}\n" + calls + "{action: deny, reason: budget_spent}}]", ""},
		"more than the limit": {"counters: {team/a/cost/day: 77}\n" + calls + "{action: deny, status: 429, headers: {x-should-retry: 'false', retry-after: '86400', ratelimit: ''}}}]", ""},
		"another answer": {"counters: {team/a/cost/day: 1}\n" + calls + "{action: deny, status: 403, headers: {x-should-retry: 'true'}}}]",
			`status is 429, want 403, header x-should-retry is "false", want "true"`},
		"no refusal":      {calls[2:] + "{action: allow, status: 429}}]", "it is not refused"},
		"what is told":    {calls[2:] + "{action: allow, headers: {x-sentinel-verdict: allow, x-sentinel-model: '', retry-after: ''}}}]", ""},
		"what is not":     {calls[2:] + "{action: allow, headers: {x-sentinel-verdict: deny}}}]", `header x-sentinel-verdict is "allow", want "deny"`},
		"no such limit":   {"counters: {team/b/cost/day: 1}\n" + calls + "{action: allow}}]", "neither the name nor the cell of a limit"},
		"no amount of it": {"counters: {team/a/cost/day: lots}\n" + calls + "{action: allow}}]", "lots"},
	} {
		got, err := suite(t, "policy: policies.yaml\nclock: 2026-01-05T05:00:00Z\ntests:\n- name: x\n  "+c.test+"\n")
		said := fmt.Sprint(err)
		if err == nil {
			said = strings.Join(got.Results[0].Faults, "")
		}
		if c.want == "" && said != "" || !strings.Contains(said, c.want) {
			t.Errorf("%s: %q, want %q", name, said, c.want)
		}
	}
}
