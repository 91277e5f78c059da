package governor_test

import (
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
)

// wishes keeps what was asked for.
type wishes map[string]time.Time

func (w wishes) Pause(place string, until time.Time)    { w[place] = until }
func (w wishes) PausedUntil(place string) (t time.Time) { return w[place] }

const others = "  anthropic: {preset: anthropic, credential: \"vault:secret/anthropic#api_key\"}\n"

// told lets a provider ask for a pause in the answer to a call.
func (w *world) told(t governor.Ticket, seconds string) time.Duration {
	return w.Heed(&t, 429, func(name string) string {
		if name == "retry-after" {
			return seconds
		}
		return ""
	}, nil)
}

func TestAProviderThatAsksForAPauseGetsNoCallsForThatModel(t *testing.T) {
	w := newWorld(t, others)
	w.Pauses = wishes{}
	a := w.admit(w.request("app", chat, large))
	if d := w.told(a.Ticket, "30"); d != 30*time.Second {
		t.Errorf("the provider is left alone for %s, want 30 s", d)
	}
	w.effects.list = nil
	again := w.admit(w.request("loose", chat, large)) // another service: the provider counts both as one
	if v := again.Verdict; v.Action != sentinel.Throttle || v.Reason != sentinel.ReasonProviderLimit || v.RetryAfter != 30*time.Second {
		t.Errorf("the next call was judged %+v", v)
	}
	w.happened()
	other := w.admit(w.request("app", chat, `{"model":"gpt-5-mini","max_completion_tokens":10,"messages":[]}`))
	if v := other.Verdict; v.Action != sentinel.Allow {
		t.Errorf("a call for another model was judged %+v", v)
	}
}

func TestAPauseIsBounded(t *testing.T) {
	w := newWorld(t, others)
	w.Pauses = wishes{}
	a := w.admit(w.request("app", chat, large))
	if d := w.told(a.Ticket, "86400"); d != governor.LongestPause {
		t.Errorf("the provider is left alone for %s, want %s", d, governor.LongestPause)
	}
	if v := w.admit(w.request("app", chat, large)).Verdict; v.RetryAfter != governor.LongestPause {
		t.Errorf("the next call may come in %s, want %s", v.RetryAfter, governor.LongestPause)
	}
}

func TestDuringAPauseTheNextCandidateIsTaken(t *testing.T) {
	w := newWorld(t, others+"policies:\n  - {name: big, match: {model: gpt-5}, budget: {usd: 9/day}, on_exceed: [{downgrade: [gpt-5-mini]}, {fallback: [anthropic/claude-haiku-4-5]}]}\n")
	w.Pauses = wishes{}
	first := w.admit(w.request("app", chat, large))
	w.told(first.Ticket, "30")
	second := w.admit(w.request("app", chat, large))
	if v := second.Verdict; v.Action != sentinel.Downgrade || v.Model != "gpt-5-mini" || v.Reason != sentinel.ReasonProviderLimit {
		t.Errorf("with one model refused, the call was judged %+v", v)
	}
	w.told(second.Ticket, "20")
	third := w.admit(w.request("app", chat, large))
	if v := third.Verdict; v.Action != sentinel.Fallback || v.Provider != "anthropic" || third.Ticket.Call.Provider != "anthropic" {
		t.Errorf("with both models refused, the call was judged %+v", v)
	}
	if n := len(w.limiter.asks[2].Candidates); n != 1 {
		t.Errorf("the limiter was asked for %d candidates, want the one that is open", n)
	}
}

// A limit that refuses a candidate, and a pause that shuts another, are told apart in whatever order they stand.
func TestReasonsStayWithTheirCandidates(t *testing.T) {
	w := newWorld(t, others+"policies:\n  - {name: big, match: {model: gpt-5}, budget: {usd: 9/day}, on_exceed: [{downgrade: [gpt-5-mini]}, {fallback: [anthropic/claude-haiku-4-5]}]}\n")
	w.Pauses = wishes{}
	mini := w.admit(w.request("app", chat, `{"model":"gpt-5-mini","max_completion_tokens":10,"messages":[]}`))
	w.told(mini.Ticket, "30")
	w.limiter.answer = func(a sentinel.Ask) (sentinel.Reservation, error) {
		if len(a.Candidates) != 2 {
			t.Errorf("the limiter was asked for %d candidates, want 2", len(a.Candidates))
		}
		return sentinel.Reservation{Chosen: 1, Hold: "there", Denials: []sentinel.Denial{{Limit: &a.Candidates[0].Limits[0]}}}, nil
	}
	a := w.admit(w.request("app", chat, large))
	if v := a.Verdict; v.Action != sentinel.Fallback || v.Reason != sentinel.ReasonBudget || v.Model != "claude-haiku-4-5" || a.Ticket.Hold != "there" {
		t.Errorf("judged %+v with hold %q", v, a.Ticket.Hold)
	}
}
