package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"github.com/saas-sentinel/saas-sentinel/e2e/load"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

// growth is what a call costs sentinel while something else grows, as docs/bench/growth.json has it.
type growth struct {
	Of      string    `json:"of"`
	Sizes   []int     `json:"sizes"`
	Micros  []float64 `json:"sentinel_cpu_us_a_call"` // the median of the rounds
	set     func(n int)
	measure func(n int) float64
	rounds  [][]float64
}

// chunksAStream is how many chunks a stream of the growth by streams has.
const chunksAStream = 20

// TestACallCostsTheSameHoweverMuchElseThereIs compares sentinel's CPU a call under few rules, services and end users and under many, in turns; at full size also
// under streams and processors. GROWTH names the folder of documents for the figures and the plot; make growth sets it.
func TestACallCostsTheSameHoweverMuchElseThereIs(t *testing.T) {
	config := mockapi.DefaultConfig()
	config.Models = map[string]mockapi.Answers{"gpt-5-mini": {MinOutput: 20, MaxOutput: 20}}
	g := open(t, config, "{budget: {usd: 1000000/day, mode: hard}}", benchRules)
	out, rounds, calls := os.Getenv("GROWTH"), 2, int64(400)
	policy := func(of string) func(int) { return func(n int) { g.replaces(g.grown(of, n)) } }
	plain := func(int) float64 { return g.callMicros(calls, nil) }
	users := &growth{Of: "end users", Sizes: []int{10, 2_000}, set: g.knowUsers(), measure: func(n int) float64 { return g.callMicros(calls, ofUsers(n)) }}
	all := []*growth{{Of: "rules", Sizes: []int{10, 2_000}, set: policy("rules"), measure: plain}, {Of: "services", Sizes: []int{10, 2_000}, set: policy("services"), measure: plain}, users}
	if out != "" {
		rounds, calls = number("ROUNDS", 3), 3_000
		for _, of := range all {
			of.Sizes = []int{10, 100, 1_000, 9_990} // 10,000 is the most that a policy has
		}
		users.Sizes = []int{10, 100, 1_000, 10_000, 100_000}
		all = append(all, &growth{Of: "streams at once, a chunk of 20", Sizes: []int{10, 100, 1_000}, set: func(n int) {
			config.Models["gpt-5-mini"] = mockapi.Answers{Pace: time.Duration(n) * time.Millisecond, MinOutput: chunksAStream, MaxOutput: chunksAStream} // 1,000 chunks a second, whatever their number
			g.must(g.mock.Apply(config))
		}, measure: g.streamMicros})
		processors := &growth{Of: "processors", set: func(n int) {
			g.stop()
			g.env = append(g.env, "GOMAXPROCS="+strconv.Itoa(n))
			config.Models["gpt-5-mini"] = mockapi.Answers{MinOutput: 20, MaxOutput: 20}
			g.must(g.mock.Apply(config))
			g.start()
		}, measure: plain}
		for n := 1; n <= runtime.NumCPU(); n *= 2 {
			processors.Sizes = append(processors.Sizes, n)
		}
		all = append(all, processors)
	}
	for round := range rounds {
		for _, of := range all {
			of.rounds = append(of.rounds, nil)
			for _, n := range of.Sizes {
				of.set(n)
				of.rounds[round] = append(of.rounds[round], of.measure(n))
			}
		}
	}
	for _, of := range all {
		for i, n := range of.Sizes {
			var seen []float64
			for _, round := range of.rounds {
				seen = append(seen, round[i])
			}
			slices.Sort(seen)
			of.Micros = append(of.Micros, seen[len(seen)/2])
			t.Logf("%d %s: %.0f µs a call, of %v", n, of.Of, of.Micros[i], seen)
		}
		if first, last := of.Micros[0], of.Micros[len(of.Micros)-1]; last > first*3/2 {
			t.Errorf("a call under %d %s takes %.0f µs of CPU, %.0f under %d", of.Sizes[len(of.Sizes)-1], of.Of, last, first, of.Sizes[0])
		}
	}
	if out == "" {
		return
	}
	text, err := json.MarshalIndent(all, "", "  ")
	g.must(err)
	g.must(os.WriteFile(filepath.Join(out, "bench", "growth.json"), append(text, '\n'), 0o644))
	g.must(growthPlot(all, filepath.Join(out, "img", "growth.svg")))
}

