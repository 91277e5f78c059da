package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

// TestACredentialNeverGoesToAPlaceThatItsProviderHasLeft moves a provider to another host with another credential, and back, under load: Envoy and
// sentinel learn of it at different moments, and each host sees its own credential alone.
func TestACredentialNeverGoesToAPlaceThatItsProviderHasLeft(t *testing.T) {
	const otherKey = "sk-of-the-other-place-31"
	here, there := mockapi.DefaultConfig(), mockapi.DefaultConfig()
	here.Accept, there.Accept = map[string][]string{"weather": {vaultKey}}, map[string][]string{"weather": {otherKey}}
	g := open(t, here, "{}", "")
	second, err := g.stack.Mock(there) // in the folder of the first
	g.must(err)
	authority := filepath.Join(g.dir, "second-ca.pem")
	g.must(os.WriteFile(authority, second.CAPEM(), 0o644)) // a certificate is public
	g.must(os.WriteFile(g.mock.CAFile, g.mock.CAPEM(), 0o644))
	vault, _ := strings.CutPrefix(g.env[0], "VAULT_ADDR=")
	g.put(vault, g.root, "moved", map[string]string{"api_key": otherKey})
	home := g.policyOf("{}", "")
	at := strings.Index(home, "  weather:\n")
	away := home[:at] + strings.NewReplacer(g.mock.TLSAddr, second.TLSAddr, g.mock.CAFile, authority, "secret/openai#api_key", "secret/moved#api_key").Replace(home[at:])
	var served, waited atomic.Int64
	stop := sync.OnceFunc(repeat(4, 10*time.Millisecond, func(int) {
		switch code, header, body := g.do(http.MethodGet, "/weather/v1/forecast/lima", ""); code {
		case http.StatusOK:
			served.Add(1)
		case http.StatusServiceUnavailable:
			waited.Add(1) // Envoy has no such cluster any more, or not yet, or another place than sentinel
		default:
			t.Errorf("a call got %d %v %s", code, header, body)
		}
	}))
	defer stop()
	for i := range 10 {
		g.replaces([]string{away, home}[i%2])
		moved := served.Load()
		g.eventually("calls go on there", func() bool { return served.Load() > moved+5 })
	}
	stop()
	for _, m := range []struct {
		name string
		key  string
		saw  mockapi.Stats
	}{{"the first place", vaultKey, g.mock.Stats()}, {"the second place", otherKey, second.Stats()}} {
		own := sha256.Sum256([]byte(m.key))
		for _, c := range m.saw.Credentials {
			if c.Provider == "weather" && c.SHA256 != hex.EncodeToString(own[:]) {
				t.Errorf("%s saw another credential than its own %d times", m.name, c.Calls)
			}
		}
		if m.saw.Providers["weather"].Calls == 0 {
			t.Errorf("%s served nothing", m.name)
		}
	}
	t.Logf("%d calls served and %d answered 503 in ten moves", served.Load(), waited.Load())
}
