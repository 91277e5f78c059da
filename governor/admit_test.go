package governor_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

func TestIntentIsDurableBeforeTheCallGoes(t *testing.T) {
	w := newWorld(t, "")
	r := w.request("app", chat, large)
	a := w.admit(r)
	w.happened("reserve", "intent")
	if a.Verdict.Action != sentinel.Allow || a.Body != nil || a.Path != "/v1/chat/completions" {
		t.Errorf("the call was changed: %+v, body %q", a.Verdict, a.Body)
	}
	in := w.journal.intents[0]
	// The bound: a token has at least a byte; 1.25 and 10 dollars a million tokens.
	bytes := int64(len(large))
	if want := sentinel.NanoUSD(bytes*1250 + 1000*10_000); in.BoundCost != want || in.Bound[sentinel.InputTokens] != bytes || in.Bound[sentinel.OutputTokens] != 1000 {
		t.Errorf("the bound is %v for %s, want %s", in.Bound, in.BoundCost, want)
	}
	if in.Hold != "hold" || in.Asked != "gpt-5" || in.Instance != "boot-1" || in.PolicyVersion != r.State.Policy.Version || !strings.HasPrefix(in.PriceVersion, "openai/gpt-5@") {
		t.Errorf("the intent says %+v", in)
	}
	ask := w.limiter.asks[0]
	if ask.Org != "acme" || ask.Call != r.Call.ID || ask.TTL != time.Minute || len(ask.Candidates) != 1 {
		t.Errorf("the limiter was asked %+v", ask)
	}
	if b := ask.Candidates[0].Bound; b[sentinel.MeasureCost] != int64(in.BoundCost) || b[sentinel.MeasureTokens] != bytes+1000 || b[sentinel.MeasureRequests] != 1 || b[sentinel.MeasureConcurrent] != 1 {
		t.Errorf("the limiter was asked to hold %v", b)
	}
	if k := a.Ticket; k.Call != in.Call || k.Hold != in.Hold || k.PriceVersion != in.PriceVersion || k.PolicyVersion != in.PolicyVersion {
		t.Errorf("the ticket %+v is not the intent's %+v", k, in)
	}
}

func TestWhatNothingLimitsAsksNoLimiter(t *testing.T) {
	w := newWorld(t, "")
	w.admit(w.request("loose", "weather/forecast", ""))
	w.happened("intent")
	if in := w.journal.intents[0]; in.BoundCost != sentinel.USD/10 || in.Hold != "" {
		t.Errorf("the intent says %+v", in)
	}
}

func TestCallWithoutADurableIntentDoesNotGoAndGivesItsHoldBack(t *testing.T) {
	w := newWorld(t, "")
	w.journal.fault = errors.New("disk full")
	ctx, cancel := context.WithCancel(t.Context())
	w.limiter.answer = func(sentinel.Ask) (sentinel.Reservation, error) {
		cancel() // the client hangs up meanwhile
		return sentinel.Reservation{Hold: "hold"}, nil
	}
	_, err := w.Admit(ctx, w.request("app", chat, large))
	if !errors.Is(err, governor.ErrJournal) || !errors.Is(err, w.journal.fault) {
		t.Errorf("Admit = %v, want %v", err, governor.ErrJournal)
	}
	w.happened("reserve", "no journal", "settle")
	if s := w.limiter.settled[0]; s.Hold != "hold" || s.Actual != (sentinel.Amounts{}) || w.limiter.settleCtx != nil {
		t.Errorf("the hold was given back as %+v, context %v", s, w.limiter.settleCtx)
	}
}

// denial is an answer in which one limit refuses.
func denial(l sentinel.Limit, retry time.Duration) func(sentinel.Ask) (sentinel.Reservation, error) {
	return func(sentinel.Ask) (sentinel.Reservation, error) {
		return sentinel.Reservation{Chosen: -1, Denials: []sentinel.Denial{{Limit: &l, RetryAfter: retry}}}, nil
	}
}

