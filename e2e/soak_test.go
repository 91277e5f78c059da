package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"github.com/saas-sentinel/saas-sentinel/e2e/load"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

// soakModel answers slowly enough to be left in the middle.
const soakModel = "gpt-5"

// What every call of a soak is under, and few calls a minute of another model.
const (
	soakTeam  = "{budget: {usd: 1000000/day, mode: hard}}"
	soakRules = benchRules + "  - {name: few, match: {model: gpt-5-nano}, limits: {requests: 5/minute}}\n"
)

// openToSoak is a gateway with every limit, a binary with the race detector where RACE is set, and a model whose answers take 100 ms.
func openToSoak(t *testing.T) *gateway {
	t.Helper()
	c := mockapi.DefaultConfig()
	c.Models = map[string]mockapi.Answers{"gpt-5-mini": {MinOutput: 20, MaxOutput: 20}, soakModel: {Latency: 20 * time.Millisecond, Pace: 2 * time.Millisecond, MinOutput: 40, MaxOutput: 40}}
	g := open(t, c, soakTeam, soakRules)
	if os.Getenv("RACE") != "" {
		g.racing()
	}
	return g
}

// racing restarts sentinel with the race detector, which ends it at the first race.
func (g *gateway) racing() {
	g.t.Helper()
	g.binary = filepath.Join(g.dir, "sentinel-race")
	if out, err := exec.Command("go", "build", "-race", "-o", g.binary, "../cmd/sentinel").CombinedOutput(); err != nil {
		g.t.Fatalf("build with the race detector: %s", out)
	}
	g.stop()
	g.env = append(g.env, "GORACE=halt_on_error=1")
	g.start()
}

// alive fails the test when sentinel has ended, or has told of a race.
func (g *gateway) alive() {
	g.t.Helper()
	log, err := os.ReadFile(filepath.Join(g.dir, "sentinel.log"))
	g.must(err)
	if at := strings.Index(string(log), "DATA RACE"); at >= 0 {
		g.t.Fatalf("sentinel has a data race: %s", log[at:min(len(log), at+4000)])
	}
	select {
	case err := <-g.exited:
		g.t.Fatalf("sentinel has ended: %v\n%s", err, tail(log))
	default:
	}
}

// resting is what a gateway has of things that calls take and have to give back.
type resting struct {
	Goroutines int64 `json:"goroutines"`
	Files      int64 `json:"open_files"`
}

// rest waits until no call is in flight anywhere and nothing is held for one, and counts what is there then.
func (g *gateway) rest() (r resting) {
	g.t.Helper()
	g.eventually("the provider and Envoy have no call in flight", func() bool {
		stats := g.get(g.admin + "/stats?filter=downstream_rq_active")
		for line := range strings.Lines(string(stats)) {
			if name, n, _ := strings.Cut(strings.TrimSpace(line), ": "); n != "0" && !strings.Contains(name, "admin") {
				return false
			}
		}
		return g.mock.Stats().Providers["openai"].Active == 0
	})
	g.settled() // no call is open in the ledger
	g.eventually("nothing is held of the budget", func() bool {
		used, posted := g.counted()
		return used == posted
	})
	all := []resting{}
	g.eventually("sentinel's goroutines and files stay where they are", func() bool { // connections that idle are closed on the way
		all = append(all, resting{int64(g.metric("go_goroutines")), int64(g.metric("process_open_fds"))})
		n := len(all)
		return n >= 10 && all[n-1] == all[n-10]
	})
	return all[len(all)-1]
}

// leftBehind tells what there is more than before. Connections to Redis are kept for the next call, at most 64 of them.
func (r resting) leftBehind(before resting) error {
	const goroutines, files = 8, 64
	if r.Goroutines > before.Goroutines+goroutines || r.Files > before.Files+files {
		return fmt.Errorf("at rest there were %+v before, and %+v now", before, r)
	}
	return nil
}

