package e2e

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

// TestCapturedBodiesAreSealedReadWithARecordAndGoneAfterTheirTime sends a canary through the gateway in calls that a rule captures and in calls
// that none does, with the key in a file and in Vault. It is read by the command alone, which leaves a row in the audit chain, and lies
// nowhere in clear; after its expiry, and after an erasure of its caller, it is gone.
func TestCapturedBodiesAreSealedReadWithARecordAndGoneAfterTheirTime(t *testing.T) {
	g := open(t, mockapi.DefaultConfig(), "{budget: {usd: 100/day}}", "")
	canaries := map[string]string{"the canary": prompt}
	before, _ := g.called("gpt-5-mini")
	if code, out, stderr := g.sentinel("capture", "show", before); code == 0 || !strings.Contains(stderr, "no key is configured") {
		t.Fatalf("show without a key: %s%s", out, stderr)
	}
	const rule = "policies: [{name: looked at, match: {model: gpt-5-mini}, capture: {bodies: [request, response], keep: 1h}}]\n"
	g.write("policies.yaml", g.policyOf("{budget: {usd: 100/day}}", rule))
	g.eventually("a rule that captures is refused without a key", func() bool {
		return bytes.Contains(g.files("sentinel.log"), []byte("no key is configured to seal them"))
	})
	if code, _, stderr := g.sentinel("capture", "keygen", "capture.key"); code != 0 {
		t.Fatal(stderr)
	}
	vault := strings.TrimPrefix(g.env[0], "VAULT_ADDR=")
	g.toVault(vault, g.root, "sys/mounts/transit", map[string]any{"type": "transit"})
	g.toVault(vault, g.root, "transit/keys/bodies", nil)
	base, err := os.ReadFile(filepath.Join(g.dir, "sentinel.yaml"))
	g.must(err)
	var shown []string
	for _, key := range []string{"key_file: capture.key", "transit: transit/bodies"} {
		g.stop()
		g.write("sentinel.yaml", string(base)+"capture: {"+key+"}\n")
		g.start()
		id, answer := g.called("gpt-5-mini")
		other, _ := g.called("gpt-5-nano")
		g.eventually("the bodies are stored", func() bool { return g.bodies("call_id = '"+id+"'") == 2 })
		code, out, stderr := g.sentinel("capture", "show", id, "--why", "ticket 4711")
		if code != 0 || !strings.Contains(out, prompt) || !strings.Contains(out, answer) || !strings.Contains(out, "--- request of attempt 1, app to openai/chat.completions") {
			t.Errorf("%s: show: %s%s", key, out, stderr)
		}
		for what, call := range map[string]string{"a call that no rule captures": other, "a call from before": before} {
			if code, out, stderr := g.sentinel("capture", "show", call); code == 0 || !strings.Contains(stderr, "nothing is captured of this call") {
				t.Errorf("%s: %s: %s%s", key, what, out, stderr)
			}
		}
		if _, out, _ := g.sentinel("capture", "list", "--service", "app"); !strings.Contains(out, id) || strings.Contains(out, other) || strings.Contains(out, prompt) {
			t.Errorf("%s: list: %s", key, out)
		}
		if _, out, _ := g.sentinel("audit", "show"); strings.Count(out, "capture.show "+id) != 1 || !strings.Contains(out, "ticket 4711") {
			t.Errorf("%s: the chain says %s", key, out)
		}
		canaries["the answer "+key] = answer
		for place, data := range g.places() {
			if found := find(data, canaries); len(found) > 0 {
				t.Errorf("%s: %s holds %v", key, place, found)
			}
		}
		shown = append(shown, id)
	}
	g.stop()
	g.exec(`UPDATE bodies SET expires = now() - INTERVAL '1 second' WHERE call_id = '` + shown[0] + `'`)
	if code, _, stderr := g.sentinel("capture", "show", shown[0]); code == 0 || !strings.Contains(stderr, "nothing is captured") {
		t.Errorf("an expired body is shown before it is swept: %s", stderr)
	}
	g.start()
	g.eventually("what has expired is deleted", func() bool { return g.bodies("true") == 2 })
	if _, out, stderr := g.sentinel("usage", "erase", "--service", "app", "--before", "2100-01-01", "--yes"); !strings.Contains(out, "2 captured bodies of app are deleted") {
		t.Errorf("erase: %s%s", out, stderr)
	}
	if n := g.bodies("true"); n != 0 {
		t.Errorf("%d bodies are left after the erasure", n)
	}
}

// called sends the canary, and gives the call's id and its answer.
func (g *gateway) called(model string) (id, answer string) {
	g.t.Helper()
	code, header, answer := g.do("POST", "/openai/v1/chat/completions", `{"model":"`+model+`","max_completion_tokens":50,"messages":[{"role":"user","content":"`+prompt+`"}]}`)
	if code != http.StatusOK {
		g.t.Fatalf("%s answered %d %s", model, code, answer)
	}
	return header.Get("X-Sentinel-Call"), answer
}

func (g *gateway) sentinel(args ...string) (code int, stdout, stderr string) {
	g.t.Helper()
	return sentinelIn(g.t, g.dir, g.env, args...)
}

// bodies counts the captured bodies that meet a condition.
func (g *gateway) bodies(where string) (n int) {
	g.t.Helper()
	conn, err := pgx.Connect(g.t.Context(), g.dsn)
	g.must(err)
	defer func() { _ = conn.Close(g.t.Context()) }()
	g.must(conn.QueryRow(g.t.Context(), `SELECT count(*) FROM bodies WHERE `+where).Scan(&n))
	return n
}

func (g *gateway) exec(sql string) {
	g.t.Helper()
	conn, err := pgx.Connect(g.t.Context(), g.dsn)
	g.must(err)
	defer func() { _ = conn.Close(g.t.Context()) }()
	_, err = conn.Exec(g.t.Context(), sql)
	g.must(err)
}
