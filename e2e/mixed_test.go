package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// mixedShort is how many calls the ordinary test makes; make mixed sets MIXED_CALLS.
const mixedShort = 300

// mixedShards are the clients' processes, each with mixedThreads threads: one process would wait for Python's own lock.
const mixedShards, mixedThreads = 2, 24

// Every call of every official client that ran to its end is on the ledger for what its provider billed, to the nano-dollar,
// and every stream that was cut for what its provider billed, or for what of it reached the gateway. mixed/mixed.py makes the calls.
func TestMixedCallsAreOnTheLedgerForWhatTheirProvidersBilled(t *testing.T) {
	calls, seed := number("MIXED_CALLS", mixedShort), number("MIXED_SEED", 1)
	g := open(t, mixedProviders(), "{budget: {usd: 1000000/day, mode: hard}, limits: {requests: 100m/minute, tokens: 100000m/minute, concurrent: 10k}}", "")
	began := time.Now().UTC()
	lines := g.mixed(0, calls/3, seed)
	g.stop() // a process learns at its start from the ledger how long the tokens of each model are
	g.start()
	lines = append(lines, g.mixed(calls/3, calls, seed)...)
	took := time.Since(began)
	g.eventually("no call is in flight", func() bool { return g.inFlight() == 0 })
	_, cost, twice := g.settled()
	m := newMixed(lines, g.mock.Calls(), g.entries(began), g.bytesFromProviders(calls))
	report := m.report(calls, seed, took)
	t.Log("\n" + report)
	for _, fault := range m.faults {
		t.Error(fault)
	}
	if len(lines) != calls || twice != 0 || g.mock.Stats().CanarySeen {
		t.Errorf("%d calls of %d were made, %d are on the ledger twice, a token of the service's reached a provider: %v", len(lines), calls, twice, g.mock.Stats().CanarySeen)
	}
	if share := float64(m.sum.cut) / float64(m.sum.streams); share < 0.2 || share > 0.4 {
		t.Errorf("%d of %d streams were cut: that tests little", m.sum.cut, m.sum.streams)
	}
	if apart := max(m.sum.seen-m.sum.billedTokens, m.sum.billedTokens-m.sum.seen); apart*20 > m.sum.billedTokens || m.sum.close*10 < (m.sum.cut+m.sum.broken)*9 {
		t.Errorf("of %d cut streams %d are within 5 %%: %d tokens on the ledger, %d billed", m.sum.cut+m.sum.broken, m.sum.close, m.sum.seen, m.sum.billedTokens)
	}
	g.nothingHeld(cost)
	if file := os.Getenv("MIXED_OUT"); file != "" && !t.Failed() {
		g.must(os.WriteFile(file, []byte(report), 0o644)) // a document for everybody
	}
}

// mixedPace is how long a token takes: long enough that a provider hears of a client's end before it has sent many more.
const mixedPace = 25 * time.Millisecond

// mixedProviders are stand-ins that think, cache, fail now and then, and break off a stream.
func mixedProviders() mockapi.Config {
	c := mockapi.DefaultConfig()
	c.Answers.Pace, c.Answers.CachedPercent = mixedPace, 20
	for name, a := range c.Models {
		a.Pace = mixedPace
		c.Models[name] = a
	}
	c.Prices = append([]mockapi.Price{{Provider: "weather", Rates: map[string]int64{"requests": int64(forecast) * 1000}}}, c.Prices...)
	c.Accept = map[string][]string{
		"openai": {vaultKey}, "anthropic": {claudeKey}, "gemini": {vaultKey}, "stripe": {vaultKey}, "weather": {vaultKey}, "twilio": {vaultSID},
		"bedrock": {"AKIAVAULTCANARY0:" + vaultAWS}, "s3": {"AKIAVAULTCANARY0:" + vaultAWS},
	}
	fails := func(provider, endpoint string, status int, of int64) mockapi.Fault {
		return mockapi.Fault{Provider: provider, Endpoint: endpoint, Kind: mockapi.FaultStatus, Status: status, First: 1, Of: of}
	}
	breaks := func(provider, endpoint string, of int64) mockapi.Fault {
		return mockapi.Fault{Provider: provider, Endpoint: endpoint, Kind: mockapi.FaultReset, First: 1, Of: of, AfterTokens: 20}
	}
	c.Faults = []mockapi.Fault{
		breaks("gemini", "streamGenerateContent", 40), breaks("bedrock", "converse-stream", 40),
		fails("openai", "", 500, 50), fails("anthropic", "", 529, 50), fails("gemini", "", 503, 50), fails("bedrock", "", 503, 50),
		fails("stripe", "", 500, 50), fails("s3", "", 500, 50), fails("twilio", "", 500, 50), fails("weather", "", 500, 50),
	}
	return c
}