func TestEveryRefusalHasItsReasonAndNoEffect(t *testing.T) {
	for name, tt := range map[string]struct {
		rules  string
		body   string
		answer func(sentinel.Ask) (sentinel.Reservation, error)
		action sentinel.Action
		reason sentinel.Reason
		asked  bool
	}{
		"not JSON":            {body: "{", action: sentinel.Deny, reason: sentinel.ReasonBadRequest},
		"a key twice":         {body: `{"model":"gpt-5","model":"gpt-5-nano"}`, action: sentinel.Deny, reason: sentinel.ReasonBadRequest},
		"no model":            {body: `{"messages":[]}`, action: sentinel.Deny, reason: sentinel.ReasonBadRequest},
		"a model that splits": {body: `{"model":"gpt-5\u001fx"}`, action: sentinel.Deny, reason: sentinel.ReasonBadRequest},
		"unpriced":            {body: `{"model":"gpt-99"}`, action: sentinel.Deny, reason: sentinel.ReasonUnpriced},
		"a pace":              {body: large, answer: denial(sentinel.Limit{Kind: sentinel.Rate}, time.Second), action: sentinel.Throttle, reason: sentinel.ReasonRate, asked: true},
		"never fits a pace":   {body: large, answer: denial(sentinel.Limit{Kind: sentinel.Rate}, 0), action: sentinel.Deny, reason: sentinel.ReasonRate, asked: true},
		"too many at once":    {body: large, answer: denial(sentinel.Limit{Kind: sentinel.Concurrent, Measure: sentinel.MeasureConcurrent}, time.Second), action: sentinel.Throttle, reason: sentinel.ReasonConcurrency, asked: true},
		"a quota":             {body: large, answer: denial(sentinel.Limit{Kind: sentinel.Window}, time.Hour), action: sentinel.Deny, reason: sentinel.ReasonQuota, asked: true},
		"a budget":            {body: large, answer: denial(sentinel.Limit{Kind: sentinel.Window, Measure: sentinel.MeasureCost}, time.Hour), action: sentinel.Deny, reason: sentinel.ReasonBudget, asked: true},
		"no limit is named": {body: large, asked: true, action: sentinel.Deny, reason: sentinel.ReasonLimiterUnavailable,
			answer: func(sentinel.Ask) (sentinel.Reservation, error) { return sentinel.Reservation{Chosen: -1}, nil }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tt.rules)
			w.limiter.answer = tt.answer
			a := w.admit(w.request("app", chat, tt.body))
			if a.Verdict.Action != tt.action || a.Verdict.Reason != tt.reason || a.Verdict.Detail == "" {
				t.Errorf("the verdict is %+v, want %s for %s, with a sentence", a.Verdict, tt.action, tt.reason)
			}
			if tt.asked {
				w.happened("reserve")
			} else {
				w.happened()
			}
			if a.Ticket.Action != tt.action || a.Ticket.Reason != tt.reason || a.Ticket.Hold != "" {
				t.Errorf("the ticket of the refusal is %+v", a.Ticket)
			}
			if err := w.Refuse(t.Context(), a.Ticket, 429); err != nil {
				t.Fatal(err)
			}
			e := w.journal.entries[0]
			if e.Status != 429 || e.Reason != tt.reason || e.Cost != 0 || e.Usage != (sentinel.Usage{}) || e.Estimated() || e.Source != sentinel.SourceMeter || e.Duration != 3*time.Second {
				t.Errorf("the refusal is booked as %+v", e)
			}
		})
	}
}

func TestRefusalThatCannotBeBookedSaysSo(t *testing.T) {
	w := newWorld(t, "")
	w.journal.fault = errors.New("disk full")
	if err := w.Refuse(t.Context(), governor.Ticket{}, 400); !errors.Is(err, w.journal.fault) {
		t.Errorf("Refuse = %v", err)
	}
}

