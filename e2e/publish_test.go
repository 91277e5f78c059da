package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/internal/stack"
)

// sibling starts another process of the gateway, with a folder, ports, policy file and spool of its own.
func (g *gateway) sibling(name, more string, env ...string) *gateway {
	g.t.Helper()
	s := &gateway{t: g.t, dir: filepath.Join(g.dir, name), stack: g.stack, mock: g.mock, env: append(append([]string{}, g.env...), env...), dsn: g.dsn, redis: g.redis, root: g.root}
	g.must(os.Mkdir(s.dir, 0o700))
	ports, err := stack.FreePorts(5)
	g.must(err)
	at := func(i int) string { return "127.0.0.1:" + strconv.Itoa(ports[i]) }
	s.probes, s.people, s.url, s.admin = "http://"+at(1), "http://"+at(2), "http://"+at(3), "http://"+at(4)
	policies, err := os.ReadFile(filepath.Join(g.dir, "policies.yaml"))
	g.must(err)
	s.write("policies.yaml", string(policies))
	s.write("sentinel.yaml", fmt.Sprintf(`control: {listen: "%s"}
metrics: {listen: "%s"}
admin: {listen: "%s"}
envoy: {listen: "%s", admin: "%s", access_log_flush: 500ms, stream_idle: 20s}
redis: {address: ["%s"], timeout: 500ms}
reconcile: {after: 1s, every: 300ms}
`+more, at(0), at(1), at(2), at(3), at(4), g.redis))
	s.start()
	return s
}

// priced is the policy with another price of a weather forecast, in tenths of a cent.
func (g *gateway) priced(n int, rules ...string) string {
	return strings.Replace(g.policyOf("{}", strings.Join(rules, "")), "price: {per_request_usd: 0.10}", fmt.Sprintf("price: {per_request_usd: 0.%03d}", n), 1)
}

// policy runs a verb of sentinel policy.
func (g *gateway) policy(want int, args ...string) string {
	g.t.Helper()
	code, out, stderr := sentinelIn(g.t, g.dir, g.env, append([]string{"policy"}, args...)...)
	if code != want {
		g.t.Errorf("sentinel policy %s ends with %d, want %d: %s%s", strings.Join(args, " "), code, want, out, stderr)
	}
	return out + stderr
}

// forecast buys one, and gives what it cost in tenths of a cent.
func (g *gateway) forecast(n int64) int64 {
	g.t.Helper()
	if status, _, body := g.do(http.MethodGet, "/weather/v1/forecast/lima", ""); status != http.StatusOK {
		g.t.Fatalf("a forecast is answered %d %s", status, body)
	}
	rows := g.ledger(int(n))
	return int64(rows[0].Cost * 1000 / domain.USD)
}

