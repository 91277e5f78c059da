package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/envoytest"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/internal/stack"
	"github.com/saas-sentinel/saas-sentinel/store"
)

const (
	token     = "svc_canary-caller-93ab"
	accessKey = "SENTINELCANARY01" // issued to the service, with issued as its secret
	issued    = "issued-canary/5b+e2/Xq"
	vaultKey  = `sk-vault-canary/7d1c+"x"` // every way to escape it changes it
	claudeKey = `sk-ant-canary/91+"y"`     // of another provider than vaultKey
	vaultAWS  = "aws-vault-canary/8c+31/Zr"
	vaultSID  = "ACvaultcanary"
)

// gateway is real Envoy, a sentinel process of its own, and everything around them.
type gateway struct {
	t      testing.TB
	dir    string
	stack  *stack.Stack
	mock   *stack.Mock
	env    []string
	root   string // Vault's token
	dsn    string
	redis  string
	url    string
	probes string
	admin  string // of Envoy
	people string // the admin API
	// replies is where Slack takes an answer for one member.
	replies string
	binary  string // of sentinel; empty for the usual one
	child   *exec.Cmd
	exited  chan error
	// envoy is the data path, and bootstrap what it was started with.
	envoy     *envoytest.Process
	bootstrap []byte
}

// policyOf is a policy with one budget and rules of the test's own.
func (g *gateway) policyOf(team, rules string) string {
	return fmt.Sprintf(`org: acme
teams: {core: %[1]s}
services:
  app: {team: core, identity: {token: %[2]s, addresses: [%[7]s, %[8]s], aws: {access_key_id: %[6]s, secret: "vault:secret/callers/app#secret"}}}
providers:
  stripe: {preset: stripe, credential: "vault:secret/openai#api_key", address: "%[3]s", ca_file: "%[4]s"}
  bedrock: {preset: aws-bedrock, region: us-east-1, credential: "vault:secret/aws", address: "%[3]s", ca_file: "%[4]s"}
  s3: {preset: aws-s3, region: us-east-1, credential: "vault:secret/aws", address: "%[3]s", ca_file: "%[4]s"}
  openai: {preset: openai, credential: "vault:secret/openai#api_key", address: "%[3]s", ca_file: "%[4]s"}
  anthropic: {preset: anthropic, credential: "vault:secret/anthropic#api_key", address: "%[3]s", ca_file: "%[4]s"}
  gemini: {preset: gemini, credential: "vault:secret/openai#api_key", address: "%[3]s", ca_file: "%[4]s"}
  twilio: {preset: twilio, credential: "vault:secret/twilio#key", address: "%[3]s", ca_file: "%[4]s"}
  weather:
    host: api.weather.example
    address: "%[3]s"
    ca_file: "%[4]s"
    credential: {vault: "secret/openai#api_key", header: x-api-key}
    endpoints: [{name: forecast, method: GET, path: "/v1/forecast/{city}", price: {per_request_usd: 0.10}}]
%[5]s`, team, token, g.mock.TLSAddr, g.mock.CAFile, rules, accessKey, clientSide, gatewaySide)
}

// open starts a gateway with a policy for the team core.
func open(t testing.TB, config mockapi.Config, team, rules string) *gateway {
	t.Helper()
	return openOn(t, config, team, rules, (*stack.Stack).Postgres, "")
}

// openOn is open with another database, and more lines for sentinel.yaml.
func openOn(t testing.TB, config mockapi.Config, team, rules string, database func(*stack.Stack) (string, error), more string) *gateway {
	t.Helper()
	return openAt(t, (*stack.Stack).OpenBao, config, team, rules, database, more)
}