// aborts are the ways in which a client goes away, by where in the call it does.
var aborts = []string{"within the head", "within the body", "before the answer", "within the answer", "within the stream", "after the answer, by a reset"}

// abort makes one call that its client leaves. The error is of the client's own making: that it cannot connect.
func (g *gateway) abort(kind int, random *rand.Rand) error {
	host := strings.TrimPrefix(g.url, "http://")
	c, err := net.DialTimeout("tcp", host, 10*time.Second)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	body := strings.Replace(chat, "gpt-5-mini", soakModel, 1)
	if aborts[kind] == "within the stream" {
		body = strings.Replace(stream, "gpt-5-mini", soakModel, 1)
	}
	head := "POST /openai/v1/chat/completions HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: Bearer " + token +
		"\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n"
	switch aborts[kind] {
	case "within the head":
		_, _ = io.WriteString(c, head[:1+random.IntN(len(head)-1)])
	case "within the body":
		_, _ = io.WriteString(c, head+body[:random.IntN(len(body))])
	default:
		_, _ = io.WriteString(c, head+body)
	}
	switch aborts[kind] {
	case "before the answer":
		time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond) // anywhere between the guard and the first byte
	case "within the answer":
		_, _ = io.CopyN(io.Discard, c, 1+random.Int64N(200))
	case "within the stream":
		_, _ = io.CopyN(io.Discard, c, 1+random.Int64N(6000))
	case "after the answer, by a reset":
		if answer, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil {
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
		}
	}
	if kind == len(aborts)-1 || random.IntN(2) == 0 {
		_ = c.(*net.TCPConn).SetLinger(0) // a reset in place of an end
	}
	return nil
}

// aborted is docs/bench/aborts.json.
type aborted struct {
	What        string           `json:"what"`
	Aborted     map[string]int64 `json:"aborted_by_where"`
	Served      int64            `json:"calls_the_provider_saw"`
	Rows        int64            `json:"rows_of_calls_that_were_let_through"`
	Twice       int64            `json:"rows_twice"`
	Bill        int64            `json:"provider_billed_nusd"`
	Ledger      int64            `json:"ledger_booked_nusd"`
	Before      resting          `json:"at_rest_before"`
	After       resting          `json:"at_rest_after"`
	HeldAfter   int64            `json:"held_after_nusd"`
	ActiveAfter int64            `json:"concurrency_counted_after"`
}

// TestAbortedCallsLeaveNothingBehind makes ABORTS (300) calls that their clients leave, at every stage. ABORTS_OUT names the file for the figures; make aborts
// sets both.
func TestAbortedCallsLeaveNothingBehind(t *testing.T) {
	g := openToSoak(t)
	const clients = 48
	run := func(n int64, counts []atomic.Int64) {
		var begun atomic.Int64
		var group sync.WaitGroup
		for client := range clients {
			random := rand.New(rand.NewPCG(uint64(client), uint64(n)))
			group.Go(func() {
				for i := begun.Add(1); i <= n && t.Context().Err() == nil; i = begun.Add(1) {
					kind := random.IntN(len(aborts))
					if err := g.abort(kind, random); err != nil {
						t.Errorf("a client cannot connect: %v", err)
						return
					}
					counts[kind].Add(1)
					if i%10_000 == 0 {
						t.Logf("%d of %d", i, n)
					}
				}
			})
		}
		group.Wait()
	}
	counts := make([]atomic.Int64, len(aborts))
	run(200, make([]atomic.Int64, len(aborts))) // pools of connections have their size then
	got := aborted{What: "calls through Envoy that their clients left, by where in the call", Aborted: map[string]int64{}, Before: g.rest()}
	run(int64(number("ABORTS", 300)), counts)
	got.After = g.rest()
	for kind, name := range aborts {
		got.Aborted[name] = counts[kind].Load()
	}
	g.alive()
	rows, cost, twice := g.settled()
	served := g.mock.Stats()
	used, posted := g.counted()
	got.Rows, got.Ledger, got.Twice, got.Served, got.Bill, got.HeldAfter = rows, int64(cost), twice, served.Calls, served.CostNanoUSD, used-posted
	got.ActiveAfter = g.concurrent()
	text, err := json.MarshalIndent(got, "", "  ")
	g.must(err)
	t.Logf("%s", text)
	if err := got.After.leftBehind(got.Before); err != nil {
		t.Error(err)
	}
	if served.Calls == 0 || twice > 0 || rows < served.Calls || got.HeldAfter != 0 || got.ActiveAfter != 0 {
		t.Errorf("%d rows for %d calls, %d twice; %d nano-dollars and %d slots are held", rows, served.Calls, twice, got.HeldAfter, got.ActiveAfter)
	}
	if posted != int64(cost) {
		t.Errorf("Redis counts %d nano-dollars, the ledger %d", posted, int64(cost))
	}
	if out := os.Getenv("ABORTS_OUT"); out != "" {
		g.must(os.WriteFile(out, append(text, '\n'), 0o644)) // a document for everybody
	}
}