func TestLimiterThatCannotBeReached(t *testing.T) {
	const pace = "policies: [{name: pace, limits: {requests: 5/minute}}]\n"
	const softly = "policies: [{name: softly, budget: {usd: 1/day, mode: soft}}]\n"
	for name, tt := range map[string]struct {
		rules, service string
		closed         bool
	}{
		"a hard budget is closed":           {"", "app", true},
		"a pace is open":                    {pace, "loose", false},
		"a soft budget is open":             {softly, "loose", false},
		"a pace that is declared closed":    {"defaults: {when_redis_is_down: {rates: closed}}\n" + pace, "loose", true},
		"a soft budget beside closed paces": {"defaults: {when_redis_is_down: {rates: closed}}\n" + softly, "loose", false},
		"a hard budget, declared open":      {"defaults: {when_redis_is_down: {hard_budgets: open}}\n", "app", false},
		"the strictest of several decides":  {pace, "app", true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tt.rules)
			fault := errors.New("connection refused")
			w.limiter.answer = func(sentinel.Ask) (sentinel.Reservation, error) { return sentinel.Reservation{}, fault }
			a := w.admit(w.request(tt.service, chat, large))
			if tt.closed {
				w.happened("reserve")
				if a.Verdict.Action != sentinel.Deny || a.Verdict.Reason != sentinel.ReasonLimiterUnavailable || !errors.Is(a.Cause, fault) {
					t.Errorf("the verdict is %+v for %v", a.Verdict, a.Cause)
				}
				return
			}
			w.happened("reserve", "intent")
			if a.Verdict.Action != sentinel.Allow || a.Ticket.Hold != "" || !errors.Is(a.Cause, fault) {
				t.Errorf("the verdict is %+v, hold %q, cause %v; want it allowed without a hold, and the cause told", a.Verdict, a.Ticket.Hold, a.Cause)
			}
		})
	}
}

func TestUnpricedCallsAreNeverFreeUnlessThePolicySaysSo(t *testing.T) {
	const body = `{"model":"gpt-99","max_completion_tokens":5,"messages":[]}`
	for name, tt := range map[string]struct {
		rules, version string
		cost           sentinel.NanoUSD
	}{
		"a flat price": {"defaults: {unpriced: {flat_usd: 0.01}}\n", "unpriced@flat", 10_000_000},
		"an alert":     {"defaults: {unpriced: alert}\n", "unpriced@alert", 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tt.rules)
			a := w.admit(w.request("app", chat, body))
			in := w.journal.intents[0]
			if a.Verdict.Action != sentinel.Allow || in.PriceVersion != tt.version || in.BoundCost != tt.cost {
				t.Errorf("%+v with the price %s for %s; want %s for %s", a.Verdict, in.PriceVersion, in.BoundCost, tt.version, tt.cost)
			}
		})
	}
}

const cheaper = `policies:
  - {name: large, match: {model: "gpt-5"}, budget: {usd: 1/day}, on_exceed: [{downgrade: [gpt-99, gpt-5-mini, gpt-5-nano]}]}
`

func TestDowngradeSendsTheModelThatWasHeld(t *testing.T) {
	w := newWorld(t, cheaper)
	w.limiter.answer = func(a sentinel.Ask) (sentinel.Reservation, error) {
		return sentinel.Reservation{Chosen: 2, Hold: "hold", Denials: []sentinel.Denial{
			{Limit: &sentinel.Limit{Name: "policy large", Kind: sentinel.Window, Measure: sentinel.MeasureCost}}, {Limit: &sentinel.Limit{}},
		}}, nil
	}
	a := w.admit(w.request("app", chat, large))
	w.happened("reserve", "intent")
	var models []string
	for _, c := range w.limiter.asks[0].Candidates {
		models = append(models, c.Model)
	}
	if got := strings.Join(models, " "); got != "gpt-5 gpt-5-mini gpt-5-nano" { // gpt-99 has no price: it cannot stand in
		t.Errorf("the candidates are %s", got)
	}
	if first, last := w.limiter.asks[0].Candidates[0], w.limiter.asks[0].Candidates[2]; len(last.Limits) >= len(first.Limits) || last.Bound[sentinel.MeasureCost] >= first.Bound[sentinel.MeasureCost] {
		t.Errorf("the cheapest candidate asks for %+v, the first for %+v", last, first)
	}
	if a.Verdict.Action != sentinel.Downgrade || a.Verdict.Reason != sentinel.ReasonBudget || a.Verdict.Model != "gpt-5-nano" {
		t.Errorf("the verdict is %+v", a.Verdict)
	}
	if want := strings.Replace(large, "gpt-5", "gpt-5-nano", 1); string(a.Body) != want {
		t.Errorf("the body is %s, want %s", a.Body, want)
	}
	in := w.journal.intents[0]
	if in.Model != "gpt-5-nano" || in.Asked != "gpt-5" || !strings.HasPrefix(in.PriceVersion, "openai/gpt-5-nano@") || in.BoundCost != sentinel.NanoUSD(w.limiter.asks[0].Candidates[2].Bound[sentinel.MeasureCost]) {
		t.Errorf("the intent says %+v", in)
	}
}

