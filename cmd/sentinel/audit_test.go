package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/pgtest"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// ledger is the address of a migrated database.
func ledger(t *testing.T) string {
	t.Helper()
	tools, err := pgtest.Tools()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "sentinel-cmd-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	dsn, stop, err := pgtest.Start(filepath.Join(dir, "pg"), tools)
	if errors.Is(err, pgtest.ErrMissing) && os.Getenv("E2E") != "must" {
		t.Skipf("no PostgreSQL to test with: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	st, err := store.Open(t.Context(), store.Options{DSN: sentinel.NewSecret(dsn)})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if _, err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return dsn
}

// site writes the files of a gateway into a folder, and has commands find its ledger. No Vault answers them.
func site(t *testing.T, dir, dsn string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for k, v := range map[string]string{"SENTINEL_DATABASE_URL": dsn, "VAULT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": "t"} {
		t.Setenv(k, v)
	}
}

// command runs sentinel and gives its output and error as one text.
func command(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out strings.Builder
	c := root()
	c.SetOut(&out)
	c.SetArgs(args)
	err := c.ExecuteContext(t.Context())
	if err != nil {
		out.WriteString(err.Error())
	}
	return out.String(), err
}

func TestOverridesAreAuditedAndTamperingIsNamed(t *testing.T) {
	m, dir, dsn := counted(t), t.TempDir(), ledger(t)
	config := filepath.Join(dir, "sentinel.yaml")
	site(t, dir, dsn, map[string]string{
		"sentinel.yaml": "policies: policies.yaml\nredis: {address: \"" + m.Addr() + "\"}\naudit: {key: audit.key, checkpoints: audit.checkpoints}\n",
		"policies.yaml": "org: acme\nteams: {a: {budget: {usd: 20/month}}}\nservices: {s: {team: a, identity: {token: abcdefgh}}}\n" +
			"providers: {openai: {preset: openai, credential: secret/a#b}}\n",
	})
	expect := func(want string, fail bool, args ...string) {
		t.Helper()
		if out, err := command(t, append(args, "--config", config)...); (err != nil) != fail || !strings.Contains(out, want) {
			t.Errorf("sentinel %q gave %v and\n%s\nwant %q", args, err, out, want)
		}
	}
	if out, err := command(t, "audit", "keygen", filepath.Join(dir, "audit.key")); err != nil || !strings.Contains(out, "PUBLIC KEY") {
		t.Fatalf("keygen: %s", out)
	}
	if out, err := command(t, "audit", "keygen", filepath.Join(dir, "audit.key")); err == nil {
		t.Errorf("a key was overwritten: %s", out)
	}
	for _, amount := range []string{"30", "40", "50"} {
		expect("is $"+amount, false, "limits", "override", "team/a/cost/month", amount)
	}
	expect("$40.00 until", false, "audit", "show")
	expect("limit.override.done team/a/cost/month", false, "audit", "show")
	expect("6 rows are as they were written; 6 signed checkpoints agree", false, "audit", "verify")

	db, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close(t.Context()) }()
	if _, err := db.Exec(t.Context(), `DELETE FROM audit`); err == nil {
		t.Error("the database deletes audit rows for anyone")
	}
	tamper := func(sql string) {
		t.Helper()
		if _, err := db.Exec(t.Context(), `ALTER TABLE audit DISABLE TRIGGER audit_is_kept; `+sql); err != nil {
			t.Fatal(err)
		}
	}
	tamper(`DELETE FROM audit WHERE seq = 6`)
	expect("audit row 6 is missing: the chain was cut", true, "audit", "verify")
	tamper(`UPDATE audit SET actor = 'someone else' WHERE seq = 2`)
	expect("audit row 2 was changed", true, "audit", "verify")

	tamper(`DROP TABLE audit`)
	expect("record limit.override", true, "limits", "override", "team/a/cost/month", "60")
	expect("$50.00", false, "limits", "show") // what nobody recorded was not done
}