func TestAPublishedPolicyIsInForceInEveryProcess(t *testing.T) {
	g := open(t, mockapi.DefaultConfig(), "{}", "")
	two, three := g.sibling("two", ""), g.sibling("three", "")
	all := []*gateway{g, two, three}
	first := strings.Fields(strings.Split(g.policy(0, "versions"), "\n")[1])[0]
	inForce := func(version string) {
		t.Helper()
		for _, p := range all {
			text, err := os.ReadFile(filepath.Join(p.dir, "policies.yaml"))
			g.must(err)
			p.write("seen.yaml", string(text))
			if out := p.policy(0, "check", "seen.yaml"); !strings.Contains(out, "version "+version+",") {
				t.Errorf("the file of %s is %s, want version %s", p.dir, out, version)
			}
		}
	}

	g.write("next.yaml", g.priced(200))
	if out := g.policy(1, "diff", "", "next.yaml"); !strings.Contains(out, "providers.weather.endpoints[forecast].price.per_request_usd  0.1  0.2") || !strings.Contains(out, "+    endpoints: ") {
		t.Errorf("the difference is shown as %s", out)
	}
	out := g.policy(0, "publish", "next.yaml", "--reason", "dearer weather")
	if !strings.Contains(out, "in force in 3 of 3 processes") || !strings.Contains(out, "it was "+first) {
		t.Errorf("published: %s", out)
	}
	t.Log(strings.TrimSpace(out))
	if cost := g.forecast(1); cost != 200 {
		t.Errorf("a call costs %d tenths of a cent after the publication, want 200", cost)
	}
	second := strings.Fields(out)[1]
	inForce(second)
	if text, _ := os.ReadFile(filepath.Join(two.dir, "policies.yaml")); strings.Contains(string(text), token) || !strings.Contains(string(text), "sha256:") {
		t.Error("a published file has a service's token, and not its hash")
	}

	g.write("broken.yaml", g.priced(300)+"nonsense: 1\n")
	if out := g.policy(2, "publish", "broken.yaml", "--reason", "x"); !strings.Contains(out, "nonsense: unknown key") {
		t.Errorf("a broken policy: %s", out)
	}
	g.write("issued.yaml", strings.Replace(g.priced(300), "identity: {", "identity: {issued: true, ", 1))
	if out := g.policy(2, "publish", "issued.yaml", "--reason", "x"); !strings.Contains(out, "SENTINEL_TOKEN_KEY") {
		t.Errorf("a policy that this site cannot serve: %s", out)
	}
	g.write("late.yaml", g.priced(400))
	if out := g.policy(2, "publish", "late.yaml", "--reason", "x", "--base", first); !strings.Contains(out, "the policy has changed since: version "+second+" is in force") {
		t.Errorf("a file that was made from an older version: %s", out)
	}
	if out := g.policy(2, "publish", "next.yaml", "--reason", "again"); !strings.Contains(out, "the policy in force already") {
		t.Errorf("the same once more: %s", out)
	}
	inForce(second)

	two.stop() // it misses the roll-back, and takes it when it starts
	all = []*gateway{g, three}
	if out := g.policy(0, "rollback", "--reason", "too dear"); !strings.Contains(out, "version "+first+" is published, and in force in 2 of 2 processes") {
		t.Errorf("rolled back: %s", out)
	}
	if cost := g.forecast(2); cost != 100 {
		t.Errorf("a call costs %d tenths of a cent after the roll-back, want 100", cost)
	}
	two.start()
	all = append(all, two)
	inForce(first)
	if lines := strings.Split(strings.TrimSpace(g.policy(0, "versions")), "\n"); len(lines) != 4 || !strings.HasPrefix(lines[1], first) || !strings.Contains(lines[1], "too dear") || !strings.Contains(lines[2], "dearer weather") {
		t.Errorf("the versions: %s", strings.Join(lines, "\n"))
	}
	if out := g.policy(0, "diff"); !strings.Contains(out, "nothing differs") {
		t.Errorf("the file and what is in force: %s", out)
	}
	rows := 0
	for _, want := range []string{`policy.publish policy: "` + first + `" -> "` + second + `: dearer weather"`, `policy.rollback policy: "` + second + `" -> "` + first + `: too dear"`} {
		if _, out, _ := sentinelIn(t, g.dir, g.env, "audit", "show"); strings.Contains(out, want) {
			rows++
		}
	}
	if rows != 2 {
		_, out, stderr := sentinelIn(t, g.dir, g.env, "audit", "show")
		t.Errorf("the audit chain lacks the changes:\n%s%s", out, stderr)
	}
}

// A process that cannot take what is published stays on its last good policy, and says so: to who publishes, as a metric and as an incident.
func TestAProcessThatCannotTakeAPolicySaysSo(t *testing.T) {
	const told = "alerts: {channels: {finops: {slack: {channel: \"#finops\", token: \"vault:secret/openai#api_key\", api: \"http://127.0.0.1:1\"}}}}\n"
	g := open(t, mockapi.DefaultConfig(), "{}", told)
	poor := g.sibling("poor", "")
	g.stop()
	g.env = append(g.env, "SENTINEL_TOKEN_KEY="+strings.Repeat("0a", 32)) // which the other process lacks
	g.start()
	g.write("next.yaml", strings.Replace(g.priced(200, told), "identity: {", "identity: {issued: true, ", 1))
	out := g.policy(0, "publish", "next.yaml", "--reason", "issued tokens")
	if !strings.Contains(out, "in force in 1 of 2 processes") || !strings.Contains(out, "stays on version") || !strings.Contains(out, "SENTINEL_TOKEN_KEY") {
		t.Errorf("published: %s", out)
	}
	if v := poor.metric("sentinel_policy_untaken"); v != 1 {
		t.Errorf("the process that stays has sentinel_policy_untaken %g", v)
	}
	if v := g.metric("sentinel_policy_untaken"); v != 0 {
		t.Errorf("the process that took it has sentinel_policy_untaken %g", v)
	}
	b := g.signedUp()
	g.eventually("an incident tells of it", func() bool {
		var list any
		b.want(http.StatusOK, "GET", "/incidents", "", &list)
		text, _ := json.Marshal(list)
		return strings.Contains(string(text), "could not take the policy that is published")
	})
	g.policy(0, "rollback", "--reason", "back")
	g.eventually("the other process has a policy that it can take", func() bool { return poor.metric("sentinel_policy_untaken") == 0 })
}

