package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/saas-sentinel/saas-sentinel/e2e/load"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

// capacity is what a call and a connection cost, as docs/bench/capacity.json has it and the model of a large site reads it.
type capacity struct {
	What            string  `json:"what"`
	Calls           int64   `json:"calls"`
	Connections     int     `json:"connections"`
	Streams         int     `json:"streams"`
	SentinelMicros  float64 `json:"sentinel_cpu_us_a_call"`
	EnvoyMicros     float64 `json:"envoy_cpu_us_a_call"`
	RedisMicros     float64 `json:"redis_cpu_us_a_call"`
	PostgresMicros  float64 `json:"postgres_cpu_us_a_call"`
	EnvoyConnection int64   `json:"envoy_bytes_a_connection"`
	EnvoyStream     int64   `json:"envoy_bytes_a_stream"`
	SentinelStream  int64   `json:"sentinel_bytes_a_stream"`
	Resident        int64   `json:"sentinel_resident_bytes_with_streams"`
	RedisCall       int64   `json:"redis_bytes_a_call_held"`
	RedisSettled    int64   `json:"redis_bytes_a_call_settled"`
	RedisKept       int64   `json:"redis_seconds_a_settled_call_is_kept"`
	PostgresRow     int64   `json:"postgres_bytes_a_call"`
	Connected       int     `json:"postgres_connections_a_process"`
}

// callKeys are the keys of calls in Redis.
const callKeys = "{o:acme}:call:*"