// openAt is openOn with another Vault.
func openAt(t testing.TB, secrets func(*stack.Stack) (addr, token string, err error), config mockapi.Config, team, rules string, database func(*stack.Stack) (string, error), more string) *gateway {
	t.Helper()
	tools := needTools(t)
	g := &gateway{t: t, dir: t.TempDir()}
	var err error
	if g.stack, err = stack.New(stack.Options{Dir: g.dir, Tools: tools}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.stack.Close)
	config.Canaries = append(config.Canaries, token, issued)
	g.mock, err = g.stack.Mock(config)
	g.must(err)
	g.dsn, err = database(g.stack)
	g.must(err)
	vault, root, err := secrets(g.stack)
	g.must(err)
	g.root = root
	g.redis, err = g.stack.Redis()
	g.must(err)
	g.vaults(vault, root)
	ports, err := stack.FreePorts(5)
	g.must(err)
	at := func(i int) string { return "127.0.0.1:" + strconv.Itoa(ports[i]) }
	g.url, g.probes, g.admin, g.people = "http://"+at(2), "http://"+at(1), "http://"+at(3), "http://"+at(4)
	g.write("policies.yaml", g.policyOf(team, rules))
	g.write("sentinel.yaml", fmt.Sprintf(`control: {listen: "%s"}
metrics: {listen: "%s"}
admin: {listen: "%s"}
envoy: {listen: "%s", admin: "%s", access_log: "%s", access_log_flush: 500ms, stream_idle: 20s}
redis: {address: ["%s"], timeout: 500ms}
reconcile: {after: 1s, every: 300ms}
`+more, at(0), at(1), at(4), at(2), at(3), filepath.Join(g.dir, "access.log"), g.redis))
	g.env = []string{"VAULT_ADDR=" + vault, "VAULT_TOKEN=" + root, "SENTINEL_DATABASE_URL=" + g.dsn}
	if code, _, stderr := sentinelIn(t, g.dir, g.env, "migrate"); code != 0 {
		t.Fatalf("migrate: %s", stderr)
	}
	g.start()
	g.boots()
	return g
}

// boots starts Envoy with the bootstrap that sentinel writes for it now.
func (g *gateway) boots() {
	g.t.Helper()
	code, bootstrap, stderr := sentinelIn(g.t, g.dir, g.env, "envoy", "bootstrap")
	if code != 0 {
		g.t.Fatalf("envoy bootstrap: %s", stderr)
	}
	g.bootstrap = []byte(bootstrap)
	g.startEnvoy()
}

// vaults puts the credentials of policyOf into Vault.
func (g *gateway) vaults(vault, root string) {
	g.t.Helper()
	g.put(vault, root, "openai", map[string]string{"api_key": vaultKey})
	g.put(vault, root, "anthropic", map[string]string{"api_key": claudeKey})
	g.put(vault, root, "aws", map[string]string{"access_key_id": "AKIAVAULTCANARY0", "secret_access_key": vaultAWS})
	g.put(vault, root, "twilio", map[string]string{"key": vaultSID + ":" + vaultKey})
	g.put(vault, root, "callers/app", map[string]string{"secret": issued})
}

func (g *gateway) must(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
}

func (g *gateway) write(name, text string) {
	g.t.Helper()
	g.must(os.WriteFile(filepath.Join(g.dir, name), []byte(text), 0o600))
}

// replaces writes the policy, and waits until calls take all its ways: sentinel has it, and Envoy.
func (g *gateway) replaces(policy string) {
	g.t.Helper()
	before := g.reloads()
	g.write("policies.yaml", policy)
	g.must(g.child.Process.Signal(syscall.SIGHUP))
	g.eventually("the policy is in force", func() bool { return g.reloads() > before && g.metric("sentinel_envoy_behind") == 0 })
}

// reloads is how many policies were taken since the start.
func (g *gateway) reloads() float64 {
	return max(0, g.metric(`sentinel_policy_reloads_total{result="ok"}`))
}

func (g *gateway) put(vault, root, path string, data map[string]string) {
	g.t.Helper()
	g.toVault(vault, root, "secret/data/"+path, map[string]any{"data": data})
}

// toVault writes to Vault as its operator does.
func (g *gateway) toVault(vault, root, path string, data map[string]any) {
	g.t.Helper()
	body, err := json.Marshal(data)
	g.must(err)
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, vault+"/v1/"+path, bytes.NewReader(body))
	g.must(err)
	r.Header.Set("X-Vault-Token", root)
	answer, err := http.DefaultClient.Do(r)
	g.must(err)
	_ = answer.Body.Close()
	if answer.StatusCode >= 300 {
		g.t.Fatalf("write %s: %s", path, answer.Status)
	}
}

