package policy

import (
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func TestDecide(t *testing.T) {
	end := time.Date(2026, 11, 24, 5, 0, 0, 0, time.UTC)
	rate := sentinel.Limit{Name: "growth: tokens/minute", Cell: "rate", Kind: sentinel.Rate, Measure: sentinel.MeasureTokens, Max: 100, Period: time.Minute}
	budget := sentinel.Limit{Name: "team growth: budget/day", Cell: "cost", Kind: sentinel.Window, Measure: sentinel.MeasureCost, Max: 123_456_789, Start: end.AddDate(0, 0, -1), End: end}
	quota := sentinel.Limit{Name: "growth: requests/day", Cell: "quota", Kind: sentinel.Window, Measure: sentinel.MeasureRequests, Max: 9, End: end}
	concurrent := sentinel.Limit{Name: "growth: concurrent", Cell: "concurrent", Kind: sentinel.Concurrent, Measure: sentinel.MeasureConcurrent, Max: 4}
	strict := rate
	strict.Cell = "strict"
	p := Plan{Limits: []sentinel.Limit{rate, budget, quota, concurrent, strict}, deny: 1 << 4}
	ask := sentinel.Ask{Candidates: []sentinel.Candidate{{Model: "gpt-5"}, {Model: "gpt-5-mini"}, {Model: "claude-haiku-4-5", Provider: "anthropic"}}}
	levels := []sentinel.Level{{Limit: &rate, Remaining: 7}}
	for name, tt := range map[string]struct {
		reservation sentinel.Reservation
		want        sentinel.Verdict // without Detail
		detail      string           // a part of it
	}{
		"the asked model fits": {sentinel.Reservation{Chosen: 0, Levels: levels}, sentinel.Verdict{Action: sentinel.Allow, Model: "gpt-5", Levels: levels}, ""},
		"a cheaper model fits": {sentinel.Reservation{Chosen: 1, Denials: []sentinel.Denial{{Limit: &budget}}},
			sentinel.Verdict{Action: sentinel.Downgrade, Reason: sentinel.ReasonBudget, Model: "gpt-5-mini", Limit: budget.Name}, ""},
		"another provider fits": {sentinel.Reservation{Chosen: 2, Denials: []sentinel.Denial{{Limit: &budget}, {Limit: &rate}}},
			sentinel.Verdict{Action: sentinel.Fallback, Reason: sentinel.ReasonBudget, Model: "claude-haiku-4-5", Provider: "anthropic", Limit: budget.Name}, ""},
		"a pace is exceeded": {sentinel.Reservation{Chosen: -1, Denials: []sentinel.Denial{{Limit: &rate, RetryAfter: time.Second}, {Limit: &budget}}, Levels: levels},
			sentinel.Verdict{Action: sentinel.Throttle, Reason: sentinel.ReasonRate, Limit: rate.Name, RetryAfter: time.Second, Levels: levels}, "is reached"},
		"one call is larger than the pace": {sentinel.Reservation{Chosen: -1, Denials: []sentinel.Denial{{Limit: &rate}}},
			sentinel.Verdict{Action: sentinel.Deny, Reason: sentinel.ReasonRate, Limit: rate.Name}, "one call may not take more"},
		"too many at once": {sentinel.Reservation{Chosen: -1, Denials: []sentinel.Denial{{Limit: &concurrent, RetryAfter: time.Second}}},
			sentinel.Verdict{Action: sentinel.Throttle, Reason: sentinel.ReasonConcurrency, Limit: concurrent.Name, RetryAfter: time.Second}, "of 4 calls at once"},
		"a budget is spent": {sentinel.Reservation{Chosen: -1, Denials: []sentinel.Denial{{Limit: &budget, RetryAfter: time.Hour}}},
			sentinel.Verdict{Action: sentinel.Deny, Reason: sentinel.ReasonBudget, Limit: budget.Name, RetryAfter: time.Hour}, "until 2026-11-24 05:00 UTC"},
		"a quota is spent": {sentinel.Reservation{Chosen: -1, Denials: []sentinel.Denial{{Limit: &quota, RetryAfter: time.Hour}}},
			sentinel.Verdict{Action: sentinel.Deny, Reason: sentinel.ReasonQuota, Limit: quota.Name, RetryAfter: time.Hour}, "is used up until 2026-11-24 05:00 UTC"},
		"the provider wants a pause": {sentinel.Reservation{Chosen: -1, Denials: []sentinel.Denial{{Limit: &sentinel.Limit{Name: "gpt-5"}, RetryAfter: time.Second, Reason: sentinel.ReasonProviderLimit}, {Limit: &budget}}},
			sentinel.Verdict{Action: sentinel.Throttle, Reason: sentinel.ReasonProviderLimit, Limit: "gpt-5", RetryAfter: time.Second}, "calls for gpt-5"},
		"another serves while the provider wants a pause": {sentinel.Reservation{Chosen: 2, Denials: []sentinel.Denial{{Limit: &sentinel.Limit{Name: "gpt-5"}, RetryAfter: time.Second, Reason: sentinel.ReasonProviderLimit}, {Limit: &budget}}},
			sentinel.Verdict{Action: sentinel.Fallback, Reason: sentinel.ReasonProviderLimit, Model: "claude-haiku-4-5", Provider: "anthropic", Limit: "gpt-5"}, ""},
		"the rule says deny": {sentinel.Reservation{Chosen: -1, Denials: []sentinel.Denial{{Limit: &strict, RetryAfter: time.Second}}},
			sentinel.Verdict{Action: sentinel.Deny, Reason: sentinel.ReasonRate, Limit: strict.Name}, ""},
		"the limiter gives no reason": {sentinel.Reservation{Chosen: -1},
			sentinel.Verdict{Action: sentinel.Deny, Reason: sentinel.ReasonLimiterUnavailable}, "without saying"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Decide(p, ask, tt.reservation)
			if got.Action != tt.want.Action || got.Reason != tt.want.Reason || got.Model != tt.want.Model || got.Limit != tt.want.Limit ||
				got.RetryAfter != tt.want.RetryAfter || len(got.Levels) != len(tt.want.Levels) {
				t.Errorf("Decide(%+v) = %+v, want %+v", tt.reservation, got, tt.want)
			}
			if got.Action.Refused() != (got.Detail != "") || !strings.Contains(got.Detail, tt.detail) {
				t.Errorf("detail %q: want one exactly for refusals, with %q", got.Detail, tt.detail)
			}
			if strings.Contains(got.Detail, "123") {
				t.Errorf("detail %q shows what a team may spend", got.Detail)
			}
		})
	}
}

func TestARuleWithDenyMarksItsOwnLimitsOnly(t *testing.T) {
	set := compile(t, "org: acme\nteams: {a: {limits: {requests: 5/minute}}}\nservices: {s: {team: a, identity: {token: abcdefgh}}}\n"+
		"policies:\n  - {name: soft, limits: {requests: 5/minute}}\n  - {name: strict, limits: {requests: 5/minute, tokens: 5/minute}, per: service, on_exceed: deny}\n")
	p := set.Plan(call("a", "s", "openai", "chat.completions", "gpt-5"), "gpt-5", noon)
	for cell, want := range map[string]bool{
		"team/a/requests/minute": false, "rule/soft/requests/minute": false,
		"rule/strict/requests/minute/service/s": true, "rule/strict/tokens/minute/service/s": true, "elsewhere": false,
	} {
		if got := p.denies(cell); got != want {
			t.Errorf("denies(%s) = %t, want %t; cells are %s", cell, got, want, cells(p))
		}
	}
}
