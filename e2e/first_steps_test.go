package e2e

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
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
		Snippets              map[string][]struct{ Name, Text string }
		Everywhere            string
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
	if !strings.Contains(saw.Everywhere, `base_url="http://127.0.0.1:10000/openai/v1"`) {
		t.Errorf("the snippet of a gateway that listens everywhere is %q, want the host of the page in it", saw.Everywhere)
	}
	node, dir := nodeClients(t)
	filled := strings.NewReplacer("<the service's token>", token, "<the account's SID>", "AC00000000000000000000000000000001", "<the issued id>", accessKey, "<the issued secret>", issued, "<a bucket>", "reports", "curl ", "curl -sSf ")
	programs := t.TempDir()
	ran := map[string]int{}
	for provider, list := range saw.Snippets {
		for i, s := range list {
			text := filled.Replace(s.Text)
			file := filepath.Join(dir, fmt.Sprint(provider, i)+map[string]string{"Python": ".py", "Node": ".mjs"}[s.Name])
			if s.Name == "Go" {
				file = filepath.Join(programs, provider, "main.go")
				g.must(os.MkdirAll(filepath.Dir(file), 0o700))
			}
			g.must(os.WriteFile(file, []byte(text), 0o600))
			var out []byte
			var err error
			switch s.Name {
			case "Python":
				out, err = g.stack.Python(t.Context(), file)
			case "curl":
				out, err = exec.CommandContext(t.Context(), "sh", file).CombinedOutput()
			case "Node":
				out, err = exec.CommandContext(t.Context(), node, file).CombinedOutput()
			case "Go": // built together
				continue
			default:
				t.Errorf("nothing here runs %s's snippet for %s", provider, s.Name)
				continue
			}
			if ran[s.Name]++; err != nil || len(out) == 0 {
				t.Errorf("%s's snippet for %s: %v: %s\n%s", provider, s.Name, err, tail(out), text)
			}
		}
	}
	ran["Go"] = g.runPrograms(programs)
	if want := map[string]int{"Python": 7, "curl": 5, "Node": 6, "Go": 5}; !maps.Equal(ran, want) { // Stripe's clients for Node and Go, and Twilio's for Go, take no path
		t.Errorf("snippets were run: %v, want %v of %v", ran, want, saw.Snippets)
	}
}

// runPrograms builds the programs of a folder with the official clients that tools/snippets names, and runs each.
func (g *gateway) runPrograms(dir string) (ran int) {
	g.t.Helper()
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(repo, "tools", "snippets", name))
		g.must(err)
		g.must(os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	built := filepath.Join(dir, "bin")
	g.must(os.Mkdir(built, 0o700))
	build := exec.CommandContext(g.t.Context(), "go", "build", "-o", built, "./...")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		g.t.Fatalf("the programs in Go are not built: %v: %s", err, tail(out))
	}
	list, err := os.ReadDir(built)
	g.must(err)
	for _, program := range list {
		out, err := exec.CommandContext(g.t.Context(), filepath.Join(built, program.Name())).CombinedOutput()
		if ran++; err != nil || len(out) == 0 {
			g.t.Errorf("%s's snippet for Go: %v: %s", program.Name(), err, tail(out))
		}
	}
	return ran
}
