package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

// callers is how many clients call beside the streams while processes are killed.
const callers = 8

// TestThreeSentinelsAndTwoEnvoysAreOneGateway runs a fleet against a Redis Cluster of three masters. Limits are exact across its processes;
// a process that is killed takes nobody else's streams with it, and no row of the ledger; one more needs no configuration.
func TestThreeSentinelsAndTwoEnvoysAreOneGateway(t *testing.T) {
	config := mockapi.DefaultConfig()
	config.Models = map[string]mockapi.Answers{"gpt-5-mini": {Pace: 100 * time.Millisecond, MinOutput: 50, MaxOutput: 50}}
	f := openFleet(t, config, "{budget: {usd: 1000000/day, mode: hard}}", `policies:
  - {name: few forecasts, match: {provider: weather}, budget: {usd: 20/day, mode: hard}}
`, 3, 2)
	f.exactLimit()
	f.addReplica()

	calls := f.callAll(callers, 25*time.Millisecond)
	rounds := number("SCALE_ROUNDS", 1)
	figures := map[string]any{"what": "kills of one process at a time under calls and 24 streams through 2 Envoys, 4 sentinels and a Redis Cluster of 3 masters with replicas; each kind's figures are sums over the rounds", "rounds": rounds}
	killed := map[string]*toll{}
	for round := range rounds {
		for _, k := range f.kills(round) {
			calls.missed()
			l := f.killUnderStreams(k)
			f.settle(k.name, calls)
			missed, on := map[string]int{}, map[int]int{}
			for _, m := range calls.missed() {
				missed[m.status]++
				if on[m.port]++; k.inFlight && on[m.port] > 1 {
					t.Errorf("%s: %d calls failed on the connection of port %d, which had one under way", k.name, on[m.port], m.port)
				}
				if m.before = m.begun.Before(l.dead); !k.own(m, l) {
					t.Errorf("%s: a call that was begun %s it died was answered %s %q on a connection of port %d, opened %s before the kernel was asked: that is not the process's own", k.name,
						map[bool]string{true: "before", false: "after"}[m.before], m.status, m.verdict, m.port, l.asked.Sub(m.opened))
				}
			}
			if l.cut != l.own {
				t.Errorf("%s: %d streams were reset, %d were its own; %d ended whole", k.name, l.cut, l.own, l.whole)
			}
			t.Logf("%s: %d streams reset, %d of its own, %d whole; calls failed: %v", k.name, l.cut, l.own, l.whole, missed)
			kind, _, _ := strings.Cut(k.name, " ")
			if killed[kind] == nil {
				killed[kind] = &toll{Failed: map[string]int{}}
				figures[kind] = killed[kind]
			}
			killed[kind].add(l, missed)
		}
	}
	answered, unnamed, failed := calls.stop()
	lost, twice, rows := f.onLedger(answered)
	figures["calls_answered"], figures["calls_answered_unmetered"], figures["calls_failed_by_status"] = len(answered)+unnamed, unnamed, failed
	figures["ledger_rows"], figures["ledger_rows_lost"], figures["ledger_rows_twice"] = rows, lost, twice
	text, err := json.MarshalIndent(figures, "", "  ")
	if dir := os.Getenv("BENCH_SCALE"); err == nil && dir != "" {
		err = os.WriteFile(filepath.Join(dir, "scale-out.json"), append(text, '\n'), 0o644)
	}
	f.must(err)
	t.Logf("%s", text)
	if lost != 0 || twice != 0 || len(answered) < 50 {
		t.Errorf("%d calls were answered; %d of them are on no ledger, %d rows stand twice", len(answered), lost, twice)
	}
	// Whose meter died in the middle of an answer is booked at its bound; Envoy takes no other answer to a process that is gone.
	if workers := callers * rounds; unnamed > workers {
		t.Errorf("%d answers passed unmetered, more than the %d that could be under way", unnamed, workers)
	}
}