// minutesThatCount is how long a soak is whose slopes are judged: memory is not warm before.
const minutesThatCount = 20 * time.Minute

// soaked is docs/bench/soak.json.
type soaked struct {
	What    string       `json:"what"`
	Minutes float64      `json:"minutes"`
	Calls   int64        `json:"calls"`
	Failed  int64        `json:"failed"`
	Aborted int64        `json:"aborted"`
	Refused int64        `json:"refused"`
	Reloads int64        `json:"policies_put_in_force"`
	Slopes  []slope      `json:"slopes_after_warm_up"`
	Before  resting      `json:"at_rest_before"`
	After   resting      `json:"at_rest_after"`
	Samples []soakSample `json:"samples"`
}

// soakSample is one look at the processes.
type soakSample struct {
	Seconds    float64 `json:"seconds"`
	Heap       float64 `json:"heap_goal_mb"` // that the last collection set, half above what lived then
	Resident   float64 `json:"sentinel_resident_mb"`
	Free       float64 `json:"sentinel_free_mb"` // of that, what its heap has no use for and has not given back yet
	Envoy      float64 `json:"envoy_resident_mb"`
	Goroutines float64 `json:"goroutines"`
	Files      float64 `json:"open_files"`
}

// slope is how a figure grows by the line of least squares, in percent of its mean an hour, and the line's standard error.
type slope struct {
	Of    string  `json:"of"`
	Hour  float64 `json:"percent_an_hour"`
	Error float64 `json:"standard_error"`
}

// slopeOf fits y = a + b·x for x in seconds; the standard error of b is √(Σe² / (n−2) / Σ(x−x̄)²). Neighbours in time are alike, so each of twenty groups of samples
// is taken as one first, by its mean or its least.
func slopeOf(of string, samples []soakSample, one func([]float64) float64, y func(soakSample) float64) slope {
	const groups = 20
	var xs, ys []float64
	for i := range groups {
		var x, part []float64
		for _, s := range samples[len(samples)*i/groups : len(samples)*(i+1)/groups] {
			x, part = append(x, s.Seconds), append(part, y(s))
		}
		if len(part) > 0 {
			xs, ys = append(xs, stat.Mean(x, nil)), append(ys, one(part))
		}
	}
	if len(xs) < 3 {
		return slope{Of: of}
	}
	a, b := stat.LinearRegression(xs, ys, nil, false)
	var residual float64
	for i := range xs {
		e := ys[i] - a - b*xs[i]
		residual += e * e
	}
	n := float64(len(xs))
	se := math.Sqrt(residual / (n - 2) / (stat.Variance(xs, nil) * (n - 1)))
	toHour := 100 * 3600 / stat.Mean(ys, nil)
	return slope{of, b * toHour, se * toHour}
}

