package policytest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/extproc"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/internal/strictyaml"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/provider"
	"github.com/saas-sentinel/saas-sentinel/ratelimit"
)

// Bounds of a file.
const (
	maxTests = 10_000
	maxTimes = 100_000
)

// Suite is a test file that was read.
type Suite struct {
	Policy string // the policy file, as the test file names it
	doc    *strictyaml.Doc
	in     file
}

// Read reads a test file strictly. The error names every fault with its place.
func Read(name string, data []byte) (*Suite, error) {
	s := &Suite{}
	s.doc = strictyaml.Decode(name, data, &s.in)
	s.Policy = s.in.Policy
	if len(s.in.Tests) > maxTests {
		s.doc.Fault("tests", "%d tests: at most %d are allowed", len(s.in.Tests), maxTests)
	}
	for i, t := range s.in.Tests {
		for j, c := range t.Calls {
			if c.Times < 0 || c.Times > maxTimes {
				s.doc.Fault(fmt.Sprintf("tests[%d].calls[%d].times", i, j), "%d is outside of 1 to %d", c.Times, maxTimes)
			}
			if c.After < 0 {
				s.doc.Fault(fmt.Sprintf("tests[%d].calls[%d].after", i, j), "%s: the clock does not go back", c.After)
			}
		}
	}
	return s, strictyaml.Join(s.doc.Faults())
}

// Result is how one test ended.
type Result struct {
	Name   string
	Calls  int
	Faults []string // what was not as expected; empty: it passed
}

// Report is how a suite ended.
type Report struct {
	Results []Result
	Rules   int // of the policy
	// Untouched are the rules that no call of the suite met, by name.
	Untouched []string
}

// Coverage is the share of the rules that a call met, in percent rounded down; 100 where there is no rule.
func (r Report) Coverage() int {
	if r.Rules == 0 {
		return 100
	}
	return (r.Rules - len(r.Untouched)) * 100 / r.Rules
}

// Failed counts the tests that did not pass.
func (r Report) Failed() int {
	n := 0
	for _, t := range r.Results {
		if len(t.Faults) > 0 {
			n++
		}
	}
	return n
}

// Run runs all tests against a state. An error is about the file: a service, route or time that is none.
func (s *Suite) Run(ctx context.Context, state *governor.State) (Report, error) {
	start, err := clock(s.in.Clock, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		s.doc.Fault("clock", "%v", err)
	}
	var report Report
	rules, touched := state.Policy.Rules(), map[string]bool{}
	for i, t := range s.in.Tests {
		place := fmt.Sprintf("tests[%d]", i)
		at, err := clock(t.Clock, start)
		if err != nil {
			s.doc.Fault(place+".clock", "%v", err)
			continue
		}
		d := &drill{state: state, now: at, rules: rules, touched: touched, doc: s.doc}
		d.limiter = ratelimit.NewModel(func() time.Time { return d.now })
		d.governor = governor.New(governor.Options{Limiter: d, Journal: discard{}, Instance: "test", HoldTTL: time.Hour, Now: func() time.Time { return d.now },
			Wait: func(_ context.Context, wait time.Duration) bool { d.now = d.now.Add(wait); return true }}, state)
		d.preset(ctx, place+".counters", t.Counters)
		d.governor.Scores.Store(s.scores(place, t.Scores, state))
		r := Result{Name: t.Name}
		for j, c := range t.Calls {
			n, faults := d.make(ctx, fmt.Sprintf("%s.calls[%d]", place, j), c)
			r.Calls += n
			r.Faults = append(r.Faults, faults...)
		}
		report.Results = append(report.Results, r)
	}
	report.Rules = len(rules)
	for _, name := range rules {
		if !touched[name] {
			report.Untouched = append(report.Untouched, name)
		}
	}
	return report, strictyaml.Join(s.doc.Faults())
}

