package governor_test

import (
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

func TestOutputsAreLearntFromWholeStreams(t *testing.T) {
	w := newWorld(t, others)
	at := now
	w.Now = func() time.Time { return at }
	const message = `{"model":"claude-haiku-4-5","max_tokens":100,"stream":true,"messages":[{"role":"user","content":"x"}]}`
	settle := func() {
		ticket := w.admit(w.request("app", "anthropic/messages", message)).Ticket
		m := provider.Metered{Reported: true, Sampled: 20}
		m.Usage[sentinel.InputTokens], m.Usage[sentinel.OutputTokens] = 7, 25
		if _, err := w.Settle(t.Context(), governor.Outcome{Ticket: ticket, Metered: m, Status: 200}); err != nil {
			t.Fatal(err)
		}
	}
	for range 19 {
		settle()
	}
	at = at.Add(time.Minute)
	if settle(); w.OutputMilliTokens("claude-haiku-4-5") != 1250 || w.OutputMilliTokens("claude-haiku-9") != 1250 || w.OutputMilliTokens("gpt-5") != 0 {
		t.Errorf("learnt %d, of its family %d, of another %d; want 1250, 1250, 0", w.OutputMilliTokens("claude-haiku-4-5"), w.OutputMilliTokens("claude-haiku-9"), w.OutputMilliTokens("gpt-5"))
	}
	n := 0
	for range 16_000 {
		if governor.Sampled(sentinel.NewCallID(now)) {
			n++
		}
	}
	if n < 800 || n > 1200 {
		t.Errorf("%d of 16,000 streams are counted, want about a thousand", n)
	}
}
