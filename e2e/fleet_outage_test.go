package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/internal/redistest"
)

// afloat is three whole processes whose Redis can be broken, under a hard budget of so many calls.
type afloat struct {
	*gateway
	all    []*gateway
	cache  *link
	server string // Redis' own address
	port   int
	stop   func()
}

const afloatCalls = 2000

func newAfloat(t *testing.T, whenDown string) *afloat {
	t.Helper()
	w := &afloat{gateway: open(t, mockapi.DefaultConfig(), fmt.Sprintf("{budget: {usd: %d/day, mode: hard}}", afloatCalls/10), "defaults: {when_redis_is_down: "+whenDown+"}\n")}
	w.kill()
	dir := filepath.Join(w.dir, "cache")
	w.must(os.MkdirAll(dir, 0o755))
	var err error
	w.server, w.stop, err = redistest.Start(dir)
	w.must(err)
	w.stack.OnClose(func() { w.stop() })
	w.cache = newLink(t, "redis", w.server)
	_, port, _ := strings.Cut(w.server, ":")
	w.port, err = strconv.Atoi(port)
	w.must(err)
	text, err := os.ReadFile(filepath.Join(w.dir, "sentinel.yaml"))
	w.must(err)
	w.write("sentinel.yaml", w.quick(strings.Replace(string(text), w.redis, w.cache.proxy.Listen, 1)))
	w.redis = w.cache.proxy.Listen
	w.start()
	w.all = w.fleet()
	for _, p := range w.all[1:] {
		p.kill()
		text, err := os.ReadFile(filepath.Join(p.dir, "sentinel.yaml"))
		w.must(err)
		p.write("sentinel.yaml", w.quick(string(text)))
		p.start()
	}
	return w
}

// quick is a configuration with the default deadline of Redis, and refusals that do not wait for the disk.
func (w *afloat) quick(text string) string {
	return strings.Replace(text, "timeout: 500ms", "timeout: 25ms", 1) + "spool: {mode: buffered}\n"
}

// traffic calls through every process until it is stopped, so many times a second each.
func (w *afloat) traffic(n *tally, perSecond int) (stop func()) {
	return repeat(len(w.all), time.Second/time.Duration(perSecond), func(worker int) { n.forecast(w.all[worker]) })
}

// decisions are how many all processes made, and how many of them within a bound.
type decisions struct{ all, within1ms, within30ms float64 }

func (d decisions) since(o decisions) decisions {
	return decisions{d.all - o.all, d.within1ms - o.within1ms, d.within30ms - o.within30ms}
}

func (w *afloat) decisions() (d decisions) {
	w.t.Helper()
	for _, p := range w.all {
		all, err := w.series(p.probes)
		w.must(err)
		for series, n := range all {
			switch series {
			case "sentinel_decision_seconds_count":
				d.all += n
			case `sentinel_decision_seconds_bucket{le="0.001"}`:
				d.within1ms += n
			case `sentinel_decision_seconds_bucket{le="0.03"}`:
				d.within30ms += n
			}
		}
	}
	return d
}

// equal waits until Redis has what the ledger has, and gives for how long it waited.
func (w *afloat) equal(what string) time.Duration {
	w.t.Helper()
	began := time.Now()
	w.drained(w.all)
	_, cost, twice := w.settled()
	w.eventually("Redis has what the ledger has after "+what, func() bool {
		used, posted := w.counted()
		return used == posted && posted == int64(cost)
	})
	if twice != 0 {
		w.t.Errorf("%s: %d calls are booked twice", what, twice)
	}
	return time.Since(began)
}

