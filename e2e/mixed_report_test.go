package e2e

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

// mixed compares the ledger with the providers' own account, call by call.
type mixed struct {
	families map[string]*mixedFamily
	sum      mixedFamily
	ends     map[string]int // errors that the clients raised
	methods  map[string]int // how streams without a report were counted
	prompts  []float64      // by how many hundredths calibrated estimates of prompts were wrong
	faults   []string
}

// mixedFamily is what became of one kind of call.
type mixedFamily struct {
	calls, streams int
	whole          int // ran to their end, and equal to the nano-dollar
	failed         int // of those, refused or failed by the provider
	refused        int // by the gateway
	cut, broken    int // by the client, by the provider
	same, close    int // of both: as many tokens as the provider billed, within 5 %
	short          int // of both: not within 5 %, because Envoy never got what the provider billed
	worst          int64
	seen           int64 // tokens of the cut streams on the ledger
	reached        int64 // of those that the provider billed: what Envoy had read
	billedTokens   int64
	billed, booked int64 // nano-dollars of what ran to its end
	cutBilled      int64
	cutBooked      int64
	cutClose       int // of both: booked within 5 % of the money
}

func newMixed(lines []mixedLine, served []mockapi.Call, rows []domain.Entry, got map[string]int64) *mixed {
	m := &mixed{families: map[string]*mixedFamily{}, ends: map[string]int{}, methods: map[string]int{}}
	byName, byCall := map[string][]mockapi.Call{}, map[string][]domain.Entry{}
	for _, c := range served {
		byName[c.Name] = append(byName[c.Name], c)
	}
	for _, e := range rows {
		byCall[e.ID.String()] = append(byCall[e.ID.String()], e)
	}
	for _, l := range lines {
		calls, entries := byName[strconv.Itoa(l.N)], byCall[l.Call]
		delete(byName, strconv.Itoa(l.N))
		delete(byCall, l.Call)
		m.add(l, calls, entries, got[l.Call])
	}
	for name := range byName {
		m.fault("call %s was served and never made", name)
	}
	for _, e := range byCall {
		m.fault("a row that no client knows of: %+v", e)
	}
	if s := &m.sum; s.cut+s.broken >= enoughCut && !within5(s.cutBooked, s.cutBilled) {
		m.fault("%d streams that were cut are booked with %s, and were billed %s: more than 5 %% apart", s.cut+s.broken, domain.NanoUSD(s.cutBooked), domain.NanoUSD(s.cutBilled))
	}
	m.learns()
	return m
}

// learns tells whether prompts are estimated by what the ledger taught, and well. Calls are too few to say so where enoughCut streams were not cut.
func (m *mixed) learns() {
	if m.sum.cut+m.sum.broken < enoughCut {
		return
	}
	if miss, some := m.missed(); !some || miss > 5 {
		m.fault("%d prompts of cut streams were estimated by those before them, with a median error of %.1f %%: at most 5 %% is right", len(m.prompts), miss)
	}
}

// missed is the median error of the calibrated estimates of prompts, in per cent.
func (m *mixed) missed() (median float64, some bool) {
	if len(m.prompts) == 0 {
		return 0, false
	}
	slices.Sort(m.prompts)
	return m.prompts[len(m.prompts)/2], true
}

// enoughCut are so many streams that the sum of what they cost no longer depends on a few.
const enoughCut = 300

// within5 tells whether a figure is within 5 % of what was billed.
func within5(n, billed int64) bool { return max(n-billed, billed-n)*20 <= billed }

func (m *mixed) fault(format string, args ...any) {
	m.faults = append(m.faults, fmt.Sprintf(format, args...))
}

func (m *mixed) add(l mixedLine, calls []mockapi.Call, rows []domain.Entry, got int64) {
	if m.families[l.Family] == nil {
		m.families[l.Family] = &mixedFamily{}
	}
	var one mixedFamily
	one.calls = 1
	if l.End != "whole" && l.End != "cut" {
		m.ends[fmt.Sprintf("%s: %s %d", l.Family, l.End, l.Status)]++
	}
	switch {
	case len(rows) != 1 || len(calls) > 1:
		m.fault("call %+v was served %d times and has %d rows", l, len(calls), len(rows))
	case len(calls) == 0:
		one.refused = 1
		if e := rows[0]; !e.Action.Refused() || e.Cost != 0 || l.Family != "twilio.abroad" {
			m.fault("call %+v reached nobody and is booked as %+v", l, e)
		}
	default:
		m.compare(&one, l, calls[0], rows[0], got)
	}
	m.families[l.Family].plus(one)
	m.sum.plus(one)
}

