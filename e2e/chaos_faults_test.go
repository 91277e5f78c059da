package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sys/unix"

	"github.com/saas-sentinel/saas-sentinel/e2e/load"
	"github.com/saas-sentinel/saas-sentinel/internal/mockalerts"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/internal/redistest"
)

// fault is something that breaks, and comes back.
type fault struct {
	name      string
	lasts     time.Duration
	inject    func(w *world) (heal func())
	alert     string                  // the rule that has to tell of it, and the begin of the scope where more than one could; empty where nothing is to be told
	patience  time.Duration           // for the message, where it is not the first of its group: that of a rule gets one in five minutes
	estimated bool                    // calls that broke after the provider had them are booked at their bound
	short     bool                    // also in the short form
	faulty    bool                    // sentinel is a build that can be told to fail
	unharmed  bool                    // no call of the load may fail
	open      func(*testing.T) *world // where newWorld is not enough
	before    time.Duration           // of load before the fault, where more is to be measured than usual
}

func faults() (all []fault) {
	for _, room := range [][]fault{redisFaults, databaseFaults, vaultFaults, processFaults, outsideFaults} {
		all = append(all, room...)
	}
	return all
}

// broken makes the usual fault of a link.
func broken(of func(w *world) *link, how func(*link)) func(w *world) func() {
	return func(w *world) func() { l := of(w); how(l); return l.heal }
}

func away(of func(w *world) *link) func(w *world) func() {
	return func(w *world) func() { l := of(w); l.down(); return l.up }
}

func cacheOf(w *world) *link    { return w.cache }
func databaseOf(w *world) *link { return w.db }
func vaultOf(w *world) *link    { return w.vault }
func providerOf(w *world) *link { return w.provider }

func late(ms int) func(*link) {
	return func(l *link) { l.spoil("latency", "downstream", fmt.Sprintf(`"latency": %d`, ms)) }
}

// silent lets connections stand, and carries nothing.
func silent(l *link) {
	l.spoil("timeout", "downstream", `"timeout": 0`)
	l.spoil("timeout", "upstream", `"timeout": 0`)
}

// torn closes connections after so many bytes of answers: what was asked for was done, and nobody hears of it.
func torn(after int) func(*link) {
	return func(l *link) { l.spoil("limit_data", "downstream", fmt.Sprintf(`"bytes": %d`, after)) }
}

var redisFaults = []fault{
	{name: "Redis down", lasts: 5 * time.Second, inject: away(cacheOf), alert: "dependency dependency/redis", short: true},
	{name: "Redis slow (2 s)", lasts: 5 * time.Second, inject: broken(cacheOf, late(2000)), alert: "dependency dependency/redis"},
	{name: "Redis partitioned", lasts: 5 * time.Second, inject: broken(cacheOf, silent), alert: "dependency dependency/redis"},
	{name: "Redis's answers lost", lasts: 5 * time.Second, inject: broken(cacheOf, torn(3000)), alert: "dependency dependency/redis"},
	{name: "Redis failed over to its replica", lasts: time.Second, alert: "dependency dependency/redis", inject: func(w *world) func() {
		addr, promote := w.replica(w.redis)
		promote()
		w.cache.down()
		w.cache.proxy.Upstream = addr
		return w.cache.up
	}},
	{name: "Redis flushed", lasts: time.Second, alert: "dependency dependency/redis", short: true, inject: func(w *world) func() {
		c := redis.NewClient(&redis.Options{Addr: w.redis})
		defer func() { _ = c.Close() }()
		w.must(c.FlushAll(w.t.Context()).Err())
		return func() {}
	}},
}

var databaseFaults = []fault{
	{name: "PostgreSQL down", lasts: 15 * time.Second, inject: away(databaseOf), alert: "dependency dependency/database"},
	{name: "PostgreSQL slow (1 s)", lasts: 5 * time.Second, inject: broken(databaseOf, late(1000))},
	{name: "PostgreSQL read-only", lasts: 15 * time.Second, alert: "dependency dependency/database", inject: func(w *world) func() {
		set := func(value string) {
			c, err := pgx.Connect(w.t.Context(), w.dsn)
			w.must(err)
			defer func() { _ = c.Close(w.t.Context()) }()
			for _, sql := range []string{"SET default_transaction_read_only = off", "ALTER SYSTEM SET default_transaction_read_only = " + value, "SELECT pg_reload_conf()"} {
				_, err = c.Exec(w.t.Context(), sql)
				w.must(err)
			}
		}
		set("on")
		return func() { set("off") }
	}},
	{name: "PostgreSQL's answers lost after commits", lasts: 5 * time.Second, inject: broken(databaseOf, torn(2000))},
}