func TestADowngradedRequestFitsItsModel(t *testing.T) {
	w := newWorld(t, strings.Replace(cheaper, "gpt-99, gpt-5-mini, gpt-5-nano", "gpt-3.5-turbo", 1))
	w.limiter.answer = func(sentinel.Ask) (sentinel.Reservation, error) {
		return sentinel.Reservation{Chosen: 1, Hold: "hold"}, nil
	}
	a := w.admit(w.request("app", chat, `{"model":"gpt-5","reasoning_effort":"low","max_completion_tokens":100000,"messages":[]}`))
	if want := `{"model":"gpt-3.5-turbo","max_completion_tokens":4096,"messages":[]}`; a.Verdict.Action != sentinel.Downgrade || string(a.Body) != want {
		t.Errorf("%s, and the body is %s, want %s", a.Verdict.Action, a.Body, want)
	}
}

func TestCandidatesAreBounded(t *testing.T) {
	w := newWorld(t, `policies:
  - {name: many, match: {model: gpt-5}, budget: {usd: 1/day}, on_exceed: [{downgrade: [gpt-5-mini, gpt-5-nano, gpt-4o, gpt-4o-mini]}]}
  - {name: more, match: {model: gpt-5}, budget: {usd: 1/day}, on_exceed: [{downgrade: [gpt-4.1, gpt-4.1-mini, gpt-4.1-nano, gpt-5.1, gpt-4]}]}
`)
	w.admit(w.request("app", chat, large))
	if n := len(w.limiter.asks[0].Candidates); n != 8 {
		t.Errorf("%d candidates, want the asked one and 7 more", n)
	}
}

func TestBoundOfAnUnboundedAnswerIsTheModelsOwn(t *testing.T) {
	for name, tt := range map[string]struct {
		rules, body string
		want        int64 // output tokens that are held
	}{
		"three answers":               {"", `{"model":"gpt-5-mini","n":3,"messages":[]}`, 3 * 128_000},
		"a stream":                    {"", `{"model":"gpt-5-mini","stream":true,"messages":[]}`, 128_000},
		"a stream of a model unknown": {"defaults: {unpriced: alert}\n", `{"model":"gpt-99","stream":true,"messages":[]}`, 272_000},
		"two answers at a flat price": {"defaults: {unpriced: {flat_usd: 0.01}}\n", `{"model":"gpt-99","stream":true,"n":2,"messages":[]}`, 2 * 272_000},
	} {
		w := newWorld(t, tt.rules)
		w.admit(w.request("app", chat, tt.body))
		if got := w.journal.intents[0].Bound[sentinel.OutputTokens]; got != tt.want {
			t.Errorf("%s without a bound: %d tokens are held, want %d", name, got, tt.want)
		}
		if w.State().Policy.WhenLimiterDown.HardBudgets != policy.DownClosed {
			t.Error("hard budgets are not closed by default")
		}
	}
}

func TestWithoutTheLimiterLocalLimitsGetTheirShare(t *testing.T) {
	w := newWorld(t, "defaults: {when_redis_is_down: {hard_budgets: local, local_share: 25%}}\n")
	w.limiter.answer = func(sentinel.Ask) (sentinel.Reservation, error) {
		return sentinel.Reservation{}, errors.New("nobody there")
	}
	chosen := 0
	w.Without = func(a sentinel.Ask, local func(sentinel.Limit) bool, share int64) sentinel.Reservation {
		pace := sentinel.Limit{Kind: sentinel.Rate}
		if !local(a.Candidates[0].Limits[0]) || local(pace) || share != 2500 {
			t.Errorf("budget local: %v, pace local: %v, share %d; want true, false, 2500", local(a.Candidates[0].Limits[0]), local(pace), share)
		}
		return sentinel.Reservation{Chosen: chosen, Hold: "local"}
	}
	if a := w.admit(w.request("app", chat, large)); a.Verdict.Action != sentinel.Allow || a.Ticket.Hold != "local" || a.Cause == nil {
		t.Errorf("a call within the share got %+v", a)
	}
	chosen = -1
	if a := w.admit(w.request("app", chat, large)); a.Verdict.Action != sentinel.Deny || a.Verdict.Reason != sentinel.ReasonLimiterUnavailable {
		t.Errorf("a call past the share got %+v", a.Verdict)
	}
}

