package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/alerts"
	"github.com/saas-sentinel/saas-sentinel/internal/mockalerts"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// abuseGuard is a policy on a score above 0.999 for two minutes.
const abuseGuard = `policies:
  - name: abuse guard
    match: {service: app}
    anomaly: {above: 0.999, for: 2m}
    then: [{throttle: {requests: 2/hour}}, {alert: finops}]
`

// unusual writes scores of the service's last whole minutes, the latest last, as a gateway process does.
func (g *gateway) unusual(scores ...float64) {
	g.t.Helper()
	st, err := store.Open(g.t.Context(), store.Options{DSN: domain.NewSecret(g.dsn), MaxConns: 2})
	g.must(err)
	defer st.Close()
	now := time.Now().UTC().Truncate(time.Minute)
	var list []domain.Score
	for i, v := range scores {
		list = append(list, domain.Score{At: now.Add(time.Duration(i-len(scores)) * time.Minute), Service: "app", Instance: "another", Team: "core",
			Score: v, Strength: 0.7, Feature: "requests", Share: 1, Actual: 900, Expected: 30})
	}
	g.must(st.PutScores(g.t.Context(), list))
}

// refused sends a call, and tells whether it was throttled for being unusual.
func (g *gateway) refused() bool {
	code, _, body := g.do("GET", "/weather/v1/forecast/Oslo", "")
	if code == http.StatusTooManyRequests && strings.Contains(body, "abuse guard") {
		return true
	}
	if code != http.StatusOK {
		g.t.Fatalf("%d %s", code, body)
	}
	return false
}

// A score above the policy's, for as long as it says, throttles the service; feedback that it is planned lets it go.
func TestAnomalyAboveForTwoMinutesThrottlesAndPlannedSilences(t *testing.T) {
	team := "{budget: {usd: 1000/day, mode: hard}}"
	g := open(t, mockapi.DefaultConfig(), team, "")
	mock, callbacks := g.tell(team)
	g.stop()
	g.write("policies.yaml", g.policyOf(team, abuseGuard+alertsOf(g)))
	g.start()

	g.unusual(0.9999)
	time.Sleep(3 * time.Second) // the score is shared every two seconds: what is not to happen has no event to wait for
	for range 4 {
		if g.refused() {
			t.Fatal("one minute throttles, the policy wants two")
		}
	}
	g.unusual(0.9999, 0.9999)
	g.eventually("the service is throttled", g.refused)
	g.eventually("Slack has a message of it with buttons for feedback", func() bool {
		return slices.ContainsFunc(posts(mock), func(m mockalerts.Message) bool {
			return strings.Contains(m.Body, "policy+abuse+guard") && strings.Contains(m.Body, "False+alarm")
		})
	})
	group := alerts.Rule{Name: "policy abuse guard", ByScope: true}.GroupKey("service/app/any")
	g.pressOn(group, callbacks, alerts.Plan, http.StatusOK, time.Now())
	g.eventually("the planned event passes", func() bool { return !g.refused() })
	for range 4 {
		if g.refused() {
			t.Fatal("a planned event is throttled")
		}
	}
}

// alertsOf gives the part about alerts of the policy that runs.
func alertsOf(g *gateway) string {
	data, err := os.ReadFile(filepath.Join(g.dir, "policies.yaml"))
	g.must(err)
	_, rest, _ := strings.Cut(string(data), "alerts:")
	return "alerts:" + rest
}
