package policy

import (
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

const classes = "org: acme\nteams: {a: }\nservices: {s: {team: a, identity: {token: abcdefgh}}, t: {team: a, class: high, identity: {token: abcdefgi}}}\n" +
	"providers: {openai: {preset: openai, credential: secret/a#b}}\n"

func TestAReserveIsLeftByAllButServicesOfClassHigh(t *testing.T) {
	set, err := Compile(File{Name: "p", Data: []byte(classes + "limits: {tokens: 1000/minute, concurrent: 9, reserve: 20%}\nbudget: {usd: 10/month, reserve: 12.5%, rollover: 30%}\n" +
		"policies: [{name: r, limits: {tokens: 5/minute}, on_exceed: [{clamp: {output_tokens: 200}}]}]\n")}, Options{Presets: []string{"openai"}})
	if err != nil {
		t.Fatal(err)
	}
	for service, want := range map[string][]int64{"s": {200, 1, 1_250_000_000, 0}, "t": {0, 0, 0, 0}} {
		caller, _ := set.Caller(service)
		p := set.Plan(&sentinel.Call{Caller: caller, Provider: "openai"}, "gpt-5", time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC))
		for i, l := range p.Limits {
			if l.Kept() != want[i] {
				t.Errorf("%s must leave %d of %s, want %d", service, l.Kept(), l.Cell, want[i])
			}
		}
		budget := p.Limits[2]
		if budget.Rollover != 3000 || !budget.Before.Equal(time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)) || p.Clamp != 200 {
			t.Errorf("%+v; answers may be cut to %d", budget, p.Clamp)
		}
	}
}

func TestFaultsOfReserveRolloverAndClamp(t *testing.T) {
	for text, want := range map[string]string{
		"limits: {reserve: 20%}":                 "limits.reserve: no limit stands beside it",
		"limits: {concurrent: 9, reserve: 100%}": "limits.reserve: a reserve is a part",
		"budget: {usd: 5/fixed, rollover: 10%}":  "a sum without end has no window before it",
		"budget: {usd: 5/day, rollover: 200%}":   "at most the whole budget",
		"policies: [{name: r, limits: {concurrent: 5}, on_exceed: [{clamp: {output_tokens: 9}}]}]":                              "a shorter answer does not help",
		"policies: [{name: r, limits: {tokens: 5/day}, on_exceed: [{clamp: {output_tokens: 9}}, {clamp: {output_tokens: 9}}]}]": "two clamps",
		"policies: [{name: r, limits: {tokens: 5/day}, on_exceed: [{clamp: {output_tokens: 9}, delay: 1s}]}]":                   "clamp and another action",
		"services: {s: {team: a, class: low, identity: {token: abcdefgh}}}":                                                     "services.s.class",
	} {
		head := classes
		if strings.HasPrefix(text, "services") {
			head = "org: acme\nteams: {a: }\nproviders: {openai: {preset: openai, credential: secret/a#b}}\n"
		}
		if _, err := Compile(File{Name: "p", Data: []byte(head + text + "\n")}, Options{Presets: []string{"openai"}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gave %v, want something about %q", text, err, want)
		}
	}
}
