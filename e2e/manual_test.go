package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/internal/stack"
)

// shown gives the commands of a page that begin so, each as it stands there.
func shown(t *testing.T, page string, begins ...string) (lines []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repo, page))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```").FindAllStringSubmatch(string(text), -1) {
		for line := range strings.Lines(block[1]) {
			for _, begin := range begins {
				if strings.HasPrefix(line, begin) {
					lines = append(lines, strings.TrimSpace(line))
				}
			}
		}
	}
	if len(lines) == 0 {
		t.Fatalf("%s shows nothing that begins with %q", page, begins)
	}
	return lines
}

// goSettings let commands of go run in an environment that has nothing else.
func goSettings(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	cache, modules, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return "export GOCACHE='" + cache + "' GOMODCACHE='" + modules + "' GOTOOLCHAIN='" + os.Getenv("GOTOOLCHAIN") + "'; "
}

// TestTheOperatorsManualRuns runs what the pages about running the gateway show, on one that runs, at its own addresses.
func TestTheOperatorsManualRuns(t *testing.T) {
	ports, err := stack.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	profiles := "127.0.0.1:" + strconv.Itoa(ports[0])
	g := openOn(t, mockapi.DefaultConfig(), "{budget: {usd: 100/day, mode: hard}}", "", (*stack.Stack).Postgres, "debug: {listen: \""+profiles+"\"}\n")
	for range 3 {
		if code, _, body := g.do(http.MethodPost, "/openai/v1/chat/completions", chat); code != http.StatusOK {
			t.Fatalf("answered %d %s", code, body)
		}
	}
	g.ledger(3)
	var issued struct{ Token string }
	g.signedUp().want(http.StatusCreated, "POST", "/session/tokens", `{"label":"manual","days":1}`, &issued)
	g.env = append(g.env, "SENTINEL_ADMIN_TOKEN="+issued.Token)
	here := strings.NewReplacer("http://127.0.0.1:18002", g.people, "127.0.0.1:18006", profiles, "/profile", "/profile?seconds=1", "curl ", "curl --fail --silent --show-error ")
	for _, tt := range []struct{ page, begins, says string }{
		{"docs/operations.md", "sentinel doctor", "prices"},
		{"docs/operations.md", "sentinel spool inspect spool", "entries"},
		{"docs/operations.md", "sentinel spool inspect --pending spool", ""},
		{"docs/operations.md", "sentinel limits show", "team core"},
		{"docs/operations.md", "sentinel policy check", "policies.yaml"},
		{"docs/operations.md", "go tool pprof", "Type: cpu"},
		{"docs/dashboard.md", "curl", "gpt-5-mini"},
		{"docs/scale.md", "go run", "300"},
		{"docs/deployment.md", "sentinel migrate", ""},
		{"docs/deployment.md", "sentinel envoy bootstrap", ""},
	} {
		for _, line := range shown(t, tt.page, tt.begins) {
			in := ""
			if strings.HasPrefix(line, "go ") {
				in = goSettings(t)
			}
			if strings.HasPrefix(line, "go run") {
				root, err := filepath.Abs(repo)
				g.must(err)
				in += "cd '" + root + "'; "
			}
			if out := g.shell(in + here.Replace(line) + " </dev/null"); !strings.Contains(out, tt.says) {
				t.Errorf("%s does not say %q:\n%s", line, tt.says, out)
			}
		}
	}
	if text := string(g.files("envoy.yaml")); !strings.Contains(text, "ext_proc") && !strings.Contains(text, "ads_config") {
		t.Errorf("the bootstrap is\n%s", text)
	}
	g.stop()
	for _, line := range shown(t, "docs/deployment.md", "sentinel run") { // until it is told to stop; then it ends in order
		g.shell("timeout --preserve-status --signal=TERM 4 " + line)
	}
}

// TestThePolicyManualRuns runs the commands of the page about policies in their order: from a check to a publication and back.
func TestThePolicyManualRuns(t *testing.T) {
	g := open(t, mockapi.DefaultConfig(), "{budget: {usd: 100/day, mode: hard}}", "")
	_, header, body := g.do(http.MethodPost, "/openai/v1/chat/completions", chat)
	id := header.Get("x-sentinel-call")
	if id == "" {
		t.Fatalf("a call was answered %s", body)
	}
	g.ledger(1)
	g.write("next.yaml", g.priced(200))
	g.write("policies_test.yaml", `policy: policies.yaml
tests:
  - {name: a forecast passes, calls: [{service: app, provider: weather, endpoint: forecast, path: /v1/forecast/lima, expect: {action: allow}}]}