// mixedLine is what mixed.py prints of a call.
type mixedLine struct {
	N            int
	Family, Call string
	End          string // "whole", "cut", or the error that the client raised
	Status       int    // of that error, 0 where there was none to see
}

// mixed makes the calls [first, end), and gives a line for each.
func (g *gateway) mixed(first, end, seed int) (lines []mixedLine) {
	g.t.Helper()
	script, err := filepath.Abs(filepath.Join("mixed", "mixed.py"))
	g.must(err)
	out := make([][]byte, mixedShards)
	var group sync.WaitGroup
	for i := range out {
		group.Go(func() {
			var err error
			out[i], err = g.stack.Python(g.t.Context(), script, "GATEWAY_URL="+g.url, "TOKEN="+token, "AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+issued,
				"FIRST="+strconv.Itoa(first+i), "LAST="+strconv.Itoa(end-1), "STEP="+strconv.Itoa(mixedShards), "SEED="+strconv.Itoa(seed), "THREADS="+strconv.Itoa(mixedThreads))
			if err != nil {
				g.t.Error(err)
			}
		})
	}
	group.Wait()
	for s := bufio.NewScanner(bytes.NewReader(bytes.Join(out, nil))); s.Scan(); {
		var l mixedLine
		g.must(json.Unmarshal(s.Bytes(), &l))
		lines = append(lines, l)
	}
	return lines
}

func (g *gateway) inFlight() (n int64) {
	for _, p := range g.mock.Stats().Providers {
		n += p.Active
	}
	return n
}

// entries reads the whole ledger since a moment.
func (g *gateway) entries(from time.Time) (rows []domain.Entry) {
	g.t.Helper()
	st, err := store.Open(g.t.Context(), store.Options{DSN: domain.NewSecret(g.dsn), MaxConns: 2})
	g.must(err)
	defer st.Close()
	g.must(st.EachEntry(g.t.Context(), from.Add(-time.Minute), time.Now().Add(time.Minute), func(e domain.Entry) error {
		rows = append(rows, e)
		return nil
	}))
	return rows
}

// bytesFromProviders waits until Envoy's access log has so many calls, and gives what Envoy read from the provider for each, headers and framing
// included: a witness of what reached the gateway that knows nothing of the processor.
func (g *gateway) bytesFromProviders(calls int) map[string]int64 {
	g.t.Helper()
	got := map[string]int64{}
	g.eventually("Envoy's access log has every call", func() bool {
		lines := 0
		for line := range bytes.Lines(g.files("access.log")) {
			var l struct {
				Call string
				Got  int64 `json:"upstream_got"`
			}
			if json.Unmarshal(line, &l) == nil { // the last one may not have its end yet
				got[l.Call] = l.Got
				lines++
			}
		}
		return lines >= calls
	})
	return got
}

// nothingHeld waits until no limit holds anything for a call, and compares the team's budget with the ledger.
func (g *gateway) nothingHeld(cost domain.NanoUSD) {
	g.t.Helper()
	var uses []struct {
		Limit, Measure           string
		Used, Held, Unreconciled int64
	}
	g.eventually("no limit holds anything", func() bool {
		code, stdout, stderr := sentinelIn(g.t, g.dir, g.env, "limits", "show", "--json")
		if code != 0 {
			g.t.Fatalf("limits show ended with %d: %s", code, stderr)
		}
		g.must(json.Unmarshal([]byte(stdout), &uses))
		for _, u := range uses {
			if u.Held != 0 || u.Unreconciled != 0 {
				return false
			}
		}
		return true
	})
	budgets := 0
	for _, u := range uses {
		if u.Measure != "cost" && u.Measure != "usd" {
			continue
		}
		if budgets++; u.Used != int64(cost) {
			g.t.Errorf("the budget %s counts %d nano-dollars, the ledger %d", u.Limit, u.Used, cost)
		}
	}
	if budgets == 0 || len(uses) < 4 {
		g.t.Errorf("the limits %+v have no budget", uses)
	}
}