// TestALongLoadLeavesNothingBehind puts every kind of call on the gateway for SOAK (20s), policies being put in force and clients going away meanwhile, and looks at
// memory on the way. SOAK_OUT names the folder of documents for the figures and the plot; make soak sets both.
func TestALongLoadLeavesNothingBehind(t *testing.T) {
	long, err := time.ParseDuration(os.Getenv("SOAK"))
	if err != nil {
		long = 20 * time.Second
	}
	g := openToSoak(t)
	got := soaked{What: "30 chat calls, 30 streams, 30 forecasts, 10 calls over a limit and 20 that their clients leave a second at most, a policy put in force every 20 s; before, as many policies as sentinel keeps and as many calls over a limit as it remembers of Envoy's log", Minutes: long.Minutes()}
	var calls, failed, refused, left atomic.Int64
	one := func(method, path, body string) {
		answer, err := g.send(method, path, body)
		calls.Add(1)
		if err != nil {
			failed.Add(1)
			return
		}
		_, err = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		switch {
		case answer.StatusCode == http.StatusTooManyRequests:
			refused.Add(1)
		case err != nil || answer.StatusCode != http.StatusOK:
			failed.Add(1)
		}
	}
	const chats = "/openai/v1/chat/completions"
	streamed, few := strings.Replace(stream, "gpt-5-mini", soakModel, 1), strings.Replace(chat, "gpt-5-mini", "gpt-5-nano", 1)
	randoms := [12]*rand.Rand{}
	for i := range randoms {
		randoms[i] = rand.New(rand.NewPCG(uint64(i), 77))
	}
	puts := func() (stop func()) {
		return repeat(len(randoms), 100*time.Millisecond, func(worker int) {
			switch {
			case worker < 3:
				one(http.MethodPost, chats, chat)
			case worker < 6:
				one(http.MethodPost, chats, streamed)
			case worker < 9:
				one(http.MethodGet, "/weather/v1/forecast/lima", "")
			case worker < 10:
				one(http.MethodPost, chats, few)
			default:
				left.Add(1)
				if err := g.abort(randoms[worker].IntN(len(aborts)), randoms[worker]); err != nil {
					failed.Add(1)
				}
			}
		})
	}
	stop := puts()
	time.Sleep(5 * time.Second) // the load itself is the test
	stop()
	policies := 0
	another := func() {
		policies++
		g.replaces(strings.Replace(g.policyOf(soakTeam, soakRules), "requests: 1000m/minute", fmt.Sprintf("requests: %dm/minute", 1000+policies), 1))
	}
	if long >= minutesThatCount { // sentinel keeps eight policies for the calls that they admitted, and remembers so many calls of Envoy's log
		for range 10 {
			another()
		}
		r, err := load.Run(t.Context(), load.Options{URL: g.url + chats, Body: []byte(few), Header: chatHeader(), Clients: 64, Requests: 400_000, Duration: 50 * time.Minute})
		g.must(err)
		t.Logf("%d calls over a limit in %s", r.Requests, r.Elapsed.Round(time.Second))
	}
	got.Before = g.rest()
	calls.Store(0)

	envoy := g.process("envoy", "-c "+filepath.Join(g.dir, "envoy"))
	stop = puts()
	begun, every := time.Now(), max(time.Second, long/600)
	var reload time.Time
	for time.Since(begun) < long {
		time.Sleep(every)
		if time.Since(reload) > 20*time.Second {
			reload = time.Now()
			got.Reloads++
			another()
		}
		got.Samples = append(got.Samples, g.soakSample(begun, envoy))
		g.alive()
		if n := len(got.Samples); n%60 == 0 {
			t.Logf("%.0f s: %+v", time.Since(begun).Seconds(), got.Samples[n-1])
		}
	}
	stop()
	got.Calls, got.Failed, got.Aborted, got.Refused = calls.Load(), failed.Load(), left.Load(), refused.Load()
	got.After = g.rest()
	warm := got.Samples[len(got.Samples)/3:]
	mean := func(part []float64) float64 { return stat.Mean(part, nil) }
	got.Slopes = []slope{ // what stays is the least of a group: above it is what calls, writes and a policy in the making had in hand at a collection
		slopeOf("the heap's goal, its least", warm, floats.Min, func(s soakSample) float64 { return s.Heap }),
		slopeOf("sentinel's resident memory in use", warm, mean, func(s soakSample) float64 { return s.Resident - s.Free }),
		slopeOf("sentinel's resident memory", warm, mean, func(s soakSample) float64 { return s.Resident }),
		slopeOf("Envoy's resident memory", warm, mean, func(s soakSample) float64 { return s.Envoy }),
	}
	t.Logf("%d calls, %d failed, %d refused, %d left by their clients, %d policies; at rest %+v, then %+v; slopes %+v", got.Calls, got.Failed, got.Refused, got.Aborted, got.Reloads, got.Before, got.After, got.Slopes)
	if got.Failed > 0 || got.Refused == 0 || got.Aborted == 0 {
		t.Errorf("%d calls failed, %d were refused, %d left", got.Failed, got.Refused, got.Aborted)
	}
	if err := got.After.leftBehind(got.Before); err != nil {
		t.Error(err)
	}
	if long >= minutesThatCount {
		for _, s := range got.Slopes {
			if s.Hour-2*s.Error > 1 {
				t.Errorf("%s grows by %.2f %% an hour (standard error %.2f)", s.Of, s.Hour, s.Error)
			}
		}
	}
	if out := os.Getenv("SOAK_OUT"); out != "" {
		text, err := json.MarshalIndent(got, "", " ")
		g.must(err)
		g.must(os.WriteFile(filepath.Join(out, "bench", "soak.json"), append(text, '\n'), 0o644))
		g.must(soakPlot(got.Samples, filepath.Join(out, "img", "soak.svg")))
	}
}

