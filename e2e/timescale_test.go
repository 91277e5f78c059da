package e2e

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/internal/stack"
)

// TestTimescaleDBKeepsTheLedger runs the whole gateway on hypertables. The server takes one connection at a time, so
// the ledger is read when sentinel has written all and gone.
func TestTimescaleDBKeepsTheLedger(t *testing.T) {
	g := openOn(t, mockapi.DefaultConfig(), "{budget: {usd: 1/day, mode: hard}}", "", (*stack.Stack).Timescale, "database: {max_conns: 1, batch_rows: 100}\n")
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() { g.do(http.MethodGet, "/weather/v1/forecast/lima", "") })
	}
	group.Wait()
	if code, _, body := g.do(http.MethodPost, "/openai/v1/chat/completions", chat); code != http.StatusTooManyRequests {
		t.Errorf("past the budget: %d %s", code, body)
	}
	g.eventually("all is written", func() bool { return g.metric("sentinel_spool_lag_records") == 0 }) // this server may take longer than a stop waits
	g.stop()
	served := g.mock.Stats()
	if calls, cost := sums(g.ledger(21)); calls != 10 || cost != domain.USD || served.Calls != 10 {
		t.Errorf("the ledger has %d calls for %s, and %d were served; want 10 for $1.00", calls, cost, served.Calls)
	}
	code, stdout, stderr := sentinelIn(t, g.dir, g.env, "migrate")
	if code != 0 || !strings.Contains(stdout+stderr, "TimescaleDB") {
		t.Errorf("migrate says %d %s%s, want TimescaleDB in it", code, stdout, stderr)
	}
}
