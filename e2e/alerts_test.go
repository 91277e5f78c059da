package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
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
)

// tell restarts the gateway with a Slack channel, and gives the stand-in and the callbacks' URL.
func (g *gateway) tell(team string) (*mockalerts.Server, string) {
	g.t.Helper()
	mock := mockalerts.New(mockalerts.Credentials{SlackToken: slackToken})
	server := httptest.NewServer(mock)
	g.t.Cleanup(server.Close)
	g.put(strings.TrimPrefix(g.env[0], "VAULT_ADDR="), g.root, "slack", map[string]string{"token": slackToken, "signing": slackSigning})
	ports, err := stack.FreePorts(1)
	g.must(err)
	at := "127.0.0.1:" + strconv.Itoa(ports[0])
	g.kill()
	g.write("policies.yaml", g.policyOf(team, fmt.Sprintf(`alerts:
  channels:
    finops: {slack: {channel: "#finops", token: "vault:secret/slack#token", signing_secret: "vault:secret/slack#signing", api: "%s/slack/api"}}
`, server.URL)))
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
	open, err := st.Incidents(t.Context(), true, 10)
	g.must(err)
	if len(open) != 1 || open[0].State != domain.IncidentAcknowledged || open[0].Scope != "team/core/cost/day" {
		t.Errorf("incidents: %+v", open)
	}
	code, out, stderr := sentinelIn(t, g.dir, g.env, "alerts", "test", "budget")
	if code != 0 || !strings.HasPrefix(out, "finops") || !strings.Contains(out, "taken") || len(posts(mock)) != 2 {
		t.Errorf("sentinel alerts test: %d %s %s", code, out, stderr)
	}
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
	body := url.Values{"payload": {fmt.Sprintf(`{"type":"block_actions","user":{"id":"U1"},"actions":[{"action_id":%q,"block_id":"sentinel","value":%q,"type":"button"}]}`, act, group)}}.Encode()
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