var vaultFaults = []fault{
	{name: "Vault down", lasts: 10 * time.Second, inject: away(vaultOf), alert: "dependency dependency/vault"},
	{name: "Vault slow (3 s)", lasts: 5 * time.Second, inject: broken(vaultOf, late(3000)), alert: "dependency dependency/vault"},
	{name: "Vault sealed", lasts: 10 * time.Second, alert: "dependency dependency/vault", inject: func(w *world) func() {
		log, err := os.ReadFile(filepath.Join(w.dir, "openbao", "bao.log"))
		w.must(err)
		_, rest, found := strings.Cut(string(log), "Unseal Key: ")
		key, _, _ := strings.Cut(rest, "\n")
		if !found {
			w.t.Fatal("OpenBao's log has no unseal key")
		}
		put := func(path, body string) {
			r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPut, "http://"+w.vault.proxy.Upstream+path, strings.NewReader(body))
			w.must(err)
			r.Header.Set("X-Vault-Token", w.root)
			answer, err := http.DefaultClient.Do(r)
			w.must(err)
			_ = answer.Body.Close()
			if answer.StatusCode >= 300 {
				w.t.Errorf("%s: %s", path, answer.Status)
			}
		}
		put("/v1/sys/seal", "{}")
		return func() { put("/v1/sys/unseal", fmt.Sprintf(`{"key": %q}`, strings.TrimSpace(key))) }
	}},
	{name: "Vault answers garbage", lasts: 10 * time.Second, alert: "dependency dependency/vault", inject: func(w *world) func() {
		s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = rw.Write([]byte(`{"data": {"data": {"api_key": 7}, "metadata"`))
		}))
		w.t.Cleanup(s.Close)
		good := w.vault.proxy.Upstream
		w.vault.moved(strings.TrimPrefix(s.URL, "http://"))
		return func() { w.vault.moved(good) }
	}},
}

// limited sets a limit of the running sentinel, and gives what puts it back.
func (w *world) limited(resource int, value uint64) (back func()) {
	var old unix.Rlimit
	w.must(unix.Prlimit(w.child.Process.Pid, resource, nil, &old))
	w.must(unix.Prlimit(w.child.Process.Pid, resource, &unix.Rlimit{Cur: value, Max: old.Max}, nil))
	pid := w.child.Process.Pid
	return func() { _ = unix.Prlimit(pid, resource, &old, nil) } // it may have died of it
}

