package main

import (
	"os"
	"strings"
	"testing"
)

// The chart's pods write the rules into a file that another container of theirs reads.
func TestTheRulesGoIntoAFile(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"sentinel.yaml": "policies: policies.yaml\nproxy: {redirected: \"127.0.0.1:15001\"}\n",
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
	for format, want := range map[string]string{"nft": "skuid != 1337", "iptables": "--uid-owner 1337"} {
		args := []string{"egress", "rules", "--format", format, "--except", "1337"}
		printed, err := command(t, args...)
		if err != nil || !strings.Contains(printed, want) {
			t.Errorf("%s: %v\n%s", format, err, printed)
		}
		file := "rules." + format
		if out, err := command(t, append(args, "--output", file)...); err != nil || out != "" {
			t.Errorf("--output %s: %v\n%s", file, err, out)
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil || string(text) != printed || info.Mode().Perm() != 0o644 {
			t.Errorf("%s, of mode %s, is not what is printed: %v\n%s", file, info.Mode(), err, text)
		}
	}
	for args, want := range map[string]string{"--format pf": "nft or iptables", "--output missing/rules.nft": "missing/rules.nft"} {
		if out, err := command(t, append([]string{"egress", "rules"}, strings.Fields(args)...)...); err == nil || !strings.Contains(out, want) {
			t.Errorf("%s: %q, want %q", args, out, want)
		}
	}
}
