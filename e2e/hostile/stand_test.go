// Package hostile attacks the gateway: the built binary behind a real Envoy, with raw sockets where a client
// library would be too polite. After every attack the same five things must hold (see check_test.go).
package hostile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/saas-sentinel/saas-sentinel/internal/envoytest"
	"github.com/saas-sentinel/saas-sentinel/internal/issuertest"
	"github.com/saas-sentinel/saas-sentinel/internal/stack"
)

const (
	repo = "../.."

	token      = "svc_canary-hostile-93ab" // of the service app
	otherToken = "svc_canary-poor-51cd"    // of a service that has nothing left to spend
	accessKey  = "SENTINELHOSTILE1"
	issued     = "issued-canary/5b+e2/Xq"
	vaultKey   = `sk-vault-canary/7d1c+"x"` // every way to escape it changes it
	vaultAWS   = "aws-vault-canary/8c+31/Zr"
	mistyped   = "svc_canary-mistyped-0d2e"
	tokenKey   = "5ca1ab1e0ff1ce5ca1ab1e0ff1ce5ca1ab1e0ff1ce5ca1ab1e0ff1ce5ca1ab1e"
)

// policies of the stand. The imposter's address serves no certificate for its host.
const policies = `org: acme
defaults: {unpriced: deny}
teams:
  core: {budget: {usd: 1000/day, mode: hard}}
  poor: {budget: {usd: 0.000001/day, mode: hard}}
services:
  app: {team: core, identity: {token: %[3]s, aws: {access_key_id: %[5]s, secret: "vault:secret/callers/app#secret"}}}
  beggar: {team: poor, identity: {token: %[4]s}}
  certified: {team: core, identity: {spiffe: %[6]q}}
  workload: {team: core, identity: {jwt: {issuer: k8s, subject: %[7]q}}}
  issued: {team: core, identity: {issued: true}}
issuers: {k8s: {url: %[8]q, audience: sentinel}}
alerts:
  channels: {finops: {slack: {channel: "#finops", token: "vault:secret/slack#token", signing_secret: "vault:secret/slack#signing", api: %[9]q}}}
providers:
  openai: {preset: openai, credential: "vault:secret/key#api_key", address: "%[1]s", ca_file: "%[2]s"}
  anthropic: {preset: anthropic, credential: "vault:secret/key#api_key", address: "%[1]s", ca_file: "%[2]s"}
  stripe: {preset: stripe, credential: "vault:secret/key#api_key", address: "%[1]s", ca_file: "%[2]s"}
  bedrock: {preset: aws-bedrock, region: us-east-1, credential: "vault:secret/aws", address: "%[1]s", ca_file: "%[2]s"}
  s3: {preset: aws-s3, region: us-east-1, credential: "vault:secret/aws", address: "%[1]s", ca_file: "%[2]s"}
  imposter:
    host: api.imposter.example
    address: "%[1]s"
    ca_file: "%[2]s"
    credential: {vault: "secret/key#api_key", header: x-api-key}
    endpoints: [{name: get, method: GET, path: "/v1/things", price: {per_request_usd: 0.01}}]
  weather:
    host: api.weather.example
    address: "%[1]s"
    ca_file: "%[2]s"
    credential: {vault: "secret/key#api_key", header: x-api-key}
    endpoints:
      - {name: forecast, method: GET, path: "/v1/forecast/{city}", price: {per_request_usd: 0.001}}
policies:
  - {name: pace, match: {model: gpt-5-nano}, limits: {requests: 1/day}}
`

// stand is the whole gateway, with a provider and a trap that remember what reached them.
type stand struct {
	testing.TB
	*outsiders
	dir      string
	stack    *stack.Stack
	provider *provider
	trap     *trap
	db       *pgx.Conn
	dsn      string
	redis    string
	env      []string
	addr     string // of the gateway
	probes   string // URL of sentinel's metrics
	admin    string // URL of Envoy's admin page
	control  string // host:port of sentinel's gRPC
	people   string // host:port of the admin API
	ada      *account
	vera     *account
	link     string // the first account's, which is used
	envoy    *envoytest.Process
	child    *exec.Cmd
	exited   chan error
	canaries map[string]string
	slowest  time.Duration // answer that showed after an attack that the gateway is ready
	late     int           // second tries that were needed
	silent   int           // refusals of Envoy that only its access log explains
	lost     int           // admitted calls that could not reach their provider
}

// programs is a folder that goes with the tests.
var programs string

