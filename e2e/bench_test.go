package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/e2e/load"
	"github.com/saas-sentinel/saas-sentinel/internal/envoytest"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/internal/stack"
)

// alone is an Envoy that only routes to the same stand-in, by TLS as the gateway's does; %[6]s are filters before its router, and %[7]s a cluster for them.
const alone = `admin: {address: {socket_address: {address: 127.0.0.1, port_value: %[1]d}}}
static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: %[2]d}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: alone
          access_log: [{name: f, typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: "%[5]s"}}]
          http_filters: [%[6]s{name: router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
          route_config: {virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /openai/}, route: {cluster: openai, timeout: 0s, prefix_rewrite: /, host_rewrite_literal: api.openai.com}}]}]}
  clusters:
  - name: openai
    transport_socket:
      name: tls
      typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, sni: api.openai.com, common_tls_context: {validation_context: {trusted_ca: {filename: "%[4]s"}}}}
    load_assignment: {cluster_name: openai, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %[3]s}}}}]}]}
%[7]s`

// The filters and the cluster of a processor that does nothing, asked as sentinel is: for a request's head and body, and by another stream for its answer's.
const (
	emptyFilters = `{name: guard, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor, grpc_service: {envoy_grpc: {cluster_name: empty}}, message_timeout: 3s, processing_mode: {request_header_mode: SEND, request_body_mode: BUFFERED, response_header_mode: SKIP}}},
        {name: meter, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor, grpc_service: {envoy_grpc: {cluster_name: empty}}, message_timeout: 3s, failure_mode_allow: true, processing_mode: {request_header_mode: SKIP, response_header_mode: SEND, response_body_mode: STREAMED}}},
        `
	emptyCluster = `  - name: empty
    typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {"@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http2_protocol_options: {}}}}
    load_assignment: {cluster_name: empty, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %d}}}}]}]}
`
)

// fullRules puts eight limits on every call beside the team's hard budget.
const fullRules = `policies:
  - {name: rates, match: {provider: openai}, limits: {requests: [100k/second, 1000m/minute, 10000m/day], concurrent: 100k}}
  - {name: tokens, match: {provider: openai}, limits: {tokens: [1000m/minute, 10000m/day], input_tokens: 1000m/minute, output_tokens: 1000m/minute}}
`

// benchRules puts a rate, a quota of tokens, a limit of concurrency and a hard budget on every call.
const benchRules = `policies:
  - {name: pace, match: {provider: openai}, limits: {requests: 1000m/minute, tokens: 1000000m/minute, concurrent: 100k}}
`

// BenchmarkGateway measures the gateway beside Envoy alone and, where it is installed, beside Portkey's, on the same stand-in in the same run,
// in turns, and writes the table to BENCH_OUT where that is set, with every measurement beside it as JSON.
func BenchmarkGateway(b *testing.B) {
	c := mockapi.DefaultConfig()
	c.Models = map[string]mockapi.Answers{"gpt-5-mini": {MinOutput: 20, MaxOutput: 20}, "gpt-5": {Pace: 10 * time.Millisecond, MinOutput: 100, MaxOutput: 100}}
	g := open(b, c, "{budget: {usd: 1000000/day, mode: hard}}", fullRules)
	bench := newBench(g)
	rounds := number("BENCH_ROUNDS", 3)
	for round := 1; round <= rounds; round++ {
		for _, l := range benchLoads {
			for _, s := range bench.subjects {
				bench.measure(s, l, round)
			}
		}
	}
	out := bench.table()
	b.Log("\n" + out)
	if file := os.Getenv("BENCH_OUT"); file != "" {
		g.must(os.MkdirAll(filepath.Dir(file), 0o755))
		g.must(os.WriteFile(file, []byte(out), 0o644)) // a document for everybody
		text, err := json.MarshalIndent(bench.measured, "", " ")
		g.must(err)
		g.must(os.WriteFile(strings.TrimSuffix(file, ".md")+".json", append(text, '\n'), 0o644))
	}
}

// chatHeader is that of a call with a body of JSON.
func chatHeader() http.Header {
	return http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}}
}

// benchLoad is one load on every subject.
type benchLoad struct {
	name, body string
	mode       load.Mode
	clients    int
	rate       float64 // of an open loop
}

var benchLoads = []benchLoad{
	{"JSON, 1 client", chat, load.JSON, 1, 0}, {"JSON, 16 clients", chat, load.JSON, 16, 0}, {"JSON, 64 clients", chat, load.JSON, 64, 0},
	{"JSON, 500 calls/s", chat, load.JSON, 512, 500}, {limiterLoad, chat, load.JSON, 512, 1000},
	{"SSE, 50 streams", strings.Replace(strings.Replace(stream, "gpt-5-mini", "gpt-5", 1), `"max_completion_tokens":60`, `"max_completion_tokens":100`, 1), load.SSE, 50, 0},
}

