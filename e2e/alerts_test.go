package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/alerts"
	"github.com/saas-sentinel/saas-sentinel/internal/mockalerts"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/internal/stack"
	"github.com/saas-sentinel/saas-sentinel/store"
)

const (
	slackToken   = "xoxb-slack-canary-57f1"
	slackSigning = "slack-signing-canary-9e02"
	slackApp     = "xapp-slack-canary-2b84"
)

// tell restarts the gateway with a Slack channel, and gives the stand-in and the callbacks' URL.
func (g *gateway) tell(team string, more ...string) (*mockalerts.Server, string) {
	g.t.Helper()
	return g.tellBy(`signing_secret: "vault:secret/slack#signing"`, team, more...)
}

// tellBy is tell with a way of one's own for what people press.
func (g *gateway) tellBy(way, team string, more ...string) (*mockalerts.Server, string) {
	g.t.Helper()
	mock := mockalerts.New(mockalerts.Credentials{SlackToken: slackToken, SlackAppToken: slackApp})
	server := httptest.NewServer(mock)
	g.t.Cleanup(server.Close)
	g.put(strings.TrimPrefix(g.env[0], "VAULT_ADDR="), g.root, "slack", map[string]string{"token": slackToken, "signing": slackSigning, "app": slackApp})
	ports, err := stack.FreePorts(1)
	g.must(err)
	at := "127.0.0.1:" + strconv.Itoa(ports[0])
	g.stop()
	g.write("policies.yaml", g.policyOf(team, fmt.Sprintf(`alerts:
  channels:
    finops: {slack: {channel: "#finops", token: "vault:secret/slack#token", %s, api: "%s/slack/api"}}
`, way, server.URL)+strings.Join(more, "")))
	g.replies = server.URL + "/slack/api/response/1"
	g.append("sentinel.yaml", fmt.Sprintf("alerts: {listen: %q}\n", at))
	g.start()
	return mock, "http://" + at
}

func TestBudgetAt80PercentIsOneSlackMessageWithinFiveSeconds(t *testing.T) {
	team := "{budget: {usd: 1/day, mode: hard, warn_at: [80%]}}"
	g := open(t, mockapi.DefaultConfig(), team, "")
	mock, callbacks := g.tell(team)
	for range 7 {
		g.do("GET", "/weather/v1/forecast/Oslo", "")
	}
	if n := len(posts(mock)); n != 0 {
		t.Fatalf("%d messages at 70 %%", n)
	}
	crossed := time.Now()
	if code, _, body := g.do("GET", "/weather/v1/forecast/Oslo", ""); code != http.StatusOK {
		t.Fatalf("%d %s", code, body)
	}
	g.eventually("Slack has a message", func() bool { return len(posts(mock)) > 0 })
	if took := posts(mock)[0].At.Sub(crossed); took > 5*time.Second {
		t.Errorf("the message came after %s", took)
	} else {
		t.Logf("crossing to message: %s", took.Round(time.Millisecond))
	}
	if body := posts(mock)[0].Body; !strings.Contains(body, "team+core") || !strings.Contains(body, "80+%25") || strings.Contains(body, slackToken) {
		t.Errorf("the message: %s", body)
	}
	g.press(callbacks, alerts.Acknowledge, http.StatusOK, time.Now())
	g.eventually("the message shows who acknowledged", func() bool {
		for _, m := range mock.Messages("slack") {
			if m.Method == "chat.update" && strings.Contains(m.Body, "acknowledged+by+slack+user+U1") {
				return true
			}
		}
		return false
	})
	g.press(callbacks, alerts.Snooze, http.StatusUnauthorized, time.Now().Add(-6*time.Minute))
	if n := len(posts(mock)); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
	st, err := store.Open(t.Context(), store.Options{DSN: domain.NewSecret(g.dsn), MaxConns: 1})
	g.must(err)
	defer st.Close()
	open, err := st.Incidents(t.Context(), domain.IncidentQuery{Open: true, Limit: 10})
	g.must(err)
	if len(open) != 1 || open[0].State != domain.IncidentAcknowledged || open[0].Scope != "team/core/cost/day" {
		t.Errorf("incidents: %+v", open)
	}
	code, out, stderr := sentinelIn(t, g.dir, g.env, "alerts", "test", "budget")
	if code != 0 || !strings.HasPrefix(out, "finops") || !strings.Contains(out, "taken") || len(posts(mock)) != 2 {
		t.Errorf("sentinel alerts test: %d %s %s", code, out, stderr)
	}
}

