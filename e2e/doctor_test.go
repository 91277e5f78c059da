package e2e

import (
	"strings"
	"testing"

	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

func TestDoctorFindsWhatIsWrongAndSaysWhatToDo(t *testing.T) {
	g := open(t, mockapi.DefaultConfig(), "{}", "")
	code, stdout, stderr := sentinelIn(t, g.dir, g.env, "doctor")
	for _, part := range []string{"configuration", "policy", "database", "redis", "vault", "spool", "envoy", "providers"} {
		if !hasLine(stdout, "ok", part) {
			t.Errorf("%s is not in order:\n%s%s", part, stdout, stderr)
		}
	}
	if !hasLine(stdout, "ok", "prices") && !strings.Contains(stdout, "the oldest was read on 2025-") { // AWS's figures by region are of that year
		t.Errorf("prices are not in order:\n%s%s", stdout, stderr)
	}
	if code != 0 {
		t.Errorf("a gateway that runs is found faulty: %d\n%s", code, stdout)
	}
	broken := append([]string{}, g.env...)
	for i, v := range broken {
		if strings.HasPrefix(v, "SENTINEL_DATABASE_URL=") {
			broken[i] = "SENTINEL_DATABASE_URL=postgres://u:p@127.0.0.1:1/d"
		}
		if strings.HasPrefix(v, "VAULT_TOKEN=") {
			broken[i] = "VAULT_TOKEN=wrong"
		}
	}
	code, stdout, _ = sentinelIn(t, g.dir, broken, "doctor")
	if code != 1 || !hasLine(stdout, "fail", "database") || !hasLine(stdout, "fail", "vault") || !hasLine(stdout, "ok", "redis") || !strings.Contains(stdout, "→ check SENTINEL_DATABASE_URL") {
		t.Errorf("ended with %d:\n%s", code, stdout)
	}
	if strings.Contains(stdout, "u:p@") {
		t.Error("the database's password is shown")
	}
}
