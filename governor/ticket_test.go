package governor

import (
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

func ticket() Ticket {
	at := time.Date(2026, 11, 23, 22, 0, 0, 123456000, time.UTC)
	return Ticket{
		Call: sentinel.Call{ID: sentinel.NewCallID(at), At: at, Caller: sentinel.Caller{Org: "acme", Team: "growth", Service: "bot", Tags: "cost_center=7,env=prod"},
			Provider: "openai", Endpoint: "chat.completions", Model: "gpt-5-mini", Tier: "flex", Stream: true, Demand: "1:2s;1;f"},
		Asked: "gpt-5", From: "openai/chat.completions", Action: sentinel.Downgrade, Reason: sentinel.ReasonBudget, Hold: "1|2|W:a,4,5,1,x",
		PriceVersion: "p", PolicyVersion: "v", Bound: sentinel.Usage{sentinel.InputTokens: 12, sentinel.OutputTokens: 1 << 40}, Weight: 7, HideUsage: true, Hard: true, TierOpen: true, Attempt: 1, Trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Shadow: "=;v2|3|budget_spent|team core: budget/day|", Next: "anthropic/claude-haiku-4-5", On: 3, Failed: NoAnswer,
		Capture: policy.Capture{Response: true, MaxBytes: 4096, Keep: 72 * time.Hour},
	}
}

func TestTicketsRoundTrip(t *testing.T) {
	want := ticket()
	if got, err := ParseTicket(want.Encode()); err != nil || got != want {
		t.Errorf("ParseTicket(Encode(%+v)) = %+v, %v", want, got, err)
	}
}

func FuzzParseTicket(f *testing.F) {
	f.Add(ticket().Encode())
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseTicket(s)
		if err != nil {
			return
		}
		if again, err := ParseTicket(got.Encode()); err != nil || again.Encode() != got.Encode() {
			t.Errorf("%q reads as %+v, then as %+v, %v", s, got, again, err)
		}
	})
}

// A separator inside of a field must not make another ticket of it: that would be another caller's money.
func FuzzTicketsReadAsTheyWereOrNotAtAll(f *testing.F) {
	f.Add("a", "m", "asked", "hold", "x", "flex", uint8(1), int64(7), int64(-1), true)
	f.Add("a\x1fb", "\x1f", "", "\x1f\x1f", "x", "\x00", uint8(200), int64(-1<<63), int64(1<<62), false)
	f.Fuzz(func(t *testing.T, team, model, asked, hold, reason, tier string, action uint8, text, bound int64, hide bool) {
		want := ticket()
		want.Call.Caller.Team, want.Call.Model, want.Call.Tier, want.Asked = team, model, tier, asked
		want.Hold, want.Reason, want.Action = sentinel.Hold(hold), sentinel.Reason(reason), sentinel.Action(action)
		want.Weight, want.Bound[sentinel.OutputTokens], want.HideUsage = text, bound, hide
		got, err := ParseTicket(want.Encode())
		if err == nil && got != want {
			t.Errorf("%+v reads as %+v", want, got)
		}
		if err != nil && !strings.Contains(team+model+asked+hold+reason+tier, ticketSeparator) {
			t.Errorf("%+v does not read: %v", want, err)
		}
	})
}