// compare judges one call, of whose answer Envoy got so many bytes. A stream that its client cut behind its end has been served whole, and is
// booked so or by the text that went through. A row that is not within 5 % of the bill is right only if it has every token that reached Envoy.
func (m *mixed) compare(one *mixedFamily, l mixedLine, c mockapi.Call, e domain.Entry, got int64) {
	if e.Stream {
		one.streams = 1
	}
	if !c.Aborted && (l.End != "cut" || !e.Estimated()) {
		one.whole, one.billed, one.booked = 1, c.CostNanoUSD, int64(e.Cost)
		if c.Failed {
			one.failed = 1
		}
		counted := l.Family == "twilio.service" && e.Method == "bound" // its answer says 0 segments, so that the text's own count stands
		if int64(e.Cost) != c.CostNanoUSD || e.Estimated() && !counted {
			m.fault("call %+v was billed %d nano-dollars for %v and is booked with %d by %q for %v", l, c.CostNanoUSD, c.Usage, e.Cost, e.Method, e.Usage)
		}
		return
	}
	one.cut = 1
	if l.End != "cut" && len(c.Sent) > 0 {
		one.cut, one.broken = 0, 1
	}
	one.billedTokens, one.seen, one.reached = c.Usage.OutputTokenSum(), e.Usage.OutputTokenSum(), tokensIn(c, got)
	one.cutBilled, one.cutBooked = c.CostNanoUSD, int64(e.Cost)
	if within5(one.cutBooked, one.cutBilled) {
		one.cutClose = 1
	}
	m.methods[e.Method]++
	if in, asked := e.Usage.InputTokenSum(), c.Usage.InputTokenSum(); strings.Contains(e.Method, "calibrated") {
		m.prompts = append(m.prompts, 100*math.Abs(float64(in-asked))/float64(asked))
	}
	off := max(one.billedTokens-one.seen, one.seen-one.billedTokens)
	one.worst = off
	switch {
	case off == 0:
		one.same, one.close = 1, 1
	case within5(one.seen, one.billedTokens):
		one.close = 1
	case one.reached <= one.seen && one.seen < one.billedTokens:
		one.short = 1
	default:
		m.fault("call %+v was billed %d tokens, of which %d reached Envoy, and is booked with %d by %q", l, one.billedTokens, one.reached, one.seen, e.Method)
	}
	if !e.Estimated() || e.Source != domain.SourcePartial {
		m.fault("call %+v was cut, and is booked by %q, %s", l, e.Method, e.Source)
	}
}

// tokensIn counts the tokens in the first bytes of an answer, those that the model thought before its first word included.
func tokensIn(c mockapi.Call, bytes int64) int64 {
	n, _ := slices.BinarySearch(c.Sent, bytes+1)
	if n == 0 {
		return 0
	}
	return c.Usage.OutputTokenSum() - int64(len(c.Sent)-n)
}

func (f *mixedFamily) plus(o mixedFamily) {
	f.calls, f.streams, f.whole, f.failed, f.refused = f.calls+o.calls, f.streams+o.streams, f.whole+o.whole, f.failed+o.failed, f.refused+o.refused
	f.cut, f.broken, f.same, f.close, f.short, f.worst = f.cut+o.cut, f.broken+o.broken, f.same+o.same, f.close+o.close, f.short+o.short, max(f.worst, o.worst)
	f.reached, f.billedTokens, f.seen, f.billed, f.booked = f.reached+o.reached, f.billedTokens+o.billedTokens, f.seen+o.seen, f.billed+o.billed, f.booked+o.booked
	f.cutBilled, f.cutBooked, f.cutClose = f.cutBilled+o.cutBilled, f.cutBooked+o.cutBooked, f.cutClose+o.cutClose
}

// money is a line of the table of what ran to its end.
func (f *mixedFamily) money(name string) string {
	return fmt.Sprintf("| %s | %d | %d | %d | %d | %s | %s |\n", name, f.calls, f.whole, f.failed, f.refused, domain.NanoUSD(f.booked), domain.NanoUSD(f.billed))
}

