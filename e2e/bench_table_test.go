package e2e

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/saas-sentinel/saas-sentinel/e2e/load"
)

// The subjects' names.
const (
	aloneName, emptyName, sentinelName, portkeyName = "Envoy alone", "with an empty processor", "with sentinel", "Portkey"
	// noisy is the share of the machine that others may take before a measurement does not count.
	noisy = 0.10
)

// measured is one load on one subject. Durations are in nanoseconds in JSON.
type measured struct {
	Round     int                      `json:"round"`
	Load      string                   `json:"load"`
	Subject   string                   `json:"subject"`
	Calls     int64                    `json:"calls"`
	PerSecond float64                  `json:"calls_a_second"`
	Latency   load.Distribution        `json:"latency"`
	FirstByte load.Distribution        `json:"first_byte"`
	Chunk     load.Distribution        `json:"chunk"`
	CPU       map[string]time.Duration `json:"cpu_a_call"`
	Peak      map[string]int64         `json:"peak_resident_bytes"`
	Foreign   float64                  `json:"foreign_cpu"` // share of what the machine computed meanwhile
	Limiter   map[string]limiterTime   `json:"limiter,omitempty"`
}

// limiterTime is the limiter's share of a call, before it or after it.
type limiterTime struct {
	P50 time.Duration `json:"p50"`
	P99 time.Duration `json:"p99"`
}

// limiterLoad is the load at which the limiter's share is told.
const limiterLoad = "JSON, 1,000 calls/s"

// of gives the quiet measurements of a load on a subject; all of them where none was quiet.
func (m *gatewayBench) of(loaded, subject string) (list []measured, quiet bool) {
	var all []measured
	for _, x := range m.measured {
		if x.Load == loaded && x.Subject == subject {
			if all = append(all, x); x.Foreign <= noisy {
				list = append(list, x)
			}
		}
	}
	if len(list) == 0 {
		return all, false
	}
	return list, true
}

// spread is a median with the least and the most.
type spread struct{ least, median, most time.Duration }

func spreadOf(list []measured, read func(measured) time.Duration) spread {
	var d []time.Duration
	for _, x := range list {
		d = append(d, read(x))
	}
	if len(d) == 0 {
		return spread{}
	}
	slices.Sort(d)
	return spread{d[0], d[len(d)/2], d[len(d)-1]}
}

func (s spread) String() string {
	return fmt.Sprintf("%s (%s–%s)", short(s.median), short(s.least), short(s.most))
}

