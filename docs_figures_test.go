package sentinel_test

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// sources are the files that docs/capacity.md has its figures from, read anew for each test.
type sources struct{ t *testing.T }

// json gives a figure of a JSON file of docs/bench by its keys.
func (s sources) json(file string, keys ...string) float64 {
	s.t.Helper()
	var at any
	if err := json.Unmarshal([]byte(text(s.t, "docs/bench/"+file)), &at); err != nil {
		s.t.Fatal(err)
	}
	for _, key := range keys {
		object, _ := at.(map[string]any)
		at = object[key]
	}
	figure, ok := at.(float64)
	if !ok {
		s.t.Fatalf("docs/bench/%s has no figure %v", file, keys)
	}
	return figure
}

// all gives what the pattern's group takes of each line of a file of docs/bench, least first.
func (s sources) all(file, pattern string) []float64 {
	s.t.Helper()
	var found []float64
	for _, m := range regexp.MustCompile("(?m)"+pattern).FindAllStringSubmatch(text(s.t, "docs/bench/"+file), -1) {
		figure, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			s.t.Fatal(err)
		}
		found = append(found, figure)
	}
	if len(found) == 0 {
		s.t.Fatalf("docs/bench/%s has no line like %s", file, pattern)
	}
	slices.Sort(found)
	return found
}

func (s sources) one(file, pattern string) float64 { return s.all(file, pattern)[0] }