// scores make services unusual for as long as any rule asks.
func (s *Suite) scores(place string, given map[string]string, state *governor.State) *policy.Scores {
	lasted := map[string][]float64{}
	for service, text := range given {
		score, err := strconv.ParseFloat(text, 64)
		if _, known := state.Policy.Caller(service); !known {
			s.doc.Fault(place+".scores."+service, "%q is not a service of the policy", service)
		}
		if err != nil || !(score >= 0 && score < 1) {
			s.doc.Fault(place+".scores."+service, "%q is not a score from 0 up to 1, such as 0.9995", text)
		}
		for range policy.MostMinutes {
			lasted[service] = append(lasted[service], score)
		}
	}
	return policy.NewScores(lasted)
}

func clock(text string, otherwise time.Time) (time.Time, error) {
	if text == "" {
		return otherwise, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("%q is not an RFC 3339 time such as 2026-01-01T00:00:00Z", text)
	}
	return t.UTC(), nil
}

// discard is the ledger of a test: nothing is kept.
type discard struct{}

// Append keeps nothing.
func (discard) Append(context.Context, sentinel.Record) error { return nil }

// drill makes one test's calls.
type drill struct {
	state    *governor.State
	governor *governor.Governor
	limiter  *ratelimit.Model
	now      time.Time
	rules    []string        // by name
	touched  map[string]bool // rules whose limits were asked, or that decided by themselves
	doc      *strictyaml.Doc
}

// Reserve notes the rules that a call meets.
func (d *drill) Reserve(ctx context.Context, a sentinel.Ask) (sentinel.Reservation, error) {
	for _, c := range slices.Concat(a.Candidates, slices.Concat(a.Shadows...)) {
		for _, l := range c.Limits {
			for _, name := range d.rules {
				if strings.HasPrefix(strings.TrimPrefix(strings.TrimPrefix(l.Cell, sentinel.AcrossCells), "shadow/"), "rule/"+name+"/") {
					d.touched[name] = true
				}
			}
		}
	}
	return d.limiter.Reserve(ctx, a)
}

// Settle is the model's.
func (d *drill) Settle(ctx context.Context, s sentinel.Settlement) (sentinel.Settled, error) {
	return d.limiter.Settle(ctx, s)
}

// make makes a call as often as the file says, and compares.
func (d *drill) make(ctx context.Context, place string, c callYAML) (n int, faults []string) {
	r, ok := d.request(place, c)
	if !ok {
		return 0, nil
	}
	for i := range max(1, c.Times) {
		d.now = d.now.Add(c.After)
		r.Call.ID, r.Call.At = sentinel.NewCallID(d.now), d.now
		a, err := d.governor.Admit(ctx, r)
		if err != nil {
			return n, append(faults, fmt.Sprintf("%s, call %d: %v", place, i+1, err))
		}
		n++
		met := r.Call
		met.Model = a.Ticket.Asked
		for _, name := range d.state.Policy.Matching(d.governor.Scores.Load(), &met, met.Model, d.now) {
			d.touched[name] = true
		}
		if wrong := differs(c.Expect, r.Route.Preset, a); wrong != "" {
			faults = append(faults, fmt.Sprintf("%s, call %d of %d: %s", place, i+1, max(1, c.Times), wrong))
			if len(faults) >= maxFaults {
				return n, append(faults, "and so on")
			}
		}
		if a.Verdict.Action.Refused() || c.Running {
			continue
		}
		if _, err := d.governor.Settle(ctx, governor.Outcome{Ticket: a.Ticket, Metered: metered(a, c.Usage), Status: 200}); err != nil {
			return n, append(faults, fmt.Sprintf("%s, call %d: %v", place, i+1, err))
		}
	}
	return n, faults
}

const maxFaults = 10

