package governor

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/pricing"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

type journal struct{ entries []sentinel.Entry }

func (j *journal) Append(_ context.Context, r sentinel.Record) error {
	if r.Entry != nil {
		j.entries = append(j.entries, *r.Entry)
	}
	return nil
}

var day = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// state compiles a policy with the given providers.
func state(t testing.TB, providers string) *State {
	t.Helper()
	catalog, err := pricing.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	set, err := policy.Compile(policy.File{Name: "p.yaml", Data: []byte(
		"org: acme\nbudget: {usd: 1000/day}\nteams: {t: {}}\nservices: {s: {team: t, identity: {token: svc_service}}}\nproviders:\n" + providers)},
		policy.Options{Presets: provider.Names()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewState(set, catalog)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSettleMarksAnswersOfAnotherModel(t *testing.T) {
	s := state(t, "  openai: {preset: openai, credential: vault:secret/openai#key}\n")
	// 1,000 input tokens: gpt-5 1.25 dollars a million, gpt-5-mini 0.25.
	for name, tt := range map[string]struct {
		sent, answered, method, version string
		cost                            sentinel.NanoUSD
	}{
		"a snapshot":      {"gpt-5-mini", "gpt-5-mini-2025-08-07", "", "openai/gpt-5-mini@2026-11-23", 250_000},
		"an unknown name": {"gpt-5-mini", "mini-five", "", "openai/gpt-5-mini@2026-11-23", 250_000},
		"a dearer model":  {"gpt-5-mini", "gpt-5", "other_model", "openai/gpt-5@2026-11-23", 1_250_000},
		"a cheaper model": {"gpt-5", "gpt-5-mini-2025-08-07", "other_model", "openai/gpt-5@2026-11-23", 1_250_000},
	} {
		g := New(Options{Journal: &journal{}, Limiter: &limiter{}, Now: func() time.Time { return day }}, s)
		call := sentinel.Call{ID: sentinel.NewCallID(day), At: day, Provider: "openai", Endpoint: "chat.completions", Model: tt.sent}
		e, err := g.Settle(t.Context(), Outcome{
			Ticket:  Ticket{Call: call, PolicyVersion: s.Policy.Version},
			Metered: provider.Metered{Usage: sentinel.Usage{sentinel.InputTokens: 1000}, Model: tt.answered, Reported: true}, Status: 200,
		})
		if err != nil || e.Cost != tt.cost || e.Method != tt.method || e.PriceVersion != tt.version {
			t.Errorf("%s: cost %d by %q of %s, %v; want %d by %q of %s", name, e.Cost, e.Method, e.PriceVersion, err, tt.cost, tt.method, tt.version)
		}
	}
}

// A deployment in a data zone costs what its zone's model costs, and its answers name that model without the zone.
func TestDeploymentsInAZoneAreAnsweredByTheirModel(t *testing.T) {
	s := state(t, "  az: {preset: azure-openai, host: acme.openai.azure.com, models: {our-chat: eu/gpt-5-mini}, credential: vault:secret/az#key}\n")
	at := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	for answered, want := range map[string]struct {
		version, method string
		cost            sentinel.NanoUSD
	}{
		"gpt-5-mini-2025-08-07": {"azure-openai/eu/gpt-5-mini@2026-11-29", "", 275_000}, // 1,000 × 0.275 dollars a million
		"gpt-5-2025-08-07":      {"azure-openai/eu/gpt-5@2026-11-29", "other_model", 1_375_000},
	} {
		g := New(Options{Journal: &journal{}, Limiter: &limiter{}, Now: func() time.Time { return at }}, s)
		e, err := g.Settle(t.Context(), Outcome{
			Ticket:  Ticket{Call: sentinel.Call{ID: sentinel.NewCallID(at), At: at, Provider: "az", Endpoint: "chat.completions", Model: "our-chat"}, PolicyVersion: s.Policy.Version},
			Metered: provider.Metered{Usage: sentinel.Usage{sentinel.InputTokens: 1000}, Model: answered, Reported: true}, Status: 200,
		})
		if err != nil || e.Cost != want.cost || e.Method != want.method || e.PriceVersion != want.version {
			t.Errorf("%s: cost %d by %q of %s, %v; want %+v", answered, e.Cost, e.Method, e.PriceVersion, err, want)
		}
	}
}

// What was agreed for a deployment by its own name stands before what was agreed for its model; answers, which name the model, are no other's.
func TestADeploymentHasAContractsPriceByItsOwnName(t *testing.T) {
	s := state(t, `
  az:
    preset: azure-openai
    host: acme.openai.azure.com
    models: {regional-chat: gpt-5-mini, zonal-chat: eu/gpt-5-mini, global-chat: gpt-5-mini}
    credential: vault:secret/az#key
    contract: {prices: {regional-chat: {input: "0.30", output: "2.40"}, zonal-chat: {input: "0.26", output: "2"}, gpt-5-mini: {input: "0.20", output: "1.60"}}}
`)
	at := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		sent, answered, priced, method string
		cost                           sentinel.NanoUSD // of 1,000 tokens
	}{
		"by its own name":                  {"regional-chat", "gpt-5-mini-2025-08-07", "az/regional-chat", "", 300_000},
		"by its own name, in a zone":       {"zonal-chat", "gpt-5-mini-2025-08-07", "az/zonal-chat", "", 260_000},
		"by its model's":                   {"global-chat", "gpt-5-mini-2025-08-07", "az/gpt-5-mini", "", 200_000},
		"by its own name, another's words": {"regional-chat", "gpt-5-2025-08-07", "openai/gpt-5", "other_model", 1_250_000},
	} {
		g := New(Options{Journal: &journal{}, Limiter: &limiter{}, Now: func() time.Time { return at }}, s)
		e, err := g.Settle(t.Context(), Outcome{
			Ticket:  Ticket{Call: sentinel.Call{ID: sentinel.NewCallID(at), At: at, Provider: "az", Endpoint: "chat.completions", Model: tt.sent}, PolicyVersion: s.Policy.Version},
			Metered: provider.Metered{Usage: sentinel.Usage{sentinel.InputTokens: 1000}, Model: tt.answered, Reported: true}, Status: 200,
		})
		if priced, _, _ := strings.Cut(e.PriceVersion, "@"); err != nil || e.Cost != tt.cost || e.Method != tt.method || priced != tt.priced {
			t.Errorf("%s: cost %d by %q of %s, %v; want %+v", name, e.Cost, e.Method, e.PriceVersion, err, tt)
		}
	}
}

func TestDeploymentsCostWhatTheirModelCosts(t *testing.T) {
	s := state(t, "  az: {preset: azure-openai, host: acme.openai.azure.com, models: {our-chat: gpt-5-mini}, credential: vault:secret/az#key}\n"+
		"  own: {preset: openai-compatible, host: llm.acme.example, priced_as: groq, credential: vault:secret/own#key}\n")
	for _, tt := range []struct{ route, model, version string }{
		{"az/chat.completions", "our-chat", "openai/gpt-5-mini@2026-11-23"},
		{"az/v1.chat.completions", "gpt-5", "openai/gpt-5@2026-11-23"},
		{"own/chat.completions", "llama-3.3-70b-versatile", "groq/llama-3.3-70b-versatile@2026-11-23"},
	} {
		route := s.Routes[tt.route]
		p, _, ok := s.price(&route, tt.model, &sentinel.Call{At: day})
		if !ok || p.Version != tt.version {
			t.Errorf("%s of %s: %v %v, want %s", tt.model, tt.route, p, ok, tt.version)
		}
	}
	if _, err := NewState(&policy.Set{Providers: []policy.Provider{{Name: "az", Preset: "azure-openai"}}}, nil); err == nil || !strings.Contains(err.Error(), "add host") {
		t.Errorf("a preset without a host: %v", err)
	}
}

// Whatever price list a project's settings choose where a request says auto, the call costs no more than what was held for it.
func TestAutoIsHeldAtTheDearestList(t *testing.T) {
	s := state(t, "  openai: {preset: openai, credential: vault:secret/openai#key}\n")
	route := s.Routes["openai/chat.completions"]
	held := func(tier, model string) bound {
		body := `{"model":"` + model + `","max_completion_tokens":1000,` + tier + `"messages":[]}`
		r := Request{State: s, Route: route, Call: sentinel.Call{At: day, Provider: "openai", Endpoint: "chat.completions"}, Raw: provider.RawRequest{ContentType: "application/json", Body: []byte(body)}}
		rq, err := route.Preset.ReadRequest(route.Endpoint, r.Raw)
		if err != nil {
			t.Fatal(err)
		}
		r.Call.Tier = rq.Tier
		b, ok := boundOf(&r, &rq, model)
		if !ok || rq.Tier != "" && rq.Tier != "priority" {
			t.Fatalf("%s is asked with tier %q, priced: %v", body, rq.Tier, ok)
		}
		return b
	}
	auto := held(`"service_tier":"auto",`, "gpt-5")
	for _, tier := range []string{"default", "flex", "priority"} {
		_, list, ok := s.price(&route, "gpt-5", &sentinel.Call{At: day, Tier: tier})
		if cost, err := list.Bound(auto.usage); !ok || err != nil || cost > auto.cost {
			t.Errorf("by %s it may cost %s, held are %s, %v", tier, cost, auto.cost, err)
		}
	}
	if usual := held(`"service_tier":"default",`, "gpt-5"); auto.cost < 19*usual.cost/10 { // priority is twice as dear; a prompt of other bytes is not as long
		t.Errorf("held are %s by auto, %s by default", auto.cost, usual.cost)
	}
	if auto, usual := held(`"service_tier":"auto",`, "gpt-5-nano"), held(`"service_tier":"default",`, "gpt-5-nano"); auto.usage[sentinel.OutputTokens] != 1000 || usual.cost == 0 || auto.cost > 2*usual.cost {
		t.Errorf("a model without priority is held at %s by auto, %s by default", auto.cost, usual.cost)
	}
}

// A project at the provider may give calls that name no price list a dearer one than the standard. Where the policy says so they are held at it, and booked at it unless
// their answer says otherwise.
func TestCallsWithoutATierAreHeldAtTheProvidersDefault(t *testing.T) {
	type wants struct {
		held    string // the dearest list that the hold covers
		booked  string // the tier of an answer that says nothing, as in a stream that is cut
		perMill sentinel.NanoUSD
	}
	for name, tt := range map[string]struct {
		set, asked, model string
		wants
	}{
		"nothing is said":                  {"", "", "gpt-5", wants{"default", "", 1_250_000}},
		"a dearer default":                 {"priority", "", "gpt-5", wants{"priority", "priority", 2_500_000}},
		"a cheaper default":                {"flex", "", "gpt-5", wants{"default", "flex", 625_000}},
		"auto with a default":              {"default", `"service_tier":"auto",`, "gpt-5", wants{"default", "default", 1_250_000}},
		"auto with a dearer default":       {"priority", `"service_tier":"auto",`, "gpt-5", wants{"priority", "priority", 2_500_000}},
		"auto without one":                 {"", `"service_tier":"auto",`, "gpt-5", wants{"priority", "", 1_250_000}},
		"another tier is asked":            {"priority", `"service_tier":"default",`, "gpt-5", wants{"default", "", 1_250_000}},
		"flex is asked":                    {"priority", `"service_tier":"flex",`, "gpt-5", wants{"flex", "flex", 625_000}},
		"a model that has not such a list": {"priority", "", "gpt-5-nano", wants{"default", "", 50_000}},
	} {
		t.Run(name, func(t *testing.T) {
			line := ""
			if tt.set != "" {
				line = ", default_tier: " + tt.set
			}
			s := state(t, "  openai: {preset: openai, credential: vault:secret/openai#key"+line+"}\n")
			route := s.Routes["openai/chat.completions"]
			raw := provider.RawRequest{ContentType: "application/json", Body: []byte(`{"model":"` + tt.model + `",` + tt.asked + `"max_completion_tokens":1000,"messages":[]}`)}
			rq, err := route.Preset.ReadRequest(route.Endpoint, raw)
			if err != nil {
				t.Fatal(err)
			}
			r := Request{State: s, Route: route, Raw: raw, Call: sentinel.Call{ID: sentinel.NewCallID(day), At: day, Provider: "openai", Endpoint: "chat.completions", Model: tt.model, Tier: rq.Tier}}
			r.Call.Demand = r.wanted(rq).Demand()
			b, ok := boundOf(&r, &rq, tt.model)
			_, list, known := s.price(&route, tt.model, &sentinel.Call{At: day, Tier: tt.held})
			if !ok || !known {
				t.Fatalf("priced: %v, %v", ok, known)
			}
			if want, err := list.Bound(b.usage); err != nil || b.cost != want {
				t.Errorf("held are %s, want %s, %v", b.cost, want, err)
			}
			g := New(Options{Journal: &journal{}, Limiter: &limiter{}, Now: func() time.Time { return day }}, s)
			e, err := g.Settle(t.Context(), Outcome{
				Ticket:  Ticket{Call: r.Call, PriceVersion: b.price.Version, PolicyVersion: s.Policy.Version, TierOpen: rq.TierOpen},
				Metered: provider.Metered{Usage: sentinel.Usage{sentinel.InputTokens: 1000}, Reported: true}, Status: 200,
			})
			if err != nil || e.Cost != tt.perMill || e.Tier != tt.booked || e.Method != "" {
				t.Errorf("booked %s by %q, %q, %v; want %s by %q", e.Cost, e.Tier, e.Method, err, tt.perMill, tt.booked)
			}
			stays(t, s, e)
			for _, answered := range []string{e.Tier, "flex", "priority"} { // the record has what the answer says
				recorded := e.Call
				recorded.Tier = answered
				j, err := g.Judge(t.Context(), nil, &recorded)
				held, known := s.Held(&recorded)
				if err != nil || !known || len(j.Ask.Candidates) != 1 {
					t.Fatalf("judged again: %+v, %v", j, err)
				}
				again := sentinel.NanoUSD(j.Ask.Candidates[0].Bound[sentinel.MeasureCost])
				if said := sentinel.NanoUSD(held[sentinel.MeasureCost]); again != b.cost || said != b.cost {
					t.Errorf("booked by %q and judged again it is held at %s (%s), in truth at %s", answered, again, said, b.cost)
				}
			}
		})
	}
}

// A call that went by the project's dearer list, and that another policy sends to a model without such a list, costs the standard one there, as it would in truth. One that
// asked for its list by name has no price there.
func TestACallThatNamedNoListHasAPriceAtAModelWithoutIt(t *testing.T) {
	s := state(t, "  openai: {preset: openai, credential: vault:secret/openai#key, default_tier: priority}\n")
	for list, want := range map[string]sentinel.NanoUSD{sentinel.ListUnnamed: 50_000, sentinel.ListAuto: 50_000, "priority": 0} {
		e := sentinel.Entry{Usage: sentinel.Usage{sentinel.InputTokens: 1000}, Call: sentinel.Call{
			ID: sentinel.NewCallID(day), At: day, Provider: "openai", Endpoint: "chat.completions", Model: "gpt-5", Tier: "priority", Demand: sentinel.Wanted{Choices: 1, List: list}.Demand(),
		}}
		if here, err := s.At(e, "gpt-5"); err != nil || here != 2_500_000 {
			t.Errorf("with %q it costs %s where it was, %v", list, here, err)
		}
		if there, err := s.At(e, "gpt-5-nano"); there != want || errors.Is(err, ErrNoPrice) != (want == 0) {
			t.Errorf("with %q it costs %s at a model without priority, %v; want %s", list, there, err, want)
		}
	}
}

func TestSettlePricesTheTierThatApplied(t *testing.T) {
	s := state(t, "  openai: {preset: openai, credential: vault:secret/openai#key}\n")
	// 1,000 input tokens of gpt-5: 1.25 dollars a million, 2.50 with priority, 0.625 with flex.
	for name, tt := range map[string]struct {
		asked, answered, tier, method string
		cost                          sentinel.NanoUSD
	}{
		"standard":             {"", "default", "default", "", 1_250_000},
		"as asked":             {"priority", "", "priority", "", 2_500_000},
		"priority, not served": {"priority", "default", "default", "", 1_250_000},
		"flex by the project":  {"", "flex", "flex", "", 625_000},
		"a tier without price": {"priority", "scale", "priority", "unpriced_tier", 2_500_000},
	} {
		t.Run(name, func(t *testing.T) {
			j := &journal{}
			g := New(Options{Journal: j, Limiter: &limiter{}, Now: func() time.Time { return day }}, s)
			call := sentinel.Call{ID: sentinel.NewCallID(day), At: day, Provider: "openai", Endpoint: "chat.completions", Model: "gpt-5", Tier: tt.asked}
			e, err := g.Settle(t.Context(), Outcome{
				Ticket:  Ticket{Call: call, PriceVersion: "openai/gpt-5@2026-11-23", PolicyVersion: s.Policy.Version},
				Metered: provider.Metered{Usage: sentinel.Usage{sentinel.InputTokens: 1000}, Tier: tt.answered, Reported: true}, Status: 200,
			})
			if err != nil || e.Cost != tt.cost || e.Tier != tt.tier || e.Method != tt.method {
				t.Errorf("cost %d of tier %q by %q, %v; want %d of %q by %q", e.Cost, e.Tier, e.Method, err, tt.cost, tt.tier, tt.method)
			}
			if len(j.entries) != 1 || j.entries[0].Cost != tt.cost {
				t.Errorf("booked %v", j.entries)
			}
			stays(t, s, e)
		})
	}
}

// Under a contract some lists of a model are agreed and others published: each answer costs what its own list says, whichever the call asked for.
func TestSettlePricesTheTierThatAppliedUnderAContract(t *testing.T) {
	s := state(t, `
  openai:
    preset: openai
    credential: vault:secret/openai#key
    contract:
      discount: 20%
      models: [{model: gpt-5, rates: {input: 1, output: 5}, lists: [{tier: batch, rates: {input: 0.4, output: 2}}]}]
`)
	agreed := "openai/gpt-5@policy-" + s.Policy.Version
	const published = "openai/gpt-5@2026-11-23"
	// 1,000 input tokens: agreed 1 dollar a million and 0.40 in batches; published less a fifth 2 with priority, and 0.50 with flex.
	for name, tt := range map[string]struct {
		asked, admitted, answered, tier, version, method string
		cost                                             sentinel.NanoUSD
	}{
		"published, served by the agreed one": {"priority", published, "default", "default", agreed, "", 1_000_000},
		"agreed, served by the published one": {"", agreed, "priority", "priority", published, "", 2_000_000},
		"both published":                      {"priority", published, "flex", "flex", published, "", 500_000},
		"both agreed":                         {"batch", agreed, "default", "default", agreed, "", 1_000_000},
		"a list that nobody knows":            {"priority", published, "scale", "priority", published, "unpriced_tier", 2_000_000},
	} {
		t.Run(name, func(t *testing.T) {
			g := New(Options{Journal: &journal{}, Limiter: &limiter{}, Now: func() time.Time { return day }}, s)
			call := sentinel.Call{ID: sentinel.NewCallID(day), At: day, Provider: "openai", Endpoint: "chat.completions", Model: "gpt-5", Tier: tt.asked}
			e, err := g.Settle(t.Context(), Outcome{
				Ticket:  Ticket{Call: call, PriceVersion: tt.admitted, PolicyVersion: s.Policy.Version},
				Metered: provider.Metered{Usage: sentinel.Usage{sentinel.InputTokens: 1000}, Tier: tt.answered, Model: "gpt-5-2025-08-07", Reported: true}, Status: 200,
			})
			if err != nil || e.Cost != tt.cost || e.Tier != tt.tier || e.PriceVersion != tt.version || e.Method != tt.method {
				t.Errorf("cost %d of tier %q under %s by %q, %v; want %+v", e.Cost, e.Tier, e.PriceVersion, e.Method, err, tt)
			}
			stays(t, s, e)
		})
	}
}

// An answer that nobody could read costs what was held for it, whoever books it: the gateway, and the reconciler where the gateway went away.
func TestAnUnreadAnswerCostsItsBound(t *testing.T) {
	s := state(t, "  anthropic: {preset: anthropic, credential: vault:secret/a#key}\n")
	route := s.Routes["anthropic/messages"]
	for name, metered := range map[string]func(*Ticket) provider.Metered{
		"unseen": Unseen,
		"compressed": func(ticket *Ticket) provider.Metered {
			encoding := map[string]string{"content-encoding": "gzip"}
			m := route.Preset.NewMeter(provider.MeterSpec{Endpoint: route.Endpoint, Status: 200, Bound: ticket.Bound, ContentType: "application/json", Header: func(n string) string { return encoding[n] }})
			return m.Finish(true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			j, l := &journal{}, &limiter{}
			g := New(Options{Journal: j, Limiter: l, Now: func() time.Time { return day }}, s)
			a, err := g.Admit(t.Context(), Request{State: s, Route: route, Call: sentinel.Call{
				ID: sentinel.NewCallID(day), At: day, Caller: sentinel.Caller{Org: "acme", Team: "platform", Service: "app"}, Provider: "anthropic", Endpoint: "messages",
			}, Raw: provider.RawRequest{Path: "/v1/messages", Body: []byte(`{"model":"claude-sonnet-4-5","max_tokens":1000,"messages":[{"role":"user","content":"hello"}]}`)}})
			if err != nil || a.Verdict.Action.Refused() {
				t.Fatal(a.Verdict, err)
			}
			held := l.asks[0].Candidates[0].Bound[sentinel.MeasureCost]
			_, list, _ := s.price(&route, a.Ticket.Call.Model, &a.Ticket.Call)
			if usual, err := list.Cost(a.Ticket.Bound); err != nil || held <= int64(usual) {
				t.Fatalf("%d are held for what usually costs %d, %v: tokens written to the cache cost more", held, usual, err)
			}
			e, err := g.Settle(t.Context(), Outcome{Ticket: a.Ticket, Metered: metered(&a.Ticket), Status: 200})
			if err != nil || int64(e.Cost) != held || e.Method != methodBound || l.settled[0].Actual[sentinel.MeasureCost] != held {
				t.Errorf("booked %d by %q, %v, settled %d; held were %d", e.Cost, e.Method, err, l.settled[0].Actual[sentinel.MeasureCost], held)
			}
			stays(t, s, e)
			if again, _, err := s.Reprice(e); err != nil || again != e.Cost {
				t.Errorf("compared with other prices it costs %d, %v; want %d", again, err, e.Cost)
			}
		})
	}
}

// What is booked stays where its price is gone, or is that of a model whose name the ledger has not; what was let through for want of a price has the one that is known now.
func TestRerateMakesNothingFree(t *testing.T) {
	priced := state(t, "  openai: {preset: openai, credential: vault:secret/openai#key}\n")
	alert := state(t, "  openai: {preset: openai, credential: vault:secret/openai#key}\ndefaults: {unpriced: alert}\n")
	for name, tt := range map[string]struct {
		s               *State
		model, version  string
		method          string
		booked, rerated sentinel.NanoUSD
		keep            bool
	}{
		"no price now":               {priced, "gpt-99", "openai/gpt-99@2025-01-01", "", 7, 0, true},
		"no price now, with alert":   {alert, "gpt-99", "openai/gpt-99@2025-01-01", "", 7, 0, true},
		"never priced":               {alert, "gpt-99", sentinel.VersionUnpriced, "", 0, 0, false},
		"priced since":               {alert, "gpt-5", sentinel.VersionUnpriced, "", 0, 1_250_000, false},
		"a dearer model's answer":    {priced, "gpt-5-mini", "openai/gpt-5@2026-11-23", methodOtherModel, 1_250_000, 0, true},
		"a cheaper model's answer":   {priced, "gpt-5", "openai/gpt-5@2026-11-23", methodOtherModel, 1_250_000, 1_250_000, false},
		"another price at that time": {priced, "gpt-5", "openai/gpt-5@2026-01-01", "", 1_000_000, 1_250_000, false},
	} {
		e := sentinel.Entry{
			Call:  sentinel.Call{At: day, Provider: "openai", Endpoint: "responses", Model: tt.model},
			Usage: sentinel.Usage{sentinel.InputTokens: 1000}, Cost: tt.booked, PriceVersion: tt.version, Method: tt.method, Source: sentinel.SourceMeter,
		}
		if cost, _, err := tt.s.Rerate(e); errors.Is(err, ErrNoPrice) != tt.keep || !tt.keep && err != nil || cost != tt.rerated {
			t.Errorf("%s: %d, %v; want %d, or what is booked: %t", name, cost, err, tt.rerated, tt.keep)
		}
	}
}

// A batch names its model in every one of its requests: it is refused where its model does not fit, not sent for another.
func TestABatchHasNoCheaperModel(t *testing.T) {
	s := state(t, "  anthropic: {preset: anthropic, credential: vault:secret/a#key}\npolicies:\n"+
		"  - {name: r, match: {model: claude-opus-4-5}, budget: {usd: 1/day}, on_exceed: [{downgrade: [claude-haiku-4-5]}]}\n")
	for fixed, want := range map[bool]int{false: 2, true: 1} {
		rq := provider.Request{Model: "claude-opus-4-5", Choices: 1, Fixed: fixed, Bound: sentinel.Usage{sentinel.InputTokens: 10}}
		r := Request{State: s, Route: s.Routes["anthropic/batches.create"], Call: sentinel.Call{At: day, Provider: "anthropic", Model: rq.Model, Caller: sentinel.Caller{Org: "acme", Team: "t", Service: "s"}}}
		if c, ok := New(Options{}, s).candidates(&r, &rq); !ok || len(c.options) != want {
			t.Errorf("fixed %v: %d candidates, %v; want %d", fixed, len(c.options), ok, want)
		}
	}
}

// A class that a model's price list does not have must not be free.
func TestSearchesWithoutAPriceAreUnpriced(t *testing.T) {
	s := state(t, "  openai: {preset: openai, credential: vault:secret/openai#key}\n")
	rq := provider.Request{Choices: 1, Bound: sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: 10, sentinel.OutputTokens: 10, sentinel.WebSearches: 2}}
	for model, want := range map[string]bool{"gpt-5": true, "gpt-oss-120b": false} {
		r := Request{State: s, Route: s.Routes["openai/responses"], Call: sentinel.Call{At: day}}
		if _, ok := boundOf(&r, &rq, model); ok != want {
			t.Errorf("a search by %s is priced: %v, want %v", model, ok, want)
		}
	}
}
