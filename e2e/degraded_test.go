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
	"github.com/saas-sentinel/saas-sentinel/internal/mockalerts"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// TestAnOutageOfRedisIsShownAndTold takes Redis away and brings it back: the metric of each mode is 1 for just that time, and on-call people are told.
func TestAnOutageOfRedisIsShownAndTold(t *testing.T) {
	const team = "{budget: {usd: 1000/day, mode: hard}}"
	g := open(t, mockapi.DefaultConfig(), team, "")
	cache := newLink(t, "redis", g.redis)
	text, err := os.ReadFile(filepath.Join(g.dir, "sentinel.yaml"))
	g.must(err)
	g.write("sentinel.yaml", strings.Replace(string(text), g.redis, cache.proxy.Listen, 1))
	told, _ := g.tell(team, "defaults: {when_redis_is_down: {hard_budgets: closed, rates: open}}\n")
	modes := []string{`sentinel_limiter_degraded{limits="hard_budgets",mode="closed"}`, `sentinel_limiter_degraded{limits="rates",mode="open"}`}
	shows := func(want float64) func() bool {
		return func() bool {
			return !slices.ContainsFunc(modes, func(m string) bool { return g.metric(m) != want })
		}
	}
	call := func(want int) func() bool {
		return func() bool {
			code, _, _ := g.do(http.MethodGet, "/weather/v1/forecast/Oslo", "")
			return code == want
		}
	}
	g.eventually("calls pass", call(http.StatusOK))
	if !shows(0)() || len(posts(told)) != 0 {
		t.Fatalf("with Redis there: %v and %v; %d messages", g.metric(modes[0]), g.metric(modes[1]), len(posts(told)))
	}
	cache.down()
	g.eventually("calls are refused without Redis", call(http.StatusServiceUnavailable))
	g.eventually("the metrics say degraded", func() bool { call(http.StatusServiceUnavailable)(); return shows(1)() })
	g.eventually("people are told of Redis", func() bool {
		return slices.ContainsFunc(posts(told), func(m mockalerts.Message) bool { return strings.Contains(strings.ToLower(m.Body), "redis") })
	})
	st, err := store.Open(t.Context(), store.Options{DSN: domain.NewSecret(g.dsn), MaxConns: 1})
	g.must(err)
	defer st.Close()
	if incidents, err := st.Incidents(t.Context(), domain.IncidentQuery{Open: true, Limit: 10}); err != nil || len(incidents) != 1 || incidents[0].Rule != "dependency" || incidents[0].Scope != "dependency/redis" {
		t.Errorf("incidents: %+v, %v", incidents, err)
	}
	if !shows(1)() {
		t.Error("the metrics went back while Redis was away")
	}
	cache.up()
	back := time.Now()
	g.eventually("calls pass again", call(http.StatusOK))
	g.eventually("the metrics are back at 0", shows(0))
	t.Logf("back after %s", time.Since(back).Round(time.Millisecond))
}
