package ratelimit

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
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
		{Cell: "service/s/requests/minute", Kind: sentinel.Rate, Measure: sentinel.MeasureRequests, Max: 1 << 40, Period: time.Minute},
		{Cell: "service/s/tokens/minute", Kind: sentinel.Rate, Measure: sentinel.MeasureTokens, Max: 1 << 40, Period: time.Minute},
		{Cell: "service/s/concurrent", Kind: sentinel.Concurrent, Measure: sentinel.MeasureConcurrent, Max: 1 << 40},
		{Cell: "service/s/tokens/day", Kind: sentinel.Window, Measure: sentinel.MeasureTokens, Max: 1 << 60, Start: time.Now().UTC().Truncate(24 * time.Hour), End: time.Now().UTC().Truncate(24 * time.Hour).Add(48 * time.Hour)},
	}
	for _, of := range []string{"org", "team/t", "service/s", "rule/r"} {
		l := limitertest.Money(1 << 60)
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

// TestScriptTime measures what the scripts cost Redis at 8 limits, with few and with many holds in flight.
func TestScriptTime(t *testing.T) {
	rounds := 300
	if full() {
		rounds = 4000
	}
	r := dial(t, realRedis(t))
	limits := eight()
	reserveAll := func(n int) (taken []sentinel.Settlement) {
		for range n {
			a := askOf(limits)
			got, err := r.Reserve(t.Context(), a)
			if err != nil || got.Chosen != 0 {
				t.Fatalf("Reserve: %+v, %v", got, err)
			}
			taken = append(taken, sentinel.Settlement{Org: a.Org, Call: a.Call, Hold: got.Hold, Actual: sentinel.Amounts{1, 700, 500, 200, 1_234_567, 1}})
		}
		return taken
	}
	settleAll := func(taken []sentinel.Settlement) {
		for _, s := range taken {
			if got, err := r.Settle(t.Context(), s); err != nil || got.Duplicate {
				t.Fatalf("Settle: %+v, %v", got, err)
			}
		}
	}
	settleAll(reserveAll(500)) // the server's allocator and caches are warm
	figures := map[string]any{"what": "CPU time of a script in Redis (commandstats), 8 limits: 2 rates, 1 concurrency, 5 windows", "unit": "microseconds", "rounds": rounds}
	measured := map[string]float64{}
	inFlight := 0
	for _, holds := range []int{10, 100, 1000, 10_000} {
		reserveAll(holds - inFlight)
		inFlight = holds
		var taken []sentinel.Settlement
		admit := per(t, r, func() { taken = reserveAll(rounds) })
		settle := per(t, r, func() { settleAll(taken) })
		measured[fmt.Sprint("admit_", holds)], measured[fmt.Sprint("settle_", holds)] = admit, settle
	}
	for k, v := range measured {
		figures[k] = float64(int(v*100)) / 100
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
	for _, what := range []string{"admit", "settle"} {
		few, many := measured[what+"_10"], measured[what+"_10000"]
		if most := map[string]float64{"admit": 70, "settle": 35}[what]; many > most {
			t.Errorf("%s takes %.1f µs, want at most %.0f", what, many, most)
		}
		if many > few*1.1 {
			t.Errorf("%s takes %.1f µs with 10 holds in flight and %.1f with 10,000: it is not flat", what, few, many)
		}
	}
}