// streamed is a line of the table of streams that were cut.
func (f *mixedFamily) streamed(name string) string {
	return fmt.Sprintf("| %s | %d | %d | %d | %d | %d | %d | %d | %d | %d | %d | %s | %s | %s | %d |\n", name, f.streams, f.cut, f.broken, f.same, f.close, f.short, f.worst,
		f.seen, f.reached, f.billedTokens, domain.NanoUSD(f.cutBooked), domain.NanoUSD(f.cutBilled), f.apart(), f.cutClose)
}

// apart is by how much the money of the streams that were cut differs from the bill.
func (f *mixedFamily) apart() string {
	if f.cutBilled == 0 {
		return "–"
	}
	return fmt.Sprintf("%+.1f %%", 100*float64(f.cutBooked-f.cutBilled)/float64(f.cutBilled))
}

// report is the document.
func (m *mixed) report(calls, seed int, took time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, mixedHead, calls, seed, took.Round(time.Second), len(m.faults))
	b.WriteString("## What ran to its end\n\n| family | calls | equal to the nano-dollar | of them failed by the provider | refused by the gateway | ledger | providers |\n|---|---|---|---|---|---|---|\n")
	names := slices.Sorted(maps.Keys(m.families))
	for _, n := range names {
		b.WriteString(m.families[n].money(n))
	}
	b.WriteString(m.sum.money("all") + mixedCut)
	for _, n := range names {
		if m.families[n].streams > 0 {
			b.WriteString(m.families[n].streamed(n))
		}
	}
	b.WriteString(m.sum.streamed("all") + "\nHow those rows were counted: " + counted(m.methods) + ".\n" + m.calibrated() + "\n## Errors that the clients raised\n\n")
	for _, end := range slices.Sorted(maps.Keys(m.ends)) {
		fmt.Fprintf(&b, "- %s: %d\n", end, m.ends[end])
	}
	return b.String()
}

// calibrated sums the estimates of prompts up.
func (m *mixed) calibrated() string {
	miss, some := m.missed()
	if !some {
		return ""
	}
	return fmt.Sprintf("Prompts of calibrated rows differ from the provider's count by %.1f %% in the median.\n", miss)
}

func counted(of map[string]int) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(of)) {
		parts = append(parts, fmt.Sprintf("%d by `%s`", of[k], k))
	}
	return strings.Join(parts, ", ")
}

const mixedHead = `# Mixed calls, the ledger and the providers' bills

Written by ` + "`make mixed`" + `: %d calls with seed %d in %s, through real Envoy, sentinel, PostgreSQL, OpenBao and Redis on one machine, by the
official Python clients openai, anthropic, google-genai, boto3, stripe and twilio, to stand-ins that keep an account of their own, share no
code of pricing with the gateway, think, cache, and fail now and then. Each call is compared with its own row. Sentinel is restarted after a
third of them, to estimate prompts by what the first ones showed.

Rows that are missing, twice, unknown or wrong: %d. No limit holds anything afterwards, and the budget counts what the ledger has.

`

const mixedCut = `
## Streams that were cut

Clients cut three streams of ten at a random byte, by closing the answer or (` + "`.socket`" + `) by resetting the connection; providers broke some off.
Tokens are those of the output, thoughts that a stream reports included: by the ledger; those whose bytes Envoy had read from the provider, by its
access log and the provider's count of what each token had put on the connection; and those that the provider billed, which sends on until it notices. A row is
wrong when it is not within 5 % of the bill, unless it has every token that Envoy read: then the rest never reached the gateway. Money differs by more: a stream that is cut does
not say how much of its prompt was cached (OpenAI, Bedrock), so that all of it is booked at the dearer rate, and the prompt itself is estimated. All of them together
are wrong where their money is not within 5 % of the bills. Only streams that were read to their end have models whose thoughts are hidden.

What this cannot show: the stand-ins speak words of one token each in OpenAI's vocabulary, so the count of a cut stream is judged for
what it saw, not for how well that vocabulary stands for those that other providers keep to themselves.

| family | streams | cut by the client | broken off by the provider | same tokens as billed | within 5 % of the bill | the rest never reached Envoy | most tokens apart | tokens, ledger | reached Envoy | billed | ledger | providers | money apart | money within 5 % |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
`