// TestThreeProcessesOutliveTheirRedis breaks Redis in every way under three whole processes and a hard budget that is closed meanwhile: nothing
// passes while it is away, the ledger and Redis agree afterwards, and what is served in the end is the budget.
func TestThreeProcessesOutliveTheirRedis(t *testing.T) {
	w := newAfloat(t, "{hard_budgets: closed}")
	direct := redis.NewClient(&redis.Options{Addr: w.server})
	defer func() { _ = direct.Close() }()
	pid := 0
	info := direct.Info(t.Context(), "server").Val()
	for line := range strings.Lines(info) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "process_id:"); ok {
			pid, _ = strconv.Atoi(v)
		}
	}
	rows := map[string]any{"what": "three whole processes, each with an Envoy, 60 calls a second, a hard budget of 2000 calls that is closed while Redis is away"}
	for _, f := range []struct {
		name   string
		inject func() (heal func())
		seeds  int
		quick  bool
	}{
		{name: "hung", inject: func() func() {
			w.must(syscall.Kill(pid, syscall.SIGSTOP))
			return func() { w.must(syscall.Kill(pid, syscall.SIGCONT)) }
		}},
		{name: "flushed", seeds: 1, quick: true, inject: func() func() {
			w.must(direct.FlushAll(t.Context()).Err())
			return func() {}
		}},
		{name: "killed", seeds: 1, inject: func() func() {
			w.must(syscall.Kill(pid, syscall.SIGKILL))
			return func() {
				w.stop()
				dir := filepath.Join(w.dir, "cache-again")
				w.must(os.MkdirAll(dir, 0o755))
				var err error
				w.server, w.stop, err = redistest.StartAt(dir, w.port)
				w.must(err)
			}
		}},
		{name: "failed_over", inject: func() func() {
			addr, promote := w.replica(net.JoinHostPort("127.0.0.1", strconv.Itoa(w.port)))
			w.cache.down()
			promote()
			w.cache.proxy.Upstream = addr
			return w.cache.up
		}},
	} {
		var before, during, after tally
		seeded := said(w.all, "limits counted again from the ledger")
		stop := w.traffic(&before, 20)
		time.Sleep(2 * time.Second) // the load itself is the test
		if !f.quick {
			stop()
		}
		heal := f.inject()
		if f.quick { // it answers, so nothing is away, and calls run on
			stop()
			heal()
		}
		first := w.decisions()
		stop = w.traffic(&during, 20)
		time.Sleep(time.Second)
		second := w.decisions()
		time.Sleep(3 * time.Second)
		third := w.decisions()
		stop()
		if !f.quick {
			heal()
		}
		w.eventually("calls pass again after "+f.name, func() bool { return after.forecast(w.all[0]) == http.StatusOK })
		took := w.equal(f.name)
		row := map[string]any{
			"passed_before": before.ok.Load(), "refused_before": before.closed.Load(), "admitted_while_away": during.ok.Load(), "refused_while_away": during.closed.Load(),
			"redis_is_the_ledger_after_ms": took.Milliseconds(), "times_seeded": said(w.all, "limits counted again from the ledger") - seeded,
			"decisions_in_the_first_second": bounds(second.since(first)), "decisions_after_that": bounds(third.since(second)),
		}
		if f.quick {
			delete(row, "admitted_while_away")
			row["admitted_around_it"] = during.ok.Load()
		}
		rows[f.name] = row
		if late := third.since(second); os.Getenv("BENCH_LIMITS") != "" && !f.quick && late.all-late.within1ms > mostSlow+late.all/10 {
			t.Errorf("%s: %.0f of %.0f decisions after the first second took over 1 ms, want at most those that try Redis again, %d, and a tenth: %+v", f.name, late.all-late.within1ms, late.all, mostSlow, row)
		}
		if n := said(w.all, "limits counted again from the ledger") - seeded; n != f.seeds {
			t.Errorf("%s: seeded %d times, want %d", f.name, n, f.seeds)
		}
		if before.ok.Load() == 0 || !f.quick && during.ok.Load() != 0 || during.closed.Load() == 0 || during.spent.Load()+during.other.Load() != 0 {
			t.Errorf("%s: %+v", f.name, row)
		}
	}
	// The rest of the budget, to its last call.
	var rest tally
	var group sync.WaitGroup
	for _, p := range w.all {
		for range 2 {
			group.Go(func() {
				for began := time.Now(); time.Since(began) < time.Minute && rest.forecast(p) != http.StatusTooManyRequests; {
				}
			})
		}
	}
	group.Wait()
	w.equal("all of it")
	_, cost, _ := w.settled()
	rows["served"], rows["overshoot_nano_usd"] = w.mock.Stats().Calls, max(0, int64(cost-afloatCalls*forecast))
	publish(t, "redis_outages", rows)
	if served := w.mock.Stats().Calls; served != afloatCalls || cost != afloatCalls*forecast {
		t.Errorf("%d calls were served for %s of a budget of %d", served, cost, afloatCalls)
	}
}

// mostSlow is how many calls of three processes try a Redis again that is away, in three seconds: one each half second.
const mostSlow = 3 * (3*2 + 1)

func bounds(d decisions) map[string]any {
	return map[string]any{"all": d.all, "within_1_ms": d.within1ms, "over_30_ms": d.all - d.within30ms}
}

// TestThreeProcessesShareWhatWasLeft hangs Redis under a budget that is local meanwhile.
func TestThreeProcessesShareWhatWasLeft(t *testing.T) {
	w := newAfloat(t, "{hard_budgets: local, local_share: 10%}")
	var before, during tally
	for _, p := range w.all {
		for range 20 {
			before.forecast(p)
		}
	}
	time.Sleep(3 * time.Second) // every process has looked at what is left since
	left := afloatCalls - before.ok.Load()
	w.cache.down()
	stop := w.traffic(&during, 100)
	time.Sleep(5 * time.Second) // what is tested
	stop()
	w.cache.up()
	took := w.equal("the outage")
	given := during.ok.Load()
	publish(t, "redis_away_local_processes", map[string]any{
		"what": "Redis is away from three whole processes with a local share of 10 % of what was left of a hard budget", "calls_left_before": left, "passed_while_away": given,
		"refused_while_away": during.closed.Load(), "redis_is_the_ledger_after_ms": took.Milliseconds(), "redis_minus_ledger_nano_usd": 0,
	})
	if most := 3 * (left / 10); given > most || given < most/2 || before.ok.Load() != 60 {
		t.Errorf("%d of %d calls that were left passed, want at most %d and not far below", given, left, most)
	}
}

