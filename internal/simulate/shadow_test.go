package simulate_test

import (
	"context"
	"fmt"
	"math/rand/v2"
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

const shadowHead = `org: acme
teams: {core: {limits: {requests: 40/minute}}, growth: {}}
services: {app: {team: core, identity: {token: svc_app_0001}}, bot: {team: growth, identity: {token: svc_bot_0001}}}
providers: {openai: {preset: openai, credential: "vault:secret/openai#key"}}
`

const shadowRules = `policies:
  - {name: large models, %[1]smatch: {model: gpt-5}, budget: {usd: 1/day}, on_exceed: [{downgrade: [gpt-5-mini]}]}
  - {name: pace, %[1]smatch: {team: core}, limits: {requests: 5/minute, tokens: 60k/minute}}
  - {name: everything, %[1]sbudget: {usd: 3/day}, on_exceed: [deny]}
  - {name: by night, %[1]smatch: {team: growth}, during: night, then: deny}
schedules: {night: {from: "02:00", to: "04:00"}}
`

// gateway is a governor with its own counters.
type gateway struct {
	*governor.Governor
	journal
	state *governor.State
	now   time.Time
}

func newGateway(t *testing.T, policies string, candidate string) *gateway {
	t.Helper()
	g := &gateway{state: compiled(t, policies)}
	if candidate != "" {
		g.state.Candidate = compiled(t, candidate)
	}
	now := func() time.Time { return g.now }
	g.Governor = governor.New(governor.Options{Limiter: ratelimit.NewModel(now), Journal: &g.journal, Instance: "live", HoldTTL: 15 * time.Minute, Now: now,
		Wait: func(_ context.Context, d time.Duration) bool { g.now = g.now.Add(d); return true }}, g.state)
	return g
}

func compiled(t testing.TB, text string) *governor.State {
	t.Helper()
	catalog, err := pricing.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	set, err := policy.Compile(policy.File{Name: "p.yaml", Data: []byte(text)}, policy.Options{Presets: provider.Names()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := governor.NewState(set, catalog)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// wish is one call as its client makes it.
type wish struct {
	at     time.Time
	call   sentinel.Call
	body   string
	answer int64         // percent of the allowed tokens
	takes  time.Duration // of the answer
}

func wishes(n int, seed uint64) []wish {
	rng, at := rand.New(rand.NewPCG(seed, 1)), day
	out := make([]wish, n)
	for i := range out {
		at = at.Add(time.Duration(1+rng.IntN(10_000)) * time.Millisecond).Truncate(time.Microsecond)
		who := sentinel.Caller{Org: "acme", Team: "core", Service: "app"}
		if rng.IntN(3) == 0 {
			who = sentinel.Caller{Org: "acme", Team: "growth", Service: "bot"}
		}
		out[i] = wish{at: at, answer: int64(1 + rng.IntN(90)), takes: time.Duration(rng.IntN(900)) * time.Millisecond,
			call: sentinel.Call{ID: sentinel.NewCallID(at), At: at, Caller: who, Provider: "openai", Endpoint: "chat.completions"},
			body: fmt.Sprintf(`{"model":%q,"max_completion_tokens":%d,"messages":[{"role":"user","content":"hello"}]}`, []string{"gpt-5", "gpt-5-mini"}[rng.IntN(2)], 100+rng.IntN(4000))}
		at = at.Add(time.Second)
	}
	return out
}

// serve judges a call, and books it.
func (g *gateway) serve(t *testing.T, w wish) (sentinel.Verdict, sentinel.Entry) {
	t.Helper()
	g.now = w.at
	a, err := g.Admit(t.Context(), governor.Request{State: g.state, Route: g.state.Routes["openai/chat.completions"], Call: w.call, Raw: provider.RawRequest{
		Path: "/v1/chat/completions", ContentType: "application/json", Header: func(string) string { return "" }, Body: []byte(w.body)}})
	if err != nil {
		t.Fatal(err)
	}
	g.now = w.at.Add(w.takes)
	if a.Verdict.Action.Refused() {
		err = g.Refuse(t.Context(), a.Ticket, 429)
	} else {
		used := a.Ticket.Bound
		used[sentinel.OutputTokens] = used[sentinel.OutputTokens] * w.answer / 100
		ticket, fault := governor.ParseTicket(a.Ticket.Encode()) // as it travels
		if fault != nil {
			t.Fatal(fault)
		}
		_, err = g.Settle(t.Context(), governor.Outcome{Ticket: ticket, Status: 200, Metered: provider.Metered{Usage: used, Reported: true}})
	}
	if err != nil {
		t.Fatal(err)
	}
	return a.Verdict, g.entries[len(g.entries)-1]
}

// Rules in shadow, and a whole candidate, say of each call what they would have done had they been enforced from the start: their counters
// hold what enforcement would have let through, not what went out.
func TestShadowsSayWhatEnforcementDoes(t *testing.T) {
	enforced := fmt.Sprintf(shadowRules, "")
	for name, shadow := range map[string]func() *gateway{
		"rules in shadow": func() *gateway { return newGateway(t, shadowHead+fmt.Sprintf(shadowRules, "mode: shadow, "), "") },
		"a candidate":     func() *gateway { return newGateway(t, shadowHead, shadowHead+enforced) },
	} {
		t.Run(name, func(t *testing.T) {
			inShadow, twin := shadow(), newGateway(t, shadowHead+enforced, "")
			seen := map[string]int{}
			for i, w := range wishes(4000, 7) {
				live, e := inShadow.serve(t, w)
				want, _ := twin.serve(t, w)
				if live.Action != sentinel.Allow {
					t.Fatalf("call %d: a shadow changed what became of it: %+v", i, live)
				}
				got := e.Shadow.Read()
				if want.Action == sentinel.Allow {
					if len(got) > 0 {
						t.Fatalf("call %d: %+v in shadow, enforcement allows", i, got)
					}
					continue
				}
				if len(got) != 1 || got[0].Action != want.Action || got[0].Reason != want.Reason || got[0].Limit != want.Limit || want.Action == sentinel.Downgrade && got[0].Model != want.Model {
					t.Fatalf("call %d: %+v in shadow, enforcement says %+v", i, got, want)
				}
				seen[fmt.Sprint(want.Action, " ", want.Reason, " ", got[0].Rule())]++
			}
			for _, kind := range []string{"downgrade budget_spent large models", "throttle rate_limited pace", "deny budget_spent everything", "deny policy by night"} {
				if seen[kind] < 20 {
					t.Errorf("%d calls met %q: the day tests too little: %v", seen[kind], kind, seen)
				}
			}
		})
	}
}

// What the limiter refuses in truth is refused in shadow, too, and no difference.
func TestShadowsAgreeWithWhatIsEnforced(t *testing.T) {
	g := newGateway(t, shadowHead+"policies: [{name: one a minute, limits: {requests: 1/minute}}, {name: s, mode: shadow, budget: {usd: 1000/day}}]\n", "")
	refused := 0
	for _, w := range wishes(200, 8) {
		if v, e := g.serve(t, w); e.Shadow != "" {
			t.Fatalf("%+v was %q in shadow", v, e.Shadow)
		} else if v.Action.Refused() {
			refused++
		}
	}
	if refused < 50 {
		t.Errorf("%d calls were refused: too few to tell", refused)
	}
}

// A candidate that lets through what is refused says so, and what did not go out is not counted.
func TestALooserCandidateLetsThrough(t *testing.T) {
	g := newGateway(t, shadowHead+"policies: [{name: few, limits: {requests: 10/day}}]\n", shadowHead+"policies: [{name: more, limits: {requests: 20/day}}]\n")
	let := 0
	for _, w := range wishes(100, 9) {
		v, e := g.serve(t, w)
		for _, s := range e.Shadow.Read() {
			if !v.Action.Refused() || s.Action != sentinel.Allow || s.Policy != g.state.Candidate.Policy.Version {
				t.Fatalf("%+v is %+v by the candidate", v, s)
			}
			let++
		}
	}
	if let != 90 {
		t.Errorf("the candidate lets %d of 90 refused calls through: the ten that went out leave it ten more", let)
	}
}

// The simulation of a record made beside shadows is that of the policy in force.
func TestShadowsDoNotChangeARecord(t *testing.T) {
	text := shadowHead + "policies: [{name: pace, match: {team: core}, limits: {requests: 12/minute}}, {name: s, mode: shadow, budget: {usd: 1/day}}]\n"
	g := newGateway(t, text, "")
	for _, w := range wishes(500, 10) {
		g.serve(t, w)
	}
	sim := simulate.New(compiled(t, text), nil)
	for _, e := range g.entries {
		if got, _, err := sim.Judge(t.Context(), &e); err != nil || got.Verdict.Action != e.Action || got.Cost != e.Cost {
			t.Fatalf("%s %s is simulated as %+v, %v", e.Action, e.Cost, got, err)
		}
	}
}
