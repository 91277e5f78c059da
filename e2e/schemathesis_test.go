package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

// Schemathesis makes requests of the API's own document, right and wrong ones, to every operation: none fails on our side, and each answer
// is as the document says.
func TestTheAPIAnswersAsItsDocumentSays(t *testing.T) {
	tool, err := filepath.Abs(filepath.Join(repo, ".tools", "api", "bin", "schemathesis"))
	if err == nil {
		_, err = os.Stat(tool)
	}
	if err != nil {
		if os.Getenv("E2E") == "must" {
			t.Fatal("schemathesis is missing: run make tools")
		}
		t.Skip("schemathesis is missing: run make tools")
	}
	document, err := filepath.Abs(filepath.Join(repo, "admin", "openapi.json"))
	if err != nil {
		t.Fatal(err)
	}
	team := "{budget: {usd: 900/month, warn_at: [80%]}}"
	g := open(t, mockapi.DefaultConfig(), team, "")
	g.env = append(g.env, "SENTINEL_TOKEN_KEY="+strings.Repeat("0a", 32))
	g.tell(team)
	ada := g.signedUp()
	for range 3 {
		g.do("GET", "/weather/v1/forecast/Oslo", "")
	}
	var issued struct{ Token string }
	ada.want(http.StatusCreated, "POST", "/session/tokens", `{"label":"schemathesis","days":1}`, &issued)
	examples := "8"
	if n := os.Getenv("EXAMPLES"); n != "" {
		examples = n
	}
	// An account's own token ends with its sign-out and with its change: those come last. Accounts are slowed down at 50 requests a second.
	for _, only := range [][]string{
		{"--exclude-operation-id", "sign-out", "--exclude-operation-id", "put-account", "--exclude-operation-id", "remove-account"},
		{"--include-operation-id", "sign-out", "--include-operation-id", "put-account", "--include-operation-id", "remove-account"},
	} {
		run := exec.CommandContext(t.Context(), tool, append([]string{"run", document, "--url", g.people, "-H", "Authorization: Bearer " + issued.Token,
			"--checks", "not_a_server_error,response_schema_conformance,content_type_conformance", "--phases", "coverage,fuzzing", "--max-examples", examples,
			"--seed", "1", "--rate-limit", "45/s", "--continue-on-failure", "--generation-database", "none", "--generation-with-security-parameters", "false", "--no-color"}, only...)...)
		run.Dir = t.TempDir()
		out, err := run.CombinedOutput()
		if os.Getenv("VERBOSE") != "" || err != nil {
			t.Logf("%s", out)
		}
		if err != nil {
			log, _ := os.ReadFile(filepath.Join(g.dir, "sentinel.log"))
			t.Fatalf("schemathesis: %v\n%s", err, tail(log))
		}
	}
	g.browser().want(http.StatusOK, "GET", "/session/ways", "", nil) // it is there all the same
}