// subject is a way to the stand-in.
type subject struct {
	name, url string
	header    http.Header
	processes map[string]int
}

// gatewayBench is the subjects, and what was measured of them.
type gatewayBench struct {
	g        *gateway
	subjects []subject
	measured []measured
}

func newBench(g *gateway) *gatewayBench {
	sends := func(more ...string) http.Header {
		h := chatHeader()
		for i := 0; i+1 < len(more); i += 2 {
			h.Set(more[i], more[i+1])
		}
		return h
	}
	url, pid := g.envoyAlone("alone", "", "")
	emptyURL, emptyPIDs := g.envoyWithEmpty()
	out := &gatewayBench{g: g, subjects: []subject{
		{aloneName, url, sends(), map[string]int{"envoy": pid}},
		{emptyName, emptyURL, sends(), emptyPIDs},
		{sentinelName, g.url + "/openai", sends(), map[string]int{"sentinel": g.child.Process.Pid, "envoy": g.process("envoy", "-c "+filepath.Join(g.dir, "envoy"))}},
	}}
	if url, pid, ok := g.portkey(); ok {
		out.subjects = append(out.subjects, subject{portkeyName, url, sends("x-portkey-provider", "openai", "x-portkey-custom-host", "http://"+g.mock.Addr+"/openai/v1"), map[string]int{"portkey": pid}})
	}
	return out
}

// envoyAlone starts an Envoy that only routes, behind filters where there are some.
func (g *gateway) envoyAlone(name, filters, cluster string) (url string, pid int) {
	g.t.Helper()
	ports, err := stack.FreePorts(2)
	g.must(err)
	_, mockPort, _ := strings.Cut(g.mock.TLSAddr, ":")
	dir := filepath.Join(g.dir, name)
	bare, err := stack.New(stack.Options{Dir: dir, Tools: needTools(g.t)})
	g.must(err)
	g.t.Cleanup(bare.Close)
	config := fmt.Sprintf(alone, ports[0], ports[1], mockPort, g.mock.CAFile, filepath.Join(g.dir, name+".log"), filters, cluster)
	_, err = bare.Envoy(g.t.Context(), []byte(config), envoytest.Options{Admin: fmt.Sprintf("127.0.0.1:%d", ports[0])})
	g.must(err)
	return fmt.Sprintf("http://127.0.0.1:%d/openai", ports[1]), g.process("envoy", "-c "+filepath.Join(dir, "envoy"))
}

// envoyWithEmpty starts an Envoy that asks a processor which does nothing.
func (g *gateway) envoyWithEmpty() (url string, pids map[string]int) {
	g.t.Helper()
	ports, err := stack.FreePorts(1)
	g.must(err)
	binary := filepath.Join(g.dir, "empty-processor")
	if out, err := exec.Command("go", "build", "-o", binary, "./empty").CombinedOutput(); err != nil {
		g.t.Fatalf("build the empty processor: %s", out)
	}
	pid := g.runs(exec.Command(binary, fmt.Sprintf("127.0.0.1:%d", ports[0])))
	url, envoy := g.envoyAlone("empty", emptyFilters, fmt.Sprintf(emptyCluster, ports[0]))
	g.eventually("the empty processor lets a call pass", func() bool {
		r, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, url+"/v1/chat/completions", strings.NewReader(chat))
		g.must(err)
		r.Header = chatHeader()
		answer, err := http.DefaultClient.Do(r)
		if err == nil {
			_ = answer.Body.Close()
		}
		return err == nil && answer.StatusCode == http.StatusOK
	})
	return url, map[string]int{"envoy": envoy, "processor": pid}
}

// runs starts a process that ends with the test.
func (g *gateway) runs(c *exec.Cmd) (pid int) {
	g.t.Helper()
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	g.must(c.Start())
	g.t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	return c.Process.Pid
}

// portkey starts the peer, whose package make bench installs. It reaches the stand-in without TLS.
func (g *gateway) portkey() (url string, pid int, ok bool) {
	g.t.Helper()
	script := filepath.Join(needTools(g.t), "peers", "node_modules", "@portkey-ai", "gateway", "build", "start-server.js")
	if _, err := os.Stat(script); err != nil {
		return "", 0, false
	}
	ports, err := stack.FreePorts(1)
	g.must(err)
	c := exec.Command("node", script, "--headless", "--port="+strconv.Itoa(ports[0]))
	c.Env = append(os.Environ(), "TRUSTED_CUSTOM_HOSTS=127.0.0.1")
	pid = g.runs(c)
	url = fmt.Sprintf("http://127.0.0.1:%d", ports[0])
	g.eventually("portkey answers", func() bool {
		answer, err := http.Get(url)
		if err == nil {
			_ = answer.Body.Close()
		}
		return err == nil
	})
	return url, pid, true
}