// request describes a call as the guard would.
func (d *drill) request(place string, c callYAML) (governor.Request, bool) {
	caller, known := d.state.Policy.Caller(c.Service)
	if !known {
		d.doc.Fault(place+".service", "%q is not a service of the policy", c.Service)
	}
	route, ok := d.state.Routes[c.Provider+"/"+c.Endpoint]
	if !ok {
		d.doc.Fault(place+".endpoint", "the policy has no endpoint %s of %s", c.Endpoint, c.Provider)
		return governor.Request{}, false
	}
	path := c.Path
	if path == "" {
		path = route.Endpoint.Path
	}
	if strings.Contains(path, "{") {
		d.doc.Fault(place+".path", "name a path: parts of the endpoint's vary, %s", route.Endpoint.Path)
		return governor.Request{}, false
	}
	if !route.Endpoint.Match(path) {
		d.doc.Fault(place+".path", "%s is not a path of the endpoint, which is %s", path, route.Endpoint.Path)
		return governor.Request{}, false
	}
	raw := provider.RawRequest{Path: path, Query: c.Query, ContentType: c.Type, Body: []byte(c.Body), Known: route.Provider.Known, Header: func(name string) string { return c.Headers[name] }}
	if raw.ContentType == "" && c.Body != "" {
		raw.ContentType = "application/json"
	}
	return governor.Request{State: d.state, Route: route, Raw: raw, Call: sentinel.Call{Caller: caller, Provider: c.Provider, Endpoint: c.Endpoint}}, known
}

// differs says what is not as expected.
func differs(want expectYAML, preset provider.Preset, a governor.Admission) string {
	v := a.Verdict
	model := a.Ticket.Call.Model
	var wrong []string
	add := func(what, want, got string) {
		if want != "" && want != got {
			wrong = append(wrong, fmt.Sprintf("%s is %q, want %q", what, got, want))
		}
	}
	add("action", want.Action, v.Action.String())
	add("model", want.Model, model)
	add("reason", want.Reason, string(v.Reason))
	add("limit", want.Limit, v.Limit)
	add("provider", want.Provider, a.Ticket.Call.Provider)
	if wait := (v.RetryAfter + time.Second - 1).Truncate(time.Second); want.RetryAfter != nil && *want.RetryAfter != wait {
		wrong = append(wrong, fmt.Sprintf("retry_after is %s, want %s", wait, *want.RetryAfter))
	}
	wrong = append(wrong, answered(want, preset, a)...)
	if len(wrong) > 0 && v.Detail != "" {
		wrong = append(wrong, "("+v.Detail+")")
	}
	return strings.Join(wrong, ", ")
}

// answered says what is not as expected in the answer: to a refusal, or among the headers that the gateway adds to a provider's.
func answered(want expectYAML, preset provider.Preset, a governor.Admission) (wrong []string) {
	if want.Status == 0 && len(want.Headers) == 0 {
		return nil
	}
	headers := map[string]string{}
	if a.Verdict.Action.Refused() {
		got := extproc.RefusalOf(preset, a.Ticket.Call.ID, a.Verdict)
		for _, h := range got.Headers {
			headers[h[0]] = h[1]
		}
		if want.Status != 0 && want.Status != got.Status {
			wrong = append(wrong, fmt.Sprintf("status is %d, want %d", got.Status, want.Status))
		}
	} else if headers = extproc.ToldOf(a.Ticket); want.Status != 0 {
		wrong = append(wrong, "it is not refused: the status is its provider's")
	}
	for _, name := range slices.Sorted(maps.Keys(want.Headers)) {
		if headers[name] != want.Headers[name] {
			wrong = append(wrong, fmt.Sprintf("header %s is %q, want %q", name, headers[name], want.Headers[name]))
		}
	}
	return wrong
}

// metered is what the test says a call used, or its bound.
func metered(a governor.Admission, u *usageYAML) provider.Metered {
	m := provider.Metered{Usage: a.Ticket.Bound, Reported: true}
	if u != nil {
		m.Usage = sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: u.Input, sentinel.OutputTokens: u.Output}
	}
	return m
}