// knowUsers gives what makes every one of so many end users call once, each of whom has a limit of a day from then on.
func (g *gateway) knowUsers() func(n int) {
	known := 0
	return func(n int) {
		g.puts(g.policyOf("{budget: {usd: 1000000/day, mode: hard}}", benchRules+"  - {name: each, match: {provider: openai}, limits: {requests: 1000k/day}, per: [user]}\n"))
		if n > known {
			first := int64(known)
			g.callMicros(int64(n-known), func(i int64) []byte { return ofUser(first + i) })
			known = n
		}
	}
}

// puts puts a policy in force where it is not.
func (g *gateway) puts(policy string) {
	g.t.Helper()
	if now, err := os.ReadFile(filepath.Join(g.dir, "policies.yaml")); err != nil || string(now) != policy {
		g.replaces(policy)
	}
}

// ofUsers gives bodies of so many end users, in an order that leaves none out and jumps about.
func ofUsers(n int) func(i int64) []byte {
	return func(i int64) []byte { return ofUser(i * 7919 % int64(n)) }
}

func ofUser(i int64) []byte {
	return []byte(strings.Replace(chat, "{", fmt.Sprintf(`{"safety_identifier":"user-%d",`, i), 1))
}

// grown is the policy with so many rules, or services, that the calls of the load are not of.
func (g *gateway) grown(of string, n int) string {
	var rules, services strings.Builder
	rules.WriteString(benchRules)
	for i := range n {
		if of == "rules" {
			fmt.Fprintf(&rules, "  - {name: other %[1]d, match: {model: other-%[1]d}, limits: {requests: 100/minute}}\n", i)
		} else {
			fmt.Fprintf(&services, "\n  other-%[1]d: {team: core, identity: {token: svc_other_%08[1]d}}", i)
		}
	}
	policy := g.policyOf("{budget: {usd: 1000000/day, mode: hard}}", rules.String())
	return strings.Replace(policy, "\nproviders:\n", services.String()+"\nproviders:\n", 1)
}

// callMicros is sentinel's CPU a call, in microseconds. Bodies may be nil.
func (g *gateway) callMicros(calls int64, bodies func(int64) []byte) float64 {
	g.t.Helper()
	return g.micros(load.Options{Body: []byte(chat), Bodies: bodies, Clients: 16, Warmup: time.Second, Duration: 30 * time.Minute, Requests: calls})
}

// streamMicros is sentinel's CPU for a chunk, its share of the call included, while so many streams run.
func (g *gateway) streamMicros(n int) float64 {
	g.t.Helper()
	takes := time.Duration(n*chunksAStream) * time.Millisecond
	return g.micros(load.Options{Body: []byte(stream), Mode: load.SSE, Clients: n, Ramp: takes, Duration: 3*takes + 4*time.Second, Timeout: time.Minute}) / chunksAStream
}

func (g *gateway) micros(o load.Options) float64 {
	g.t.Helper()
	o.URL, o.Header, o.Processes = g.url+"/openai/v1/chat/completions", chatHeader(), map[string]int{"sentinel": g.child.Process.Pid}
	r, err := load.Run(g.t.Context(), o)
	g.must(err)
	if r.Errors > 0 {
		g.t.Fatalf("%d errors of %d calls: %v", r.Errors, r.Requests, r.Faults)
	}
	return float64(r.CPUPerCall("sentinel").Nanoseconds()) / 1000
}

// growthPlot draws CPU a call against what grows.
func growthPlot(all []*growth, file string) error {
	p := plot.New()
	p.X.Label.Text, p.Y.Label.Text = "of them", "sentinel's CPU a call, µs"
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	var curves []curve
	for _, of := range all {
		c := curve{name: of.Of, dots: true}
		for j, n := range of.Sizes {
			c.points = append(c.points, plotter.XY{X: float64(n), Y: of.Micros[j]})
		}
		curves = append(curves, c)
	}
	return drawn(p, curves, file)
}