// A limiter that takes its time does not make the wait longer: it is asked again and again for a slot.
func TestAWaitHasTheLimitersOwnTimeInIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "policies:\n  - {name: slots, match: {service: app}, limits: {concurrent: 1}, on_exceed: [{delay: 1500ms}, throttle]}\n")
		w.limiter.answer = func(a sentinel.Ask) (sentinel.Reservation, error) {
			time.Sleep(20 * time.Millisecond)
			for _, l := range a.Candidates[0].Limits {
				if l.Kind == sentinel.Concurrent {
					return sentinel.Reservation{Chosen: -1, Denials: []sentinel.Denial{{Limit: &l}}}, nil
				}
			}
			return sentinel.Reservation{}, errors.New("no such limit")
		}
		began := time.Now()
		a := w.admit(w.request("app", chat, large))
		if took := time.Since(began); !a.Verdict.Action.Refused() || took > 1540*time.Millisecond || took < 1400*time.Millisecond {
			t.Errorf("judged %s after %s, want a refusal after 1.5 s", a.Verdict.Action, took)
		}
	})
}

func TestACallWaitsForAPaceNoLongerThanItsRuleSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rules = "policies:\n  - {name: pace, match: {service: app}, limits: {requests: 60/minute}, budget: {usd: 1/day}, on_exceed: [{delay: 1500ms}, throttle]}\n"
		refuse := func(kind sentinel.LimitKind, wait time.Duration) func(sentinel.Ask) (sentinel.Reservation, error) {
			return func(a sentinel.Ask) (sentinel.Reservation, error) {
				for _, l := range a.Candidates[0].Limits {
					if l.Kind == kind && strings.HasPrefix(l.Cell, "rule/pace") {
						return sentinel.Reservation{Chosen: -1, Denials: []sentinel.Denial{{Limit: &l, RetryAfter: wait}}}, nil
					}
				}
				return sentinel.Reservation{}, errors.New("no such limit")
			}
		}
		admit := func(kind sentinel.LimitKind, wait time.Duration, refusals int) (governor.Admission, time.Duration) {
			w := newWorld(t, rules)
			w.limiter.answer = func(a sentinel.Ask) (sentinel.Reservation, error) {
				if len(w.limiter.asks) > refusals {
					return sentinel.Reservation{Hold: "hold"}, nil
				}
				return refuse(kind, wait)(a)
			}
			began := time.Now()
			return w.admit(w.request("app", chat, large)), time.Since(began)
		}
		if a, took := admit(sentinel.Rate, 700*time.Millisecond, 2); a.Verdict.Action != sentinel.Delay || a.Ticket.Action != sentinel.Delay || took != 1400*time.Millisecond {
			t.Errorf("two waits of 700 ms gave %+v after %s, want delay after 1.4s", a.Verdict, took)
		}
		if a, took := admit(sentinel.Rate, 700*time.Millisecond, 3); a.Verdict.Action != sentinel.Throttle || took != 1400*time.Millisecond {
			t.Errorf("a third wait that the rule does not allow gave %+v after %s, want throttle after 1.4s", a.Verdict, took)
		}
		if a, took := admit(sentinel.Rate, 2*time.Second, 1); a.Verdict.Action != sentinel.Throttle || took != 0 {
			t.Errorf("a wait that is too long gave %+v after %s, want throttle at once", a.Verdict, took)
		}
		if a, took := admit(sentinel.Window, time.Second, 1); !a.Verdict.Action.Refused() || took != 0 {
			t.Errorf("a spent budget gave %+v after %s, want a refusal at once", a.Verdict, took)
		}
	})
}