// A digest that is due is told once, with a chart, also when the gateway starts again after it.
func TestADigestIsToldOnceWithAChart(t *testing.T) {
	team := "{budget: {usd: 100/day}}"
	g := open(t, mockapi.DefaultConfig(), team, "")
	g.do("GET", "/weather/v1/forecast/Oslo", "")
	mock, _ := g.tell(team, fmt.Sprintf("  digest: {every: [day], at: %q}\n", time.Now().UTC().Add(-time.Minute).Format("15:04")))
	picture := func() []byte {
		for _, m := range mock.Messages("slack") {
			if m.Method == "files.getUploadURLExternal" {
				return mock.Upload("F" + m.ID)
			}
		}
		return nil
	}
	g.eventually("the digest and its chart are at Slack", func() bool { return len(posts(mock)) == 1 && picture() != nil })
	if body := posts(mock)[0].Body; !strings.Contains(body, "acme+spent") {
		t.Errorf("the digest: %s", body)
	}
	if _, err := png.Decode(bytes.NewReader(picture())); err != nil {
		t.Errorf("its chart: %v", err)
	}
	g.kill()
	g.start()
	time.Sleep(15 * time.Second) // the next process takes the lease after 3 s, and looks at digests every 10 s
	digests, killed := 0, 0
	for _, m := range posts(mock) {
		if strings.Contains(m.Body, "acme+spent") {
			digests++
		}
		if strings.Contains(m.Body, "gateway+process+was+killed") {
			killed++
		}
	}
	if digests != 1 || killed != 1 || len(posts(mock)) != 2 {
		t.Errorf("after a process was killed and began again there are %d messages, %d digests and %d about that; want one of each", len(posts(mock)), digests, killed)
	}
}

// Maintenance by the command line and by the API: what is silenced is kept, and told when the silence ends.
func TestASilenceHoldsUntilItIsEnded(t *testing.T) {
	team := "{budget: {usd: 1/day, mode: hard, warn_at: [50%, 80%]}}"
	g := open(t, mockapi.DefaultConfig(), team, "")
	mock, _ := g.tell(team)
	code, out, stderr := sentinelIn(t, g.dir, g.env, "alerts", "silence", "--rule", "bud*", "--scope", "team/*", "--for", "2h", "--why", "a move")
	if code != 0 {
		t.Fatalf("silence: %s %s", out, stderr)
	}
	id, _, _ := strings.Cut(out, " ")
	ana := g.signedUp()
	var page struct {
		Silences []struct{ ID, Rule, Scope, Why string }
	}
	ana.want(http.StatusOK, "GET", "/silences", "", &page)
	if list := page.Silences; len(list) != 1 || list[0].ID != id || list[0].Why != "a move" || list[0].Scope != "team/*" {
		t.Errorf("silences of the API: %+v", page)
	}
	var added struct{ ID string }
	ana.want(http.StatusCreated, "POST", "/silences", `{"rule":"errors","minutes":5}`, &added)
	ana.want(http.StatusNoContent, "DELETE", "/silences/"+added.ID, "", nil)
	ana.want(http.StatusNotFound, "DELETE", "/silences/"+added.ID, "", nil)
	ana.want(http.StatusBadRequest, "POST", "/silences", `{"minutes":5}`, nil)
	time.Sleep(3 * time.Second) // every process reads silences each two seconds
	for range 5 {
		g.do("GET", "/weather/v1/forecast/Oslo", "")
	}
	g.eventually("the incident is held", func() bool {
		code, out, _ = sentinelIn(t, g.dir, g.env, "alerts", "list")
		return code == 0 && strings.Contains(out, "silenced") && strings.Contains(out, "team/core/cost/day")
	})
	time.Sleep(3 * time.Second) // a message would be out after one
	if n := len(posts(mock)); n != 0 {
		t.Errorf("%d messages in a silence", n)
	}
	incident, _, _ := strings.Cut(strings.Split(out, "\n")[1], " ")
	if code, out, stderr := sentinelIn(t, g.dir, g.env, "alerts", "unsilence", id); code != 0 {
		t.Fatalf("unsilence: %s %s", out, stderr)
	}
	g.eventually("it is told after all", func() bool { return len(posts(mock)) == 1 })
	if code, out, _ := sentinelIn(t, g.dir, g.env, "alerts", "history", incident); code != 0 || !strings.Contains(out, "opened") || !strings.Contains(out, "told") {
		t.Errorf("history: %s", out)
	}
	g.explains(ana)
	if code, out, _ := sentinelIn(t, g.dir, g.env, "audit", "show"); code != 0 || strings.Count(out, "silence.") != 4 || strings.Count(out, "alert.test") < 1 {
		t.Errorf("audit: %s", out)
	}
}

