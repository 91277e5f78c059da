package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/ratelimit"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// counted is a Redis whose counters a gateway has brought back from an empty ledger.
func counted(t *testing.T) *miniredis.Miniredis {
	t.Helper()
	m := miniredis.RunT(t)
	r, err := ratelimit.Dial(t.Context(), ratelimit.Options{Addresses: []string{m.Addr()}, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	round, err := r.Join(t.Context(), ratelimit.Party{Org: "acme", Spool: "gateway"}, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Seed(t.Context(), "acme", ratelimit.Recount{Round: round.ID}); err != nil {
		t.Fatal(err)
	}
	return m
}

// spools are the ids of two in the ledger: of a process that is alive, and of one that was last seen an hour ago.
func spools(t *testing.T, dsn string) (alive, lost string) {
	t.Helper()
	st, err := store.Open(t.Context(), store.Options{DSN: sentinel.NewSecret(dsn)})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	alive, lost = uuid.NewString(), uuid.NewString()
	for id, host := range map[string]string{alive: "alive", lost: "lost"} {
		if err := st.Beat(t.Context(), host, store.Spool{ID: id, Org: "acme", Counters: "{o:acme}:", Host: host}); err != nil {
			t.Fatal(err)
		}
	}
	db, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close(t.Context()) }()
	if _, err := db.Exec(t.Context(), `UPDATE spools SET beat = now() - INTERVAL '1 hour' WHERE spool = $1::uuid`, lost); err != nil {
		t.Fatal(err)
	}
	return alive, lost
}

// TestLimitsAreShownOverriddenAndReset runs the commands as an operator would, on a Redis of its own.
func TestLimitsAreShownOverriddenAndReset(t *testing.T) {
	m := counted(t)
	dir := t.TempDir()
	config, dsn := filepath.Join(dir, "sentinel.yaml"), ledger(t)
	site(t, dir, dsn, map[string]string{
		"sentinel.yaml": "policies: policies.yaml\nredis: {address: \"" + m.Addr() + "\"}\n",
		"policies.yaml": "org: acme\nteams: {a: {budget: {usd: 20/month}}}\nservices: {s: {team: a, identity: {token: abcdefgh}}}\n" +
			"providers: {openai: {preset: openai, credential: {vault: secret/a#b, also: [{vault: secret/a#c}]}}}\npolicies: [{name: r, limits: {tokens: 5k/day}, per: [service, model]}, {name: key, limits: {requests: 7/day}, per: credential}]\n",
	})
	alive, lost := spools(t, dsn)
	run := func(args ...string) (string, error) {
		var out strings.Builder
		c := root()
		c.SetOut(&out)
		c.SetArgs(append(append([]string{"limits"}, args...), "--config", config))
		err := c.ExecuteContext(t.Context())
		return out.String(), err
	}
	for _, step := range []struct {
		args []string
		want string // part of the output, or of the error
		fail bool
	}{
		{[]string{"show"}, "team/a/cost/month  $20.00", false},
		{[]string{"explain", "s", "openai", "chat.completions", "gpt-5.1"}, "rule/r/tokens/day/service/s/model/gpt-5.1      5000 ", false},
		{[]string{"explain", "s", "openai", "chat.completions", "gpt-5.1"}, "rule/key/requests/day/credential/secret%2fa#b  7 ", false},
		{[]string{"explain", "s", "openai", "chat.completions", "gpt-5.1", "--credential", "vault:secret/a#c"}, "rule/key/requests/day/credential/secret%2fa#c  7 ", false},
		{[]string{"explain", "s", "openai", "chat.completions", "gpt-5.1", "--json"}, `"cell": "rule/key/requests/day/credential/secret%2fa#b"`, false},
		{[]string{"explain", "nobody", "openai", "chat.completions"}, "no service \"nobody\"", true},
		{[]string{"override", "team/a/cost/month", "30.5", "--for", "2h", "--why", "launch"}, "team a: budget/month is $30.50 instead of $20.00 until ", false},
		{[]string{"show"}, "$30.50", false},
		{[]string{"show"}, "launch", false},
		{[]string{"override", "team/a/cost/month", "much"}, "not a number", true},
		{[]string{"override", "team/a/cost/month", "5", "--for", "99999h"}, "at most 13 months ahead", true},
		{[]string{"override", "team/b/cost/month", "5"}, "the policy has no limit \"team/b/cost/month\"", true},
		{[]string{"override", "team/a/cost/month", "end"}, "is $20.00 again", false},
		{[]string{"reset", "rule/r/tokens/day/service/s/model/gpt-5.1"}, "r: tokens/day: 0 forgiven", false},
		{[]string{"show", "--json"}, `"left": 20000000000`, false},
		{[]string{"abandon", alive, "--why", "by mistake"}, alive + " is not one that has been silent for 30s", true},
		{[]string{"abandon", lost, "--why", "its volume is gone"}, "limits no longer wait for " + lost + " on lost, last seen ", false},
		{[]string{"abandon", lost}, lost + " is not one that has been silent", true},
		{[]string{"abandon"}, "the id of a spool", true},
	} {
		out, err := run(step.args...)
		if err != nil {
			out += err.Error()
		}
		if (err != nil) != step.fail || !strings.Contains(out, step.want) {
			t.Errorf("limits %q gave %v and\n%s\nwant %q", step.args, err, out, step.want)
		}
	}
	rows, err := command(t, "audit", "show", "--config", config)
	for _, row := range []string{"limit.override.done team/a", "limit.override_end.done team/a", "limit.reset.done rule/r", "limit.abandon spool " + lost} {
		if err != nil || !strings.Contains(rows, row) {
			t.Errorf("audit show gave %v and\n%s\nwant a row with %q", err, rows, row)
		}
	}
}
