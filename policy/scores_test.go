package policy

import (
	"strings"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

const unusualText = `org: acme
teams: {a: {}}
services: {s: {team: a, identity: {token: s-token-s-token}}, t: {team: a, identity: {token: t-token-t-token}}}
providers: {openai: {preset: openai, credential: "vault:secret/openai#api_key"}}
policies:
  - name: guard
    match: {model: "gpt-5*"}
    anomaly: {above: 0.999, for: 2m}
    then: [%s]
`

func TestUnusualServicesMeetTheRule(t *testing.T) {
	scores := NewScores(map[string][]float64{"s": {0.9999, 0.9995}, "t": {0.9999, 0.5}})
	c := call("a", "s", "openai", "chat.completions", "gpt-5")
	quiet := call("a", "t", "openai", "chat.completions", "gpt-5")
	for name, tt := range map[string]struct {
		then   string
		limits int
		refuse bool
		avoid  bool
	}{
		"throttle":  {"{throttle: {requests: 10/minute}}", 1, false, false},
		"deny":      {"deny", 0, true, false},
		"downgrade": {"{downgrade: [o3-mini]}", 0, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			set := compile(t, strings.Replace(unusualText, "%s", tt.then, 1))
			p := set.PlanUnder(scores, c, c.Model, noon)
			if len(p.Limits) != tt.limits || p.Refuse != tt.refuse || p.Avoid != tt.avoid {
				t.Errorf("plan %+v, want %d limits, refuse %v, avoid %v", p, tt.limits, tt.refuse, tt.avoid)
			}
			if got := Decide(p, sentinel.Ask{Candidates: []sentinel.Candidate{{Model: c.Model}}}, sentinel.Reservation{}); (got.Reason == sentinel.ReasonAnomaly) != tt.refuse && name != "downgrade" {
				t.Errorf("verdict %+v", got)
			}
			for _, p := range []Plan{set.PlanUnder(scores, quiet, quiet.Model, noon), set.Plan(c, c.Model, noon)} {
				if len(p.Limits) != 0 || p.Refuse || p.Avoid {
					t.Errorf("one minute, or no score, brings %+v", p)
				}
			}
		})
	}
}

func TestUnusualRulesAreChecked(t *testing.T) {
	for then, want := range map[string]string{
		"{alert: nobody}": `there is no channel "nobody"`, "stop": `"stop" is not an action`, "{throttle: {}}": "no limit is set",
	} {
		_, err := Compile(File{Name: "p.yaml", Data: []byte(strings.Replace(unusualText, "%s", then, 1))}, Options{Presets: []string{"openai"}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("then: [%s]: %v, want %q", then, err, want)
		}
	}
}
