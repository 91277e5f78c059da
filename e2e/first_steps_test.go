package e2e

import (
	"strings"
	"testing"

	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

// A new admin is led from step to step, and the page with the snippets turns green by itself at the first call.
func TestFirstStepsLeadToTheFirstCall(t *testing.T) {
	chromium := needBrowser(t)
	g := open(t, mockapi.DefaultConfig(), "{budget: {usd: 10/day}}", "")
	var saw struct {
		Errors, Before, After []string
		Snippet, Connected    string
	}
	g.browse(chromium, "first.mjs", &saw, "LINK="+g.setupLink(), "GATEWAY="+g.url, "TOKEN="+token)
	want := []string{"done: 8 of 8 providers have their credential", "done: Name the services", "done: Give a team a budget", "to do: Say who is told", "to do: Send the first call"}
	for i, w := range want {
		if len(saw.Before) != len(want) || !strings.HasPrefix(saw.Before[i], w) {
			t.Fatalf("the first steps are %q, want %q", saw.Before, want)
		}
	}
	if !strings.Contains(saw.Snippet, g.url+"/weather") {
		t.Errorf("the snippet is %q, want one for %s/weather", saw.Snippet, g.url)
	}
	if !strings.HasPrefix(saw.Connected, "200 Connected") || !strings.Contains(saw.Connected, "app called weather") {
		t.Errorf("after a call the page shows %q", saw.Connected)
	}
	if len(saw.After) > 0 || len(saw.Errors) > 0 {
		t.Errorf("after the first call the steps are %q; errors: %q", saw.After, saw.Errors)
	}
}
