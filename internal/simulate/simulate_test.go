package simulate_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/internal/simulate"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/pricing"
	"github.com/saas-sentinel/saas-sentinel/provider"
	"github.com/saas-sentinel/saas-sentinel/ratelimit"
)

const rules = `org: acme
timezone: UTC
teams: {core: {%s}, growth: {}}
services: {app: {team: core, identity: {token: svc_app_0001}}, bot: {team: growth, identity: {token: svc_bot_0001}}}
providers: {openai: {preset: openai, credential: "vault:secret/openai#key"}}
policies: [{name: large models, match: {model: "gpt-5"}, budget: {usd: 2/day}, on_exceed: [{downgrade: [gpt-5-mini]}]}]
`

func state(t testing.TB, core string) *governor.State {
	t.Helper()
	catalog, err := pricing.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	set, err := policy.Compile(policy.File{Name: "p.yaml", Data: []byte(fmt.Sprintf(rules, core))}, policy.Options{Presets: provider.Names()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := governor.NewState(set, catalog)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var day = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// journal keeps entries as the ledger does.
type journal struct{ entries []sentinel.Entry }

func (j *journal) Append(_ context.Context, r sentinel.Record) error {
	if r.Entry != nil {
		j.entries = append(j.entries, *r.Entry)
	}
	return nil
}

func (j *journal) each(_ context.Context, from, to time.Time, use func(sentinel.Entry) error) error {
	for _, e := range j.entries {
		if e.At.Before(from) || !e.At.Before(to) {
			continue
		}
		if err := use(e); err != nil {
			return err
		}
	}
	return nil
}

// live lets requests through Admit and Settle, one after the other, and gives the record of the day.
func live(t testing.TB, s *governor.State, calls int, seed uint64) *journal {
	t.Helper()
	now := day.Add(time.Hour)
	j := &journal{}
	g := governor.New(governor.Options{Limiter: ratelimit.NewModel(func() time.Time { return now }), Journal: j, Instance: "live", HoldTTL: 15 * time.Minute, Now: func() time.Time { return now }}, s)
	rng := rand.New(rand.NewPCG(seed, 1))
	route := s.Routes["openai/chat.completions"]
	for range calls {
		now = now.Add(time.Duration(rng.IntN(10_000)) * time.Millisecond).Truncate(time.Microsecond)
		who := sentinel.Caller{Org: "acme", Team: "core", Service: "app"}
		if rng.IntN(3) == 0 {
			who = sentinel.Caller{Org: "acme", Team: "growth", Service: "bot"}
		}
		body := fmt.Sprintf(`{"model":%q,"max_completion_tokens":%d,"messages":[{"role":"user","content":"hello"}]}`, []string{"gpt-5", "gpt-5-mini"}[rng.IntN(2)], 100+rng.IntN(4000))
		call := sentinel.Call{ID: sentinel.NewCallID(now), At: now, Caller: who, Provider: "openai", Endpoint: "chat.completions"}
		a, err := g.Admit(t.Context(), governor.Request{State: s, Route: route, Call: call, Raw: provider.RawRequest{
			Path: "/v1/chat/completions", ContentType: "application/json", Header: func(string) string { return "" }, Body: []byte(body)}})
		if err != nil {
			t.Fatal(err)
		}
		if a.Verdict.Action.Refused() {
			if err := g.Refuse(t.Context(), a.Ticket, 429); err != nil {
				t.Fatal(err)
			}
			continue
		}
		used := a.Ticket.Bound
		used[sentinel.OutputTokens] = used[sentinel.OutputTokens] * int64(1+rng.IntN(90)) / 100
		now = now.Add(time.Duration(rng.IntN(900)) * time.Millisecond)
		if _, err := g.Settle(t.Context(), governor.Outcome{Ticket: a.Ticket, Status: 200, Metered: provider.Metered{Usage: used, Reported: true}}); err != nil {
			t.Fatal(err)
		}
	}
	return j
}

const tight = "budget: {usd: 4/day}, limits: {requests: 12/minute, tokens: 60k/minute}"

// The policy that judged a day judges its record the same, call by call.
func TestRecordedDayIsJudgedAsItWas(t *testing.T) {
	s := state(t, tight)
	j := live(t, s, 3000, 1)
	sim := simulate.New(state(t, tight))
	refused, downgraded := 0, 0
	for n, e := range j.entries {
		got, _, err := sim.Judge(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		if got.Outside || got.Verdict.Action != e.Action || got.Verdict.Reason != e.Reason || got.Cost != e.Cost || !e.Action.Refused() && got.Verdict.Model != e.Model {
			t.Fatalf("call %d was %s %s %s %s, and is simulated as %+v", n, e.Action, e.Reason, e.Model, e.Cost, got)
		}
		if e.Action.Refused() {
			refused++
		}
		if e.Action == sentinel.Downgrade {
			downgraded++
		}
	}
	if len(j.entries) != 3000 || refused < 100 || downgraded < 100 {
		t.Errorf("%d calls, %d refused, %d downgraded: the day tests too little", len(j.entries), refused, downgraded)
	}
}

func TestCandidateIsComparedWithThePolicyInForce(t *testing.T) {
	now, then := state(t, ""), state(t, "budget: {usd: 1/day}")
	j := live(t, now, 3000, 2)
	r, err := simulate.Compare(t.Context(), j.each, day, day.AddDate(0, 0, 1), now, then)
	if err != nil {
		t.Fatal(err)
	}
	var truth sentinel.NanoUSD
	for _, e := range j.entries {
		if e.At.Before(day.AddDate(0, 0, 1)) {
			truth += e.Cost
		}
	}
	if r.Recorded.Cost != truth || r.Now.Cost != truth || r.Now.Refused != r.Recorded.Refused {
		t.Errorf("the policy in force costs %s, the record %s, the ledger %s", r.Now.Cost, r.Recorded.Cost, truth)
	}
	if r.Then.Limits["team core: budget/day"] == 0 || r.Then.Refused == 0 || r.Avoided != r.Now.Cost-r.Then.Cost || r.Avoided <= 0 || r.Different == 0 || len(r.Differences) != 100 {
		t.Errorf("a budget of one dollar: %+v avoids %s, %d differences", r.Then, r.Avoided, r.Different)
	}
	core := r.Teams[0]
	if core.Name != "core" || core.Then.Cost > sentinel.USD || core.Then.Cost < sentinel.USD*8/10 || r.Teams[1].Then.Refused != 0 || r.Teams[1].Then.Cost <= r.Teams[1].Now.Cost {
		t.Errorf("teams: %+v; core spends at most its dollar, and leaves more of the shared budget of large models to growth", r.Teams)
	}
	if r.Then.Worst.Refused == 0 || r.Then.Worst.From.Before(day) {
		t.Errorf("worst five minutes: %+v", r.Then.Worst)
	}
	again, err := simulate.Compare(t.Context(), j.each, day, day.AddDate(0, 0, 1), now, then)
	x, _ := json.Marshal(r)
	y, _ := json.Marshal(again)
	if err != nil || string(x) != string(y) {
		t.Error("the same record gives another report")
	}
	var page strings.Builder
	if err := r.HTML(&page); err != nil || !strings.Contains(page.String(), "<svg") || !strings.Contains(page.String(), "team core: budget/day") {
		t.Errorf("the page: %v\n%s", err, page.String())
	}
}

// What a refused call would have used is taken from its like; what came before the period counts.
func TestLooserPolicyEstimatesWhatWasRefused(t *testing.T) {
	now, then := state(t, "budget: {usd: 1/day}"), state(t, "")
	j := live(t, now, 3000, 3)
	from := day.Add(3 * time.Hour) // by then the budget is spent
	r, err := simulate.Compare(t.Context(), j.each, from, day.AddDate(0, 0, 1), now, then)
	if err != nil {
		t.Fatal(err)
	}
	if r.Now.Refused != r.Recorded.Refused || r.Now.Cost != r.Recorded.Cost || r.Recorded.Refused == 0 {
		t.Errorf("from the middle of the day: now %+v, recorded %+v", r.Now, r.Recorded)
	}
	if r.Then.Refused != 0 || r.Then.Estimated != r.Recorded.Refused || r.Avoided >= 0 {
		t.Errorf("without the budget: %+v, avoided %s", r.Then, r.Avoided)
	}
}

func TestOldRecordsEndAsTheyDid(t *testing.T) {
	s := state(t, tight)
	j := live(t, s, 10, 4)
	old := j.entries[0]
	old.Demand = ""
	bad := j.entries[1]
	bad.Action, bad.Reason = sentinel.Deny, sentinel.ReasonBadRequest
	sim := simulate.New(s)
	for _, e := range []sentinel.Entry{old, bad} {
		if got, _, err := sim.Judge(t.Context(), e); err != nil || !got.Outside || got.Verdict.Action != e.Action || got.Cost != e.Cost {
			t.Errorf("%+v is simulated as %+v, %v", e, got, err)
		}
	}
}

func BenchmarkJudge(b *testing.B) {
	s := state(b, tight)
	j := live(b, s, 2000, 5)
	span := j.entries[len(j.entries)-1].At.Sub(j.entries[0].At) + time.Second
	sim := simulate.New(s)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		e := j.entries[n%len(j.entries)]
		turn := n / len(j.entries)
		e.At = e.At.Add(time.Duration(turn) * span)
		e.ID[15], e.ID[14], e.ID[13] = byte(n), byte(n>>8), byte(n>>16)
		if _, _, err := sim.Judge(b.Context(), e); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "calls/s")
}
