package main

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Measured is what one call costs, from docs/bench/capacity.json (make capacity) and docs/bench/ledger.md (make bench-ledger).
type Measured struct {
	SentinelMicros  float64 `json:"sentinel_cpu_us_a_call"`
	EnvoyMicros     float64 `json:"envoy_cpu_us_a_call"`
	RedisMicros     float64 `json:"redis_cpu_us_a_call"`
	PostgresMicros  float64 `json:"postgres_cpu_us_a_call"`
	EnvoyConnection int64   `json:"envoy_bytes_a_connection"`
	EnvoyStream     int64   `json:"envoy_bytes_a_stream"`
	SentinelStream  int64   `json:"sentinel_bytes_a_stream"`
	RedisSettled    int64   `json:"redis_bytes_a_call_settled"`
	RedisKept       int64   `json:"redis_seconds_a_settled_call_is_kept"`
	PostgresRow     int64   `json:"postgres_bytes_a_call"`
	Connected       int     `json:"postgres_connections_a_process"`
}

// Site is what is assumed of an organisation's traffic. All of it can be said by flags.
type Site struct {
	Envoys      int     // each with a sentinel beside it
	CallsEach   float64 // calls a second of one Envoy, mean of a day
	Peak        float64 // the busiest second over the mean
	Orgs        int     // organisations, which Redis Cluster divides by
	Zipf        float64 // how uneven they are: the n-th has 1/n^Zipf of the first
	Streams     float64 // share of calls that are streams
	StreamTime  float64 // mean seconds of one
	CallTime    float64 // mean seconds of a call that is none
	Clients     int     // connections of clients to one Envoy
	Seed        uint64
	CPUHour     float64 // US dollars for a core and hour
	MemoryHour  float64 // for a GiB and hour
	DiskMonth   float64 // for a GB and month
	RawBytes    float64 // of an entry on TimescaleDB before compression
	PackedBytes float64 // and after it
	RawDays     float64 // for which entries stay uncompressed
}

// DefaultSite is a thousand Envoys.
func DefaultSite() Site {
	return Site{
		Envoys: 1000, CallsEach: 5, Peak: 4, Orgs: 200, Zipf: 0.8, Streams: 0.3, StreamTime: 12, CallTime: 2, Clients: 200, Seed: 1,
		CPUHour: 0.04, MemoryHour: 0.005, DiskMonth: 0.10, RawBytes: 524, PackedBytes: 51, RawDays: 7,
	}
}

// Validate reports every fault at once.
func (s Site) Validate() error {
	var faults []error
	for name, v := range map[string]float64{"envoys": float64(s.Envoys), "calls": s.CallsEach, "orgs": float64(s.Orgs), "peak": s.Peak, "stream-seconds": s.StreamTime, "call-seconds": s.CallTime} {
		if v <= 0 || math.IsNaN(v) {
			faults = append(faults, fmt.Errorf("-%s: %v is not above 0", name, v))
		}
	}
	if s.Streams < 0 || s.Streams > 1 {
		faults = append(faults, fmt.Errorf("-streams: %v is no share, 0 to 1", s.Streams))
	}
	if s.Envoys > 1_000_000 || s.Orgs > 1_000_000 {
		faults = append(faults, errors.New("-envoys and -orgs: at most a million"))
	}
	return errors.Join(faults...)
}

// peakRate is the calls of the whole site in its busiest second.
func (s Site) peakRate() float64 { return float64(s.Envoys) * s.CallsEach * s.Peak }

// shares is how the calls divide among organisations, the largest first.
func (s Site) shares() []float64 {
	out, sum := make([]float64, s.Orgs), 0.0
	for i := range out {
		out[i] = 1 / math.Pow(float64(i+1), s.Zipf)
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}

// slots is how many hash slots every Redis Cluster has.
const slots = 16384

// slot is Redis Cluster's place of a key's tag: CRC16 (XMODEM) modulo 16384, as in its specification.
func slot(tag string) int {
	crc := uint16(0)
	for i := range len(tag) {
		crc ^= uint16(tag[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc) % slots
}

// Shard is the busiest master of a Cluster in the site's busiest second.
type Shard struct {
	Masters     int
	Orgs        int     // on it
	Rate        float64 // calls a second
	Utilisation float64 // of its one thread
	Wait50      float64 // milliseconds a script waits for its turn
	Wait99      float64
}

// busiest places the organisations on masters by Redis' own hash, and queues the calls of the fullest.
func (s Site) busiest(m Measured, masters int) Shard {
	rates, orgs := make([]float64, masters), make([]int, masters)
	for i, share := range s.shares() {
		at := slot(fmt.Sprintf("o:org-%d", i)) * masters / slots
		rates[at] += share * s.peakRate()
		orgs[at]++
	}
	full := 0
	for i := range rates {
		if rates[i] > rates[full] {
			full = i
		}
	}
	out := Shard{Masters: masters, Orgs: orgs[full], Rate: rates[full], Utilisation: rates[full] * m.RedisMicros / 1e6}
	out.Wait50, out.Wait99 = queue(rates[full], m.RedisMicros/1e6, s.Seed)
	return out
}

// arrivals is how many calls a queue is followed for.
const arrivals = 400_000

// queue follows arrivals at random (exponential gaps) through one server that takes service seconds for each: Lindley's recursion,
// w' = max(0, w + service − gap). It gives milliseconds; +Inf where more arrives than is served.
func queue(rate, service float64, seed uint64) (p50, p99 float64) {
	if rate*service >= 1 {
		return math.Inf(1), math.Inf(1)
	}
	random := rand.New(rand.NewPCG(seed, 0))
	waits, w := make([]float64, arrivals), 0.0
	for i := range waits {
		w = max(0, w+service-random.ExpFloat64()/rate)
		waits[i] = w
	}
	slices.Sort(waits)
	return waits[arrivals/2] * 1e3, waits[arrivals*99/100] * 1e3
}
