package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/e2e/alerting"
	"github.com/saas-sentinel/saas-sentinel/internal/mockalerts"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

// TestACrossedBudgetIsToldWithinSeconds measures the time from the call that crosses a budget's share, sent through Envoy, to the
// message at Slack, ALERT_SAMPLES times: each of a service of its own, so that each is a group that was never told.
func TestACrossedBudgetIsToldWithinSeconds(t *testing.T) {
	samples := number("ALERT_SAMPLES", 5)
	const team = "{budget: {usd: 1000000/day}}"
	g := open(t, mockapi.DefaultConfig(), team, "")
	mock, _ := g.tell(team, "  rules: [{name: budget, on: budget, by: scope}]\n")
	var services strings.Builder
	for n := range samples {
		fmt.Fprintf(&services, "  s%03d: {team: core, identity: {token: %s}, budget: {usd: 1/day, warn_at: [10%%]}}\n", n, tokenOf(n))
	}
	text, err := os.ReadFile(g.dir + "/policies.yaml")
	g.must(err)
	g.stop()
	g.write("policies.yaml", strings.Replace(string(text), "services:\n", "services:\n"+services.String(), 1))
	g.start()
	took := make([]time.Duration, samples)
	random := rand.New(rand.NewPCG(5, 5))
	for n := range samples {
		began := time.Now()
		g.call(tokenOf(n))
		g.eventually("Slack has the message", func() bool {
			at, ok := toldOf(mock, fmt.Sprintf("budget|service/s%03d/cost/day", n))
			took[n] = at.Sub(began)
			return ok
		})
		time.Sleep(channelPace + time.Duration(random.Int64N(int64(time.Second)))) // the loops of the gateway are met at any of their moments
	}
	slices.Sort(took)
	at := func(share int) time.Duration { return took[(samples-1)*share/100].Round(time.Millisecond) }
	out := alerting.Figures{Title: "From the call that crosses a threshold to the message", By: "make alert-latency"}
	out.Add("calls through Envoy, each the first of a group", "", "%d", samples)
	out.Add("median", "< 5 s", "%s", at(50))
	out.Add("95 of 100 within", "", "%s", at(95))
	out.Add("slowest", "", "%s", at(100))
	for _, r := range out.Rows {
		t.Logf("%s: %s", r.What, r.Figure)
	}
	dir := os.Getenv("BENCH_ALERTS")
	g.must(out.Write(dir, "latency"))
	if dir != "" && at(50) >= 5*time.Second {
		t.Errorf("the median is %s", at(50))
	}
}

// channelPace is how long a channel rests between two sends; the next sample would wait for it.
const channelPace = 1200 * time.Millisecond

func tokenOf(n int) string { return fmt.Sprintf("svc_latency-%03d-5d0c", n) }

// call is a service's call that costs a tenth of its budget.
func (g *gateway) call(token string) {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodGet, g.url+"/weather/v1/forecast/Oslo", nil)
	g.must(err)
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(r)
	g.must(err)
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		g.t.Fatalf("a call: %s", answer.Status)
	}
}

// toldOf finds when Slack got the message of a group.
func toldOf(mock *mockalerts.Server, group string) (time.Time, bool) {
	for _, p := range posts(mock) {
		form, err := url.ParseQuery(p.Body)
		var meta struct {
			Payload struct{ Group string } `json:"event_payload"`
		}
		if err == nil && json.Unmarshal([]byte(form.Get("metadata")), &meta) == nil && meta.Payload.Group == group {
			return p.At, true
		}
	}
	return time.Time{}, false
}
