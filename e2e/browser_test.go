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
)

// needBrowser finds Chromium. It skips without that or the dashboard's pages, and fails when they must be there.
func needBrowser(t testing.TB) (chromium string) {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if dashboard.Files() == nil || err != nil {
		if os.Getenv("E2E") == "must" {
			t.Fatalf("the dashboard or the browser is missing (%v): run make dashboard chromium", err)
		}
		t.Skip("the dashboard or the browser is missing: run make dashboard chromium")
	}
	return chromium
}

// setupLink is the link with which the first account is made: each start makes another and ends the one before.
func (g *gateway) setupLink() string {
	g.t.Helper()
	log, err := os.ReadFile(filepath.Join(g.dir, "sentinel.log"))
	g.must(err)
	links := regexp.MustCompile(`http://[0-9.:]+/setup#[A-Z2-7]+`).FindAllString(string(log), -1)
	if len(links) == 0 {
		g.t.Fatalf("the log shows no setup link:\n%s", tail(log))
	}
	return links[len(links)-1]
}

// browse runs a script of dashboard/test in a browser at the gateway's pages, and reads what it says that they showed.
func (g *gateway) browse(chromium, script string, saw any, env ...string) {
	g.t.Helper()
	c := exec.CommandContext(g.t.Context(), "node", "test/"+script)
	c.Dir = filepath.Join(repo, "dashboard")
	c.Env = append(append(os.Environ(), "URL="+g.people, "CHROMIUM="+chromium), env...)
	var stderr strings.Builder
	c.Stderr = &stderr
	stdout, err := c.Output()
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(g.dir, "sentinel.log"))
		g.t.Fatalf("the browser ended: %v\n%s\n%s", err, stderr.String(), tail(log))
	}
	g.must(json.Unmarshal(stdout, saw))
}