// toll is what the kills of one kind of process did, in all rounds together.
type toll struct {
	Kills  int            `json:"kills"`
	Reset  int            `json:"streams_reset"`
	Own    int            `json:"streams_of_its_own"`
	Whole  int            `json:"streams_whole"`
	Failed map[string]int `json:"calls_failed_by_status"`
}

func (t *toll) add(l loss, failed map[string]int) {
	t.Kills++
	t.Reset, t.Own, t.Whole = t.Reset+l.cut, t.Own+l.own, t.Whole+l.whole
	for status, n := range failed {
		t.Failed[status] += n
	}
}

// TestATollIsOfAllRounds holds that a later kill of the same kind does not take the place of an earlier one.
func TestATollIsOfAllRounds(t *testing.T) {
	got := toll{Failed: map[string]int{}}
	got.add(loss{cut: 13, own: 13, whole: 11}, map[string]int{"connection": 8})
	got.add(loss{cut: 12, own: 12, whole: 12}, map[string]int{"connection": 7, "503": 1})
	if want := (toll{Kills: 2, Reset: 25, Own: 25, Whole: 23, Failed: map[string]int{"connection": 15, "503": 1}}); !cmp.Equal(got, want) {
		t.Errorf("two kills were summed as %+v, want %+v", got, want)
	}
}

// settle waits until every process judges calls again: each finds out for itself that a dependency is back.
func (f *fleet) settle(after string, beside *traffic) {
	f.t.Helper()
	f.eventually("32 calls in a row pass after "+after+", and those beside them", func() bool {
		failed := beside.failures()
		for range 32 {
			if code, _, _ := f.do(http.MethodPost, "/openai/v1/chat/completions", chat); code != http.StatusOK {
				return false
			}
		}
		return beside.failures() == failed
	})
}

// exactLimit spends a hard budget of 200 calls through every process at once.
func (f *fleet) exactLimit() {
	f.t.Helper()
	const budget, sent = 200, 600
	var ok, refused, other atomic.Int64
	var group sync.WaitGroup
	for range 30 {
		group.Go(func() {
			client := &http.Client{Transport: &http.Transport{}} // a connection of its own, at either Envoy
			for range sent / 30 {
				r, err := f.request(http.MethodGet, "/weather/v1/forecast/lima", "")
				if err != nil {
					f.t.Error(err)
					return
				}
				switch code := finish(client, r); code {
				case http.StatusOK:
					ok.Add(1)
				case http.StatusTooManyRequests:
					refused.Add(1)
				default:
					other.Add(1)
				}
			}
			client.CloseIdleConnections()
		})
	}
	group.Wait()
	served := f.mock.Stats().Providers["weather"].Calls
	if ok.Load() != budget || served != budget || refused.Load() != sent-budget {
		f.t.Errorf("a budget of %d calls let %d through and %d to the provider, refused %d; %d were answered otherwise", budget, ok.Load(), served, refused.Load(), other.Load())
	}
	for host := range f.sentinels {
		if f.counted(host) == 0 {
			f.t.Errorf("%s judged no call", host)
		}
	}
}

// finish sends a request and gives the status of its whole answer, 0 when there is none.
func finish(c *http.Client, r *http.Request) int {
	answer, err := c.Do(r)
	if err != nil {
		return 0
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return 0
	}
	return answer.StatusCode
}

// counted is how many calls a sentinel has judged.
func (f *fleet) counted(host string) (calls int) {
	f.t.Helper()
	all, err := f.series(f.probe(host))
	f.must(err)
	for series, value := range all {
		if strings.HasPrefix(series, "sentinel_calls_total{") {
			calls += int(value)
		}
	}
	return calls
}

