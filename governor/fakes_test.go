package governor_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/pricing"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// now is the one moment of these tests.
var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// effects notes what happened outside, in order.
type effects struct {
	mu   sync.Mutex
	list []string
}

func (e *effects) note(what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, what)
}

// limiter answers as it was told; without words of its own it holds the first candidate.
type limiter struct {
	*effects
	answer      func(sentinel.Ask) (sentinel.Reservation, error)
	settleFault error
	asks        []sentinel.Ask
	settled     []sentinel.Settlement
	settleCtx   error // of the context of the last settlement
}

func (l *limiter) Reserve(_ context.Context, a sentinel.Ask) (sentinel.Reservation, error) {
	l.note("reserve")
	l.asks = append(l.asks, a)
	if l.answer == nil {
		return sentinel.Reservation{Hold: "hold"}, nil
	}
	return l.answer(a)
}

func (l *limiter) Settle(ctx context.Context, s sentinel.Settlement) (sentinel.Settled, error) {
	l.note("settle")
	seen := slices.ContainsFunc(l.settled, func(o sentinel.Settlement) bool { return o.Call == s.Call })
	l.settled, l.settleCtx = append(l.settled, s), ctx.Err()
	return sentinel.Settled{Duplicate: seen}, l.settleFault
}

// journal keeps records, or fails.
type journal struct {
	*effects
	fault   error
	intents []sentinel.Intent
	entries []sentinel.Entry
}

func (j *journal) Append(_ context.Context, r sentinel.Record) error {
	if j.fault != nil {
		j.note("no journal")
		return j.fault
	}
	if r.Intent != nil {
		j.note("intent")
		j.intents = append(j.intents, *r.Intent)
	} else {
		j.note("entry")
		j.entries = append(j.entries, *r.Entry)
	}
	return nil
}

// world is a governor between its fakes, with real rules and real prices.
type world struct {
	*testing.T
	*governor.Governor
	effects effects
	limiter limiter
	journal journal
}

const house = `org: acme
teams: {core: {budget: {usd: 100/day}}, free: {}}
services:
  app: {team: core, identity: {token: svc_app_1234}}
  loose: {team: free, identity: {token: svc_loose_1234}}
providers:
  openai: {preset: openai, credential: "vault:secret/openai#api_key"}
  stripe: {preset: stripe, credential: "vault:secret/stripe#api_key"}
  weather:
    host: api.weather.example
    credential: {vault: "secret/weather#key", header: x-api-key}
    endpoints:
      - {name: forecast, method: GET, path: "/v1/forecast/{city}", price: {per_request_usd: 0.10}}
`

func compile(t testing.TB, text string) *governor.State {
	t.Helper()
	catalog, err := pricing.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	set, err := policy.Compile(policy.File{Name: "policies.yaml", Data: []byte(text)}, policy.Options{Presets: provider.Names()})
	if err != nil {
		t.Fatal(err)
	}
	state, err := governor.NewState(set, catalog)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func newWorld(t *testing.T, rules string) *world {
	t.Helper()
	w := &world{T: t}
	w.limiter.effects, w.journal.effects = &w.effects, &w.effects
	w.Governor = governor.New(governor.Options{
		Limiter: &w.limiter, Journal: &w.journal, Instance: "boot-1", HoldTTL: time.Minute,
		Now: func() time.Time { return now.Add(3 * time.Second) },
	}, compile(t, house+rules))
	return w
}

// request is a call of a service to a route, under the current state.
func (w *world) request(service, route, body string) governor.Request {
	w.Helper()
	s := w.State()
	r, ok := s.Routes[route]
	if !ok {
		w.Fatalf("no route %s", route)
	}
	caller, ok := s.Policy.CallerByToken("svc_" + service + "_1234")
	if !ok {
		w.Fatalf("no service %s", service)
	}
	return governor.Request{State: s, Route: r,
		Call: sentinel.Call{ID: sentinel.NewCallID(now), At: now, Caller: caller, Provider: r.Provider.Name, Endpoint: r.Endpoint.Name},
		Raw:  provider.RawRequest{Path: strings.ReplaceAll(r.Endpoint.Path, "{city}", "lima"), ContentType: "application/json", Body: []byte(body)},
	}
}

func (w *world) admit(r governor.Request) governor.Admission {
	w.Helper()
	a, err := w.Admit(w.Context(), r)
	if err != nil {
		w.Fatalf("Admit: %v", err)
	}
	return a
}

// happened compares the effects outside with what they must be, and forgets them.
func (w *world) happened(want ...string) {
	w.Helper()
	if !slices.Equal(w.effects.list, want) {
		w.Errorf("it did %q, want %q", w.effects.list, want)
	}
	w.effects.list = nil
}

const (
	chat  = "openai/chat.completions"
	large = `{"model":"gpt-5","max_completion_tokens":1000,"messages":[{"role":"user","content":"hello"}]}`
)
