package policy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestChangesNameKeysAndNotLines(t *testing.T) {
	const was = `org: acme
teams: {core: {budget: {usd: 500/day}}, growth: {}}
policies:
  - {name: pace, match: {model: ["gpt-5*"]}, limits: {requests: 5/minute}}
  - {name: guard, then: deny, during: night}
`
	for name, tt := range map[string]struct {
		is   string
		want []Change
	}{
		"the same in other lines": {`# a note
policies:
- name: pace
  match: {model: [gpt-5*]}
  limits:
    requests: 5/minute
- {name: guard, during: night, then: deny}
teams:
  growth: {}
  core: {budget: {usd: 500/day}}
org: acme
`, nil},
		"an amount, and a rule that goes": {`org: acme
teams: {core: {budget: {usd: 300/day, mode: hard}}, growth: {}}
policies: [{name: pace, match: {model: [gpt-5*, o3*]}, limits: {requests: 5/minute}}]
`, []Change{
			{"policies in order", "pace, guard", ""}, {"policies[guard].during", "night", ""}, {"policies[guard].name", "guard", ""}, {"policies[guard].then", "deny", ""},
			{"policies[pace].match.model", "[gpt-5*]", "[gpt-5*, o3*]"}, {"teams.core.budget.mode", "", "hard"}, {"teams.core.budget.usd", "500/day", "300/day"},
		}},
		"another order": {`org: acme
teams: {core: {budget: {usd: 500/day}}, growth: {}}
policies:
  - {name: guard, then: deny, during: night}
  - {name: pace, match: {model: ["gpt-5*"]}, limits: {requests: 5/minute}}
`, []Change{{"policies in order", "pace, guard", "guard, pace"}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Changes([]File{{Name: "a.yaml", Data: []byte(was)}}, []File{{Name: "b.yaml", Data: []byte(tt.is)}})
			if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}

// A token and its hash are the same, so a policy that is kept with hashes has the version that it had.
func TestTheVersionIsTheSameWithHashesForTokens(t *testing.T) {
	const text = "org: acme\nteams: {core: {}}\nservices: {a: {team: core, identity: {token: svc_one_12}}, b: {team: core, identity: {token: svc_one_1234}}} # svc_one_1234\nproviders: {openai: {preset: openai, credential: secret/a#b}}\n"
	version := func(files ...File) string {
		t.Helper()
		set, err := CompileFiles(files, options)
		if err != nil {
			t.Fatal(err)
		}
		return set.Version
	}
	plain := File{Name: "a.yaml", Data: []byte(text)}
	hashed := WithHashes([]File{plain}, []string{"svc_one_12", "svc_one_1234"})
	if strings.Contains(string(hashed[0].Data), "svc_one") || version(plain) != version(hashed...) {
		t.Errorf("%s\nis version %s, and %s with tokens", hashed[0].Data, version(hashed...), version(plain))
	}
	if other := strings.Replace(text, "svc_one_12}", "svc_one_13}", 1); version(plain) == version(File{Name: "a.yaml", Data: []byte(other)}) {
		t.Error("another token is the same version")
	}
}
