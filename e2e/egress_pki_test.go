package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/internal/stack"
)

// vaultAt changes something in Vault as an operator would, and gives its status.
func (g *gateway) vaultAt(path string, fields map[string]any) (int, string) {
	g.t.Helper()
	body, err := json.Marshal(fields)
	g.must(err)
	address, _ := strings.CutPrefix(g.env[0], "VAULT_ADDR=")
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, address+"/v1/"+path, bytes.NewReader(body))
	g.must(err)
	r.Header.Set("X-Vault-Token", g.root)
	answer, err := http.DefaultClient.Do(r)
	g.must(err)
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	g.must(err)
	return answer.StatusCode, string(text)
}

// openVaultPKI is openProxy with an authority whose key is in Vault.
func openVaultPKI(t *testing.T, life time.Duration, hosts ...string) (g *gateway, proxy string) {
	t.Helper()
	g = openOn(t, mockapi.DefaultConfig(), "{}", "", (*stack.Stack).Postgres, "")
	for path, fields := range map[string]map[string]any{
		"sys/mounts/pki": {"type": "pki"},
	} {
		if code, text := g.vaultAt(path, fields); code >= 300 {
			t.Fatalf("%s: %d %s", path, code, text)
		}
	}
	if code, text := g.vaultAt("pki/root/generate/internal", map[string]any{"common_name": "egress of acme", "ttl": "24h", "key_type": "ec", "permitted_dns_domains": hosts}); code >= 300 {
		t.Fatalf("root: %d %s", code, text)
	}
	if code, text := g.vaultAt("pki/roles/egress", map[string]any{"allowed_domains": hosts, "allow_bare_domains": true, "key_type": "ec", "max_ttl": "24h"}); code >= 300 {
		t.Fatalf("role: %d %s", code, text)
	}
	ports, err := stack.FreePorts(1)
	g.must(err)
	proxy = fmt.Sprintf("127.0.0.1:%d", ports[0])
	g.stop()
	g.append("sentinel.yaml", fmt.Sprintf("proxy: {listen: %q, ca: \"vault:pki#egress\", certificate_life: %s}\n", proxy, life))
	g.start()
	code, bundle, stderr := sentinelIn(t, g.dir, g.env, "ca", "export")
	if code != 0 {
		t.Fatalf("ca export: %s", stderr)
	}
	g.write("bundle.pem", bundle)
	if found, _ := filepath.Glob(filepath.Join(g.dir, "proxy-ca.pem")); len(found) > 0 {
		t.Error("an authority was made beside Vault's")
	}
	return g, proxy
}

// rotating is how long certificates are rotated: make bench-egress takes a minute.
func rotating(t *testing.T) time.Duration {
	text := os.Getenv("EGRESS_ROTATION")
	if text == "" {
		return 16 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("EGRESS_ROTATION: %v", err)
	}
	return d
}

// Vault's PKI signs a new certificate for each host every five seconds under a hundred calls a second: none fails, over connections that
// stay and those that are new. What the authority may not vouch for is not issued.
func TestRotatedCertificatesCutNothing(t *testing.T) {
	g, proxy := openVaultPKI(t, 10*time.Second, "api.openai.com") // renewed after half of it
	length := rotating(t)
	var group sync.WaitGroup
	var mu sync.Mutex
	var calls int
	certificates, failed := map[string]bool{}, []string{}
	call := func(c *http.Client) {
		answer, err := c.Post("https://api.openai.com/v1/chat/completions", "application/json", strings.NewReader(chat))
		var serial string
		if err == nil {
			_, err = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
			serial = answer.TLS.PeerCertificates[0].SerialNumber.String()
			if err == nil && answer.StatusCode != http.StatusOK {
				err = fmt.Errorf("answered %s", answer.Status)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if calls++; err != nil {
			failed = append(failed, err.Error())
		}
		certificates[serial] = true
	}
	g.eventually("Envoy has the certificate", func() bool {
		answer, err := through(t, g, proxy, "app:"+token+"@").Post("https://api.openai.com/v1/chat/completions", "application/json", strings.NewReader(chat))
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	end := time.Now().Add(length)
	for i := range 10 {
		group.Go(func() { // ten calls a second each
			c, tick := through(t, g, proxy, "app:"+token+"@"), time.NewTicker(100*time.Millisecond)
			defer tick.Stop()
			for n := 0; time.Now().Before(end); n++ {
				if i > 1 && n%10 == 9 { // some connections are new, two stay
					c.CloseIdleConnections()
				}
				call(c)
				<-tick.C
			}
		})
	}
	group.Wait()
	t.Logf("%d calls in %s (%.0f/s), %d certificates, %d failures", calls, length, float64(calls)/length.Seconds(), len(certificates), len(failed))
	if len(failed) > 0 || len(certificates) < int(length/(5*time.Second)) {
		t.Errorf("%d of %d calls failed, first %q; %d certificates were seen", len(failed), calls, append(failed, "")[0], len(certificates))
	}
	// Stripe is a provider of the policy, and outside of the authority's constraints.
	if _, err := through(t, g, proxy, "app:"+token+"@").Post("https://api.stripe.com/v1/charges", "", nil); err == nil || !strings.Contains(err.Error(), "Forbidden") {
		t.Errorf("a host outside of the constraints is reached: %v", err)
	}
	if !strings.Contains(string(g.files("sentinel.log")), "outside of the authority's name constraints") {
		t.Error("the log does not tell of the host outside")
	}
}
