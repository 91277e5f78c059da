package simulate_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
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
func live(t testing.TB, s *governor.State, calls int, seed uint64, unusual simulate.Unusual) *journal {
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
		g.Scores.Store(unusual.At(now))
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
	j := live(t, s, 3000, 1, nil)
	sim := simulate.New(state(t, tight), nil)
	refused, downgraded := 0, 0
	for n, e := range j.entries {
		got, _, err := sim.Judge(t.Context(), &e)
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
	j := live(t, now, 3000, 2, nil)
	r, err := simulate.Compare(t.Context(), simulate.Past{Calls: j.each}, day, day.AddDate(0, 0, 1), now, then)
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
	again, err := simulate.Compare(t.Context(), simulate.Past{Calls: j.each}, day, day.AddDate(0, 0, 1), now, then)
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
	j := live(t, now, 3000, 3, nil)
	from := day.Add(3 * time.Hour) // by then the budget is spent
	r, err := simulate.Compare(t.Context(), simulate.Past{Calls: j.each}, from, day.AddDate(0, 0, 1), now, then)
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

// What was done to unusual services is done again, and another policy does it to calls that went out; where scores are not kept, calls end as
// they did.
func TestUnusualServicesAreJudgedAsTheyWere(t *testing.T) {
	const odd = "policies: [{name: odd, match: {service: bot}, anomaly: {above: 0.99, for: 2m}, then: [deny]}, "
	text := strings.Replace(fmt.Sprintf(rules, tight), "policies: [", odd, 1)
	unusual := simulate.Unusual(func(minute time.Time) *policy.Scores {
		if minute.Minute()%10 > 2 {
			return nil
		}
		return policy.NewScores(map[string][]float64{"bot": {0.999, 0.999}, "app": {0.999, 0.999}})
	})
	j := live(t, compiled(t, text), 1500, 6, unusual)
	with, without := simulate.New(compiled(t, text), unusual), simulate.New(compiled(t, text), nil)
	acted := 0
	for n, e := range j.entries {
		got, _, err := with.Judge(t.Context(), &e)
		if err != nil || got.Outside || got.Verdict.Action != e.Action || got.Verdict.Reason != e.Reason || got.Cost != e.Cost {
			t.Fatalf("call %d was %s %s, and is simulated as %+v, %v", n, e.Action, e.Reason, got, err)
		}
		other, _, err := without.Judge(t.Context(), &e)
		if e.Reason != sentinel.ReasonAnomaly {
			continue
		}
		if acted++; err != nil || !other.Outside || other.Verdict.Action != sentinel.Deny || unusual.At(e.At).Lasted("bot", 2) == 0 {
			t.Fatalf("call %d was refused as unusual, and is simulated without scores as %+v, %v", n, other, err)
		}
	}
	if acted < 50 {
		t.Errorf("%d calls met the rule: the day tests too little", acted)
	}
	plain, err := simulate.Compare(t.Context(), simulate.Past{Calls: live(t, state(t, tight), 1500, 6, nil).each, Unusual: unusual}, day, day.AddDate(0, 0, 1), state(t, tight), compiled(t, text))
	if err != nil || plain.Then.Reasons[string(sentinel.ReasonAnomaly)] < 50 || plain.Now.Reasons[string(sentinel.ReasonAnomaly)] != 0 {
		t.Errorf("a rule about anomalies would have refused %v, now %v: %v", plain.Then.Reasons, plain.Now.Reasons, err)
	}
}

func TestOldRecordsEndAsTheyDid(t *testing.T) {
	s := state(t, tight)
	j := live(t, s, 10, 4, nil)
	old := j.entries[0]
	old.Demand = ""
	bad := j.entries[1]
	bad.Action, bad.Reason = sentinel.Deny, sentinel.ReasonBadRequest
	sim := simulate.New(s, nil)
	for _, e := range []sentinel.Entry{old, bad} {
		if got, _, err := sim.Judge(t.Context(), &e); err != nil || !got.Outside || got.Verdict.Action != e.Action || got.Cost != e.Cost {
			t.Errorf("%+v is simulated as %+v, %v", e, got, err)
		}
	}
}

// A call that waits for a pace in truth waits in the simulation, and counts as delayed.
func TestCallsThatWaitAreDelayed(t *testing.T) {
	text := shadowHead + "policies: [{name: pace, limits: {requests: 8/minute}, on_exceed: [{delay: 2s}, throttle]}]\n"
	g := newGateway(t, text, "")
	for _, w := range wishes(1000, 11) {
		g.serve(t, w)
	}
	r, err := simulate.Compare(t.Context(), simulate.Past{Calls: g.each}, day, day.AddDate(0, 0, 1), compiled(t, text), compiled(t, shadowHead))
	if err != nil {
		t.Fatal(err)
	}
	if r.Now.Delayed != r.Recorded.Delayed || r.Now.Refused != r.Recorded.Refused || r.Now.Delayed < 50 || r.Now.Refused < 50 || r.Then.Delayed+r.Then.Refused != 0 {
		t.Errorf("recorded %+v\nnow %+v\nthen %+v", r.Recorded, r.Now, r.Then)
	}
	if delayed := r.Teams[0].Now.Delayed + r.Teams[1].Now.Delayed; delayed != r.Now.Delayed {
		t.Errorf("the teams have %d delayed calls, all have %d", delayed, r.Now.Delayed)
	}
}

// varied makes a record such as a large organisation's: services of many teams and models, most calls go out, one in forty was refused. The
// same n gives the same record, of which nothing is kept.
func varied(n int) simulate.Record {
	return func(_ context.Context, from, to time.Time, use func(sentinel.Entry) error) error {
		rng, at := rand.New(rand.NewPCG(7, 7)), from
		for i := range n {
			at = at.Add(time.Duration(rng.IntN(int(2*to.Sub(from)/time.Duration(n))) + 1)).Truncate(time.Microsecond)
			out, model := int64(50+rng.IntN(900)), []string{"gpt-5", "gpt-5-mini"}[rng.IntN(2)]
			who := sentinel.Caller{Org: "acme", Team: "core", Service: "app"}
			if rng.IntN(3) == 0 {
				who = sentinel.Caller{Org: "acme", Team: "growth", Service: "bot"}
			}
			wanted := sentinel.Wanted{Bound: sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: int64(200 + rng.IntN(4000)), sentinel.OutputTokens: 1000}, Choices: 1, Weight: 500}
			e := sentinel.Entry{Asked: model, Status: 200, Usage: sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: wanted.Bound[sentinel.InputTokens], sentinel.OutputTokens: out},
				Cost: sentinel.NanoUSD(out * 10_000), Source: sentinel.SourceMeter, Duration: time.Duration(300+rng.IntN(3000)) * time.Millisecond,
				Call: sentinel.Call{At: at, Caller: who, Provider: "openai", Endpoint: "chat.completions", Model: model, Demand: wanted.Demand()}}
			e.ID[12], e.ID[13], e.ID[14], e.ID[15] = byte(i>>24), byte(i>>16), byte(i>>8), byte(i)
			if i%40 == 39 {
				e.Action, e.Reason, e.Status, e.Usage, e.Cost = sentinel.Throttle, sentinel.ReasonRate, 429, sentinel.Usage{}, 0
			}
			if err := use(e); err != nil {
				return err
			}
		}
		return nil
	}
}

