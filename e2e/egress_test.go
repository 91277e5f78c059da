package e2e

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/internal/stack"
)

// openProxy is open with the proxy, whose certificates live for so long.
func openProxy(t testing.TB, life time.Duration, team string, change ...func(*mockapi.Config)) (g *gateway, proxy, bundle string) {
	t.Helper()
	ports, err := stack.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	at := fmt.Sprintf("127.0.0.1:%d", ports[0])
	config := mockapi.DefaultConfig()
	for _, c := range change {
		c(&config)
	}
	config.Accept = map[string][]string{"openai": {vaultKey}, "anthropic": {claudeKey}, "stripe": {vaultKey}, "bedrock": {"AKIAVAULTCANARY0:" + vaultAWS}, "s3": {"AKIAVAULTCANARY0:" + vaultAWS}}
	g = openOn(t, config, team, "", (*stack.Stack).Postgres, fmt.Sprintf("proxy: {listen: %q, certificate_life: %s}\n", at, life))
	code, bundle, stderr := sentinelIn(t, g.dir, g.env, "ca", "export")
	if code != 0 {
		t.Fatalf("ca export: %s", stderr)
	}
	g.write("bundle.pem", bundle)
	return g, at, filepath.Join(g.dir, "bundle.pem")
}

// Official clients reach their usual hosts, and are known, paid for, metered and limited all the same.
func TestUnchangedClientsAreGovernedThroughTheProxy(t *testing.T) {
	g, proxy, bundle := openProxy(t, 12*time.Second, "{}") // renewed every six seconds, while they run
	script, err := filepath.Abs("../examples/clients/unchanged.py")
	g.must(err)
	var got map[string]int
	out, err := g.stack.Python(t.Context(), script, "HTTPS_PROXY=http://app:"+token+"@"+proxy, "CA_BUNDLE="+bundle)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	g.must(json.Unmarshal(out, &got))
	usual := "HTTPS_PROXY=http://app:" + token + "@" + proxy
	node, dir := nodeClients(t)
	preload, err := filepath.Abs("../examples/clients/proxy.mjs")
	g.must(err)
	for name, cmd := range map[string]*exec.Cmd{
		"node":          exec.CommandContext(t.Context(), node, filepath.Join(dir, "unchanged.mjs")),
		"curl":          exec.CommandContext(t.Context(), "curl", append(curlChat, openAIChat)...),
		"curl's stream": exec.CommandContext(t.Context(), "curl", append(curlStream, openAIChat)...),
	} {
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + g.dir, usual, "NODE_USE_ENV_PROXY=1", "NODE_OPTIONS=--import " + preload, "NODE_EXTRA_CA_CERTS=" + bundle, "CURL_CA_BUNDLE=" + bundle}
		answeredInFull(t, name, cmd)
	}
	rows := g.ledger(13)
	served := g.mock.Stats()
	calls, cost := sums(rows)
	if calls != 13 || served.Calls != 13 || int64(cost) != served.CostNanoUSD || served.CanarySeen {
		t.Errorf("the ledger has %d calls for %s, the providers served %d for %d; the service's token went out: %v", calls, cost, served.Calls, served.CostNanoUSD, served.CanarySeen)
	}
	for _, e := range rows {
		if e.Caller.Service != "app" || e.Action != domain.Allow || e.Estimated() {
			t.Errorf("booked as %+v", e)
		}
	}
	for _, p := range []string{"openai", "stream", "anthropic", "anthropic stream", "stripe", "bedrock", "s3"} {
		if got[p] == 0 {
			t.Errorf("%s got no answer: %v", p, got)
		}
	}
	logsHoldNoSecret(t, g.dir)
}

const openAIChat = "https://api.openai.com/v1/chat/completions"

var (
	curlChat   = []string{"-sSf", "-H", "content-type: application/json", "-d", chat}
	curlStream = []string{"-sSfN", "-H", "content-type: application/json", "-d", strings.Replace(chat, "{", `{"stream":true,`, 1)}
)

// nodeClients gives a Node that reads HTTPS_PROXY, and a folder with the official clients and the script that uses them.
func nodeClients(t *testing.T) (node, dir string) {
	t.Helper()
	packages := filepath.Join(needTools(t), "clients", "node_modules")
	node, err := filepath.EvalSymlinks(filepath.Join(packages, ".bin", "node"))
	if err != nil {
		if os.Getenv("E2E") == "must" {
			t.Fatalf("%v: run make tools", err)
		}
		t.Skipf("%v: run make tools", err)
	}
	dir = t.TempDir()
	script, err := os.ReadFile("../examples/clients/unchanged.mjs")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "unchanged.mjs"), script, 0o600), os.Symlink(packages, filepath.Join(dir, "node_modules"))); err != nil {
		t.Fatal(err)
	}
	return node, dir
}

// answeredInFull runs a client that prints what it got: numbers by API, an answer, or a stream to its end.
func answeredInFull(t *testing.T, name string, cmd *exec.Cmd) {
	t.Helper()
	var faults bytes.Buffer
	cmd.Stderr = &faults
	out, err := cmd.Output()
	var got struct {
		OpenAI, Stream, Stripe int
		Choices                []any
	}
	whole := strings.HasSuffix(strings.TrimSpace(string(out)), "data: [DONE]")
	if !whole && json.Unmarshal(out, &got) == nil {
		whole = got.OpenAI > 0 && got.Stream > 0 && got.Stripe == 2000 || len(got.Choices) > 0
	}
	if err != nil || !whole {
		t.Errorf("%s: %v\n%s%s", name, err, tail(out), tail(faults.Bytes()))
	}
}