// start runs sentinel until the test ends, and waits until it is ready.
func (g *gateway) start() {
	g.t.Helper()
	log, err := os.OpenFile(filepath.Join(g.dir, "sentinel.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	g.must(err)
	defer func() { _ = log.Close() }()
	c := exec.Command(cmp.Or(g.binary, built(g.t)), "run")
	c.Dir, c.Stderr = g.dir, log
	c.Env = append([]string{"PATH=" + os.Getenv("PATH")}, g.env...)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	g.must(c.Start())
	g.child, g.exited = c, make(chan error, 1)
	go func() { g.exited <- c.Wait() }()
	g.stack.OnClose(func() { _ = c.Process.Kill() })
	g.eventually("sentinel is ready", func() bool {
		answer, err := http.Get(g.probes + "/readyz")
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}

func (g *gateway) startEnvoy() {
	g.t.Helper()
	var err error
	g.envoy, err = g.stack.Envoy(g.t.Context(), g.bootstrap, envoytest.Options{Admin: strings.TrimPrefix(g.admin, "http://")})
	g.must(err)
}

// kill ends sentinel as a crash would.
func (g *gateway) kill() {
	g.t.Helper()
	g.must(g.child.Process.Kill())
	<-g.exited
}

// stop asks sentinel to end, which writes what waits for the database.
func (g *gateway) stop() {
	g.t.Helper()
	g.must(g.child.Process.Signal(syscall.SIGTERM))
	g.must(<-g.exited)
}

func (g *gateway) eventually(what string, ok func() bool) {
	g.t.Helper()
	for range 300 {
		if ok() {
			return
		}
		select {
		case <-g.t.Context().Done():
			g.t.Fatal("the test ended")
		case <-time.After(100 * time.Millisecond):
		}
	}
	log, _ := os.ReadFile(filepath.Join(g.dir, "sentinel.log"))
	g.t.Fatalf("after 30 s it is still not so that %s\n%s", what, tail(log))
}

func tail(log []byte) []byte { return log[max(0, len(log)-4000):] }

// do sends one request with the service's token.
func (g *gateway) do(method, path, body string) (int, http.Header, string) {
	g.t.Helper()
	r, err := g.request(method, path, body)
	g.must(err)
	return g.answered(r)
}

// answered sends a request and reads its answer.
func (g *gateway) answered(r *http.Request) (int, http.Header, string) {
	g.t.Helper()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		g.t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
		return 0, nil, ""
	}
	defer func() { _ = answer.Body.Close() }()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		g.t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
	}
	return answer.StatusCode, answer.Header, string(b)
}

func (g *gateway) send(method, path, body string) (*http.Response, error) {
	r, err := g.request(method, path, body)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(r)
}

// request is one of the service, with its token.
func (g *gateway) request(method, path, body string) (*http.Request, error) {
	r, err := http.NewRequest(method, g.url+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	return r, nil
}

// ledger reads all rows, and calls until every one of the wanted number is there.
func (g *gateway) ledger(want int) []domain.Entry {
	g.t.Helper()
	st, err := store.Open(g.t.Context(), store.Options{DSN: domain.NewSecret(g.dsn), MaxConns: 2})
	g.must(err)
	defer st.Close()
	var rows []domain.Entry
	g.eventually(fmt.Sprintf("the ledger has %d rows", want), func() bool {
		rows, err = st.Entries(g.t.Context(), store.EntryQuery{Limit: 10_000})
		g.must(err)
		return len(rows) >= want
	})
	return rows
}

// sums counts the rows that went upstream, and their cost.
func sums(rows []domain.Entry) (calls int64, cost domain.NanoUSD) {
	for _, e := range rows {
		if !e.Action.Refused() {
			calls++
			cost += e.Cost
		}
	}
	return calls, cost
}
