package e2e

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/internal/stack"
)

const inNamespace = "SENTINEL_TEST_NAMESPACE"

// ownMachine runs the test in a network namespace of its own, as on a machine that nothing else uses. It is false outside, where the
// test's result is that of the one inside.
func ownMachine(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inNamespace) != "" {
		command(t, "ip", "link", "set", "lo", "up")
		return true
	}
	for _, program := range []string{"ip", "nft", "iptables", "nsenter", "setpriv", "mount"} {
		if _, err := exec.LookPath(program); err != nil || os.Geteuid() != 0 {
			t.Skipf("network namespaces need root, and the program %s", program)
		}
	}
	built(t) // there is no network inside
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1", "-test.timeout=10m")
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

func command(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// Addresses of the two machines, and of every host outside (RFC 5737).
const (
	gatewaySide = "198.51.100.1"
	clientSide  = "198.51.100.2"
	anybody     = "203.0.113.10"
)

// machine is a client's: a network and files of its own, and a cable to the gateway's.
type machine struct {
	t   *testing.T
	pid string
	dir string
}

// connect makes a client's machine, whose names lead outside, and whose image trusts a bundle.
func connect(t *testing.T, g *gateway, bundle string, hosts ...string) *machine {
	t.Helper()
	m := &machine{t: t, dir: t.TempDir()}
	names := filepath.Join(m.dir, "hosts")
	g.must(os.WriteFile(names, []byte("127.0.0.1 localhost\n"+anybody+" "+strings.Join(hosts, " ")+"\n"), 0o644))
	covers := map[string]string{"/etc/hosts": names, "/etc/ssl/certs/ca-certificates.crt": bundle}
	packages, err := filepath.Glob(filepath.Join(needTools(t), "venv", "lib", "python3*", "site-packages", "*", "cacert.pem"))
	g.must(err)
	own, err := filepath.Glob(filepath.Join(needTools(t), "venv", "lib", "python3*", "site-packages", "stripe", "data", "ca-certificates.crt"))
	g.must(err)
	for _, file := range append(packages, own...) {
		covers[file] = bundle
	}
	script := "set -e; ip link set lo up\n"
	for file, by := range covers {
		script += fmt.Sprintf("mount --bind %q %q\n", by, file)
	}
	holder := exec.Command("sh", "-c", script+"echo ready; exec sleep 3600")
	holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	out, err := holder.StdoutPipe()
	g.must(err)
	g.must(holder.Start())
	t.Cleanup(func() { _ = holder.Process.Kill(); _ = holder.Wait() })
	ready := make([]byte, 6)
	if _, err := io.ReadFull(out, ready); err != nil {
		t.Fatalf("the client's machine did not start: %v", err)
	}
	m.pid = strconv.Itoa(holder.Process.Pid)
	command(t, "ip", "link", "add", "name", "gateway0", "type", "veth", "peer", "name", "client0")
	command(t, "ip", "link", "set", "client0", "netns", m.pid)
	command(t, "ip", "addr", "add", gatewaySide+"/24", "dev", "gateway0")
	command(t, "ip", "link", "set", "gateway0", "up")
	m.must("ip", "addr", "add", clientSide+"/24", "dev", "client0")
	m.must("ip", "link", "set", "client0", "up")
	m.must("ip", "route", "add", "default", "via", gatewaySide)
	return m
}

// command is a program on the machine, with no variable set but where programs and their home are.
func (m *machine) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(m.t.Context(), "nsenter", append([]string{"-t", m.pid, "-n", "-m", "--", name}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + m.dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// run gives what a program prints.
func (m *machine) run(name string, args ...string) ([]byte, error) {
	cmd := m.command(name, args...)
	var faults bytes.Buffer
	cmd.Stderr = &faults
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("%s: %w: %s", name, err, tail(faults.Bytes()))
	}
	return out, nil
}

func (m *machine) must(name string, args ...string) {
	m.t.Helper()
	if out, err := m.run(name, args...); err != nil {
		m.t.Fatalf("%v %s", err, out)
	}
}

// python runs a script with the official clients.
func (m *machine) python(script string) ([]byte, error) {
	return m.run(filepath.Join(needTools(m.t), "venv", "bin", "python"), script)
}

// openRedirected is a gateway that takes redirected connections, with the rules for those that come in from the client's machine, which
// is the service app's.
func openRedirected(t *testing.T, others string) (*gateway, *machine) {
	t.Helper()
	ports, err := stack.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	config := mockapi.DefaultConfig()
	config.Accept = map[string][]string{"openai": {vaultKey}, "anthropic": {claudeKey}, "stripe": {vaultKey}, "bedrock": {"AKIAVAULTCANARY0:" + vaultAWS}, "s3": {"AKIAVAULTCANARY0:" + vaultAWS}}
	g := openOn(t, config, "{}", others, (*stack.Stack).Postgres, fmt.Sprintf("proxy: {redirected: \"0.0.0.0:%d\"}\n", ports[0]))
	code, bundle, stderr := sentinelIn(t, g.dir, g.env, "ca", "export")
	if code != 0 {
		t.Fatalf("ca export: %s", stderr)
	}
	g.write("bundle.pem", bundle)
	m := connect(t, g, filepath.Join(g.dir, "bundle.pem"), "api.openai.com", "api.anthropic.com", "api.stripe.com",
		"bedrock-runtime.us-east-1.amazonaws.com", "s3.us-east-1.amazonaws.com", "files.example", "example.com", "cloudflare-ech.com")
	code, rules, stderr := sentinelIn(t, g.dir, g.env, "egress", "rules", "--interface", "gateway0")
	if code != 0 {
		t.Fatalf("egress rules: %s", stderr)
	}
	g.redirect(rules)
	return g, m
}

// redirect puts the firewall's rules in force.
func (g *gateway) redirect(rules string) {
	g.write("rules.nft", rules)
	command(g.t, "nft", "-f", filepath.Join(g.dir, "rules.nft"))
}

// Clients that know of no gateway, and have no variable set, reach their usual hosts over a cable that the gateway holds the other end of.
func TestRedirectedClientsAreGovernedWithNothingSet(t *testing.T) {
	if !ownMachine(t) {
		return
	}
	g, m := openRedirected(t, "")
	script, err := filepath.Abs("../examples/clients/unchanged.py")
	g.must(err)
	var got map[string]int
	out, err := m.python(script)
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, tail(g.files("sentinel.log")))
	}
	g.must(json.Unmarshal(out, &got))
	for _, p := range []string{"openai", "stream", "anthropic", "anthropic stream", "stripe", "bedrock", "s3"} {
		if got[p] == 0 {
			t.Errorf("%s got no answer: %v", p, got)
		}
	}
	node, dir := nodeClients(t)
	for name, cmd := range map[string]*exec.Cmd{
		"node": m.command(node, "--use-system-ca", filepath.Join(dir, "unchanged.mjs")),
		"curl": m.command("curl", append(curlChat, openAIChat)...), "curl's stream": m.command("curl", append(curlStream, openAIChat)...),
	} {
		answeredInFull(t, name, cmd)
	}
	rows := g.ledger(13)
	served := g.mock.Stats()
	calls, cost := sums(rows)
	if calls != 13 || served.Calls != 13 || int64(cost) != served.CostNanoUSD || served.CanarySeen {
		t.Errorf("the ledger has %d calls for %s, the providers served %d for %d", calls, cost, served.Calls, served.CostNanoUSD)
	}
	for _, e := range rows {
		if e.Caller.Service != "app" || e.Action != domain.Allow || e.Estimated() {
			t.Errorf("booked as %+v", e)
		}
	}
	status, err := m.run("curl", "-sS", "--http2", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", "-H", "content-type: application/json", "-d", chat, "https://api.openai.com/v1/chat/completions")
	if err != nil || string(status) != "2 200" {
		t.Errorf("curl is answered %q, %v; want HTTP/2 and 200", status, err)
	}
	logsHoldNoSecret(t, g.dir)
}

// In a pod the rules lead the processes beside Envoy to it, and leave its own connections alone.
func TestASidecarGetsWhatItsNeighboursSend(t *testing.T) {
	if !ownMachine(t) {
		return
	}
	g, _ := openRedirected(t, "")
	code, rules, stderr := sentinelIn(t, g.dir, g.env, "egress", "rules", "--except", "0", "--format", "iptables") // of this test's Envoy
	if code != 0 {
		t.Fatalf("egress rules: %s", stderr)
	}
	g.write("rules.sh", rules)
	command(t, "sh", filepath.Join(g.dir, "rules.sh"))
	command(t, "ip", "route", "add", "default", "via", clientSide)
	ask := []string{"curl", "-sS", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", g.public("bundle.pem"), "--resolve", "api.openai.com:443:" + anybody,
		"-H", "content-type: application/json", "-d", chat, "https://api.openai.com/v1/chat/completions"}
	neighbour := exec.Command("setpriv", append([]string{"--reuid=65534", "--clear-groups"}, ask...)...)
	if out, err := neighbour.CombinedOutput(); string(out) != "200" {
		t.Errorf("the neighbour is answered %q, %v", out, err)
	}
	if rows := g.ledger(1); len(rows) != 1 || rows[0].Caller.Service != "app" || rows[0].Cost == 0 {
		t.Errorf("booked as %+v", rows)
	}
	ask[3] = "3"
	if out, err := exec.Command(ask[0], ask[1:]...).CombinedOutput(); err == nil {
		t.Errorf("Envoy's own uid is redirected too: %s", out)
	}
}

// public copies a file to where other users can read it.
func (g *gateway) public(name string) string {
	g.t.Helper()
	dir, err := os.MkdirTemp("", "public")
	g.must(err)
	g.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	g.must(os.Chmod(dir, 0o755))
	file := filepath.Join(dir, name)
	g.must(os.WriteFile(file, g.files(name), 0o644))
	return file
}

// Connections that are redirected and lead to no provider's host are carried untouched or refused, and those that mix hosts are refused;
// the ledger has what became of them.
func TestRedirectedConnectionsToOtherHosts(t *testing.T) {
	if !ownMachine(t) {
		return
	}
	g, m := openRedirected(t, "")
	command(t, "ip", "link", "add", "name", "outside", "type", "veth", "peer", "name", "outside1")
	command(t, "ip", "addr", "add", anybody+"/32", "dev", "outside")
	command(t, "ip", "link", "set", "outside", "up")
	content := bytes.Repeat([]byte("its own bytes\n"), 10_000)
	other := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) }))
	l, err := net.Listen("tcp", anybody+":443")
	g.must(err)
	other.Listener = l
	other.StartTLS()
	t.Cleanup(other.Close)
	was := string(g.files("policies.yaml"))
	policy := func(egress string) {
		g.write("policies.yaml", was+"egress: "+egress+"\n")
		g.eventually("the policy is in force", func() bool {
			_, err := m.run("curl", "-sSk", "-o", "/dev/null", "https://files.example/")
			return err == nil
		})
	}
	policy(fmt.Sprintf(`{others: {"*": tunnel, example.com: deny, files.example: {then: alert, address: "%s:443"}}}`, anybody))
	if got, err := m.run("curl", "-sSk", "https://files.example/"); !bytes.Equal(got, content) {
		t.Errorf("%d bytes arrived, %v; want %d", len(got), err, len(content))
	}
	shown, err := m.run("curl", "-sSk", "-o", "/dev/null", "-w", "%{certs}", "https://files.example/")
	g.must(err)
	block, _ := pem.Decode(shown)
	if block == nil || !bytes.Equal(block.Bytes, other.Certificate().Raw) {
		t.Errorf("another certificate than the host's own reached the client: %s", shown)
	}
	chatting := []string{"-sS", "--http1.1", "-o", "/dev/null", "-w", "%{http_code}", "-H", "content-type: application/json", "-d", chat}
	upgrade := []string{"-sS", "--http1.1", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "-H", "Sec-WebSocket-Version: 13", "-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}
	for name, tt := range map[string]struct {
		args []string
		want string // the status; "" where the connection is closed
	}{
		"a host that is denied":              {[]string{"-sSk", "https://example.com/"}, ""},
		"a front of hidden hosts":            {[]string{"-sSk", "https://cloudflare-ech.com/"}, ""},
		"no host in TLS":                     {[]string{"-sSk", "https://" + anybody + "/"}, ""},
		"no TLS":                             {[]string{"-sS", "http://" + anybody + ":443/"}, ""},
		"one host in TLS, another asked for": {append(chatting, "-H", "Host: api.stripe.com", "https://api.openai.com/v1/charges"), "403"},
		"a WebSocket":                        {append(upgrade, "https://api.openai.com/v1/realtime?model=gpt-realtime"), "403"},
		"a WebSocket at a listed endpoint":   {append(upgrade, "--resolve", "api.weather.example:443:"+anybody, "https://api.weather.example/v1/forecast/lima"), "403"},
	} {
		if out, err := m.run("curl", tt.args...); string(out) != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: %q, %v; want %q", name, out, err, tt.want)
		}
	}
	if n := g.mock.Stats().Calls; n != 0 {
		t.Errorf("%d calls reached the providers", n)
	}
	var reasons []string
	g.eventually("the ledger has the refusals and the tunnels", func() bool {
		reasons = nil
		for _, e := range g.ledger(1) {
			reasons = append(reasons, e.Endpoint+" "+string(e.Reason))
		}
		mixed := func(s string) bool { return strings.HasSuffix(s, " host_mismatch") }
		return slices.Contains(reasons, "files.example ") && slices.ContainsFunc(reasons, mixed) && len(slices.DeleteFunc(slices.Clone(reasons), func(s string) bool { return s != " unknown_endpoint" })) >= 4
	})
	policy(fmt.Sprintf(`{without_sni: tunnel, others: {files.example: {then: tunnel, address: "%s:443"}}}`, anybody))
	g.eventually("what names no host is carried to where it was going", func() bool {
		got, err := m.run("curl", "-sSk", "https://"+anybody+"/")
		return err == nil && bytes.Equal(got, content)
	})
}