// Twice the calls of a day need no more memory: what is kept is what runs at one moment, and sums.
func TestASimulationKeepsNoMoreOfALongRecord(t *testing.T) {
	kept := func(n int, span time.Duration) uint64 {
		now, then := state(t, ""), state(t, "limits: {requests: 500/minute}")
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		last := func(ctx context.Context, from, to time.Time, use func(sentinel.Entry) error) error {
			err := varied(n)(ctx, from, to, use)
			runtime.GC() // while all that is kept is still in use
			runtime.ReadMemStats(&after)
			return err
		}
		if _, err := simulate.Compare(t.Context(), simulate.Past{Calls: last}, day, day.Add(span), now, then); err != nil {
			t.Fatal(err)
		}
		return after.HeapAlloc - min(before.HeapAlloc, after.HeapAlloc)
	}
	short, long := kept(20_000, 2*time.Hour), kept(160_000, 16*time.Hour)
	if long > short+short/2+1<<20 {
		t.Errorf("20,000 calls keep %d bytes, 160,000 at the same pace %d", short, long)
	}
}

// BenchmarkCompare judges records by two policies, as sentinel policy simulate does: calls/s are of the record, judged twice.
func BenchmarkCompare(b *testing.B) {
	now, then := state(b, ""), state(b, "budget: {usd: 400/day}, limits: {requests: 500/minute}")
	const calls = 100_000
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if _, err := simulate.Compare(b.Context(), simulate.Past{Calls: varied(calls)}, day, day.AddDate(0, 0, 1), now, then); err != nil {
			b.Fatal(err)
		}
		n += calls
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "calls/s")
	b.ReportMetric(2*float64(n)/b.Elapsed().Seconds(), "judged/s")
}

func BenchmarkJudge(b *testing.B) {
	s := state(b, tight)
	j := live(b, s, 2000, 5, nil)
	span := j.entries[len(j.entries)-1].At.Sub(j.entries[0].At) + time.Second
	sim := simulate.New(s, nil)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		e := j.entries[n%len(j.entries)]
		turn := n / len(j.entries)
		e.At = e.At.Add(time.Duration(turn) * span)
		e.ID[15], e.ID[14], e.ID[13] = byte(n), byte(n>>8), byte(n>>16)
		if _, _, err := sim.Judge(b.Context(), &e); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "calls/s")
}
