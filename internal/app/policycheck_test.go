package app

import (
	"slices"
	"testing"
)

func TestACandidateIsCheckedWithItsWarnings(t *testing.T) {
	b := &adminBackend{app: &App{config: Config{Policies: "dir/policies.yaml"}}}
	const text = "org: acme\nteams: {core: {}}\nservices: {s: {team: core, identity: {token: abcdefgh}}}\nproviders: {openai: {preset: openai, credential: secret/a#b}}\n"
	if got := b.CheckPolicy(text); got.Version == "" || len(got.Faults)+len(got.Warnings) > 0 {
		t.Errorf("a policy in order is checked as %+v", got)
	}
	got := b.CheckPolicy(text + "policies: [{name: r, match: {model: gpt-unheard-of}, limits: {requests: 5/minute}}]\n")
	want := []string{"policies.yaml:5:37: policies[0].match.model[0]: no price is known for model gpt-unheard-of at openai: its calls are denied (defaults.unpriced)"}
	if got.Version == "" || !slices.Equal(got.Warnings, want) {
		t.Errorf("a model without a price is checked as %+v, want the warning %q", got, want)
	}
	if got := b.CheckPolicy(text + "nonsense: 1\n"); got.Version != "" || len(got.Faults) != 1 {
		t.Errorf("a policy with a fault is checked as %+v", got)
	}
}
