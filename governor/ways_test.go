package governor_test

import "testing"

func TestACallTakesNoWayThatEnvoyMayNotHave(t *testing.T) {
	w := newWorld(t, others)
	leads := func() bool { return w.admit(w.request("app", chat, large)).Chain != "" }
	first, between, again := compile(t, house+failover), compile(t, house+others), compile(t, house+failover)
	if w.SwapAhead(first); leads() || !first.Leading() {
		t.Error("a call takes a way that Envoy was just sent")
	}
	w.SwapAhead(between)
	w.SwapAhead(again)
	if between.Led(); leads() {
		t.Error("a call takes a way that Envoy lost since")
	}
	if again.Led(); !leads() || again.Leading() {
		t.Error("a call does not take a way that Envoy has")
	}
	if w.SwapAhead(compile(t, house+failover+"  - {name: g, match: {model: gpt-4.1}, limits: {requests: 5/hour}}\n")); !leads() {
		t.Error("a call does not take a way that Envoy keeps")
	}
}

func TestACallFallsBackToNoRouteThatEnvoyMayNotHave(t *testing.T) {
	w := newWorld(t, "")
	s := compile(t, house+others+"policies:\n  - {name: big, match: {model: gpt-5}, budget: {usd: 9/day}, on_exceed: [{fallback: [anthropic/claude-haiku-4-5]}]}\n")
	w.SwapAhead(s)
	for i, want := range []int{1, 2} {
		w.admit(w.request("app", chat, large))
		if n := len(w.limiter.asks[i].Candidates); n != want {
			t.Errorf("the limiter was asked for %d candidates, want %d", n, want)
		}
		s.Led()
	}
}
