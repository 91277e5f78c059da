package e2e

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/internal/pgtest"
	"github.com/saas-sentinel/saas-sentinel/internal/stack"
)

// number reads a count from the environment; make targets set it for the long form.
func number(name string, short int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return short
}

// forecast is what a call of load costs by the policy.
const forecast = domain.USD / 10

// load sends calls at a price that is known in advance from so many goroutines until the function that it gives is called, which
// gives the number of calls that were answered with 200.
func (g *gateway) load(workers int, every time.Duration) (stop func() int64) {
	var answered atomic.Int64
	end := repeat(workers, every, func(int) {
		answer, err := g.send(http.MethodGet, "/weather/v1/forecast/lima", "")
		if err != nil {
			return // Envoy itself never dies here; a broken connection is one of its own to sentinel
		}
		_ = answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			answered.Add(1)
		}
	})
	return func() int64 { end(); return answered.Load() }
}

// settled waits until no call is open any longer and the spool is empty, and gives the ledger. Processes that were killed are made a
// minute older: the reconciler waits half of that before it takes over their calls.
func (g *gateway) settled() (calls int64, cost domain.NanoUSD, twice int64) {
	g.t.Helper()
	db, err := pgx.Connect(g.t.Context(), g.dsn)
	g.must(err)
	defer func() { _ = db.Close(g.t.Context()) }()
	_, err = db.Exec(g.t.Context(), `UPDATE instances SET beat = beat - INTERVAL '1 minute'`)
	g.must(err)
	g.eventually("every call is booked", func() bool {
		var open int
		g.must(db.QueryRow(g.t.Context(), `SELECT count(*) FROM intents`).Scan(&open))
		return open == 0 && g.metric("sentinel_spool_lag_records") == 0
	})
	g.must(db.QueryRow(g.t.Context(), `SELECT count(*), coalesce(sum(cost_nusd), 0)::bigint, count(*) - count(DISTINCT call_id)
		FROM entries WHERE action NOT IN ('deny', 'throttle')`).Scan(&calls, &cost, &twice))
	return calls, cost, twice
}

// metric reads one figure of sentinel's, -1 when it is not there.
func (g *gateway) metric(name string) float64 {
	all, err := g.series(g.probes)
	if value, ok := all[name]; ok && err == nil {
		return value
	}
	return -1
}

