package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The commands of the page run as they stand, up to the pipe into the firewall; the check finds no gateway here and says so.
func TestTheEgressManualRuns(t *testing.T) {
	manual, err := filepath.Abs("../../docs/egress.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"sentinel.yaml": "policies: policies.yaml\nproxy: {listen: \"127.0.0.1:3128\", redirected: \"0.0.0.0:15001\"}\n",
		"policies.yaml": "org: acme\nteams: {core: }\nservices: {app: {team: core, identity: {token: abcdefgh}}}\n" +
			"providers: {openai: {preset: openai, credential: \"vault:secret/a#b\"}}\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for k, v := range map[string]string{"SENTINEL_DATABASE_URL": "postgres://nobody@127.0.0.1:1/none", "VAULT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": "t"} {
		t.Setenv(k, v)
	}
	if out, err := command(t, "ca", "create"); err != nil {
		t.Fatal(out)
	}
	want := map[string]string{"ca install-help": "--use-system-ca", "ca export": "BEGIN CERTIFICATE", "egress rules": "dport 443", "connect check": "proxy"}
	seen := map[string]bool{}
	for _, line := range manualCommands(t, manual) {
		_, args, ok := strings.Cut(line, "sentinel ")
		if !ok || strings.HasPrefix(line, "vault ") {
			continue
		}
		for _, end := range []string{" |", " >", " #"} {
			args, _, _ = strings.Cut(args, end)
		}
		words := strings.Fields(args)
		out, err := command(t, words...)
		name := strings.Join(words[:2], " ")
		if seen[name] = true; !strings.Contains(out, want[name]) || want[name] == "" || (err != nil) != (name == "connect check") {
			t.Errorf("%s: %v\n%s", line, err, out)
		}
	}
	if len(seen) != len(want) {
		t.Errorf("the page runs %v", seen)
	}
}