// addReplica starts one sentinel more. That its address is behind the name is all that it needs: nothing that runs is told of it.
func (f *fleet) addReplica() {
	f.t.Helper()
	hosts := []string{sentinelHost(0), sentinelHost(1), sentinelHost(2), sentinelHost(3)}
	f.configure(hosts[3], f.fronts[0].admin)
	f.begin(hosts[3])
	f.names.set(hosts...)
	for range 300 {
		f.do(http.MethodGet, "/weather/v1/forecast/lima", "")
		if f.counted(hosts[3]) > 0 {
			return
		}
		time.Sleep(100 * time.Millisecond) // Envoy asks for the name again by itself
	}
	for _, e := range f.fronts {
		f.t.Logf("%s: %s", e.dir, f.seenBy(e))
	}
	f.t.Fatal("after 300 calls the fourth sentinel has judged none")
}

// seenBy is what an Envoy knows of the sentinels.
func (f *fleet) seenBy(e *front) (lines string) {
	f.t.Helper()
	answer, err := http.Get("http://" + e.admin + "/clusters")
	f.must(err)
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	f.must(err)
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "sentinel::127") && (strings.Contains(line, "health_flags") || strings.Contains(line, "rq_total")) {
			lines += line
		}
	}
	return lines
}

// traffic is what became of calls that several clients send one after the other.
type traffic struct {
	mu      sync.Mutex
	ids     []string // of those that were answered
	unnamed int      // answers without an id
	failed  map[string]int
	misses  []miss
	end     func()
}

// miss is a call that was not answered 200.
type miss struct {
	begun   time.Time
	before  bool // the process that is looked at had died
	port    int  // of the client's side of its connection
	opened  time.Time
	status  string // connection where there was no whole answer
	verdict string
}

// callAll sends calls until it is stopped.
func (f *fleet) callAll(workers int, every time.Duration) *traffic {
	c := &traffic{failed: map[string]int{}}
	clients, opened := make([]http.Client, workers), make([]time.Time, workers)
	end := repeat(workers, every, func(worker int) {
		client := &clients[worker]
		if client.Transport == nil {
			client.Transport = &http.Transport{} // connections of its own
		}
		r, err := f.request(http.MethodPost, "/openai/v1/chat/completions", chat)
		if err != nil {
			f.t.Error(err)
			return
		}
		m := miss{begun: time.Now(), status: "connection"}
		answer, err := client.Do(r.WithContext(httptrace.WithClientTrace(f.t.Context(), portOf(&m.port, &opened[worker]))))
		m.opened = opened[worker]
		id := ""
		if err == nil {
			_, err = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
			id, m.verdict = answer.Header.Get("X-Sentinel-Call"), answer.Header.Get("X-Sentinel-Verdict")
		}
		if err == nil {
			m.status = strconv.Itoa(answer.StatusCode)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		switch {
		case m.status != "200":
			c.failed[m.status]++
			c.misses = append(c.misses, m)
		case id == "":
			c.unnamed++
		default:
			c.ids = append(c.ids, id)
		}
	})
	c.end = func() {
		end()
		for i := range clients {
			clients[i].CloseIdleConnections()
		}
	}
	return c
}

// missed gives the calls that failed since it was asked before.
func (c *traffic) missed() (list []miss) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list, c.misses = c.misses, nil
	return list
}

// failures is how many calls have failed.
func (c *traffic) failures() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, of := range c.failed {
		n += of
	}
	return n
}

// stop gives the ids of the answered calls, how many answers had none, and how often other calls had which status.
func (c *traffic) stop() (answered []string, unnamed int, failed map[string]int) {
	c.end()
	return c.ids, c.unnamed, c.failed
}

// kill is one process to kill, and to bring back.
type kill struct {
	name       string
	envoy      int                       // the process id whose connections end with it; 0 for none
	inFlight   bool                      // calls fail that it was busy with, and no others: one a connection at most
	own        func(m miss, l loss) bool // a call that failed may be laid to it
	do, mended func()
}

