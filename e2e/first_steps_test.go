package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/saas-sentinel/saas-sentinel/dashboard"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

// A new admin is led from step to step, and the page with the snippets turns green by itself at the first call.
func TestFirstStepsLeadToTheFirstCall(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if dashboard.Files() == nil || err != nil {
		if os.Getenv("E2E") == "must" {
			t.Fatalf("the dashboard or the browser is missing (%v): run make dashboard chromium", err)
		}
		t.Skip("the dashboard or the browser is missing: run make dashboard chromium")
	}
	g := open(t, mockapi.DefaultConfig(), "{budget: {usd: 10/day}}", "")
	log, err := os.ReadFile(filepath.Join(g.dir, "sentinel.log"))
	g.must(err)
	link := regexp.MustCompile(`http://[0-9.:]+/setup#[A-Z2-7]+`).Find(log)
	c := exec.CommandContext(t.Context(), "node", "test/first.mjs")
	c.Dir = filepath.Join(repo, "dashboard")
	c.Env = append(os.Environ(), "URL="+g.people, "LINK="+string(link), "GATEWAY="+g.url, "TOKEN="+token, "CHROMIUM="+chromium)
	var stderr strings.Builder
	c.Stderr = &stderr
	stdout, err := c.Output()
	if err != nil {
		t.Fatalf("the browser ended: %v\n%s", err, stderr.String())
	}
	var saw struct {
		Errors, Before, After []string
		Snippet, Connected    string
	}
	g.must(json.Unmarshal(stdout, &saw))
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
