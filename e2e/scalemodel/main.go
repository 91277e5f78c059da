// Command scalemodel works out what a large site needs from what one unit was measured to cost: Redis masters, processes, connections,
// rows and money. It prints docs/scale.md.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
)

func main() {
	s := DefaultSite()
	measured := flag.String("capacity", "docs/bench/capacity.json", "`file` of make capacity")
	flag.IntVar(&s.Envoys, "envoys", s.Envoys, "Envoys, with a sentinel beside each")
	flag.Float64Var(&s.CallsEach, "calls", s.CallsEach, "calls a second of one Envoy, mean of a day")
	flag.Float64Var(&s.Peak, "peak", s.Peak, "the busiest second over the mean")
	flag.IntVar(&s.Orgs, "orgs", s.Orgs, "organisations")
	flag.Float64Var(&s.Zipf, "zipf", s.Zipf, "how uneven organisations are")
	flag.Float64Var(&s.Streams, "streams", s.Streams, "share of calls that are streams")
	flag.Float64Var(&s.StreamTime, "stream-seconds", s.StreamTime, "seconds of a stream")
	flag.Float64Var(&s.CallTime, "call-seconds", s.CallTime, "mean seconds of a call that is no stream")
	flag.IntVar(&s.Clients, "clients", s.Clients, "connections of clients to one Envoy")
	flag.Float64Var(&s.CPUHour, "core-hour", s.CPUHour, "US dollars for a core and hour")
	flag.Float64Var(&s.MemoryHour, "gib-hour", s.MemoryHour, "US dollars for a GiB of memory and hour")
	flag.Float64Var(&s.DiskMonth, "gb-month", s.DiskMonth, "US dollars for a GB of disk and month")
	flag.Parse()
	text, err := run(s, *measured)
	if err != nil {
		fmt.Fprintln(os.Stderr, "scalemodel:", err)
		os.Exit(2)
	}
	fmt.Print(text)
}

func run(s Site, file string) (string, error) {
	if err := s.Validate(); err != nil {
		return "", err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("%w: run make capacity", err)
	}
	var m Measured
	if err := json.Unmarshal(data, &m); err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	if m.RedisMicros <= 0 || m.SentinelMicros <= 0 || m.PostgresRow <= 0 {
		return "", fmt.Errorf("%s has no figures: run make capacity", file)
	}
	return report(s, m)
}