// concurrent is what Redis counts of calls in flight, over all limits of concurrency.
func (g *gateway) concurrent() (sum int64) {
	g.t.Helper()
	c := redis.NewClient(&redis.Options{Addr: g.redis})
	defer func() { _ = c.Close() }()
	keys, err := c.Keys(g.t.Context(), "*:N:*concurrent").Result()
	g.must(err)
	for _, key := range keys {
		n, err := c.HGet(g.t.Context(), key, "u").Int64()
		g.must(err)
		sum += n
	}
	return sum
}

// soakSample looks at sentinel by its own metrics and by the kernel's.
func (g *gateway) soakSample(begun time.Time, envoy int) soakSample {
	g.t.Helper()
	all, err := g.series(g.probes)
	g.must(err)
	ours, err := load.Sample(g.child.Process.Pid)
	g.must(err)
	theirs, err := load.Sample(envoy)
	g.must(err)
	const mb = 1 << 20
	return soakSample{
		Seconds: math.Round(time.Since(begun).Seconds()*10) / 10, Heap: math.Round(all["go_memstats_next_gc_bytes"]/mb*100) / 100, Resident: float64(ours.RSS) / mb,
		Free:  math.Round((all["go_memstats_heap_idle_bytes"]-all["go_memstats_heap_released_bytes"])/mb*100) / 100,
		Envoy: float64(theirs.RSS) / mb, Goroutines: all["go_goroutines"], Files: all["process_open_fds"],
	}
}

// soakPlot draws memory over time.
func soakPlot(samples []soakSample, file string) error {
	p := plot.New()
	p.X.Label.Text, p.Y.Label.Text = "minutes", "MB"
	curves := []curve{{name: "sentinel, resident"}, {name: "Envoy, resident"}, {name: "the heap's goal"}}
	for _, s := range samples {
		for i, y := range []float64{s.Resident, s.Envoy, s.Heap} {
			curves[i].points = append(curves[i].points, plotter.XY{X: s.Seconds / 60, Y: y})
		}
	}
	return drawn(p, curves, file)
}