// series reads the metrics of the process that answers at an address: the value of each series by its name and labels.
func (g *gateway) series(address string) (map[string]float64, error) {
	answer, err := http.Get(address + "/metrics")
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	all := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || line[0] == '#' {
			continue
		}
		if all[line[:at]], err = strconv.ParseFloat(line[at+1:], 64); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// TestKillsUnderLoadLoseNothingAndBookNothingTwice kills sentinel again and again while calls run. What the provider served is on
// the ledger, each call once and to the nano-dollar; what it never got costs nothing, because Envoy's access log says so.
func TestKillsUnderLoadLoseNothingAndBookNothingTwice(t *testing.T) {
	g := openOn(t, mockapi.DefaultConfig(), "{budget: {usd: 1000000/day}}", "", (*stack.Stack).Postgres, "")
	kills := number("LEDGER_KILLS", 4)
	stop := g.load(8, time.Millisecond)
	for n := range kills {
		before := g.mock.Stats().Calls
		g.eventually("calls go through", func() bool { return g.mock.Stats().Calls >= before+20+int64(n%7)*5 })
		g.kill()
		if n == kills/2 { // as in the chart: the log goes to standard output, and to this file once more
			g.write("sentinel.yaml", strings.Replace(string(g.files("sentinel.yaml")), "access_log:", "access_log: /dev/stdout, witness:", 1))
		}
		g.start()
	}
	answered := stop()
	calls, cost, twice := g.settled()
	served := g.mock.Stats()
	if calls != served.Calls || cost != domain.NanoUSD(served.Calls)*forecast || twice != 0 {
		t.Errorf("%d kills: the provider served %d calls at %s each; the ledger has %d for %s, %d of them twice",
			kills, served.Calls, forecast, calls, cost, twice)
	}
	if answered > calls || answered == 0 {
		t.Errorf("%d calls were answered, %d are on the ledger", answered, calls)
	}
	log, err := os.ReadFile(filepath.Join(g.dir, "sentinel.log"))
	g.must(err)
	t.Logf("%d kills, %d calls served, %d on the ledger, 0 twice; %d times calls were booked after a kill", kills, served.Calls, calls,
		strings.Count(string(log), "calls without a metered answer booked"))
}

// TestCallsOutliveAStoppedDatabase stops PostgreSQL under load. Calls go on, nothing is lost, and the backlog is written faster
// than calls arrive.
func TestCallsOutliveAStoppedDatabase(t *testing.T) {
	var db wire
	g := openOn(t, mockapi.DefaultConfig(), "{budget: {usd: 1000000/day}}", "", db.postgres(t), "")
	outage := time.Duration(number("LEDGER_OUTAGE_SECONDS", 8)) * time.Second
	stop := g.load(8, 40*time.Millisecond) // 200 calls a second
	g.eventually("calls go through", func() bool { return g.mock.Stats().Calls > 50 })
	db.stop()
	begin, before := time.Now(), g.mock.Stats().Calls
	time.Sleep(outage) // the outage is what is tested: nothing else can be waited for
	during := g.mock.Stats().Calls - before
	lag := g.metric("sentinel_spool_lag_records")
	rate := float64(during) / time.Since(begin).Seconds()
	answered := stop() // the backlog alone is timed
	db.start()
	begin = time.Now()           // that the database is back is not told to anyone: the wait for the next try counts
	for left := lag; left > 0; { // however long it is
		g.eventually("the backlog shrinks", func() bool {
			now := g.metric("sentinel_spool_lag_records")
			shrunk := now >= 0 && now < left
			left = min(left, max(now, 0))
			return shrunk
		})
	}
	drained := lag / time.Since(begin).Seconds()
	calls, cost, twice := g.settled()
	served := g.mock.Stats()
	if calls != served.Calls || cost != domain.NanoUSD(served.Calls)*forecast || twice != 0 || answered != served.Calls {
		t.Errorf("served %d calls at %s each, answered %d; the ledger has %d for %s, %d twice",
			served.Calls, forecast, answered, calls, cost, twice)
	}
	if during < int64(outage.Seconds())*20 || lag < float64(during) {
		t.Errorf("during an outage of %s %d calls were served, and %.0f records waited", outage, during, lag)
	}
	t.Logf("outage of %s at %.0f calls/s: %.0f records waited, 0 lost, drained at %.0f records/s: %.1f times the arrival of %.0f records/s",
		outage, rate, lag, drained, drained/(2*rate), 2*rate)
}

// wire is a PostgreSQL server that can be stopped and started again at one address.
type wire struct {
	t      *testing.T
	dir    string
	listen net.Listener
	target atomic.Pointer[string]
	end    func()
}

// postgres gives what openOn wants.
func (w *wire) postgres(t *testing.T) func(*stack.Stack) (string, error) {
	return func(s *stack.Stack) (string, error) {
		w.t, w.dir = t, filepath.Join(s.Dir(), "wire")
		var err error
		if w.listen, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return "", err
		}
		s.OnClose(func() { _ = w.listen.Close(); w.stop() })
		dsn := w.start()
		go w.serve()
		u, err := url.Parse(dsn)
		u.Host = w.listen.Addr().String()
		return u.String(), err
	}
}

func (w *wire) start() (dsn string) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Dir(w.dir), 0o755); err != nil {
		w.t.Fatal(err)
	}
	tools := needTools(w.t)
	dsn, end, err := pgtest.Start(w.dir, tools)
	if err != nil {
		w.t.Fatal(err)
	}
	u, err := url.Parse(dsn)
	if err != nil {
		w.t.Fatal(err)
	}
	w.end = end
	w.target.Store(&u.Host)
	return dsn
}

func (w *wire) stop() { w.end() }

func (w *wire) serve() {
	for {
		client, err := w.listen.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", *w.target.Load())
		if err != nil {
			_ = client.Close()
			continue
		}
		for from, to := range map[net.Conn]net.Conn{client: server, server: client} {
			go func() {
				_, _ = io.Copy(to, from)
				_, _ = to.Close(), from.Close()
			}()
		}
	}
}