func TestMain(m *testing.M) {
	var err error
	if programs, err = os.MkdirTemp("", "sentinel-hostile-"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(programs)
	os.Exit(code)
}

var binary = sync.OnceValues(func() (string, error) {
	file := filepath.Join(programs, "sentinel")
	if out, err := exec.Command("go", "build", "-o", file, repo+"/cmd/sentinel").CombinedOutput(); err != nil {
		return "", errors.New(string(out))
	}
	return file, nil
})

// needTools skips without the installed components, and fails when they must be there.
func needTools(t testing.TB) string {
	t.Helper()
	tools, err := filepath.Abs(filepath.Join(repo, ".tools"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(tools, "venv", "bin", "python")); err != nil {
		if os.Getenv("E2E") == "must" {
			t.Fatal("the tools are not installed: run make tools")
		}
		t.Skip("the tools are not installed: run make tools")
	}
	return tools
}

// newStand starts everything, and stops it when the test ends.
func newStand(t testing.TB) *stand {
	t.Helper()
	s := &stand{TB: t, dir: t.TempDir()}
	var err error
	s.stack, err = stack.New(stack.Options{Dir: s.dir, Tools: needTools(t)})
	s.must(err)
	t.Cleanup(s.stack.Close)
	s.provider, s.trap = newProvider(t), newTrap(t)
	s.dsn, err = s.stack.Postgres()
	s.must(err)
	vault, root, err := s.stack.OpenBao()
	s.must(err)
	s.redis, err = s.stack.Redis()
	s.must(err)
	s.put(vault, root, "key", map[string]string{"api_key": vaultKey})
	s.put(vault, root, "aws", map[string]string{"access_key_id": "AKIAVAULTCANARY0", "secret_access_key": vaultAWS})
	s.put(vault, root, "callers/app", map[string]string{"secret": issued})
	s.put(vault, root, "slack", map[string]string{"token": slackToken, "signing": slackSigning})
	ports, err := stack.FreePorts(5)
	s.must(err)
	at := func(i int) string { return "127.0.0.1:" + strconv.Itoa(ports[i]) }
	s.control, s.probes, s.addr, s.admin = at(0), "http://"+at(1), at(2), "http://"+at(3)
	s.people = at(4)
	s.write("ca.pem", string(s.provider.mock.CAPEM()))
	s.outsiders = s.newOutsiders()
	s.write("policies.yaml", s.policies())
	s.write("sentinel.yaml", fmt.Sprintf(`control: {listen: "%s"}
metrics: {listen: "%s"}
admin: {listen: "%s"}
envoy: {listen: "%s", admin: "%s", access_log: "%s", access_log_flush: 500ms, stream_idle: 20s, tls: %s}
redis: {address: ["%s"], timeout: 500ms}
reconcile: {after: 1s, every: 300ms}
%s`, at(0), at(1), at(4), at(2), at(3), filepath.Join(s.dir, "access.log"), listenerTLS(s.dir), s.redis, s.config(s.dir)))
	s.env = []string{"VAULT_ADDR=" + vault, "VAULT_TOKEN=" + root, "SENTINEL_DATABASE_URL=" + s.dsn, "SENTINEL_TOKEN_KEY=" + tokenKey}
	s.run("migrate")
	s.start()
	s.envoy, err = s.stack.Envoy(t.Context(), s.run("envoy", "bootstrap"), envoytest.Options{Admin: at(3)})
	s.must(err)
	s.db, err = pgx.Connect(t.Context(), s.dsn)
	s.must(err)
	s.stack.OnClose(func() { _ = s.db.Close(s.Context()) })
	s.canaries = map[string]string{
		"the service's token": token, "another service's token": otherToken, "the service's AWS secret": issued, "a mistyped token": mistyped,
		"the provider's key": vaultKey, "the provider's AWS secret": vaultAWS, "Vault's token": root, "the database's password": s.db.Config().Password,
		"the key of issued tokens": tokenKey, "Slack's token": slackToken, "Slack's signing secret": slackSigning,
	}
	return s
}

// policies are the stand's, with its addresses.
func (s *stand) policies() string {
	return fmt.Sprintf(policies, s.provider.addr, filepath.Join(s.dir, "ca.pem"), token, otherToken, accessKey, checkout, issuertest.Subject, s.issuer.URL, s.slackAt)
}

func (s *stand) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stand) write(name, text string) {
	s.Helper()
	s.must(os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644))
}

func (s *stand) put(vault, root, path string, data map[string]string) {
	s.Helper()
	body, err := json.Marshal(map[string]any{"data": data})
	s.must(err)
	r, err := http.NewRequestWithContext(s.Context(), http.MethodPost, vault+"/v1/secret/data/"+path, bytes.NewReader(body))
	s.must(err)
	r.Header.Set("X-Vault-Token", root)
	answer, err := http.DefaultClient.Do(r)
	s.must(err)
	_ = answer.Body.Close()
	if answer.StatusCode >= 300 {
		s.Fatalf("put %s: %s", path, answer.Status)
	}
}

func (s *stand) command(args ...string) *exec.Cmd {
	s.Helper()
	file, err := binary()
	s.must(err)
	c := exec.Command(file, args...)
	c.Dir, c.Env = s.dir, append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir}, s.env...)
	return c
}

// run gives what a short command prints.
func (s *stand) run(args ...string) []byte {
	s.Helper()
	c := s.command(args...)
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		s.Fatalf("sentinel %q: %v: %s", args, err, errs.Bytes())
	}
	return out
}

// start runs sentinel, and waits until it is ready.
func (s *stand) start() {
	s.Helper()
	log, err := os.OpenFile(filepath.Join(s.dir, "sentinel.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	s.must(err)
	defer func() { _ = log.Close() }()
	c := s.command("run")
	c.Stderr = log
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s.must(c.Start())
	s.child, s.exited = c, make(chan error, 1)
	go func(exited chan<- error) { exited <- c.Wait() }(s.exited)
	s.stack.OnClose(func() { _ = c.Process.Kill() })
	s.eventually("sentinel is ready", s.ready)
}

// kill ends sentinel as a crash would.
func (s *stand) kill() {
	s.Helper()
	s.must(s.child.Process.Kill())
	<-s.exited
}

func (s *stand) ready() bool {
	answer, err := http.Get(s.probes + "/readyz")
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// eventually waits for up to 30 s.
func (s *stand) eventually(what string, ok func() bool) {
	s.Helper()
	for pause, until := 2*time.Millisecond, time.Now().Add(30*time.Second); !ok(); pause = min(2*pause, 100*time.Millisecond) {
		if time.Now().After(until) {
			log, _ := os.ReadFile(filepath.Join(s.dir, "sentinel.log"))
			s.Fatalf("after 30 s it is still not so that %s\n%s", what, log[max(0, len(log)-4000):])
		}
		<-time.After(pause)
	}
}