// measure puts one load on one subject.
func (m *gatewayBench) measure(s subject, l benchLoad, round int) {
	m.g.t.Helper()
	ours, all, limiter := m.ours(), busy(), m.g.limiterBuckets()
	r, err := load.Run(m.g.t.Context(), load.Options{
		URL: s.url + "/v1/chat/completions", Body: []byte(l.body), Mode: l.mode, Clients: l.clients, Rate: l.rate, Header: s.header,
		Warmup: time.Second, Duration: 4 * time.Second, Ramp: map[load.Mode]time.Duration{load.SSE: time.Second}[l.mode], Processes: s.processes,
	})
	m.g.must(err)
	if r.Errors > 0 {
		m.g.t.Fatalf("%s, %s: %d errors of %d: %v", s.name, l.name, r.Errors, r.Requests, r.Faults)
	}
	all = busy() - all
	x := measured{Round: round, Load: l.name, Subject: s.name, Calls: r.Requests, PerSecond: r.PerSecond(), FirstByte: r.FirstByte, Latency: r.Latency, Chunk: r.Chunk,
		CPU: map[string]time.Duration{}, Peak: map[string]int64{}, Foreign: max(0, 1-float64(m.ours()-ours)/float64(max(all, 1)))}
	for name := range s.processes {
		x.CPU[name], x.Peak[name] = r.CPUPerCall(name), r.Processes[name].PeakRSS
	}
	if s.name == sentinelName {
		x.Limiter = map[string]limiterTime{}
		for step, after := range m.g.limiterBuckets() {
			for le := range after {
				after[le] -= limiter[step][le]
			}
			x.Limiter[step] = limiterTime{quantileOf(after, 0.5), quantileOf(after, 0.99)}
		}
	}
	m.measured = append(m.measured, x)
}

var limiterBucket = regexp.MustCompile(`^sentinel_limiter_seconds_bucket{step="(reserve|settle)",le="([^"]+)"}$`)

// limiterBuckets are the counts of sentinel_limiter_seconds by step and upper bound.
func (g *gateway) limiterBuckets() map[string]map[float64]float64 {
	g.t.Helper()
	all, err := g.series(g.probes)
	g.must(err)
	out := map[string]map[float64]float64{"reserve": {}, "settle": {}}
	for name, n := range all {
		if m := limiterBucket.FindStringSubmatch(name); m != nil {
			le, err := strconv.ParseFloat(m[2], 64)
			g.must(err)
			out[m[1]][le] = n
		}
	}
	return out
}

// quantileOf reads a quantile from counts of all that is at most each bound, in seconds, on a straight line within a bucket, as Prometheus does.
func quantileOf(buckets map[float64]float64, q float64) time.Duration {
	bounds := slices.Sorted(maps.Keys(buckets))
	if len(bounds) == 0 || buckets[bounds[len(bounds)-1]] == 0 {
		return 0
	}
	rank := q * buckets[bounds[len(bounds)-1]]
	low, below := 0.0, 0.0
	for _, le := range bounds {
		n := buckets[le]
		if n >= rank && !math.IsInf(le, 1) {
			return time.Duration((low + (le-low)*(rank-below)/max(n-below, 1)) * float64(time.Second))
		}
		if n < rank {
			low, below = le, n
		}
	}
	return time.Duration(low * float64(time.Second))
}

// ours is the CPU time of this process and of all that it has started, the database's own children included.
func (m *gatewayBench) ours() (sum time.Duration) {
	parents, cpu := map[int]int{}, map[int]time.Duration{}
	list, err := filepath.Glob("/proc/[0-9]*/stat")
	m.g.must(err)
	for _, file := range list {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		u, err := load.Sample(pid)
		f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if err != nil || len(f) < 2 {
			continue
		}
		parents[pid], _ = strconv.Atoi(f[1])
		cpu[pid] = u.CPU
	}
	for pid, used := range cpu {
		for up, steps := pid, 0; up > 1 && steps < 64; up, steps = parents[up], steps+1 {
			if up == os.Getpid() {
				sum += used
				break
			}
		}
	}
	return sum
}

// busy is the CPU time that the whole machine has used.
func busy() (sum time.Duration) {
	text, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(text), "\n")
	for i, f := range strings.Fields(line) {
		if n, err := strconv.ParseInt(f, 10, 64); err == nil && i != 4 && i != 5 { // idle, and waiting for disks
			sum += time.Duration(n) * 10 * time.Millisecond
		}
	}
	return sum
}