// explains asks the API why people were told: the cause that began, of a process that did not see it, the message that Slack took, and whom the rule
// tells.
func (g *gateway) explains(ana *browser) {
	t := g.t
	t.Helper()
	var evaluations struct {
		Evaluations []struct {
			Rule, Scope string
			Firing      bool
		}
	}
	other := &browser{g.sibling("other", ""), ana.client}
	other.want(http.StatusOK, "GET", "/alerts/evaluations?limit=1000", "", &evaluations)
	if !slices.ContainsFunc(evaluations.Evaluations, func(e struct {
		Rule, Scope string
		Firing      bool
	}) bool {
		return e.Rule == "budget" && e.Scope == "team/core/cost/day" && e.Firing
	}) {
		t.Errorf("evaluations: %+v", evaluations)
	}
	var page struct {
		Messages []struct{ Channel, Kind, State, Fault string }
	}
	g.eventually("Slack's answer is kept", func() bool {
		ana.want(http.StatusOK, "GET", "/alerts/messages?limit=1", "", &page)
		return len(page.Messages) == 1 && page.Messages[0].State == "sent"
	})
	if one := page.Messages[0]; one.Channel != "finops" || one.Fault != "" {
		t.Errorf("messages: %+v", page.Messages)
	}
	var rules []struct {
		Name, When string
		To         []string
		Judged     *time.Time
	}
	ana.want(http.StatusOK, "GET", "/alerts/rules", "", &rules)
	for _, r := range rules {
		if r.When == "" || !slices.Equal(r.To, []string{"finops"}) || r.Judged == nil || time.Since(*r.Judged) > time.Minute {
			t.Errorf("rule %+v", r)
		}
	}
	if len(rules) < 10 {
		t.Errorf("%d rules, want those that a channel without rules has", len(rules))
	}
	var sampled []struct{ Channel, Fault string }
	ana.want(http.StatusOK, "POST", "/alerts/rules/budget/test", "", &sampled)
	if len(sampled) != 1 || sampled[0].Channel != "finops" || sampled[0].Fault != "" {
		t.Errorf("a sample: %+v", sampled)
	}
	ana.want(http.StatusNotFound, "POST", "/alerts/rules/nothing/test", "", nil)
}

