package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saas-sentinel/saas-sentinel/internal/app"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/internal/stack"
)

// TestShadowsCountWhatTheyWouldHaveDoneAndRefuseNothing: three calls at 0.10 fit into what the rule and the candidate allow; ten go out.
func TestShadowsCountWhatTheyWouldHaveDoneAndRefuseNothing(t *testing.T) {
	g := openOn(t, mockapi.DefaultConfig(), "{}", "policies:\n  - {name: trial, mode: shadow, match: {provider: weather}, budget: {usd: 0.35/day}}\n",
		(*stack.Stack).Postgres, "candidate: candidate.yaml\n")
	// The candidate may come later, and a broken one harms nothing.
	g.write("candidate.yaml", "org: [")
	g.write("candidate.yaml", g.policyOf("{limits: {requests: 3/day}}", ""))
	candidate, err := app.LoadState(filepath.Join(g.dir, "candidate.yaml"))
	g.must(err)
	b := g.signedUp()
	var report struct {
		Candidate string
		Sums      []struct {
			Policy, Rule, Live, Shadow, Reason string
			Calls                              int64
		}
		Calls []struct {
			ID      string
			Shadows []struct{ Policy, Action, Limit string }
		}
	}
	g.eventually("the candidate judges calls", func() bool {
		b.want(http.StatusOK, "GET", "/policy/shadow", "", &report)
		return report.Candidate == candidate.Policy.Version
	})
	for range 10 {
		if status, header, body := g.do(http.MethodGet, "/weather/v1/forecast/lima", ""); status != http.StatusOK {
			t.Fatalf("a call is answered %d %v %s: shadows decide nothing", status, header, body)
		}
	}
	for _, e := range g.ledger(10) {
		if e.Shadow != "" && len(e.Shadow.Read()) != 2 {
			t.Errorf("the entry says %q of two shadows", e.Shadow)
		}
	}
	b.want(http.StatusOK, "GET", "/policy/shadow", "", &report)
	got := fmt.Sprint(report.Sums)
	for _, want := range []string{"{ trial allow deny budget_spent 7}", "{" + candidate.Policy.Version + " team core allow deny quota_spent 7}"} {
		if !strings.Contains(got, want) {
			t.Errorf("the API sums %s, want %s", got, want)
		}
	}
	if len(report.Sums) != 2 || len(report.Calls) != 7 || len(report.Calls[0].Shadows) != 2 {
		t.Errorf("the API gives %+v, want seven calls that both shadows refuse", report)
	}
	for _, metric := range []string{`{policy="rules",rule="trial",verdict="deny"}`, `{policy="candidate",rule="team core",verdict="deny"}`} {
		if n := g.metric("sentinel_shadow_calls_total" + metric); n != 7 {
			t.Errorf("the metric %s is %v, want 7", metric, n)
		}
	}
	code, stdout, stderr := sentinelIn(t, g.dir, g.env, "policy", "shadow", "--json")
	var printed struct {
		Sums        []map[string]any
		Differences []map[string]any
	}
	if err := json.Unmarshal([]byte(stdout), &printed); code != 0 || err != nil || len(printed.Sums) != 2 || len(printed.Differences) != 14 {
		t.Errorf("policy shadow ends with %d, %v: %s%s", code, err, stdout, stderr)
	}
	if code, stdout, _ = sentinelIn(t, g.dir, g.env, "policy", "shadow", "--limit", "1"); code != 0 || strings.Count(stdout, "deny: budget_spent") != 1 || !strings.Contains(stdout, "trial: budget/day") {
		t.Errorf("policy shadow prints:\n%s", stdout)
	}
}
