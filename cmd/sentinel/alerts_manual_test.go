package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/alerts"
	"github.com/saas-sentinel/saas-sentinel/internal/baotest"
	"github.com/saas-sentinel/saas-sentinel/internal/mockalerts"
	"github.com/saas-sentinel/saas-sentinel/store"
)

const manualSlackToken = "xoxb-manual-canary-77e3"

// TestTheAlertsManualRuns loads every policy of the manual and runs every command of it, with the smallest policy, against Vault,
// PostgreSQL and a stand-in for Slack.
func TestTheAlertsManualRuns(t *testing.T) {
	manual, err := filepath.Abs("../../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	dsn := ledger(t)
	vault, root, _ := baotest.Run(t)
	if err := putSecret(t.Context(), vault, root, "slack", map[string]string{"token": manualSlackToken}); err != nil {
		t.Fatal(err)
	}
	mock := mockalerts.New(mockalerts.Credentials{SlackToken: manualSlackToken})
	slack := httptest.NewServer(mock)
	t.Cleanup(slack.Close)
	t.Chdir(t.TempDir())
	for k, v := range map[string]string{"SENTINEL_DATABASE_URL": dsn, "VAULT_ADDR": vault, "VAULT_TOKEN": root} {
		t.Setenv(k, v)
	}
	write := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const base = "org: acme\nteams: {growth: }\nservices: {app: {team: growth, identity: {token: abcdefgh}}}\nproviders: {openai: {preset: openai, credential: \"vault:secret/slack#token\"}}\n"
	write("sentinel.yaml", "policies: policies.yaml\naudit: {key: audit.key, checkpoints: audit.checkpoints}\n")
	blocks := manualPolicies(t, manual)
	for _, block := range blocks {
		write("policies.yaml", base+block)
		if out, err := command(t, "policy", "check", "policies.yaml"); err != nil {
			t.Errorf("%s\n%s", block, out)
		}
	}
	if len(blocks) < 3 {
		t.Fatalf("%d policies in the manual", len(blocks))
	}
	write("policies.yaml", base+strings.Replace(blocks[0], `#token"`, `#token", api: "`+slack.URL+`/slack/api"`, 1))
	if out, err := command(t, "audit", "keygen", "audit.key"); err != nil {
		t.Fatal(out)
	}
	id := openAnIncident(t, dsn)
	outputs := map[string]string{}
	lines := manualCommands(t, manual)
	if len(lines) < 4 {
		t.Fatalf("%d commands in the manual", len(lines))
	}
	for _, line := range lines {
		args := fields(line)
		out, err := command(t, args[1:]...)
		if err != nil {
			t.Errorf("%s: %s", line, out)
		}
		outputs[args[2]] = out
	}
	for name, want := range map[string]string{"test": "finops               taken", "silence": "holds from", "silences": "their maintenance", "list": id} {
		if !strings.Contains(outputs[name], want) {
			t.Errorf("sentinel alerts %s lacks %q:\n%s", name, want, outputs[name])
		}
	}
	if got := mock.Messages("slack"); len(got) != 3 || got[0].Method != "chat.postMessage" || got[1].Method != "files.getUploadURLExternal" {
		t.Errorf("the sample and its chart: %+v", got)
	}
	if out, err := command(t, "alerts", "history", id); err != nil || !strings.Contains(out, "opened") {
		t.Errorf("history: %s", out)
	}
	silence, _, _ := strings.Cut(outputs["silence"], " ")
	if out, err := command(t, "alerts", "unsilence", silence); err != nil {
		t.Errorf("unsilence: %s", out)
	}
	for args, want := range map[string]string{"silence": "name at least one", "silence --rule [": "not a pattern", "silence --rule x --for 3000h": "90 days", "unsilence none": "no silence",
		"history none": "no incident", "test none": "no rule"} {
		if out, err := command(t, append([]string{"alerts"}, strings.Fields(args)...)...); err == nil || !strings.Contains(out, want) {
			t.Errorf("alerts %s: %q, want %q", args, out, want)
		}
	}
}

// manualPolicies are the manual's policies about alerts.
func manualPolicies(t *testing.T, file string) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i, block := range strings.Split(string(text), "```") {
		if body, ok := strings.CutPrefix(block, "yaml\n"); i%2 == 1 && ok && strings.Contains(body, "alerts:\n") {
			blocks = append(blocks, body)
		}
	}
	return blocks
}

// openAnIncident puts one incident into the database, and gives its id.
func openAnIncident(t *testing.T, dsn string) string {
	t.Helper()
	st, err := store.Open(t.Context(), store.Options{DSN: sentinel.NewSecret(dsn)})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	m := &alerts.Machine{Rules: map[string]alerts.Rule{"budget": {Name: "budget", To: []string{"finops"}}}, Timing: alerts.DefaultTiming()}
	e := alerts.Event{Rule: "budget", Scope: "team/growth/cost/day", Firing: true, Title: "over", At: time.Now().UTC()}
	if err := alerts.Record(t.Context(), st, m, e); err != nil {
		t.Fatal(err)
	}
	return sentinel.IncidentID(e.Rule, e.Scope, e.Window)
}
