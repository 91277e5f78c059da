package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

// TestNothingChangesThatTheAuditChainDoesNotTake breaks the chain under a running gateway, tries every change of the admin API, a
// command and the policy file, and looks that nothing is different; calls go on.
func TestNothingChangesThatTheAuditChainDoesNotTake(t *testing.T) {
	const budget = "{budget: {usd: 10/day, mode: hard}}"
	g := open(t, mockapi.DefaultConfig(), budget, "")
	g.stop()
	g.env = append(g.env, "SENTINEL_TOKEN_KEY="+strings.Repeat("0a", 32))
	g.write("policies.yaml", strings.Replace(g.policyOf(budget, "alerts: {channels: {x: {slack: {channel: \"#x\", token: \"vault:secret/openai#api_key\"}}}}\n"), "identity: {", "identity: {issued: true, ", 1))
	g.start()
	b := g.signedUp()
	const cell = "team/core/cost/day"
	override := `{"cell":"` + cell + `","max":"2000000000","until":"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `","why":"launch"}`
	b.want(http.StatusNoContent, "PUT", "/accounts/vera", `{"role":"viewer","password":"`+password+`"}`, nil)
	b.want(http.StatusOK, "PUT", "/limits/override", override, nil)
	var issued struct{ ID string }
	b.want(http.StatusCreated, "POST", "/service-tokens", `{"service":"app"}`, &issued)
	var p struct{ Text string }
	tag := b.want(http.StatusOK, "GET", "/policy", "", &p).Get("ETag")
	next, err := json.Marshal(map[string]string{"text": strings.Replace(p.Text, "usd: 10/day", "usd: 20/day", 1), "reason": "a test"})
	g.must(err)
	state := func() string {
		var all []string
		for _, path := range []string{"/accounts", "/service-tokens", "/limits", "/policy", "/audit"} {
			var body json.RawMessage
			b.want(http.StatusOK, "GET", path, "", &body)
			all = append(all, string(body))
		}
		return strings.Join(all, "\n")
	}
	db, err := pgx.Connect(t.Context(), g.dsn)
	g.must(err)
	defer func() { _ = db.Close(t.Context()) }()
	_, err = db.Exec(t.Context(), `CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100'; END $$;
		CREATE TRIGGER broken BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION full_disk()`)
	g.must(err)
	incident, err := json.Marshal(sentinel.Incident{ID: "i", Group: "budget", Rule: "budget", Scope: cell, Firing: true, Opened: time.Now().UTC()})
	g.must(err)
	_, err = db.Exec(t.Context(), `INSERT INTO incidents (id, opened, grp, rule, scope, severity, state, doc) VALUES ('i', now(), 'budget', 'budget', $1, 'info', 'open', $2)`, cell, incident)
	g.must(err)
	before := state()
	for _, change := range []struct{ method, path, body string }{
		{"PUT", "/accounts/eve", `{"role":"admin","password":"` + password + `"}`},
		{"PUT", "/accounts/vera", `{"role":"admin"}`},
		{"DELETE", "/accounts/vera", ""},
		{"POST", "/session/tokens", `{"label":"ci","days":1}`},
		{"POST", "/service-tokens", `{"service":"app"}`},
		{"POST", "/service-tokens/" + issued.ID + "/rotate", `{"grace_seconds":60}`},
		{"DELETE", "/service-tokens/" + issued.ID, ""},
		{"PUT", "/limits/override", strings.Replace(override, "2000000000", "9000000000", 1)},
		{"DELETE", "/limits/override?cell=" + cell, ""},
		{"POST", "/limits/reset", `{"cell":"` + cell + `"}`},
		{"PUT", "/policy", string(next)},
		{"POST", "/incidents/answer", `{"group":"budget","act":"acknowledge"}`},
	} {
		var seen []string
		if change.path == "/policy" {
			seen = []string{"If-Match", tag}
		}
		b.want(http.StatusServiceUnavailable, change.method, change.path, change.body, nil, seen...)
	}
	g.write("policies.yaml", strings.Replace(p.Text, "usd: 10/day", "usd: 30/day", 1))
	g.eventually("the changed file is refused", func() bool {
		log, err := os.ReadFile(filepath.Join(g.dir, "sentinel.log"))
		return err == nil && bytes.Contains(log, []byte("policy not reloaded"))
	})
	g.write("policies.yaml", p.Text)
	if code, out, stderr := sentinelIn(t, g.dir, g.env, "limits", "override", cell, "9"); code == 0 || !strings.Contains(stderr, "record limit.override") {
		t.Errorf("a command that nobody records: %d %s %s", code, out, stderr)
	}
	if after := state(); after != before {
		t.Errorf("something changed that the audit chain did not take:\n%s\n%s", before, after)
	}
	if code, _, body := g.do("GET", "/weather/v1/forecast/lima", ""); code != http.StatusOK {
		t.Errorf("a call while the chain takes nothing: %d %s", code, body)
	}
	_, err = db.Exec(t.Context(), `DROP TRIGGER broken ON audit`)
	g.must(err)
	b.want(http.StatusNoContent, "PUT", "/accounts/vera", `{"role":"operator"}`, nil)
	if code, out, stderr := sentinelIn(t, g.dir, g.env, "audit", "verify"); code != 0 {
		t.Errorf("audit verify: %s %s", out, stderr)
	}
}