// through makes a client whose requests go through the proxy.
func through(t testing.TB, g *gateway, proxy, user string) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(g.files("bundle.pem"))
	u, err := url.Parse("http://" + user + proxy)
	g.must(err)
	transport := &http.Transport{Proxy: http.ProxyURL(u), TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestProxyRefusesWhatIsNotItsOwn(t *testing.T) {
	g, proxy, _ := openProxy(t, time.Hour, "{limits: {requests: 1000/minute}}")
	post := func(c *http.Client, at, host string) (int, string, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at, strings.NewReader(chat))
		g.must(err)
		r.Header.Set("Content-Type", "application/json")
		if host != "" {
			r.Host = host
		}
		answer, err := c.Do(r)
		if err != nil {
			return 0, "", err
		}
		defer func() { _ = answer.Body.Close() }()
		body, err := io.ReadAll(answer.Body)
		return answer.StatusCode, string(body), err
	}
	const openai = openAIChat
	for name, tt := range map[string]struct {
		user, url, host string
		status          int
		want            string // in the answer, or in the error where there is none
	}{
		"who says who it is":       {"app:" + token + "@", openai, "", 200, "choices"},
		"who does not":             {"", openai, "", 0, "Proxy Authentication Required"},
		"a wrong token":            {"app:svc_wrong@", openai, "", 401, "authentication_error"},
		"a host that is not ours":  {"app:" + token + "@", "https://example.com/", "", 0, "Forbidden"},
		"another port":             {"app:" + token + "@", "https://api.openai.com:8443/v1/models", "", 0, "Forbidden"},
		"another host in a tunnel": {"app:" + token + "@", openai, "api.stripe.com", 403, ""},
		"the gateway's own name":   {"app:" + token + "@", "https://api.openai.com/openai/v1/chat/completions", "127.0.0.1", 403, ""},
		"an endpoint not listed":   {"app:" + token + "@", "https://api.openai.com/v1/organization/users", "", 403, "no_route"},
		"plain HTTP":               {"app:" + token + "@", "http://api.openai.com/v1/chat/completions", "", 403, "no tunnel"},
	} {
		before := g.mock.Stats().Calls
		code, body, err := post(through(t, g, proxy, tt.user), tt.url, tt.host)
		if code != tt.status || !strings.Contains(body, tt.want) && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: answered %d %s, %v; want %d and %q", name, code, body, err, tt.status, tt.want)
		}
		if served := g.mock.Stats().Calls - before; (tt.status == 200) != (served == 1) {
			t.Errorf("%s: %d calls reached the provider", name, served)
		}
	}
}

// Connections inside Envoy are shared: never between two identities.
func TestTunnelsKeepTheirOwnIdentity(t *testing.T) {
	g, proxy, _ := openProxy(t, time.Hour, "{}")
	var group sync.WaitGroup
	for i := range 16 {
		user, want := "app:"+token+"@", http.StatusOK
		if i%2 == 1 {
			user, want = fmt.Sprintf("app:svc_wrong_%d@", i), http.StatusUnauthorized
		}
		group.Go(func() {
			c := through(t, g, proxy, user)
			for range 20 {
				answer, err := c.Post("https://api.openai.com/v1/chat/completions", "application/json", strings.NewReader(chat))
				if err != nil {
					t.Errorf("%v", err)
					return
				}
				_ = answer.Body.Close()
				if answer.StatusCode != want {
					t.Errorf("tunnel %d is answered %d, want %d", i, answer.StatusCode, want)
				}
				c.CloseIdleConnections()
			}
		})
	}
	group.Wait()
}

// What the tunnel, the TLS inside and the request say must be one host. The refusal is answered where there is TLS to answer in, and is on
// the ledger in any case.
func TestTunnelsThatMixHostsAreRefusedAndBooked(t *testing.T) {
	g, proxy, _ := openProxy(t, time.Hour, "{limits: {requests: 1000/minute}}")
	for name, tt := range map[string]struct {
		sni    string
		status int
		want   string // in the answer, or in the error where there is none
	}{
		"another provider's SNI": {"api.stripe.com", 403, "the TLS inside names api.stripe.com"},
		"nobody's SNI":           {"nobody.example", 0, "EOF"},
		"no SNI":                 {"127.0.0.1", 0, "EOF"}, // Go sends no address as a name
	} {
		c := through(t, g, proxy, "app:"+token+"@")
		config := c.Transport.(*http.Transport).TLSClientConfig
		config.ServerName, config.InsecureSkipVerify = tt.sni, true
		answer, err := c.Post(openAIChat, "application/json", strings.NewReader(chat))
		status, said := 0, fmt.Sprint(err)
		if err == nil {
			body, _ := io.ReadAll(answer.Body)
			_ = answer.Body.Close()
			status, said = answer.StatusCode, string(body)
		}
		if status != tt.status || !strings.Contains(said, tt.want) {
			t.Errorf("%s: %d %s, want %d %q", name, status, said, tt.status, tt.want)
		}
	}
	for _, e := range g.ledger(3) {
		if e.Reason != domain.ReasonHostMismatch || e.Caller.Service != "app" || e.Cost != 0 {
			t.Errorf("booked as %+v", e)
		}
	}
	if n := g.mock.Stats().Calls; n != 0 {
		t.Errorf("%d calls reached the providers", n)
	}
}
