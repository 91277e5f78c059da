package main

import (
	"fmt"
	"math"
	"strings"
)

// fullest is the utilisation up to which a master's queue stays short.
const fullest = 0.6

// sizes of Redis Cluster that are looked at, in masters.
var sizes = []int{1, 3, 6, 12, 24, 48, 96}

const (
	day  = 86400.0
	gib  = 1 << 30
	year = 365.0
)

// What is followed call by call: half a minute, in which a part dies for as long as a Redis Cluster's nodes wait for each other.
const (
	followedFor  = 30.0 // seconds
	diesAt, away = 8.0, 5.0
)

// report writes the document.
func report(s Site, m Measured) (string, error) {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	perDay := float64(s.Envoys) * s.CallsEach * day
	peak := s.peakRate()
	p("# A thousand Envoys\n")
	p("Written by `make scale-model` from the costs that `make capacity` measured ([capacity.json](bench/capacity.json)) and `make bench-ledger` ([ledger.md](bench/ledger.md)).")
	p("It is a model: what one unit costs is measured, that a thousand are a thousand times one is assumed, and what stands in the first table is chosen. Give it yours:\n")
	p("```sh\ngo run ./e2e/scalemodel -envoys 300 -calls 12 -orgs 40\n```\n")
	p("| assumed | |\n|---|---|")
	p("| Envoys, a sentinel beside each | %d |", s.Envoys)
	p("| calls a second: mean of a day, busiest second | %s, %s |", number(perDay/day), number(peak))
	p("| organisations; the largest has | %d; %.1f %% of the calls |", s.Orgs, 100*s.shares()[0])
	p("| streams | %.0f %% of the calls, %.0f s each; other calls %.0f s |", 100*s.Streams, s.StreamTime, s.CallTime)
	p("| clients' connections | %d an Envoy |", s.Clients)
	p("| prices | $%.3f a core and hour, $%.4f a GiB and hour of memory, $%.2f a GB and month of disk: round figures, not any cloud's list |\n", s.CPUHour, s.MemoryHour, s.DiskMonth)

	chosen, redisGiB := redis(p, s, m)

	p("## Processes and connections\n")
	sentinelCores, envoyCores := peak*m.SentinelMicros/1e6, peak*m.EnvoyMicros/1e6
	running := peak * s.Streams * s.StreamTime / float64(s.Envoys)
	p("| what | each | all |\n|---|---|---|")
	p("| cores of sentinel, busiest second | %.2f | %s |", sentinelCores/float64(s.Envoys), number(sentinelCores))
	p("| cores of Envoy | %.2f | %s |", envoyCores/float64(s.Envoys), number(envoyCores))
	p("| streams that run at once | %.0f | %s |", running, number(running*float64(s.Envoys)))
	memory := float64(s.Clients)*float64(m.EnvoyConnection) + running*float64(m.EnvoyStream+m.SentinelStream)
	p("| memory for connections and streams, above what idle processes have | %.1f MiB | %.1f GiB |", memory/(1<<20), memory*float64(s.Envoys)/gib)
	perMaster := 10 * s.Envoys
	p("| connections to a master of Redis, at go-redis' pool of 10 a core | 10 | %s (Redis' default bound is 10,000: raise `maxclients`) |", number(float64(perMaster)))
	connections := m.Connected * s.Envoys
	p("| connections to PostgreSQL | %d | %s: a pooler (PgBouncer in session mode, which advisory locks need) or fewer, larger units |\n", m.Connected, number(float64(connections)))

	p("## The ledger: rows and bytes\n")
	raw, packed := perDay*s.RawBytes*s.RawDays, perDay*s.PackedBytes*(year-s.RawDays)
	p("| what | |\n|---|---|")
	p("| entries a day; a second in the busiest | %s; %s |", number(perDay), number(peak))
	p("| cores of the database for them, busiest second | %.1f |", peak*m.PostgresMicros/1e6)
	p("| TimescaleDB: %.0f days uncompressed, a year compressed | %s GB + %s GB |", s.RawDays, number(raw/1e9), number(packed/1e9))
	p("| PostgreSQL without it, a year | %s GB |\n", number(perDay*float64(m.PostgresRow)*year/1e9))

	if err := callByCall(p, s, m, chosen); err != nil {
		return "", err
	}
	p("## Money\n")
	hours := 24 * year / 12
	cores := sentinelCores + envoyCores + float64(chosen*2) + peak*m.PostgresMicros/1e6
	computed := cores / fullest * s.CPUHour * hours
	remembered := (redisGiB*2 + float64(s.Envoys)*0.35 + memory*float64(s.Envoys)/gib) * s.MemoryHour * hours
	stored := (raw + packed) / 1e9 * s.DiskMonth
	p("| a month | |\n|---|---|")
	p("| processors for the busiest second, at %.0f %% | $%s |", 100*fullest, number(computed))
	p("| memory: Redis with replicas, 350 MiB an idle unit, connections and streams | $%s |", number(remembered))
	p("| disk of the ledger at the end of the first year | $%s |", number(stored))
	total := computed + remembered + stored
	p("| **together** | **$%s**: $%.2f for a million calls |\n", number(total), total/(perDay*year/12)*1e6)
	p("## What does not scale by itself\n")
	p("- An organisation past one master's calls. Divide it into organisations by policy; counters of both are then apart.")
	p("- Connections to one PostgreSQL: they grow with units. Units of four cores instead of one divide them by four.")
	p("- Publishing a policy: each process asks the database for it, so that a thousand ask a thousand times as often as one.")
	return b.String(), nil
}

