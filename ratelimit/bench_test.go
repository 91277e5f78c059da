package ratelimit

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/ratelimit/limitertest"
)

// publish writes a measurement's figures as JSON into the folder that BENCH_LIMITS names; make bench-limits sets it.
func publish(t testing.TB, name string, figures map[string]any) {
	t.Helper()
	figures["go"], figures["cpus"] = runtime.Version(), runtime.NumCPU()
	text, err := json.MarshalIndent(figures, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %s", name, text)
	if dir := os.Getenv("BENCH_LIMITS"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name+".json"), append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// full tells whether a measurement runs at the size that is published.
func full() bool { return os.Getenv("BENCH_LIMITS") != "" }

// eight are the limits of a usual call: rates, a quota, slots, and budgets of three levels.
func eight() []sentinel.Limit {
	limits := []sentinel.Limit{
		{Cell: "service/s/requests/minute", Kind: sentinel.Rate, Measure: sentinel.MeasureRequests, Max: 1_000_000_000, Period: time.Minute},
		{Cell: "service/s/tokens/minute", Kind: sentinel.Rate, Measure: sentinel.MeasureTokens, Max: 1_000_000_000_000, Period: time.Minute},
		{Cell: "service/s/concurrent", Kind: sentinel.Concurrent, Measure: sentinel.MeasureConcurrent, Max: 1_000_000},
		{Cell: "service/s/tokens/day", Kind: sentinel.Window, Measure: sentinel.MeasureTokens, Max: 100_000_000_000, Start: time.Now().UTC().Truncate(24 * time.Hour), End: time.Now().UTC().Truncate(24 * time.Hour).Add(48 * time.Hour)},
	}
	for _, of := range []string{"org", "team/t", "service/s", "rule/r"} {
		l := limitertest.Money(20_000 * int64(sentinel.USD))
		l.Cell = of + "/cost/month"
		limits = append(limits, l)
	}
	return limits
}

func askOf(limits []sentinel.Limit) sentinel.Ask {
	return sentinel.Ask{Org: "acme", Call: sentinel.NewCallID(time.Now()), TTL: 15 * time.Minute, Candidates: []sentinel.Candidate{
		{Bound: sentinel.Amounts{1, 5000, 1000, 4000, 12_345_678, 1}, Limits: limits},
	}}
}

var usecPerCall = regexp.MustCompile(`cmdstat_evalsha:calls=(\d+),usec=(\d+)`)

// evalsha reads how many scripts a server ran, and for how many microseconds.
func evalsha(t testing.TB, r *Redis) (calls, usec float64) {
	info, err := r.client.Info(context.Background(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	m := usecPerCall.FindStringSubmatch(info)
	if m == nil {
		return 0, 0
	}
	calls, _ = strconv.ParseFloat(m[1], 64)
	usec, _ = strconv.ParseFloat(m[2], 64)
	return calls, usec
}

// per gives the mean CPU time of the scripts that f runs, in microseconds.
func per(t testing.TB, r *Redis, f func()) float64 {
	c0, u0 := evalsha(t, r)
	f()
	c1, u1 := evalsha(t, r)
	return (u1 - u0) / (c1 - c0)
}

// parallel runs f(0) to f(n-1) on so many goroutines.
func parallel(goroutines, n int, f func(i int)) {
	var group sync.WaitGroup
	var next atomic.Int64
	for range goroutines {
		group.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				f(int(i))
			}
		})
	}
	group.Wait()
}

// TestScriptTime measures what the scripts cost Redis at 8 limits, with few and with many holds in flight.
func TestScriptTime(t *testing.T) {
	rounds := 300
	if full() {
		rounds = 9000
	}
	r := dial(t, realRedis(t))
	limits := eight()
	const callers = 8 // a server that sleeps between calls is measured while it wakes up
	reserveAll := func(n int) []sentinel.Settlement {
		taken := make([]sentinel.Settlement, n)
		parallel(callers, n, func(i int) {
			a := askOf(limits)
			got, err := r.Reserve(t.Context(), a)
			if err != nil || got.Chosen != 0 {
				t.Errorf("Reserve: %+v, %v", got, err)
			}
			taken[i] = sentinel.Settlement{Org: a.Org, Call: a.Call, Hold: got.Hold, Actual: sentinel.Amounts{1, 700, 500, 200, 1_234_567, 1}}
		})
		return taken
	}
	settleAll := func(taken []sentinel.Settlement) {
		parallel(callers, len(taken), func(i int) {
			if got, err := r.Settle(t.Context(), taken[i]); err != nil || got.Duplicate {
				t.Errorf("Settle: %+v, %v", got, err)
			}
		})
	}
	settleAll(reserveAll(500)) // the server's allocator and caches are warm
	figures := map[string]any{"what": "CPU time of a script in Redis (commandstats), 8 limits: 2 rates, 1 concurrency, 5 windows", "unit": "microseconds", "rounds": rounds}
	figures["read_as"] = "best and median of 9 rounds, three in each of three passes over all sizes; a machine that does other work too only ever adds to a round"
	took := map[string][]float64{}
	measure := func(name string) {
		for range 3 {
			var taken []sentinel.Settlement
			took["admit_"+name] = append(took["admit_"+name], per(t, r, func() { taken = reserveAll(rounds / 9) }))
			took["settle_"+name] = append(took["settle_"+name], per(t, r, func() { settleAll(taken) }))
		}
	}
	warning := slices.Clone(limits)
	for i := range warning {
		if warning[i].Kind == sentinel.Window {
			warning[i].WarnAt = []int64{5000, 8000, 10000}
		}
	}
	plain := limits
	for range 3 {
		var inFlight []sentinel.Settlement
		for _, holds := range []int{10, 100, 1000, 10_000} {
			inFlight = append(inFlight, reserveAll(holds-len(inFlight))...)
			measure(strconv.Itoa(holds))
		}
		limits = warning
		measure(warned)
		limits = plain
		settleAll(inFlight)
	}
	best := map[string]float64{}
	for what, list := range took {
		slices.Sort(list)
		best[what] = list[0]
		figures[what] = map[string]float64{"best": math.Round(list[0]*10) / 10, "median": math.Round(list[len(list)/2]*10) / 10}
	}
	info, _ := r.client.Info(t.Context(), "server").Result()
	for line := range strings.Lines(info) {
		if v, ok := strings.CutPrefix(line, "redis_version:"); ok {
			figures["redis"] = strings.TrimSpace(v)
		}
	}
	publish(t, "script_time", figures)
	if !full() {
		return
	}
	for what, most := range map[string]float64{"admit": 70, "settle": 35} {
		few := best[what+"_10"]
		for _, holds := range []string{"10", "100", "1000", "10000", warned} {
			took := best[what+"_"+holds]
			if took > most {
				t.Errorf("%s takes %.1f µs with %s holds in flight, want at most %.0f", what, took, holds, most)
			}
			if holds != warned && took > few*1.1 {
				t.Errorf("%s takes %.1f µs with 10 holds in flight and %.1f with %s: it is not flat", what, few, took, holds)
			}
		}
	}
}

// warned names the figures of calls whose budgets warn.
const warned = "10000_warning_at_three_shares"