func TestASecondPersonApprovesWhatIsPublished(t *testing.T) {
	g := openOn(t, mockapi.DefaultConfig(), "{}", "", (*stack.Stack).Postgres, "publishing: {review: required}\n")
	ada := g.signedUp()
	ada.want(http.StatusNoContent, "PUT", "/accounts/bob", fmt.Sprintf(`{"role":"admin","password":%q}`, password), nil)
	bob := g.browser()
	bob.want(http.StatusOK, "POST", "/session", fmt.Sprintf(`{"name":"bob","password":%q}`, password), nil)
	var p struct {
		Version, Text string
		Review        bool
	}
	tag := ada.want(http.StatusOK, "GET", "/policy", "", &p).Get("ETag")
	if !p.Review {
		t.Error("the API does not say that a second person approves")
	}
	body := func(v any) string {
		out, err := json.Marshal(v)
		g.must(err)
		return string(out)
	}
	var made struct {
		Proposal struct {
			ID      int64
			State   string
			Version string
		}
		Processes []struct{ Version, Fault string }
	}
	draft := body(map[string]string{"text": g.priced(200), "reason": "dearer weather"})
	ada.want(http.StatusAccepted, "PUT", "/policy", draft, &made, "If-Match", tag)
	if made.Proposal.State != "waiting" {
		t.Errorf("a proposal: %+v", made)
	}
	if cost := g.forecast(1); cost != 100 {
		t.Errorf("a call costs %d tenths of a cent under a proposal, want 100", cost)
	}
	at := fmt.Sprintf("/proposals/%d", made.Proposal.ID)
	ada.want(http.StatusForbidden, "POST", "/policy"+at, `{"approve":true,"note":""}`, nil)
	var diff struct {
		Changes []struct{ Key, Was, Is string }
		Text    string
	}
	bob.want(http.StatusOK, "GET", "/policy/diff?from="+p.Version+"&to="+made.Proposal.Version, "", &diff)
	if len(diff.Changes) != 1 || diff.Changes[0].Was != "0.1" || diff.Changes[0].Is != "0.2" || !strings.Contains(diff.Text, "\n+") {
		t.Errorf("the difference: %+v", diff)
	}
	bob.want(http.StatusOK, "POST", "/policy"+at, `{"approve":true,"note":"as agreed"}`, &made)
	if made.Proposal.State != "published" || len(made.Processes) != 1 || made.Processes[0].Version != made.Proposal.Version {
		t.Errorf("approved: %+v", made)
	}
	if cost := g.forecast(2); cost != 200 {
		t.Errorf("a call costs %d tenths of a cent after the approval, want 200", cost)
	}
	bob.want(http.StatusConflict, "POST", "/policy"+at, `{"approve":false,"note":""}`, nil)
	bob.want(http.StatusNotFound, "POST", "/policy/proposals/99", `{"approve":true,"note":""}`, nil)

	g.write("next.yaml", g.priced(300)) // the command line is somebody else
	if out := g.policy(0, "publish", "next.yaml", "--reason", "dearer still"); !strings.Contains(out, "proposal 2, version") || !strings.Contains(out, "waits for a second person") {
		t.Errorf("proposed on the command line: %s", out)
	}
	if out := g.policy(2, "approve", "2"); !strings.Contains(out, "a second person has to") {
		t.Errorf("approved by its author: %s", out)
	}
	if out := g.policy(1, "diff", "--proposal", "2"); !strings.Contains(out, "0.2  0.3") {
		t.Errorf("the proposal's difference: %s", out)
	}
	ada.want(http.StatusOK, "POST", "/policy"+at[:len(at)-1]+"2", `{"approve":false,"note":"too dear"}`, nil)
	if out := g.policy(0, "proposals"); !strings.Contains(out, "rejected") || !strings.Contains(out, "too dear") || !strings.Contains(out, "as agreed") {
		t.Errorf("the proposals: %s", out)
	}
	// a roll-back needs nobody else, and brings nothing that was never in force
	never := ""
	for _, line := range strings.Split(g.policy(0, "proposals"), "\n") {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "2" {
			never = f[1]
		}
	}
	if out := g.policy(2, "rollback", never, "--reason", "sneak"); !strings.Contains(out, "was never in force") {
		t.Errorf("a roll-back to what was rejected: %s", out)
	}
	ada.want(http.StatusOK, "POST", "/policy/rollback", body(map[string]string{"version": "", "reason": "too dear"}), &made, "If-Match", `"`+made.Proposal.Version+`"`)
	if cost := g.forecast(3); cost != 100 {
		t.Errorf("a call costs %d tenths of a cent after the roll-back, want 100", cost)
	}
	var page struct {
		Versions []struct{ Version, Author, Reason string }
		Next     string
	}
	bob.want(http.StatusOK, "GET", "/policy/versions", "", &page)
	versions := page.Versions
	if len(versions) != 3 || versions[0].Reason != "too dear" || versions[0].Author != "ada" || versions[1].Author != "ada" {
		t.Errorf("versions: %+v", versions)
	}
	bob.want(http.StatusOK, "GET", "/policy/versions?limit=2", "", &page)
	if next := page.Next; len(page.Versions) != 2 || next == "" {
		t.Errorf("the first page: %+v", page)
	} else if bob.want(http.StatusOK, "GET", "/policy/versions?limit=2&cursor="+next, "", &page); len(page.Versions) != 1 || page.Versions[0] != versions[2] || page.Next != "" {
		t.Errorf("the page after: %+v, want %+v", page, versions[2])
	}
	bob.want(http.StatusBadRequest, "GET", "/policy/versions?cursor=own", "", nil)
	text := g.policy(0, "versions", "--limit", "2")
	if _, after, ok := strings.Cut(text, "--after "); !ok || !strings.Contains(g.policy(0, "versions", "--after", strings.TrimSpace(after)), versions[2].Version) {
		t.Errorf("sentinel policy versions: %s", text)
	}
}

