package policy

import (
	"strings"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

const alwaysText = `org: acme
teams: {a: {}}
services: {s: {team: a, identity: {token: s-token-s-token}}}
providers: {openai: {preset: openai, credential: "vault:secret/openai#api_key"}}
schedules: {freeze: {begin: 2026-12-20, end: 2026-12-31}}
policies:
  - {name: cheaper, match: {model: "gpt-5*"}, then: {downgrade: [o3-mini]}}
  - {name: freeze, during: freeze, then: deny}
`

// TestRulesActWhateverWasUsed: then needs no limit, and follows the rule's schedule.
func TestRulesActWhateverWasUsed(t *testing.T) {
	set := compile(t, alwaysText)
	c := call("a", "s", "openai", "chat.completions", "gpt-5")
	ask := sentinel.Ask{Candidates: []sentinel.Candidate{{Model: "gpt-5"}, {Model: "o3-mini"}}}
	p := set.Plan(c, c.Model, noon)
	if !p.Avoid || p.Refuse || len(p.Downgrades) != 1 || len(p.Limits) != 0 {
		t.Fatalf("before the freeze the plan is %+v", p)
	}
	if v := Decide(p, ask, sentinel.Reservation{Chosen: 1}); v.Action != sentinel.Downgrade || v.Reason != sentinel.ReasonPolicy || v.Limit != "cheaper" || v.Model != "o3-mini" {
		t.Errorf("before the freeze: %+v", v)
	}
	p = set.Plan(c, c.Model, noon.AddDate(0, 1, 0))
	v := Decide(p, ask, sentinel.Reservation{Chosen: -1})
	if v.Action != sentinel.Deny || v.Reason != sentinel.ReasonPolicy || v.Limit != "freeze" || v.Detail != `the policy "freeze" refuses this call` {
		t.Errorf("in the freeze: %+v", v)
	}
}

func TestThenIsChecked(t *testing.T) {
	for then, want := range map[string]string{
		"then: {throttle: {requests: 5/minute}}": "policies[0].then[0].throttle: throttle belongs to a rule with anomaly", "then: {alert: x}": "alert belongs to a rule with anomaly",
		"then: deny": "the rule would refuse every call", "match: {team: a}, then: {downgrade: []}": "name at least one model", "match: {team: a}, then: []": "say what happens",
		"match: {team: a}, then: [{downgrade: [x], alert: y}]": "alert belongs to a rule with anomaly",
	} {
		text := strings.Split(alwaysText, "policies:")[0] + "policies: [{name: r, " + then + "}]\n"
		_, err := Compile(File{Name: "p.yaml", Data: []byte(text)}, Options{Presets: []string{"openai"}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", then, err, want)
		}
	}
}
