package governor_test

import (
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// A call whose hold was lost before its intent was durable does not go: nothing would count it again.
func TestACallHeldByCountersThatAreGoneDoesNotGo(t *testing.T) {
	w := newWorld(t, "")
	w.limiter.answer = func(sentinel.Ask) (sentinel.Reservation, error) {
		w.NextEra(func() { w.effects.note("lost") })
		return sentinel.Reservation{Hold: "hold"}, nil
	}
	a := w.admit(w.request("app", chat, large))
	if a.Verdict.Reason != sentinel.ReasonLimiterUnavailable || a.Cause == nil {
		t.Errorf("it was decided as %+v because of %v, want a refusal for want of the limiter", a.Verdict, a.Cause)
	}
	w.happened("reserve", "lost", "settle")
	w.limiter.answer = nil
	if a := w.admit(w.request("app", chat, large)); a.Verdict.Action != sentinel.Allow {
		t.Errorf("the next call got %+v", a.Verdict)
	}
	w.happened("reserve", "intent")
}