// callByCall writes what a simulation of the busiest time adds: queues, and what is felt of a part that dies.
func callByCall(p func(string, ...any), s Site, m Measured, masters int) error {
	if s.peakRate()*followedFor > maxCalls {
		return nil // too many to follow each
	}
	base := Simulation{Site: s, Measured: m, Masters: masters, Cores: max(1, int(math.Ceil(s.peakRate()*m.PostgresMicros/1e6/fullest))), Seconds: followedFor, At: diesAt, For: away}
	outcomes := map[Part]Outcome{}
	for part := Nothing; part <= Database; part++ {
		base.Killed = part
		out, err := base.Run()
		if err != nil {
			return err
		}
		outcomes[part] = out
	}
	quiet := outcomes[Nothing]
	p("## The busiest half-minute, call by call\n")
	p("A simulation of events, from the same costs. %s calls arrive at random at any unit, wait for the master of their organisation twice (%.0f and %.0f µs), run for %.0f s,\n"+
		"streams for %.0f s, at random around these means, and leave two records in their unit's spool. A unit writes %s at most at once, and rests for %.0f ms after fewer; the\n"+
		"database has %d cores. There is nothing else in it: no network, no disk that a commit waits for, no handshakes. The same seed gives the same figures, and a test compares\n"+
		"its means with the formulas.\n",
		number(float64(quiet.Began)), reserveShare*m.RedisMicros, (1-reserveShare)*m.RedisMicros, s.CallTime, s.StreamTime, number(batchRecords), batchRest*1e3, base.Cores)
	p("| what waits | mean | median | 99 of 100 | longest |\n|---|---|---|---|---|")
	line := func(what string, v Spread) {
		p("| %s | %s | %s | %s | %s |", what, wait(v.Mean*1e3), wait(v.P50*1e3), wait(v.P99*1e3), wait(v.Most*1e3))
	}
	line(fmt.Sprintf("a script for its turn at the fullest of %d masters, busy for %.0f %%", masters, 100*quiet.Busy), quiet.Waits)
	line(fmt.Sprintf("a write, of %.0f records, for a core of the database, busy for %.0f %%", quiet.Records, 100*quiet.Written), quiet.Batches)
	line("an entry, from the end of its call until it is on the ledger", quiet.Lag)
	p("\n| dies, and is back after %.0f s | calls reset | calls refused (503) | the latest entry is on the ledger after | felt after its return for |\n|---|---|---|---|---|", away)
	for part, name := range []string{Unit: "one Envoy with its sentinel", Redis: "the fullest master of Redis: hard budgets are closed", Database: "the database"} {
		if out := outcomes[Part(part)]; Part(part) != Nothing {
			p("| %s | %d | %d | %.1f s | %.1f s |", name, out.Reset, out.Refused, out.Lag.Most, out.Recovered)
		}
	}
	p("\nThe calls that are reset are those of that Envoy and no others; its %d clients connect to the %d others, and call again. After a master's return the settlements that\n"+
		"waited come at once, and calls that wait for them for more than %.0f ms are refused. A unit tries the database again after 1 to 5 s.\n", s.Clients, s.Envoys-1, redisDeadline*1e3)
	return nil
}

// redis writes how many masters there must be, and gives that and the bytes of settled calls in GiB.
func redis(p func(string, ...any), s Site, m Measured) (chosen int, kept float64) {
	perDay, peak := float64(s.Envoys)*s.CallsEach*day, s.peakRate()
	p("## Redis: shards\n")
	p("A call costs Redis %.0f µs on one thread, whatever its limits; an organisation's counters are on one master, placed by Redis' own hash. In the busiest second:\n", m.RedisMicros)
	p("| masters | organisations on the fullest | its calls/s | its thread is busy | a script waits, median | p99 |\n|---|---|---|---|---|---|")
	for _, n := range sizes {
		k := s.busiest(m, n)
		if chosen == 0 && k.Utilisation <= fullest {
			chosen = n
		}
		p("| %d | %d | %s | %.0f %% | %s | %s |", n, k.Orgs, number(k.Rate), 100*k.Utilisation, wait(k.Wait50), wait(k.Wait99))
	}
	one := 1e6 / m.RedisMicros
	if chosen > 0 {
		p("\n**%d masters** keep the fullest below %.0f %%, with a replica each.", chosen, 100*fullest)
	} else {
		p("\n**No size** of these keeps the fullest below %.0f %%; the largest is reckoned with below.", 100*fullest)
		chosen = sizes[len(sizes)-1]
	}
	p("One organisation can never have more than one master: %s calls/s at %.0f %%, %s at most. That is the ceiling of this design; the largest here needs %s.\n",
		number(fullest*one), 100*fullest, number(one), number(s.shares()[0]*peak))
	kept = perDay * float64(m.RedisKept) / day * float64(m.RedisSettled) / gib
	p("A settled call stays in Redis for %s, so that it is settled once: %d bytes each, %.0f MiB in all, %.1f MiB a master.\n", span(float64(m.RedisKept)), m.RedisSettled, kept*1024, kept*1024/float64(chosen))
	return chosen, kept
}

// number is for people: three digits that count, with commas.
func number(v float64) string {
	if v < 100 {
		return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", v), "0"), ".")
	}
	digits := fmt.Sprintf("%.0f", v)
	scale := math.Pow(10, float64(max(0, len(digits)-3)))
	digits = fmt.Sprintf("%.0f", math.Round(v/scale)*scale)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

func wait(ms float64) string {
	if math.IsInf(ms, 1) {
		return "without end"
	}
	return fmt.Sprintf("%.2f ms", ms)
}

func span(seconds float64) string {
	if seconds >= 3600 {
		return fmt.Sprintf("%.0f h", seconds/3600)
	}
	return fmt.Sprintf("%.0f min", seconds/60)
}
