package governor_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

const failover = others + "policies:\n  - {name: f, match: {model: [gpt-5, gpt-5-mini]}, failover: {to: [anthropic/claude-haiku-4-5], on: [429, unreachable], timeout: 30s}}\n"

func TestOnlyWhatCannotBeBilledTwiceIsTriedAgain(t *testing.T) {
	w := newWorld(t, strings.Replace(failover, "on: [429, unreachable], ", "", 1))
	ticket := w.admit(w.request("app", chat, large)).Ticket
	for status, want := range map[int]struct{ keyless, keyed bool }{
		429: {true, true}, 503: {true, true}, 529: {true, true}, 500: {false, true}, 502: {false, true}, 504: {false, true},
		governor.NoAnswer: {true, true}, 200: {}, 400: {}, 401: {}, 404: {},
	} {
		for keyed, want := range map[bool]bool{false: want.keyless, true: want.keyed} {
			w := newWorld(t, strings.Replace(failover, "on: [429, unreachable], ", "", 1))
			if got := w.Retry(&ticket, status, keyed); got != want {
				t.Errorf("a call with status %d, with a key: %v, is tried again: %v, want %v", status, keyed, got, want)
			}
		}
	}
	narrow := newWorld(t, failover)
	ticket = narrow.admit(narrow.request("app", chat, large)).Ticket
	if narrow.Retry(&ticket, 503, true) || !narrow.Retry(&ticket, 429, false) {
		t.Error("a rule on 429 alone is about 503, or not about 429")
	}
	ticket.Failed = 429
	if narrow.Retry(&ticket, 429, true) {
		t.Error("a call is tried a third time")
	}
}

func TestTheSecondAttemptIsHeldAndBookedByItself(t *testing.T) {
	w := newWorld(t, failover)
	r := w.request("app", chat, large)
	r.Trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	a := w.admit(r)
	if a.Chain != "openai~anthropic~30s" || a.Ticket.Next != "anthropic/claude-haiku-4-5" {
		t.Fatalf("the call goes by %q, then to %q", a.Chain, a.Ticket.Next)
	}
	a.Ticket.Failed = 429
	second, err := w.Failover(t.Context(), governor.Failed{Ticket: a.Ticket, Raw: r.Raw})
	if err != nil {
		t.Fatal(err)
	}
	first, in := w.journal.intents[0], w.journal.intents[1]
	if in.ID != first.ID || in.Attempt != 1 || in.Provider != "anthropic" || in.Model != "claude-haiku-4-5" || in.Asked != "gpt-5" || in.Action != sentinel.Fallback || in.Reason != sentinel.ReasonProviderFailed {
		t.Errorf("the second attempt's intent is %+v", in)
	}
	if w.limiter.asks[1].Call == w.limiter.asks[0].Call || !strings.Contains(string(second.Body), "claude-haiku-4-5") || second.To == nil || second.To.Provider.Name != "anthropic" || second.Path != "/v1/messages" {
		t.Errorf("it is asked for as %s, goes to %+v, %s: %s", w.limiter.asks[1].Call, second.To, second.Path, second.Body)
	}
	if a.Ticket.Trace != r.Trace || second.Ticket.Trace != r.Trace {
		t.Errorf("the attempts are of the traces %q and %q, want the client's", a.Ticket.Trace, second.Ticket.Trace)
	}
	if next := second.Ticket.Next; next != "" {
		t.Errorf("it has another one behind it: %s", next)
	}
}

