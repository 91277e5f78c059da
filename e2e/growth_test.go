package e2e

import (
	"encoding/json"
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	_ "gonum.org/v1/plot/vg/vgsvg" // the form of the plot

	"github.com/saas-sentinel/saas-sentinel/e2e/load"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

// growth is what a call costs sentinel while something else grows, as docs/bench/growth.json has it.
type growth struct {
	Of     string    `json:"of"`
	Sizes  []int     `json:"sizes"`
	Micros []float64 `json:"sentinel_cpu_us_a_call"` // the median of the rounds
	rounds [][]float64
}

// TestACallCostsTheSameHoweverLargeThePolicy compares sentinel's CPU a call under few rules and services and under many, in turns. GROWTH names the folder of
// documents for the figures and the plot; make growth sets it.
func TestACallCostsTheSameHoweverLargeThePolicy(t *testing.T) {
	g := open(t, mockapi.DefaultConfig(), "{budget: {usd: 1000000/day, mode: hard}}", benchRules)
	out, rounds, calls := os.Getenv("GROWTH"), 2, int64(400)
	all := []*growth{{Of: "rules", Sizes: []int{10, 2_000}}, {Of: "services", Sizes: []int{10, 2_000}}}
	if out != "" {
		rounds, calls = 5, 3_000
		for _, of := range all {
			of.Sizes = []int{10, 100, 1_000, 9_990} // 10,000 is the most that a policy has
		}
	}
	for range rounds {
		for _, of := range all {
			of.rounds = append(of.rounds, nil)
			for _, n := range of.Sizes {
				g.replaces(g.grown(of.Of, n))
				of.rounds[len(of.rounds)-1] = append(of.rounds[len(of.rounds)-1], g.callMicros(calls))
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

// callMicros is sentinel's CPU a call, in microseconds.
func (g *gateway) callMicros(calls int64) float64 {
	g.t.Helper()
	r, err := load.Run(g.t.Context(), load.Options{
		URL: g.url + "/openai/v1/chat/completions", Body: []byte(chat), Clients: 16, Warmup: time.Second, Duration: time.Minute, Requests: calls,
		Header: chatHeader(), Processes: map[string]int{"sentinel": g.child.Process.Pid},
	})
	g.must(err)
	if r.Errors > 0 {
		g.t.Fatalf("%d errors of %d calls: %v", r.Errors, r.Requests, r.Faults)
	}
	return float64(r.CPUPerCall("sentinel").Nanoseconds()) / 1000
}

// growthPlot draws CPU a call against what grows.
func growthPlot(all []*growth, file string) error {
	p := plot.New()
	p.BackgroundColor = color.White
	p.X.Label.Text, p.Y.Label.Text = "in the policy", "sentinel's CPU a call, µs"
	p.X.Scale, p.X.Tick.Marker, p.Y.Min = plot.LogScale{}, plot.LogTicks{Prec: -1}, 0
	colours := []color.Color{color.RGBA{R: 0x1f, G: 0x6f, B: 0xc4, A: 0xff}, color.RGBA{R: 0xd9, G: 0x73, B: 0x0d, A: 0xff}}
	for i, of := range all {
		points := make(plotter.XYs, len(of.Sizes))
		for j, n := range of.Sizes {
			points[j] = plotter.XY{X: float64(n), Y: of.Micros[j]}
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return err
		}
		line.Color, dots.Color, dots.Shape = colours[i], colours[i], draw.CircleGlyph{}
		p.Add(line, dots)
		p.Legend.Add(of.Of, line)
		p.Y.Max = max(p.Y.Max, 1.5*slices.Max(of.Micros))
	}
	return p.Save(18*vg.Centimeter, 8*vg.Centimeter, file)
}