var processFaults = []fault{
	{name: "sentinel killed (the only one)", lasts: time.Second, short: true, estimated: true, alert: "process process/killed", inject: func(w *world) func() { w.kill(); return w.start }},
	{name: "sentinel killed (one of two)", lasts: 5 * time.Second, estimated: true, open: twoSentinels, alert: "process process/killed", inject: func(w *world) func() {
		w.fleet.end(sentinelHost(0))
		return func() { w.fleet.begin(sentinelHost(0)) }
	}},
	{name: "sentinel killed (one of two), away for 15 s", lasts: 15 * time.Second, estimated: true, open: twoSentinels, alert: "process process/silent", inject: func(w *world) func() {
		w.fleet.end(sentinelHost(0))
		w.eventually("the other one misses it", func() bool {
			log, err := os.ReadFile(filepath.Join(w.dir, "sentinel.log"))
			return err == nil && bytes.Contains(log, []byte("a gateway process is silent"))
		})
		return func() { w.fleet.begin(sentinelHost(0)) }
	}},
	{name: "sentinel hung (SIGSTOP)", lasts: 5 * time.Second, estimated: true, alert: "process process/still", inject: func(w *world) func() {
		w.must(w.child.Process.Signal(syscall.SIGSTOP))
		return func() { w.must(w.child.Process.Signal(syscall.SIGCONT)) }
	}},
	{name: "sentinel out of memory", lasts: 3 * time.Second, estimated: true, alert: "process process/killed", inject: func(w *world) func() {
		w.limited(unix.RLIMIT_AS, 1<<20)
		var bodies sync.WaitGroup // answers and requests that need more than it has
		for range 16 {
			bodies.Go(func() {
				body := fmt.Sprintf(`{"model":"gpt-5-mini","max_completion_tokens":20,"messages":[{"role":"user","content":%q}]}`, strings.Repeat("word ", 100_000))
				if answer, err := w.send(http.MethodPost, "/openai/v1/chat/completions", body); err == nil {
					_, _ = io.Copy(io.Discard, answer.Body)
					_ = answer.Body.Close()
				}
			})
		}
		bodies.Wait()
		return func() {
			_ = w.child.Process.Kill() // it has ended by itself, most likely
			<-w.exited
			w.start()
		}
	}},
	{name: "sentinel out of files", lasts: 10 * time.Second, alert: "dependency dependency/database", inject: func(w *world) func() {
		back := w.limited(unix.RLIMIT_NOFILE, 8)
		w.db.down() // connections that are lost cannot be made again meanwhile
		w.db.up()
		return back
	}},
	{name: "sentinel drained and started again", lasts: time.Second, estimated: true, inject: func(w *world) func() { w.stop(); return w.start }},
	{name: "Envoy restarted", lasts: time.Second, estimated: true, inject: func(w *world) func() { w.envoy.Stop(); return w.startEnvoy }},
	{name: "Envoy drained", lasts: 5 * time.Second, estimated: true, inject: func(w *world) func() {
		answer, err := http.Post(w.admin+"/drain_listeners?graceful&skip_exit", "", nil)
		w.must(err)
		_ = answer.Body.Close()
		return func() { w.envoy.Stop(); w.startEnvoy() }
	}},
	wrongClock("an hour ahead", time.Hour), wrongClock("an hour behind", -time.Hour), wrongClock("a day ahead", 24*time.Hour), wrongClock("a day behind", -24*time.Hour),
	{name: "fsync fails", lasts: 10 * time.Second, faulty: true, alert: "dependency dependency/ledger", estimated: true, inject: func(w *world) func() {
		w.told(0, unix.EIO)
		return func() {
			if err := <-w.exited; err == nil {
				w.t.Error("sentinel ended as if nothing were wrong with its disk")
			}
			w.told(0, 0)
			w.start()
		}
	}},
	{name: "disk full", lasts: 5 * time.Second, inject: fullDisk, alert: "dependency dependency/ledger", estimated: true},
	{name: "policy broken at reload", lasts: 3 * time.Second, short: true, alert: "policy policy/file", inject: func(w *world) func() {
		file := filepath.Join(w.dir, "policies.yaml")
		good, err := os.ReadFile(file)
		w.must(err)
		w.write("policies.yaml", "org: [\n")
		return func() { w.write("policies.yaml", string(good)) }
	}},
}

// fullDisk puts the spool on a small file system of its own, and fills it.
func fullDisk(w *world) func() {
	w.stop() // what waits in the other spool is written first
	spool := filepath.Join(w.dir, "small")
	w.must(os.MkdirAll(spool, 0o755))
	if err := unix.Mount("tmpfs", spool, "tmpfs", 0, "size=64m"); err != nil {
		w.t.Skipf("a file system of its own needs root: %v", err)
	}
	w.stack.OnClose(func() { _ = unix.Unmount(spool, unix.MNT_DETACH) })
	w.append("sentinel.yaml", fmt.Sprintf("spool: {dir: %q}\n", spool))
	w.start()
	time.Sleep(time.Second)
	filler := filepath.Join(spool, "filler")
	f, err := os.Create(filler)
	w.must(err)
	buffer := bufio.NewWriterSize(f, 1<<16)
	for err == nil {
		_, err = buffer.Write(bytes.Repeat([]byte{1}, 1<<12))
	}
	if !errors.Is(err, unix.ENOSPC) {
		w.t.Errorf("filling the disk ended with %v", err)
	}
	_ = f.Close()
	return func() { w.must(os.Remove(filler)) }
}