// kills are one of each kind. Later rounds take others of it.
func (f *fleet) kills(round int) []kill {
	host, e, m := sentinelHost(round%4), f.fronts[round%len(f.fronts)], f.master()
	return []kill{
		// What it was judging is answered by its Envoy; no connection of a client ends.
		{name: "sentinel " + host, inFlight: true, own: func(m miss, _ loss) bool { return m.before && m.status != "connection" },
			do: func() { f.end(host) }, mended: func() { f.begin(host) }},
		// A connection that a client opened since the kernel was asked may have waited for the dying process to accept it.
		{name: "envoy " + e.dir, envoy: e.PID(), inFlight: true, own: func(m miss, l loss) bool {
			return m.before && m.status == "connection" && (l.connections[m.port] || m.opened.After(l.asked))
		},
			do: func() {
				f.must(syscall.Kill(e.PID(), syscall.SIGKILL))
				<-e.Exited()
			}, mended: func() { f.front(e) }},
		// A hard budget is closed until a replica counts on.
		{name: "redis " + m.Addr, own: func(m miss, _ loss) bool {
			return m.status == "503" && strings.HasSuffix(m.verdict, "reason="+string(domain.ReasonLimiterUnavailable))
		}, do: m.Kill, mended: func() {
			f.eventually("a replica is master", func() bool {
				c, err := f.cluster.MasterForKey(f.t.Context(), "{o:acme}")
				if err != nil || c.Options().Addr == m.Addr {
					f.cluster.ReloadState(f.t.Context())
					return false
				}
				return true
			})
			f.must(m.Start())
			one := redis.NewClient(&redis.Options{Addr: m.Addr})
			defer func() { _ = one.Close() }()
			f.eventually("the cluster is whole", func() bool { return formed(f.t.Context(), one, 3, 6) })
		}},
		{name: "postgres", own: func(miss, loss) bool { return false }, do: f.db.stop, mended: func() { f.db.start() }},
	}
}

// loss is what a kill did to streams.
type loss struct {
	cut, own, whole int          // were reset; were the process's own, by the kernel's account; ended whole
	connections     map[int]bool // ports of clients that were connected to it
	asked, dead     time.Time    // when the kernel was asked for them; when it had died
}

// killUnderStreams opens streams, and kills while all of them run.
func (f *fleet) killUnderStreams(k kill) (l loss) {
	f.t.Helper()
	const streams = 24
	var running, ended sync.WaitGroup
	var cuts, wholes atomic.Int64
	running.Add(streams)
	killed := make(chan struct{})
	ports := make([]int, streams)
	for i := range streams {
		ended.Go(func() {
			started := sync.OnceFunc(running.Done)
			defer started()
			answer, err := f.stream(&ports[i])
			if err != nil {
				f.t.Errorf("a stream did not begin: %v", err)
				return
			}
			defer func() { _ = answer.Body.Close() }()
			if answer.StatusCode != http.StatusOK {
				f.t.Errorf("a stream was answered %d", answer.StatusCode)
				return
			}
			_, done := contents(f.t.(*testing.T), answer, 0, func(n int) {
				if n == 3 {
					started()
					<-killed
				}
			})
			if done {
				wholes.Add(1)
			} else {
				cuts.Add(1)
			}
		})
	}
	running.Wait()
	l.asked = time.Now()
	if k.envoy != 0 {
		l.connections = f.connections(k.envoy)
		for _, port := range ports {
			if l.connections[port] {
				l.own++
			}
		}
	}
	k.do()
	l.dead = time.Now()
	close(killed)
	ended.Wait()
	k.mended()
	l.cut, l.whole = int(cuts.Load()), int(wholes.Load())
	return l
}

// portOf notes from which port a request goes out, and when its connection was opened where it is a new one.
func portOf(port *int, opened *time.Time) *httptrace.ClientTrace {
	return &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) {
		if !c.Reused {
			*opened = time.Now()
		}
		if _, text, ok := strings.Cut(c.Conn.LocalAddr().String(), ":"); ok {
			*port, _ = strconv.Atoi(text)
		}
	}}
}