`)
	version := strings.Fields(strings.Split(g.policy(0, "versions"), "\n")[1])[0]
	says := []string{
		"policies.yaml", "ok    a forecast passes", "spend avoided", "SUGGESTION", "would have met", "verdict: allow", "verdict: allow", "in force in 1 of 1 processes", "dearer forecasts",
		"forecast].price.per_request_usd", "forecast", "version " + version + " is published",
	}
	lines := shown(t, "docs/policy.md", "sentinel ")
	if len(lines) != len(says) {
		t.Fatalf("%d commands are shown, and %d answers known", len(lines), len(says))
	}
	for i, line := range lines {
		line, _, _ = strings.Cut(line, "#")
		line = strings.NewReplacer("CALL", id, "VERSION", version).Replace(line)
		if strings.Contains(line, " diff ") {
			line += " || [ $? = 1 ]" // something differs
		}
		if out := g.shell(line + " </dev/null"); !strings.Contains(out, says[i]) {
			t.Errorf("%s does not say %q:\n%s", line, says[i], out)
		}
	}
}

// TestTheManualsWriteToVault runs the commands that prepare Vault, by OpenBao's client, which takes the same words.
func TestTheManualsWriteToVault(t *testing.T) {
	g := open(t, mockapi.DefaultConfig(), "{}", "")
	bao := filepath.Join(needTools(t), "venv", "bin", "bao")
	g.env = append(g.env, "BAO_ADDR="+strings.TrimPrefix(g.env[0], "VAULT_ADDR="), "BAO_TOKEN="+g.root, "OPENAI_API_KEY=sk-of-the-manual", "ANTHROPIC_API_KEY=sk-ant-of-the-manual")
	asDocker := `bao() { '` + bao + `' "$@"; }; docker() { while [ "$1" != vault ]; do shift; done; shift; "$@"; }; `
	for _, line := range shown(t, "deploy/compose/README.md", "docker compose -f deploy/compose/compose.yaml exec") {
		g.shell(asDocker + line)
	}
	if out := g.shell(asDocker + "bao kv get -field=api_key secret/openai; bao kv get -field=api_key secret/anthropic"); out != "sk-of-the-manualsk-ant-of-the-manual" {
		t.Errorf("Vault has %q", out)
	}
	g.shell(`vault() { '` + bao + `' "$@"; }; ` + strings.Join(append(shown(t, "docs/egress.md", "vault "), shown(t, "docs/providers.md", "vault ")...), "\n"))
	request := "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -subj /CN=api.openai.com -addext subjectAltName=DNS:api.openai.com -out request.pem 2>/dev/null; "
	token := strings.TrimSpace(g.shell("'" + bao + "' token create -policy=egress -field=token"))
	if out := g.shell(request + "BAO_TOKEN='" + token + "' '" + bao + "' write -field=certificate pki/sign/egress csr=@request.pem common_name=api.openai.com"); !strings.Contains(out, "BEGIN CERTIFICATE") {
		t.Errorf("the role of the manual signs %s", out)
	}
}

// TestTheQuickStartRuns follows the page from an empty folder to a call, at a stand-in for the provider and at ports of its own.
func TestTheQuickStartRuns(t *testing.T) {
	g := &gateway{t: t, dir: t.TempDir(), env: []string{"OPENAI_API_KEY=sk-of-the-manual"}}
	var err error
	g.stack, err = stack.New(stack.Options{Dir: g.dir, Tools: needTools(t)})
	g.must(err)
	t.Cleanup(g.stack.Close)
	config := mockapi.DefaultConfig()
	config.Accept = map[string][]string{"openai": {"sk-of-the-manual"}}
	g.mock, err = g.stack.Mock(config)
	g.must(err)
	g.dsn, err = g.stack.Postgres()
	g.must(err)
	tools, err := filepath.Abs(needTools(t))
	g.must(err)
	g.must(os.Symlink(tools, filepath.Join(g.dir, ".tools")))
	ports, err := stack.FreePorts(6)
	g.must(err)
	at := func(i int) string { return "127.0.0.1:" + strconv.Itoa(ports[i]) }
	page, err := os.ReadFile(filepath.Join(repo, "docs", "quickstart.md"))
	g.must(err)
	script := "trap 'kill $(jobs -p); wait' EXIT\ndropdb --if-exists sentinel\n"
	for _, block := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```").FindAllStringSubmatch(string(page), -1) {
		if !strings.HasPrefix(block[1], "make ") {
			script += block[1]
		}
	}
	out := g.shell(strings.NewReplacer(
		"redis: {address: [127.0.0.1:6379]}", "redis: {address: [\""+at(5)+"\"]}\ncontrol: {listen: \""+at(0)+"\"}\nmetrics: {listen: \""+at(1)+"\"}\nadmin: {listen: \""+at(4)+
			"\"}\nenvoy: {listen: \""+at(2)+"\", admin: \""+at(3)+"\"}",
		`#api_key"`, `#api_key", address: "`+g.mock.TLSAddr+`", ca_file: "`+g.mock.CAFile+`"`,
		"--port 6379", "--port "+strconv.Itoa(ports[5]), "sleep 2 ", "sleep 10 ", // the machine may be busy
		"127.0.0.1:18001", at(1), "127.0.0.1:10000", at(2)).Replace(script))
	for _, want := range []string{`"object":"chat.completion"`, "growth", "gpt-5-mini", "team growth"} {
		if !strings.Contains(out, want) {
			t.Errorf("the page does not end with %q:\n%s", want, out)
		}
	}
	if served := g.mock.Stats(); served.Calls != 1 {
		t.Errorf("the provider served %d calls, want 1", served.Calls)
	}
}