var outsideFaults = []fault{
	{name: "provider down", lasts: 5 * time.Second, inject: away(providerOf), alert: "errors", estimated: true},
	{name: "provider slow (2 s)", lasts: 5 * time.Second, inject: broken(providerOf, late(2000))},
	{name: "provider silent", lasts: 65 * time.Second, inject: broken(providerOf, silent), estimated: true, alert: "outage provider/weather"},
	{name: "provider resets", lasts: 5 * time.Second, inject: broken(providerOf, torn(4000)), estimated: true},
	{name: "provider's certificate expired", lasts: 5 * time.Second, alert: "errors", estimated: true, inject: func(w *world) func() {
		w.must(w.mock.Expire(true))
		w.provider.moved(w.mock.TLSAddr) // connections that there are were made before
		return func() { w.must(w.mock.Expire(false)) }
	}},
	{name: "provider answers 10 GiB", lasts: time.Second, inject: func(w *world) func() {
		before := w.peaks()
		c := mockapi.DefaultConfig()
		c.Faults = []mockapi.Fault{{Provider: "openai", Model: "gpt-5", Kind: mockapi.FaultHuge, First: 1, Bytes: 10 << 30}}
		w.must(w.mock.Apply(c))
		answer, err := w.send(http.MethodPost, "/openai/v1/chat/completions", strings.Replace(chat, "gpt-5-mini", "gpt-5", 1))
		w.must(err)
		n, err := io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		if err != nil || n < 10<<30 {
			w.t.Errorf("%d bytes came, %v", n, err)
		}
		after := w.peaks()
		w.t.Logf("peaks of sentinel's and Envoy's memory before and after: %v, %v MiB", before, after)
		for i := range after {
			if after[i] > before[i]+64 {
				w.t.Errorf("memory grew from %v to %v MiB", before, after)
			}
		}
		return func() {}
	}},
	messengerDown("Slack", "slack"),
	messengerDown("Twilio", "twilio"),
	{name: "100 × overload by one team", before: 20 * time.Second, lasts: 20 * time.Second, unharmed: true, alert: "refused service/flood", patience: 330 * time.Second, inject: func(w *world) func() {
		ctx, end := context.WithCancel(context.Background())
		var group sync.WaitGroup
		group.Go(func() {
			_, err := load.Run(ctx, load.Options{
				Method: http.MethodGet, URL: w.url + "/weather/v1/forecast/lima", Header: http.Header{"Authorization": {"Bearer " + noisyToken}},
				Clients: 512, Rate: 100 * noisyLimit, Duration: time.Minute,
			})
			if ctx.Err() == nil {
				w.t.Errorf("the overload ended by itself: %v", err)
			}
		})
		return func() { end(); group.Wait() }
	}},
}

// messengerDown has a service of messages fail while there is something to tell.
func messengerDown(name, service string) fault {
	return fault{name: name + " down", lasts: 10 * time.Second, alert: "dependency", inject: func(w *world) func() {
		w.messengers.Fail(service, mockalerts.Fault{Status: http.StatusServiceUnavailable, Times: 3})
		w.cache.down()
		time.Sleep(3 * time.Second)
		w.cache.up()
		return func() {
			w.eventually("both messengers were told of Redis", func() bool {
				return !slices.ContainsFunc([]string{"slack", "twilio"}, func(s string) bool {
					return !slices.ContainsFunc(w.messengers.Messages(s), func(m mockalerts.Message) bool { return strings.Contains(m.Body, "redis") })
				})
			})
		}
	}}
}

// peaks are the most that sentinel and Envoy ever had resident, in MiB.
func (w *world) peaks() (of [2]int64) {
	w.t.Helper()
	for i, pid := range []int{w.child.Process.Pid, w.envoy.PID()} {
		use, err := load.Sample(pid)
		w.must(err)
		of[i] = use.PeakRSS >> 20
	}
	return of
}

// replica starts a Redis that follows another one, and waits until it does. Promote makes it its own master.
func (g *gateway) replica(of string) (addr string, promote func()) {
	g.t.Helper()
	dir := filepath.Join(g.dir, "replica")
	g.must(os.MkdirAll(dir, 0o755))
	addr, stop, err := redistest.Start(dir)
	g.must(err)
	g.stack.OnClose(stop)
	c := redis.NewClient(&redis.Options{Addr: addr})
	g.stack.OnClose(func() { _ = c.Close() })
	host, port, err := net.SplitHostPort(of)
	g.must(err)
	g.must(c.ReplicaOf(g.t.Context(), host, port).Err())
	g.eventually("the replica follows", func() bool {
		return strings.Contains(c.Info(g.t.Context(), "replication").Val(), "master_link_status:up")
	})
	return addr, func() { g.must(c.ReplicaOf(g.t.Context(), "NO", "ONE").Err()) }
}