// TestCapacityOfOneUnit measures what a call, a connection and a stream that runs and says nothing cost each part of one gateway. CAPACITY names the
// folder for the figures; make capacity sets it.
func TestCapacityOfOneUnit(t *testing.T) {
	config := slow(time.Millisecond)
	config.Models["gpt-5"] = mockapi.Answers{Pace: time.Minute, MinOutput: 50, MaxOutput: 50}
	g := open(t, config, "{budget: {usd: 1000000/day, mode: hard}}", benchRules)
	g.patient()
	db, err := pgx.Connect(t.Context(), g.dsn)
	g.must(err)
	defer func() { _ = db.Close(t.Context()) }()
	c := redis.NewClient(&redis.Options{Addr: g.redis})
	defer func() { _ = c.Close() }()

	got := capacity{What: "one Envoy and one sentinel with Redis, PostgreSQL and the stand-in on one machine; four limits, one of them a hard budget; CPU is of the processes, so that other work on the machine shows little",
		Calls: int64(number("CAPACITY_CALLS", 1500)), Connections: number("CAPACITY_CONNECTIONS", 400), Streams: number("CAPACITY_STREAMS", 60)}
	envoy := g.process("envoy", "-c "+filepath.Join(g.dir, "envoy"))
	pids := map[string]int{"sentinel": g.child.Process.Pid, "envoy": envoy}
	redisBefore, pgBefore := redisCPU(t, c), g.postgresCPU()
	result, err := load.Run(t.Context(), load.Options{
		URL: g.url + "/openai/v1/chat/completions", Body: []byte(chat), Clients: 32, Duration: 10 * time.Minute, Requests: got.Calls,
		Header: chatHeader(), Processes: pids,
	})
	g.must(err)
	if result.Errors > 0 || result.Requests != got.Calls {
		t.Fatalf("%d calls, %d errors: %v", result.Requests, result.Errors, result.Faults)
	}
	rows := g.rowsWritten(db, got.Calls)
	micros := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(got.Calls) }
	got.SentinelMicros, got.EnvoyMicros = micros(result.Processes["sentinel"].CPU), micros(result.Processes["envoy"].CPU)
	got.RedisMicros, got.PostgresMicros = micros(redisCPU(t, c)-redisBefore), micros(g.postgresCPU()-pgBefore)
	g.must(db.QueryRow(t.Context(), `SELECT sum(pg_total_relation_size(inhrelid))::bigint FROM pg_inherits WHERE inhparent = 'entries'::regclass`).Scan(&got.PostgresRow))
	got.PostgresRow /= rows
	g.must(db.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`).Scan(&got.Connected))
	got.RedisSettled = memory(t, c, callKeys)

	got.RedisKept = kept(t, c)

	got.EnvoyConnection = g.connectionBytes(envoy, got.Connections)
	before := sampled(t, pids)
	g.idleStreams(got.Streams, func() {
		after := sampled(t, pids)
		got.Resident = after["sentinel"].RSS
		got.EnvoyStream = max(0, after["envoy"].RSS-before["envoy"].RSS) / int64(got.Streams)
		got.SentinelStream = max(0, got.Resident-before["sentinel"].RSS) / int64(got.Streams)
		got.RedisCall = memory(t, c, callKeys)
	})
	if rows := g.rowsWritten(db, got.Calls+int64(got.Streams)); rows != got.Calls+int64(got.Streams) {
		t.Errorf("%d calls and %d streams have %d rows", got.Calls, got.Streams, rows)
	}
	text, err := json.MarshalIndent(got, "", "  ")
	g.must(err)
	t.Logf("%s", text)
	if dir := os.Getenv("CAPACITY"); dir != "" {
		g.must(os.WriteFile(filepath.Join(dir, "capacity.json"), append(text, '\n'), 0o644))
	}
	if most := before["sentinel"].RSS + max(20<<20, int64(got.Streams)*30_000); got.Resident > most { // of a goal of 400 MB for 10,000
		t.Errorf("with %d idle streams sentinel has %d bytes, from %d: more than %d", got.Streams, got.Resident, before["sentinel"].RSS, most)
	}
	if got.SentinelMicros <= 0 || got.EnvoyMicros <= 0 || got.RedisMicros <= 0 || got.PostgresRow < 100 || got.EnvoyConnection <= 0 || got.Connected < 1 {
		t.Errorf("a figure is none: %s", text)
	}
}

// process finds the one process whose command line has a word in it.
func (g *gateway) process(name, word string) int {
	g.t.Helper()
	list, err := filepath.Glob("/proc/[0-9]*/cmdline")
	g.must(err)
	for _, file := range list {
		if line, err := os.ReadFile(file); err == nil && strings.Contains(strings.ReplaceAll(string(line), "\x00", " "), word) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			g.must(err)
			return pid
		}
	}
	g.t.Fatalf("no %s runs with %q", name, word)
	return 0
}

// postgresCPU is what the server and all its processes have used, the ended ones included.
func (g *gateway) postgresCPU() (sum time.Duration) {
	g.t.Helper()
	parent := g.process("postgres", "-D "+filepath.Join(g.dir, "postgres"))
	children, err := filepath.Glob("/proc/[0-9]*/stat")
	g.must(err)
	for _, file := range children {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if len(fields) < 15 || pid != parent && fields[1] != strconv.Itoa(parent) {
			continue
		}
		for i, n := range fields[11:15] { // utime, stime, and of children that were waited for
			if ticks, err := strconv.Atoi(n); err == nil && (i < 2 || pid == parent) {
				sum += time.Duration(ticks) * 10 * time.Millisecond
			}
		}
	}
	return sum
}

// redisCPU is what the server's main thread, which runs the scripts, has used.
func redisCPU(t *testing.T, c *redis.Client) time.Duration {
	t.Helper()
	info, err := c.Info(t.Context(), "cpu").Result()
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_user_main_thread" || name == "used_cpu_sys_main_thread" {
			seconds, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += seconds
		}
	}
	return time.Duration(sum * float64(time.Second))
}

// memory is the mean size of the keys of a pattern, in bytes; 0 when there are none.
func memory(t *testing.T, c *redis.Client, pattern string) int64 {
	t.Helper()
	keys, err := c.Keys(t.Context(), pattern).Result()
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, key := range keys[:min(len(keys), 500)] {
		n, err := c.MemoryUsage(t.Context(), key).Result()
		if err != nil && err != redis.Nil { //nolint:errorlint // the client gives it as it is
			t.Fatal(err)
		}
		sum += n
	}
	return sum / max(1, int64(min(len(keys), 500)))
}

// kept is for how many seconds Redis keeps the record of a call that is settled.
func kept(t *testing.T, c *redis.Client) int64 {
	t.Helper()
	keys, err := c.Keys(t.Context(), callKeys).Result()
	if err != nil || len(keys) == 0 {
		t.Fatalf("%d calls in Redis, %v", len(keys), err)
	}
	left, err := c.PTTL(t.Context(), keys[0]).Result()
	if err != nil || left <= 0 {
		t.Fatalf("%s is kept for %s, %v", keys[0], left, err)
	}
	return int64(left.Round(time.Minute).Seconds())
}

func sampled(t *testing.T, pids map[string]int) map[string]load.Use {
	t.Helper()
	out := map[string]load.Use{}
	for name, pid := range pids {
		u, err := load.Sample(pid)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = u
	}
	return out
}

// rowsWritten waits until the ledger has the calls, and counts.
func (g *gateway) rowsWritten(db *pgx.Conn, want int64) (rows int64) {
	g.t.Helper()
	g.eventually("the ledger has the calls", func() bool {
		g.must(db.QueryRow(g.t.Context(), `SELECT count(*) FROM entries`).Scan(&rows))
		return rows >= want
	})
	return rows
}

// connectionBytes opens idle connections of clients, each after one answer, and gives what Envoy holds for one.
func (g *gateway) connectionBytes(envoy, n int) int64 {
	g.t.Helper()
	before, err := load.Sample(envoy)
	g.must(err)
	request := "GET /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
	for range n {
		c, err := (&net.Dialer{}).DialContext(g.t.Context(), "tcp", strings.TrimPrefix(g.url, "http://"))
		g.must(err)
		defer func() { _ = c.Close() }() // all stay open until the last is measured
		_, err = c.Write([]byte(request))
		g.must(err)
		_, err = c.Read(make([]byte, 4096))
		g.must(err)
	}
	after, err := load.Sample(envoy)
	g.must(err)
	return (after.RSS - before.RSS) / int64(n)
}

// patient restarts the gateway so that it lets many answers be silent for long.
func (g *gateway) patient() {
	g.t.Helper()
	text, err := os.ReadFile(filepath.Join(g.dir, "sentinel.yaml"))
	g.must(err)
	g.stop()
	g.write("sentinel.yaml", strings.Replace(string(text), "stream_idle: 20s", "stream_idle: 1h, max_heap_bytes: 4294967296", 1))
	g.start()
	g.envoy.Stop()
	g.boots()
}

// idleStreams begins answers that say nothing more, measures while all of them run, and hangs up.
func (g *gateway) idleStreams(n int, measure func()) {
	g.t.Helper()
	client := &http.Client{Transport: &http.Transport{Protocols: new(http.Protocols)}} // few connections with many streams
	client.Transport.(*http.Transport).Protocols.SetUnencryptedHTTP2(true)
	ctx, hangUp := context.WithCancel(g.t.Context())
	defer hangUp()
	body := strings.Replace(stream, "gpt-5-mini", "gpt-5", 1)
	var left atomic.Int64
	var openers, streams sync.WaitGroup
	left.Store(int64(n))
	for range 32 {
		openers.Go(func() {
			for left.Add(-1) >= 0 {
				r, err := g.request(http.MethodPost, "/openai/v1/chat/completions", body)
				if err != nil {
					g.t.Error(err)
					return
				}
				answer, err := client.Do(r.WithContext(ctx))
				if err != nil {
					g.t.Error(err)
					return
				}
				if answer.StatusCode != http.StatusOK {
					g.t.Errorf("a stream is answered %s", answer.Status)
				}
				streams.Go(func() {
					_, _ = io.Copy(io.Discard, answer.Body) // until all hang up
					_ = answer.Body.Close()
				})
			}
		})
	}
	openers.Wait()
	measure()
	hangUp()
	streams.Wait()
}