// short is a duration in milliseconds or microseconds.
func short(d time.Duration) string {
	if d < time.Millisecond {
		return d.Round(time.Microsecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}

// table is the document.
func (m *gatewayBench) table() string {
	var out strings.Builder
	fmt.Fprintf(&out, "# Envoy alone and with sentinel\n\nWritten by `make bench`: real Envoy, one stand-in by TLS, one run, in turns; eight limits and a hard budget;\n"+
		"metering and the ledger (spool in sync mode, PostgreSQL, Redis) on the same machine of %d cores. Compare within the table only: medians of the\n"+
		"rounds (least–most). Rounds in which others took more than %d %% of the machine do not count; where none is left, all do, and the row has a star.\n"+
		"The empty processor answers the same messages as sentinel, on two gRPC streams a call, and does nothing: it is what Envoy's protocol costs by itself.\n"+
		"Portkey's open gateway (npm) has no limits, no ledger and no TLS to the stand-in. Every measurement is in [main.json](main.json).\n\n"+
		"| load | | p50 | × Envoy alone | p99 | first byte p50 | a chunk p50 | calls/s | CPU a call | resident, peak | others' CPU |\n|---|---|---|---|---|---|---|---|---|---|---|\n", runtime.NumCPU(), int(noisy*100))
	for _, l := range benchLoads {
		base, _ := m.of(l.name, aloneName)
		for _, s := range m.subjects {
			list, quiet := m.of(l.name, s.name)
			m.row(&out, l, s, list, base, quiet)
		}
	}
	out.WriteString(m.goals())
	return out.String()
}

func latency(x measured) time.Duration   { return x.Latency.P50 }
func firstByte(x measured) time.Duration { return x.FirstByte.P50 }
func chunk(x measured) time.Duration     { return x.Chunk.P50 }

func (m *gatewayBench) row(out *strings.Builder, l benchLoad, s subject, list, base []measured, quiet bool) {
	p50, star, chunks := spreadOf(list, latency), "", "–"
	if !quiet {
		star = " *"
	}
	if l.mode == load.SSE {
		chunks = spreadOf(list, chunk).String()
	}
	var cpu, peak []string
	foreign, rate := 0.0, 0.0
	for _, name := range slices.Sorted(maps.Keys(s.processes)) {
		cpu = append(cpu, name+" "+short(spreadOf(list, func(x measured) time.Duration { return x.CPU[name] }).median))
		most := int64(0)
		for _, x := range list {
			most = max(most, x.Peak[name])
		}
		peak = append(peak, fmt.Sprintf("%s %d MB", name, most>>20))
	}
	for _, x := range list {
		foreign, rate = max(foreign, x.Foreign), max(rate, x.PerSecond)
	}
	fmt.Fprintf(out, "| %s | %s%s | %s | %.2f | %s | %s | %s | %.0f | %s | %s | %.0f %% |\n", l.name, s.name, star, p50, ratio(p50.median, spreadOf(base, latency).median),
		spreadOf(list, func(x measured) time.Duration { return x.Latency.P99 }), short(spreadOf(list, firstByte).median), chunks, rate, strings.Join(cpu, ", "), strings.Join(peak, ", "), foreign*100)
}

func ratio(x, y time.Duration) float64 { return float64(x) / float64(max(y, 1)) }

// goals puts the project's own goals beside what was measured.
func (m *gatewayBench) goals() string {
	at := func(loaded, who string, read func(measured) time.Duration) time.Duration {
		list, _ := m.of(loaded, who)
		return spreadOf(list, read).median
	}
	const one, many, streams = "JSON, 1 client", "JSON, 64 clients", "SSE, 50 streams"
	resident := int64(0)
	full, _ := m.of(many, sentinelName)
	for _, x := range full {
		resident = max(resident, x.Peak["sentinel"])
	}
	perChunk := func(x measured) time.Duration {
		sum := time.Duration(0)
		for _, d := range x.CPU {
			sum += d
		}
		return sum * time.Duration(x.Calls) / time.Duration(max(x.Chunk.Count, 1))
	}
	added := func(read func(measured) time.Duration) string { // sentinel's, and of that what the protocol costs
		base := at(streams, aloneName, read)
		return short(at(streams, sentinelName, read)-base) + "; an empty processor " + short(at(streams, emptyName, read)-base)
	}
	limiter := func(step string, tail bool) string {
		return short(at(limiterLoad, sentinelName, func(x measured) time.Duration {
			if tail {
				return x.Limiter[step].P99
			}
			return x.Limiter[step].P50
		}))
	}
	return fmt.Sprintf("\n| | measured | goal |\n|---|---|---|\n"+
		"| p50 at one client | %.2f × Envoy alone; an empty processor %.2f × | 3.0 × |\n| CPU of sentinel for a JSON call at 64 clients | %s | 400µs |\n"+
		"| SSE: added a chunk, p50 | %s | 300µs |\n| SSE: added CPU a chunk, Envoy's and sentinel's | %s | 80µs |\n| SSE: added time to the first byte, p50 | %s | 1.5ms |\n"+
		"| resident memory of sentinel at 64 clients, peak | %d MB | 80 MB |\n"+
		"| the limiter before a call, 1,000 calls/s | p50 %s, p99 %s | p50 250µs, p99 1.5ms |\n| the limiter after it, beside the last fsync | p50 %s, p99 %s | |\n\n"+
		"What holds the first and third back is written in ADR 6, and what was done for memory in ADR 113.\n",
		ratio(at(one, sentinelName, latency), at(one, aloneName, latency)), ratio(at(one, emptyName, latency), at(one, aloneName, latency)), short(at(many, sentinelName, func(x measured) time.Duration { return x.CPU["sentinel"] })),
		added(chunk), added(perChunk), added(firstByte), resident>>20,
		limiter("reserve", false), limiter("reserve", true), limiter("settle", false), limiter("settle", true))
}