// TestCapacityGivesTheFiguresOfItsSources compares every row of docs/capacity.md, and what its text works out, with the files that measuring wrote.
func TestCapacityGivesTheFiguresOfItsSources(t *testing.T) {
	s, p := sources{t}, message.NewPrinter(language.English)
	number := func(v float64) string { return p.Sprintf("%d", int64(math.Round(v))) }
	page := text(t, "docs/capacity.md")

	cpu := s.one("main.md", `^\| JSON, 64 clients \| with sentinel .* sentinel (\d+)µs \|`)
	busy, idle := s.all("main.md", `^\| (?:JSON, 64 clients|SSE, 50 streams) \| with sentinel .* sentinel (\d+) MB \|`), s.all("main.md", `^\| JSON, 1 client \| with sentinel .* sentinel (\d+) MB \|`)
	one := func(key string) float64 { return s.json("capacity.json", key) }
	micros := func(script string, of func(...float64) float64) string {
		var best []float64
		for _, limits := range []string{"10", "100", "1000", "10000"} {
			best = append(best, s.json("limits/script_time.json", script+"_"+limits, "best"), s.json("limits/script_time.json", script+"_"+limits, "median"))
		}
		return number(of(best...))
	}
	least, most := func(v ...float64) float64 { return slices.Min(v) }, func(v ...float64) float64 { return slices.Max(v) }
	warning := func(script string) string {
		return fmt.Sprintf("%.0f", s.json("limits/script_time.json", script+"_10000_warning_at_three_shares", "best"))
	}
	ten := func(v float64) float64 { return math.Floor(v/10) * 10 }
	hundred := func(v float64) float64 { return math.Floor(v/100) * 100 }
	rows := map[string]string{
		"CPU of sentinel for a JSON call, 64 clients": fmt.Sprintf("%.2f ms: about %s calls a second for a core of sentinel alone", cpu/1000, number(ten(1e6/cpu))),
		"the same, 32 clients": fmt.Sprintf("sentinel %.2f ms, Envoy %.2f ms: %s calls a second for a core of both",
			one("sentinel_cpu_us_a_call")/1000, one("envoy_cpu_us_a_call")/1000, number(1e6/(one("sentinel_cpu_us_a_call")+one("envoy_cpu_us_a_call")))),
		"memory of sentinel, 64 clients or 50 streams": fmt.Sprintf("%.0f to %.0f MB resident at the peak, %.0f with 1 client", busy[0], busy[len(busy)-1], idle[0]),
		"memory of Envoy for a client's connection":    fmt.Sprintf("%.1f kB", one("envoy_bytes_a_connection")/1000),
		"memory for a stream that runs": fmt.Sprintf("Envoy %.1f kB, sentinel %.1f kB: %.0f MB of sentinel with %s idle ones", one("envoy_bytes_a_stream")/1000, one("sentinel_bytes_a_stream")/1000,
			one("sentinel_resident_bytes_with_streams")/1e6, number(one("streams"))),
		"Redis for a call of eight limits, its scripts alone": fmt.Sprintf("two scripts, %s to %s µs and %s to %s µs of its CPU; %s and %s where five budgets warn at three shares each",
			micros("admit", least), micros("admit", most), micros("settle", least), micros("settle", most), warning("admit"), warning("settle")),
		"Redis for a call of four limits, its whole thread": number(one("redis_cpu_us_a_call")) + " µs",
		"memory of Redis for a call": fmt.Sprintf("%.0f bytes while it runs, %.0f for %.0f min after it; counters of limits are a few kB for each limit and payer",
			one("redis_bytes_a_call_held"), one("redis_bytes_a_call_settled"), one("redis_seconds_a_settled_call_is_kept")/60),
		"round trips to Redis":                     "one before the call, one after it, whatever the number of limits",
		"spool, `sync`, 16 writers":                number(s.one("ledger.md", "^\\| spool, `sync`, 16 writers \\| (\\d+) records/s")) + " records/s",
		"PostgreSQL, batches of 2,000":             number(s.one("ledger.md", `^\| store, 2,000 records a write, PostgreSQL \| (\d+) rows/s`)) + " rows/s",
		"CPU of PostgreSQL for a call":             number(one("postgres_cpu_us_a_call")) + " µs",
		"an entry on PostgreSQL, indexes included": number(one("postgres_bytes_a_call")) + " bytes",
		"an entry on TimescaleDB": fmt.Sprintf("%.0f bytes, compressed %.0f", s.one("ledger.md", `an entry on TimescaleDB before compression, indexes included \| (\d+) bytes`),
			s.one("ledger.md", `an entry on TimescaleDB after compression, indexes included \| (\d+) bytes`)),
	}
	for limits := range 16 {
		for _, when := range []string{"before", "after"} {
			if trips := s.json("limits/round_trips.json", when, strconv.Itoa(limits+1)); trips != 1 {
				t.Errorf("round_trips.json: %d limits take %.0f round trips %s the call: the row of docs/capacity.md says one", limits+1, trips, when)
			}
		}
	}
	seen := 0
	for _, m := range regexp.MustCompile(`(?m)^\| (.+?) \| (.+?) \| .+ \|$`).FindAllStringSubmatch(page, -1) {
		if m[1] == "what" {
			continue
		}
		seen++
		if want, known := rows[m[1]]; !known {
			t.Errorf("docs/capacity.md: no source is known for %q: name it in this test", m[1])
		} else if m[2] != want {
			t.Errorf("docs/capacity.md: %s:\n got %s\nwant %s", m[1], m[2], want)
		}
	}
	if seen != len(rows) {
		t.Errorf("docs/capacity.md has %d rows, %d have a source here", seen, len(rows))
	}

	killed := func(keys ...string) string { return number(s.json("scale-out.json", keys...)) }
	flat := strings.Join(strings.Fields(page), " ")
	for _, want := range []string{
		fmt.Sprintf("of a run with %s calls, %s connections and %s streams", number(one("calls")), number(one("connections")), number(one("streams"))),
		fmt.Sprintf("(%s of 24", killed("envoy", "streams_reset")),
		fmt.Sprintf("(%s calls). A killed sentinel", killed("envoy", "calls_failed_by_status", "connection")),
		fmt.Sprintf("answered 503 (%s calls)", killed("sentinel", "calls_failed_by_status", "503")),
		fmt.Sprintf("`limiter_unavailable`, %s calls", killed("redis", "calls_failed_by_status", "503")),
		fmt.Sprintf("Of %s rows of the ledger none was lost and none stood twice", killed("ledger_rows")),
		fmt.Sprintf("÷ %s, in cores", number(hundred(1e6/cpu+50))),
		fmt.Sprintf("At %s µs of CPU a call, one master carries about %s calls a second", number(one("redis_cpu_us_a_call")), number(1e6/one("redis_cpu_us_a_call"))),
		fmt.Sprintf("about %.1f GB of entries a day before compression and %.0f MB after it", s.one("ledger.md", `before compression, after it \| (\d+) MB`)/1000,
			s.one("ledger.md", `before compression, after it \| \d+ MB, (\d+) MB`)),
		fmt.Sprintf("4 GiB are about %.0f million calls", float64(4<<30)/1e6/s.one("ledger.md", `a million calls in the spool, an intent and an entry each \| (\d+) MB`)),
	} {
		if !strings.Contains(flat, want) {
			t.Errorf("docs/capacity.md does not say %q, which docs/bench has", want)
		}
	}
	if lost, twice := s.json("scale-out.json", "ledger_rows_lost"), s.json("scale-out.json", "ledger_rows_twice"); lost != 0 || twice != 0 {
		t.Errorf("scale-out.json: %.0f rows lost, %.0f twice: docs/capacity.md says none", lost, twice)
	}
}
