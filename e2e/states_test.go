package e2e

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/internal/stack"
)

// states are the pages, each with what it says over an empty ledger.
var states = map[string]string{
	"/": "No call yet.", "/usage": "No call in this period.", "/calls": "No call fits.", "/limits": "The policy has no limit yet.", "/policy": "No call would have met anything else", "/anomalies": "Nothing was unusual in this period.",
	"/alerts": "Nothing is wrong.", "/alerts?part=silences": "Nothing is silenced.", "/alerts?part=rules": "The policy has no channel yet", "/alerts?part=messages": "Nothing was sent yet.", "/alerts?part=evaluations": "No cause has begun",
	"/providers": "No token was issued yet.", "/audit?contains=nobody-did-this": "Nothing fits.", "/connect": "Waiting for the first call", "/settings": "The policy has no channel yet",
}

func TestEveryPageShowsItsStates(t *testing.T) {
	chromium := needBrowser(t)
	g := openOn(t, mockapi.DefaultConfig(), "{}", "", (*stack.Stack).Postgres, "publishing: {review: required}\n")
	pages, err := json.Marshal(slices.Sorted(maps.Keys(states)))
	g.must(err)
	type seen struct {
		Text        string
		Busy, Again int
		Alerts      []string
	}
	var saw struct {
		Errors, Axe, Wide, Writes []string
		States                    map[string]map[string]seen
		Approved                  string
	}
	g.browse(chromium, "states.mjs", &saw, "LINK="+g.setupLink(), "PAGES="+string(pages))
	for what, list := range map[string][]string{"the browser's console has": saw.Errors, "axe finds": saw.Axe, "wider than 375 pixels is": saw.Wide} {
		for _, one := range list {
			t.Errorf("%s: %s", what, one)
		}
	}
	for path, nothing := range states {
		for state, want := range map[string]func(seen) bool{
			"empty":   func(s seen) bool { return s.Busy == 0 && len(s.Alerts) == 0 && strings.Contains(s.Text, nothing) },
			"loading": func(s seen) bool { return s.Busy > 0 && len(s.Alerts) == 0 && !strings.Contains(s.Text, nothing) },
			"error": func(s seen) bool {
				return s.Busy == 0 && s.Again > 0 && strings.Contains(strings.Join(s.Alerts, " "), "figures: the gateway cannot answer now") && !strings.Contains(s.Text, nothing)
			},
			"refused": func(s seen) bool {
				return s.Busy == 0 && s.Again == 0 && strings.Contains(s.Text, "this needs the role of somebody else") && !strings.Contains(s.Text, nothing)
			},
		} {
			if got := saw.States[state][path]; !want(got) {
				t.Errorf("%s, %s: %d on their way, %d to try again, alerts %q:\n%s", path, state, got.Busy, got.Again, got.Alerts, got.Text)
			}
		}
	}
	if saw.Approved != "0 1" {
		t.Errorf("its author may approve, and the policy has the line: %s, want 0 1", saw.Approved)
	}
	if !slices.ContainsFunc(saw.Writes, func(w string) bool { return strings.HasPrefix(w, "POST /api/v1/policy/proposals/") }) {
		t.Errorf("nobody decided: %q", saw.Writes)
	}
}