// Nothing of Slack's reaches the gateway: what is pressed comes over the connection that the gateway opened.
func TestButtonsComeOverAConnectionThatTheGatewayOpens(t *testing.T) {
	team := "{budget: {usd: 1/day, mode: hard, warn_at: [50%]}}"
	g := open(t, mockapi.DefaultConfig(), team, "")
	mock, _ := g.tellBy(`app_token: "vault:secret/slack#app"`, team)
	for range 5 {
		g.do("GET", "/weather/v1/forecast/Oslo", "")
	}
	g.eventually("a message with buttons", func() bool { return len(buttons(mock)) > 0 })
	g.eventually("the gateway is connected", mock.Connected)
	payload := fmt.Sprintf(`{"type":"block_actions","user":{"id":"U7"},"response_url":%q,"actions":[{"action_id":"snooze","block_id":"sentinel","value":%q,"type":"button","action_ts":"%d.000100"}]}`,
		g.replies, buttons(mock)["snooze"], time.Now().Unix())
	g.must(mock.Interact(payload))
	g.eventually("the message shows who snoozed", func() bool {
		return slices.ContainsFunc(mock.Messages("slack"), func(m mockalerts.Message) bool {
			return m.Method == "chat.update" && strings.Contains(m.Body, "snoozed+by+slack+user+U7")
		})
	})
	log, err := os.ReadFile(filepath.Join(g.dir, "sentinel.log"))
	g.must(err)
	if strings.Contains(string(log), slackApp) {
		t.Error("the app token is in the log")
	}
}

// The whole life of an incident by the buttons that its message shows, and what else is told of a key that is not rotated.
func TestLifeOfAnIncidentByTheButtonsOfItsMessage(t *testing.T) {
	config := mockapi.DefaultConfig()
	config.Accept = map[string][]string{"weather": {vaultKey}}
	g := open(t, config, "{budget: {usd: 1/day, mode: hard, warn_at: [80%]}}", "")
	mock, callbacks := g.tell("{budget: {usd: 1/day, mode: hard, warn_at: [80%]}}", "  people: {ana: {slack: U0ANA, role: team-admin, team: core}, ben: {slack: U0BEN, role: team-admin, team: other}}\n")
	call := func() int {
		code, _, _ := g.do("GET", "/weather/v1/forecast/Oslo", "")
		return code
	}
	for range 10 {
		call()
	}
	if code := call(); code == http.StatusOK {
		t.Fatal("a call above the budget goes out")
	}
	g.eventually("a message with buttons", func() bool { return len(buttons(mock)) > 0 })
	b := buttons(mock)
	if len(b) != 4 || b["raise"] == "" {
		t.Fatalf("buttons %v: want acknowledge, snooze, planned and raise", b)
	}
	shows := func(text string) func() bool {
		return func() bool {
			list := mock.Messages("slack")
			for i := len(list) - 1; i >= 0; i-- {
				if m := list[i]; m.Method == "chat.update" {
					return strings.Contains(m.Body, text)
				}
			}
			return false
		}
	}
	for _, act := range []string{"snooze", "planned", "acknowledge"} {
		g.pressAs("U0ANA", callbacks, act, b[act], http.StatusOK)
		g.eventually("the message after "+act, shows(map[string]string{"snooze": "snoozed+by+ana", "planned": "acknowledged+by+ana", "acknowledge": "acknowledged+by+ana"}[act]))
	}
	g.pressAs("U0BEN", callbacks, "raise", b["raise"], http.StatusOK)
	if got := answers(mock); len(got) != 1 || !strings.Contains(got[0], "You may not raise this budget") || call() == http.StatusOK {
		t.Errorf("the admin of another team: %q", got)
	}
	g.pressAs("U0ANA", callbacks, "raise", b["raise"], http.StatusOK)
	if got := answers(mock); len(got) != 2 || !strings.Contains(got[1], "may spend $1.20") {
		t.Errorf("the team's admin: %q", got)
	}
	g.eventually("calls go out again", func() bool { return call() == http.StatusOK })
	if out, err := g.rotate("weather", "sk-refused-canary-31c8", "--test-path", "/v1/forecast/oslo"); err == nil {
		t.Errorf("a refused key: %s", out)
	}
	g.eventually("the failed rotation is told", func() bool {
		for _, p := range posts(mock) {
			if strings.Contains(p.Body, "the+key+of+weather+was+not+rotated") && !strings.Contains(p.Body, "canary") {
				return true
			}
		}
		return false
	})
	code, out, stderr := sentinelIn(t, g.dir, g.env, "audit", "show")
	for _, want := range []string{"ana limit.override team/core/cost/day", "$1.20", "ana limit.override.done", "ana alert.acknowledge", "key.rotate weather", "key.rotate.failed weather"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("audit show lacks %q: %d %s %s", want, code, out, stderr)
		}
	}
}