// changeWithin is the promise for a change of the policy, from its publication or the write of its file to the last process' first decision by it.
const changeWithin = 2 * time.Second

// TestAPolicyChangeReachesThreeProcessesInTraffic publishes a budget that is spent already, takes it back, and then writes both into the processes' files, while calls run.
func TestAPolicyChangeReachesThreeProcessesInTraffic(t *testing.T) {
	const wide, spent = "{budget: {usd: 1000/day, mode: hard}}", "{budget: {usd: 1/day, mode: hard}}"
	g := open(t, mockapi.DefaultConfig(), wide, "")
	w := &afloat{gateway: g}
	w.all = g.fleet()
	var n tally
	for _, p := range w.all {
		for range 10 {
			n.forecast(p)
		}
	}
	g.ledger(30)
	// Each process' last answer of the old kind tells when it had the change.
	var mu sync.Mutex
	last := map[string]time.Time{}
	want := http.StatusTooManyRequests
	stop := repeat(len(w.all), 25*time.Millisecond, func(worker int) {
		began := time.Now()
		status := n.forecast(w.all[worker])
		mu.Lock()
		defer mu.Unlock()
		if status != want {
			last[w.all[worker].url] = began
		}
	})
	db, err := pgx.Connect(t.Context(), g.dsn)
	g.must(err)
	defer func() { _ = db.Close(context.Background()) }()
	published := func(name, team string) (at time.Time) { // by the clock of this machine
		g.write(name+".yaml", g.policyOf(team, ""))
		if out := g.policy(0, "publish", name+".yaml", "--reason", name); !strings.Contains(out, "in force in 3 of 3 processes") {
			t.Errorf("published: %s", out)
		}
		g.must(db.QueryRow(t.Context(), `SELECT at FROM policy_changes ORDER BY seq DESC LIMIT 1`).Scan(&at))
		return at
	}
	written := func(_, team string) time.Time {
		at := time.Now()
		for _, p := range w.all {
			p.write("policies.yaml", g.policyOf(team, ""))
		}
		return at
	}
	change := func(how func(name, team string) time.Time, name, team string, status int) (took time.Duration, posted int64) {
		mu.Lock()
		want = status
		clear(last)
		mu.Unlock()
		at := how(name, team)
		time.Sleep(3 * time.Second) // for a process that would be late
		mu.Lock()
		defer mu.Unlock()
		for _, last := range last {
			took = max(took, last.Sub(at))
		}
		_, posted = g.counted()
		return took, posted
	}
	_, before := g.counted()
	tight, atTight := change(published, "tight", spent, http.StatusTooManyRequests)
	time.Sleep(time.Second)
	_, still := g.counted()
	loose, _ := change(published, "wide", wide, http.StatusOK)
	tightFile, _ := change(written, "", spent, http.StatusTooManyRequests)
	looseFile, _ := change(written, "", wide, http.StatusOK)
	stop()
	took := w.equal("the changes")
	_, after := g.counted()
	publish(t, "policy_change", map[string]any{
		"what":         "a published budget under three whole processes, each with an Envoy, 120 calls a second; from the moment of the publication, or of the write of the processes' files, to the begin of the last call that was judged by the rules before",
		"tightened_ms": tight.Milliseconds(), "widened_ms": loose.Milliseconds(), "tightened_by_file_ms": tightFile.Milliseconds(), "widened_by_file_ms": looseFile.Milliseconds(), "passed": n.ok.Load(), "refused": n.spent.Load(), "neither": n.closed.Load() + n.other.Load(),
		"posted_before_nano_usd": before, "posted_after_nano_usd": after, "redis_minus_ledger_nano_usd": 0, "redis_is_the_ledger_after_ms": took.Milliseconds(),
	})
	if neither := n.closed.Load() + n.other.Load(); before <= 0 || atTight < before || still != atTight || after < n.ok.Load()*int64(forecast) || after > (n.ok.Load()+neither)*int64(forecast) {
		t.Errorf("counters went from %d to %d, %d and %d nano-dollars with %d calls passed and %d neither passed nor refused", before, atTight, still, after, n.ok.Load(), n.closed.Load()+n.other.Load())
	}
	if slowest := max(tight, loose, tightFile, looseFile); slowest > changeWithin {
		t.Errorf("a change reached all processes after %s: published %s and %s, by file %s and %s, want at most %s", slowest, tight, loose, tightFile, looseFile, changeWithin)
	}
}