// A ConfigMap is exchanged as the kubelet does it: the policy follows, and nobody publishes another one.
func TestAMountedConfigMapIsTheSource(t *testing.T) {
	g := open(t, mockapi.DefaultConfig(), "{}", "")
	g.stop()
	mount := filepath.Join(g.dir, "mounted")
	exchange := func(version string, n int) {
		t.Helper()
		g.must(os.MkdirAll(filepath.Join(mount, ".."+version), 0o700))
		g.must(os.WriteFile(filepath.Join(mount, ".."+version, "policies.yaml"), []byte(g.priced(n)), 0o600))
		g.must(os.Symlink(".."+version, filepath.Join(mount, "..data_tmp")))
		g.must(os.Rename(filepath.Join(mount, "..data_tmp"), filepath.Join(mount, "..data")))
	}
	exchange("one", 100)
	g.must(os.Symlink("..data/policies.yaml", filepath.Join(mount, "policies.yaml")))
	config, err := os.ReadFile(filepath.Join(g.dir, "sentinel.yaml"))
	g.must(err)
	g.write("sentinel.yaml", "policies: mounted/policies.yaml\n"+string(config))
	g.start()
	if cost := g.forecast(1); cost != 100 {
		t.Errorf("a call costs %d tenths of a cent, want 100", cost)
	}
	before := g.reloads()
	exchange("two", 200)
	g.must(os.RemoveAll(filepath.Join(mount, "..one")))
	g.eventually("the new ConfigMap is in force", func() bool { return g.reloads() > before })
	if cost := g.forecast(2); cost != 200 {
		t.Errorf("a call costs %d tenths of a cent after the exchange, want 200", cost)
	}
	b := g.signedUp()
	var p struct {
		Text    string
		Managed bool
	}
	tag := b.want(http.StatusOK, "GET", "/policy", "", &p).Get("ETag")
	if !p.Managed {
		t.Error("the API does not say that the policy has a source of its own")
	}
	body, err := json.Marshal(map[string]string{"text": g.priced(300), "reason": "x"})
	g.must(err)
	b.want(http.StatusConflict, "PUT", "/policy", string(body), nil, "If-Match", tag)
	b.want(http.StatusConflict, "POST", "/policy/rollback", `{"version":"","reason":"x"}`, nil, "If-Match", tag)
	g.write("next.yaml", g.priced(300))
	if out := g.policy(2, "publish", "next.yaml", "--reason", "x"); !strings.Contains(out, "commit the change there") {
		t.Errorf("published into a ConfigMap: %s", out)
	}
	<-time.After(time.Second)
	if cost := g.forecast(3); cost != 200 {
		t.Errorf("a call costs %d tenths of a cent, want 200", cost)
	}
}
