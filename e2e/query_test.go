package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/internal/stack"
)

// A provider that takes its key in the query gets the gateway's there, and no other that the client has written; it stands in no log.
func TestAKeyInTheQueryIsTheGatewaysAlone(t *testing.T) {
	config := mockapi.DefaultConfig()
	config.Accept = map[string][]string{"weather": {vaultKey}}
	g := openOn(t, config, "{}", "", (*stack.Stack).Postgres, "")
	g.write("policies.yaml", strings.Replace(g.policyOf("{}", ""), `{vault: "secret/openai#api_key", header: x-api-key}`, `{vault: "secret/openai#api_key", query: key, rotate: {test: /v1/forecast/oslo}}`, 1))
	sum := sha256.Sum256([]byte(vaultKey))
	seen := func() (calls int64) {
		for _, c := range g.mock.Stats().Credentials {
			if c.Provider == "weather" && c.SHA256 == hex.EncodeToString(sum[:]) {
				calls = c.Calls
			}
			if c.Canary {
				t.Error("a caller's token reached the provider")
			}
		}
		return calls
	}
	ask := func(query string) error { return g.whole(http.MethodGet, "/weather/v1/forecast/lima"+query, "", "") }
	g.eventually("the policy is in force", func() bool { return ask("") == nil })
	g.mock.Reset()
	for n, query := range []string{"", "?units=m", "?key=evil", "?units=m&key=evil&%6bey=evil&q=1;key=evil"} {
		if err := ask(query); err != nil {
			t.Errorf("%q: %v", query, err)
		}
		if got := seen(); got != int64(n)+1 {
			t.Errorf("%q: the provider saw %d calls with the gateway's key alone, want %d", query, got, n+1)
		}
	}
	if err := g.whole(http.MethodGet, "/weather/v1/forecast/lima?key="+token, "", ""); err == nil {
		t.Error("a call with the caller's token in the query went on")
	}
	time.Sleep(time.Second) // Envoy writes its access log every half
	for _, name := range []string{"access.log", "sentinel.log"} {
		log, err := os.ReadFile(filepath.Join(g.dir, name))
		g.must(err)
		if strings.Contains(string(log), vaultKey) {
			t.Errorf("the provider's key stands in %s", name)
		}
	}
}