// buttons are those of the newest first message about the budget, with their values.
func buttons(m *mockalerts.Server) map[string]string {
	out := map[string]string{}
	for _, p := range posts(m) {
		form, err := url.ParseQuery(p.Body)
		var blocks []struct {
			Elements []struct {
				ActionID string `json:"action_id"`
				Value    string `json:"value"`
			} `json:"elements"`
		}
		if err != nil || form.Get("thread_ts") != "" || !strings.Contains(form.Get("text"), "team core") || json.Unmarshal([]byte(form.Get("blocks")), &blocks) != nil {
			continue
		}
		for _, b := range blocks {
			for _, e := range b.Elements {
				if e.ActionID != "" {
					out[e.ActionID] = e.Value
				}
			}
		}
	}
	return out
}

// answers are what one member alone was told.
func answers(m *mockalerts.Server) (out []string) {
	for _, p := range m.Messages("slack") {
		if p.Method == "response" {
			out = append(out, p.Body)
		}
	}
	return out
}

// posts are messages of their own: not edits, and not pictures.
func posts(m *mockalerts.Server) (out []mockalerts.Message) {
	for _, p := range m.Messages("slack") {
		if p.Method == "chat.postMessage" {
			out = append(out, p)
		}
	}
	return out
}

// press presses a button of the message as Slack would.
func (g *gateway) press(callbacks string, act alerts.Act, want int, at time.Time) {
	g.t.Helper()
	g.pressOn("budget", callbacks, act, want, at)
}

func (g *gateway) pressOn(group, callbacks string, act alerts.Act, want int, at time.Time) {
	g.t.Helper()
	g.pressAt("U1", callbacks, string(act), group, want, at)
}

func (g *gateway) pressAs(member, callbacks, act, value string, want int) {
	g.t.Helper()
	g.pressAt(member, callbacks, act, value, want, time.Now())
}

func (g *gateway) pressAt(member, callbacks, act, value string, want int, at time.Time) {
	g.t.Helper()
	body := url.Values{"payload": {fmt.Sprintf(`{"type":"block_actions","user":{"id":%q},"response_url":%q,"actions":[{"action_id":%q,"block_id":"sentinel","value":%q,"type":"button"}]}`, member, g.replies, act, value)}}.Encode()
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, callbacks+"/slack", strings.NewReader(body))
	g.must(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Slack-Request-Timestamp", strconv.FormatInt(at.Unix(), 10))
	r.Header.Set("X-Slack-Signature", alerts.SignSlack(domain.NewSecret(slackSigning), at.Unix(), []byte(body)))
	answer, err := http.DefaultClient.Do(r)
	g.must(err)
	_ = answer.Body.Close()
	if answer.StatusCode != want {
		g.t.Errorf("%s pressed %s ago: %s, want %d", act, time.Since(at).Round(time.Minute), answer.Status, want)
	}
}

// append adds to a file of the gateway.
func (g *gateway) append(name, text string) {
	g.t.Helper()
	old, err := os.ReadFile(filepath.Join(g.dir, name))
	g.must(err)
	g.write(name, string(old)+text)
}
