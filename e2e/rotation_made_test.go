package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/internal/stack"
)

const adminKey = "sk-admin-canary-000000000000"

// secretOf reads a secret as its operator does.
func (g *gateway) secretOf(path string) map[string]string {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodGet, strings.TrimPrefix(g.env[0], "VAULT_ADDR=")+"/v1/secret/data/"+path, nil)
	g.must(err)
	r.Header.Set("X-Vault-Token", g.root)
	answer, err := http.DefaultClient.Do(r)
	g.must(err)
	defer func() { _ = answer.Body.Close() }()
	var out struct {
		Data struct{ Data map[string]string }
	}
	g.must(json.NewDecoder(answer.Body).Decode(&out))
	return out.Data.Data
}

// A key whose time has come is replaced by one that OpenAI makes, while streams run; the next rotation takes the one before away, and a key that
// does not work is never used.
func TestAScheduleHasTheProviderMakeKeys(t *testing.T) {
	config := mockapi.DefaultConfig()
	config.Accept = map[string][]string{"openai": {vaultKey}}
	config.Administration.Key = adminKey
	config.Models = nil
	config.Answers.Pace = 20 * time.Millisecond
	g := openOn(t, config, "{}", "", (*stack.Stack).Postgres, "vault: {refresh: 200ms}\n")
	vault := strings.TrimPrefix(g.env[0], "VAULT_ADDR=")
	g.put(vault, g.root, "openai-admin", map[string]string{"api_key": adminKey})
	g.put(vault, g.root, "openai", map[string]string{"api_key": vaultKey, "api_key_rotated": "2020-01-01T00:00:00Z", "note": "kept"})
	var failed, streamed atomic.Int64
	var first sync.Once
	stop := repeat(4, 0, func(int) {
		if err := g.whole(http.MethodPost, "/openai/v1/chat/completions", `{"model":"gpt-5-mini","stream":true,"max_completion_tokens":60,"messages":[{"role":"user","content":"hello"}]}`, "[DONE]"); err != nil {
			failed.Add(1)
			first.Do(func() { t.Errorf("a call failed: %v", err) })
		}
		streamed.Add(1)
	})
	plain := `openai: {preset: openai, credential: "vault:secret/openai#api_key",`
	made := `openai: {preset: openai, credential: {vault: "secret/openai#api_key", rotate: {make: openai, every: 720h, keep: 1s, admin: "vault:secret/openai-admin#api_key", project: proj_1}},`
	g.write("policies.yaml", strings.Replace(g.policyOf("{}", ""), plain, made, 1))
	g.eventually("the schedule has a key made", func() bool { return g.secretOf("openai")["api_key"] != vaultKey })
	if s := g.secretOf("openai"); s["api_key_previous"] != vaultKey || s["note"] != "kept" || s["api_key_pending"] != "" || !strings.HasPrefix(s["api_key"], "sk-svcacct") {
		t.Errorf("after the first rotation the secret has %v", keysOf(s))
	}
	rotate := func() (string, int) {
		code, out, stderr := sentinelIn(t, g.dir, append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + g.dir}, g.env...), "keys", "rotate", "openai")
		return out + stderr, code
	}
	before := g.secretOf("openai")["api_key"]
	if said, code := rotate(); code != 0 || g.secretOf("openai")["api_key"] == before {
		t.Errorf("the command: %d %s", code, said)
	}
	<-time.After(1500 * time.Millisecond) // that the key before is kept
	config.Administration.BadKeys = true
	g.must(g.mock.Apply(config))
	before = g.secretOf("openai")["api_key"]
	said, code := rotate()
	if s := g.secretOf("openai"); code == 0 || !strings.Contains(said, "refused the new key") || s["api_key"] != before || s["api_key_pending"] != "" {
		t.Errorf("a bad key: %d %s", code, said)
	}
	if list := g.mock.ServiceAccounts(); len(list) != 1 {
		t.Errorf("the provider has the accounts %q, want the one in use", list)
	}
	stop()
	if streamed.Load() < 10 || failed.Load() != 0 {
		t.Errorf("%d streams, %d failed", streamed.Load(), failed.Load())
	}
	if log := fmt.Sprint(said, string(must(os.ReadFile(g.dir+"/sentinel.log")))); strings.Contains(log, "canary") {
		t.Error("a key stands in a log")
	}
}

func keysOf(m map[string]string) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	return names
}

func must[T any](v T, _ error) T { return v }

// A schedule whose rotation cannot even begin is told to people: the key would grow old and nobody would know.
func TestAScheduleThatCannotBeKeptIsTold(t *testing.T) {
	g := open(t, mockapi.DefaultConfig(), "{}", "")
	g.put(strings.TrimPrefix(g.env[0], "VAULT_ADDR="), g.root, "second", map[string]string{"api_key": vaultKey, "api_key_rotated": "some day"})
	mock, _ := g.tell("{}")
	plain := `openai: {preset: openai, credential: "vault:secret/openai#api_key",`
	spare := `openai: {preset: openai, credential: {vault: "secret/openai#api_key", also: [{vault: "secret/second#api_key",
    rotate: {make: openai, every: 720h, admin: "vault:secret/openai#api_key", project: proj_1}}]},`
	policies := string(g.files("policies.yaml"))
	g.write("policies.yaml", strings.Replace(policies, plain, spare, 1))
	g.eventually("people are told", func() bool {
		for _, m := range posts(mock) {
			if strings.Contains(m.Body, "the+key+of+openai%2C+credential+1+was+not+rotated") && strings.Contains(m.Body, "schedule+cannot+be+kept") {
				return true
			}
		}
		return false
	})
}