// A call asks the limiter once before and once after each attempt, and another credential's attempt is one.
func TestEachAttemptAsksTheLimiterTwice(t *testing.T) {
	several := "  several: {preset: openai, credential: {vault: \"secret/a#key\", also: [{vault: \"secret/b#key\"}]}}\n"
	for name, tt := range map[string]struct {
		rules, route string
		failed       int
		want         []string
	}{
		"served":                {failover, chat, 0, []string{"reserve", "settle"}},
		"by another provider":   {failover, chat, 429, []string{"reserve", "settle", "reserve", "settle"}},
		"by another credential": {several, "several/chat.completions", 429, []string{"reserve", "settle", "reserve", "settle"}},
	} {
		w := newWorld(t, tt.rules)
		w.Pauses = wishes{}
		r := w.request("app", tt.route, large)
		a := w.admit(r)
		settle := func(ticket governor.Ticket, status int) {
			if _, err := w.Settle(t.Context(), governor.Outcome{Ticket: ticket, Status: status, Metered: provider.Metered{Reported: true}}); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if tt.failed == 0 {
			settle(a.Ticket, 200)
		} else {
			if !w.Retry(&a.Ticket, tt.failed, false) {
				t.Fatalf("%s: it is not tried again", name)
			}
			settle(a.Ticket, tt.failed)
			a.Ticket.Failed = tt.failed
			second, err := w.Failover(t.Context(), governor.Failed{Ticket: a.Ticket, Raw: r.Raw})
			if err != nil || second.Ticket.Attempt != 1 {
				t.Fatalf("%s: %+v, %v", name, second, err)
			}
			settle(second.Ticket, 200)
		}
		asked := slices.DeleteFunc(slices.Clone(w.effects.list), func(s string) bool { return s != "reserve" && s != "settle" })
		if !slices.Equal(asked, tt.want) {
			t.Errorf("%s: the limiter is asked %q, want %q", name, asked, tt.want)
		}
		holds := map[sentinel.CallID]int{}
		for _, ask := range w.limiter.asks {
			holds[ask.Call]++
		}
		for _, s := range w.limiter.settled {
			holds[s.Call]--
		}
		for id, left := range holds {
			if left != 0 {
				t.Errorf("%s: %d holds of %s are left", name, left, id)
			}
		}
	}
}

func TestACallThatCannotGoElsewhereIsAnsweredForBoth(t *testing.T) {
	full := func(a sentinel.Ask) (sentinel.Reservation, error) {
		return sentinel.Reservation{Chosen: -1, Denials: []sentinel.Denial{{Limit: &a.Candidates[0].Limits[0]}}}, nil
	}
	for name, tt := range map[string]struct {
		body   string
		failed int
		answer func(sentinel.Ask) (sentinel.Reservation, error)
		reason sentinel.Reason
		why    string
	}{
		"it cannot be translated": {`{"model":"gpt-5","seed":1,"max_completion_tokens":9,"messages":[{"role":"user","content":"hi"}]}`, 503, nil, sentinel.ReasonProviderFailed, "seed"},
		"the limits are reached":  {large, 429, full, sentinel.ReasonProviderLimit, "answered 429"},
		"nobody answered":         {large, governor.NoAnswer, full, sentinel.ReasonProviderFailed, "gave no answer"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, failover)
			r := w.request("app", chat, tt.body)
			ticket := w.admit(r).Ticket
			ticket.Failed = tt.failed
			w.limiter.answer = tt.answer
			a, err := w.Failover(t.Context(), governor.Failed{Ticket: ticket, Raw: r.Raw})
			if err != nil || !a.Verdict.Action.Refused() || a.Verdict.Reason != tt.reason || !strings.Contains(a.Verdict.Detail, tt.why) {
				t.Errorf("judged %+v, %v", a.Verdict, err)
			}
			if len(w.journal.intents) != 1 || a.Ticket.Failed != tt.failed || a.Ticket.Attempt != 0 {
				t.Errorf("%d intents; the ticket is of attempt %d, failed %d", len(w.journal.intents), a.Ticket.Attempt, a.Ticket.Failed)
			}
		})
	}
}

// Without an intent nothing goes out, and the second hold is given back under its own id.
func TestASecondAttemptThatCannotBeJournaledIsGivenBack(t *testing.T) {
	w := newWorld(t, failover)
	r := w.request("app", chat, large)
	a := w.admit(r)
	a.Ticket.Failed = 429
	w.journal.fault = errors.New("disk full")
	if _, err := w.Failover(t.Context(), governor.Failed{Ticket: a.Ticket, Raw: r.Raw}); !errors.Is(err, governor.ErrJournal) {
		t.Errorf("Failover() = %v, want %v", err, governor.ErrJournal)
	}
	if n := len(w.limiter.settled); n != 1 || w.limiter.settled[0].Call != w.limiter.asks[1].Call {
		t.Errorf("%d holds given back: %+v", n, w.limiter.settled)
	}
}

// A call whose credential its provider refuses goes on with the next one, at the same price, under the limits of that one; not where there is none.
func TestACallGoesOnWithTheNextCredential(t *testing.T) {
	for name, tt := range map[string]struct {
		service, body string
		status        int
		want          bool
	}{
		"refused":               {"app", large, 401, true},
		"without quota":         {"app", large, 429, true},
		"of the server's fault": {"app", large, 503, false},
		"forbidden":             {"app", large, 403, false},
		"the team's only one":   {"loose", large, 401, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, severalKeys)
			w.Pauses = wishes{}
			r := w.request(tt.service, "several/chat.completions", tt.body)
			a := w.admit(r)
			if tried := a.Chain == "several~several" && a.Ticket.Next == "several/gpt-5"; tried != (tt.service == "app") {
				t.Fatalf("the call goes by %q, then to %q", a.Chain, a.Ticket.Next)
			}
			ticket, err := governor.ParseTicket(a.Ticket.Encode())
			if err != nil {
				t.Fatal(err)
			}
			w.Quarantine(&ticket, tt.status)
			w.Heed(&ticket, tt.status, func(string) string { return "" }, nil)
			if got := w.Retry(&ticket, tt.status, false); got != tt.want {
				t.Fatalf("tried again: %v, want %v", got, tt.want)
			}
			if !tt.want {
				return
			}
			ticket.Failed = tt.status
			second, err := w.Failover(t.Context(), governor.Failed{Ticket: ticket, Raw: r.Raw})
			if err != nil || second.Verdict.Action != sentinel.Allow || second.To != nil || second.Ticket.Key == ticket.Key || second.Ticket.Next != "" || second.Ticket.Attempt != 1 || second.Chain != "" {
				t.Errorf("judged %+v with credential %d after %d, then %q; %v", second.Verdict, second.Ticket.Key, ticket.Key, second.Ticket.Next, err)
			}
			first, in := w.journal.intents[0], w.journal.intents[1]
			if in.ID != first.ID || in.Attempt != 1 || in.BoundCost != first.BoundCost || in.Demand == first.Demand {
				t.Errorf("the second attempt's intent is %+v, the first's %+v", in, first)
			}
			w.Quarantine(&second.Ticket, 401)
			ticket.Failed = 0 // as if its answer came only now
			if w.Retry(&ticket, 401, false) {
				t.Error("a call is tried again with every credential left out")
			}
		})
	}
}