// stream begins a stream on a connection of its own, and says from which port it comes.
func (f *fleet) stream(port *int) (*http.Response, error) {
	r, err := f.request(http.MethodPost, "/openai/v1/chat/completions", stream)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return client.Do(r.WithContext(httptrace.WithClientTrace(f.t.Context(), portOf(port, new(time.Time)))))
}

// connections are the ports of clients whose connections to the gateway a process holds, as the kernel has them.
func (f *fleet) connections(pid int) map[int]bool {
	f.t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	f.must(err)
	sockets := map[string]bool{}
	for _, file := range files {
		if link, err := os.Readlink(file); err == nil {
			sockets[strings.TrimSuffix(strings.TrimPrefix(link, "socket:["), "]")] = true
		}
	}
	table, err := os.ReadFile("/proc/net/tcp")
	f.must(err)
	gateway, err := strconv.Atoi(f.url[strings.LastIndexByte(f.url, ':')+1:])
	f.must(err)
	ports := map[int]bool{}
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line) // sl local remote state queues timer retransmits uid timeout inode
		if len(fields) < 10 || !strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", gateway)) || !sockets[fields[9]] {
			continue
		}
		port, err := strconv.ParseInt(fields[2][strings.LastIndexByte(fields[2], ':')+1:], 16, 32)
		f.must(err)
		ports[int(port)] = true
	}
	return ports
}

// onLedger waits until nothing is open any longer, and looks for the calls that clients saw answered, and for as many as the provider served.
func (f *fleet) onLedger(answered []string) (lost, twice, rows int) {
	f.t.Helper()
	db, err := pgx.Connect(f.t.Context(), f.dsn)
	f.must(err)
	defer func() { _ = db.Close(f.t.Context()) }()
	_, err = db.Exec(f.t.Context(), `UPDATE instances SET beat = beat - INTERVAL '1 minute'`)
	f.must(err)
	open := 1
	for deadline := time.Now().Add(3 * time.Minute); open > 0 && time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		// A call that lost its meter is booked by its own process once Envoy must have ended it: stream_idle and reconcile.after, 22 s.
		f.must(db.QueryRow(f.t.Context(), `SELECT count(*) FROM intents`).Scan(&open))
	}
	if open > 0 {
		f.t.Errorf("%d calls are open after 3 minutes", open)
	}
	count := func(sql string, args ...any) (n int) {
		f.must(db.QueryRow(f.t.Context(), sql, args...).Scan(&n))
		return n
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) { // until the spools are written
		lost = count(`SELECT count(*) FROM unnest($1::uuid[]) AS seen(id) WHERE NOT EXISTS (SELECT FROM entries WHERE call_id = seen.id)`, answered)
		if lost == 0 {
			break
		}
	}
	if lost > 0 {
		for host := range f.sentinels {
			answer, err := http.Get(f.probe(host) + "/readyz?verbose")
			f.must(err)
			text, _ := io.ReadAll(answer.Body)
			_ = answer.Body.Close()
			f.t.Logf("%s: %s", host, text)
		}
		rows, err := db.Query(f.t.Context(), `SELECT id::text FROM unnest($1::uuid[]) AS seen(id) WHERE NOT EXISTS (SELECT FROM entries WHERE call_id = seen.id)`, answered)
		f.must(err)
		ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
		f.must(err)
		f.t.Logf("on no ledger: %v", ids)
	}
	served := int(f.mock.Stats().Providers["openai"].Calls)
	lost += max(0, served-count(`SELECT count(*) FROM entries WHERE provider = 'openai' AND action NOT IN ('deny', 'throttle')`))
	return lost, count(`SELECT count(*) - count(DISTINCT (call_id, attempt)) FROM entries`), count(`SELECT count(*) FROM entries`)
}
