package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

// fleet gives a gateway two more processes. Each of the three has an Envoy, a spool and a policy file of its own.
func (g *gateway) fleet(env ...string) []*gateway {
	g.t.Helper()
	all := []*gateway{g}
	for _, name := range []string{"two", "three"} {
		s := g.sibling(name, "", env...)
		s.boots()
		all = append(all, s)
	}
	return all
}

// said counts a line in the logs of all processes.
func said(all []*gateway, line string) (n int) {
	for _, p := range all {
		log, err := os.ReadFile(filepath.Join(p.dir, "sentinel.log"))
		p.must(err)
		n += strings.Count(string(log), line)
	}
	return n
}

// tally counts answers by their status.
type tally struct{ ok, closed, spent, other atomic.Int64 }

func (n *tally) forecast(g *gateway) int {
	answer, err := g.send(http.MethodGet, "/weather/v1/forecast/lima", "")
	status := 0
	if err == nil {
		_ = answer.Body.Close()
		status = answer.StatusCode
	}
	switch status {
	case http.StatusOK:
		n.ok.Add(1)
	case http.StatusServiceUnavailable:
		n.closed.Add(1)
	case http.StatusTooManyRequests:
		n.spent.Add(1)
	default:
		n.other.Add(1)
	}
	return status
}

// counted reads what Redis counts of the only budget: used, and posted of it, in nano-dollars.
func (g *gateway) counted() (used, posted int64) {
	g.t.Helper()
	c := redis.NewClient(&redis.Options{Addr: g.redis})
	defer func() { _ = c.Close() }()
	keys, err := c.Keys(g.t.Context(), "*:W:*cost*").Result()
	g.must(err)
	if len(keys) != 1 {
		return -1, -1
	}
	used, _ = c.HGet(g.t.Context(), keys[0], "u").Int64()
	posted, _ = c.HGet(g.t.Context(), keys[0], "s").Int64()
	return used, posted
}

// drained waits until every process has everything that it knows in the ledger.
func (g *gateway) drained(all []*gateway) {
	g.t.Helper()
	g.eventually("every process has written what it had", func() bool {
		return !slices.ContainsFunc(all, func(p *gateway) bool { return p.metric("sentinel_spool_lag_records") != 0 })
	})
}

// TestWhatTheLedgerLacksIsWaitedForWhenRedisForgets empties Redis under three processes. Some of the budget is in flight, and some in the spool of
// a process that was killed while its database was away: no call passes until it has come back, and then what is left passes to the last nano-dollar.
func TestWhatTheLedgerLacksIsWaitedForWhenRedisForgets(t *testing.T) {
	config := mockapi.DefaultConfig()
	config.Faults = append(config.Faults, mockapi.Fault{Provider: "weather", Kind: mockapi.FaultSlow, First: 3, Delay: 8 * time.Second})
	g := open(t, config, "{budget: {usd: 2/day, mode: hard}}", "") // 20 calls
	parsed, err := pgx.ParseConfig(g.dsn)
	g.must(err)
	at := fmt.Sprintf("%s:%d", parsed.Host, parsed.Port)
	link := newLink(t, "postgres", at)
	all := g.fleet("SENTINEL_DATABASE_URL=" + strings.Replace(g.dsn, at, link.proxy.Listen, 1))
	two := all[1]
	var n tally
	var flying sync.WaitGroup
	for _, p := range all {
		flying.Go(func() { n.forecast(p) })
	}
	g.eventually("three calls are in flight", func() bool { return g.mock.Stats().Providers["weather"].Active == 3 })
	g.eventually("the ledger has their intents", func() bool { return two.metric("sentinel_spool_lag_records") == 0 })
	link.down() // the others have it by other connections
	for range 6 {
		n.forecast(two)
	}
	for range 4 {
		n.forecast(g)
	}
	if n.ok.Load() != 10 {
		t.Fatalf("%d of 10 calls passed", n.ok.Load())
	}
	two.kill()
	c := redis.NewClient(&redis.Options{Addr: g.redis})
	defer func() { _ = c.Close() }()
	g.must(c.FlushAll(t.Context()).Err())
	gone := time.Now()
	before := n.ok.Load()
	for time.Since(gone) < 3*time.Second {
		n.forecast(g)
		time.Sleep(50 * time.Millisecond) // the outage is what is tested
	}
	admitted := n.ok.Load() - before
	link.up()
	two.start()
	back := time.Now()
	var group sync.WaitGroup
	for _, p := range all {
		group.Go(func() {
			for began := time.Now(); time.Since(began) < 20*time.Second; {
				if n.forecast(p) == http.StatusTooManyRequests {
					return
				}
			}
		})
	}
	group.Wait()
	spentAfter := time.Since(back)
	flying.Wait()
	g.drained(all)
	_, cost, twice := g.settled()
	var used, posted int64
	g.eventually("Redis has what the ledger has", func() bool {
		used, posted = g.counted()
		return used == posted && posted == int64(cost)
	})
	seeded := said(all, "limits counted again from the ledger") - 1 // one was at the start
	publish(t, "redis_forgot_spool", map[string]any{
		"what":   "FLUSHALL under three whole processes with 3 calls in flight and 6 in the spool of one that was killed, of a budget of 20",
		"served": g.mock.Stats().Calls, "admitted_until_the_spool_was_back": admitted, "refused_as_closed": n.closed.Load(), "times_seeded": seeded,
		"redis_minus_ledger_nano_usd": posted - int64(cost), "overshoot_nano_usd": max(0, int64(cost-2*domain.USD)), "spent_after_ms": spentAfter.Milliseconds(), "booked_twice": twice,
	})
	if served := g.mock.Stats().Calls; served != 20 || cost != 2*domain.USD || twice != 0 || admitted != 0 || seeded != 1 || n.closed.Load() == 0 {
		t.Errorf("%d calls were served for %s of a budget of 20 for 2 USD, %d booked twice; %d passed while a spool was missing, %d were refused; seeded %d times",
			served, cost, twice, admitted, n.closed.Load(), seeded)
	}
}
