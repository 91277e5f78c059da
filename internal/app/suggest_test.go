package app

import (
	"context"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/simulate"
	"github.com/saas-sentinel/saas-sentinel/internal/suggest"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

// fourWeeks is a record of 28 days: core spends about ten dollars on workdays and one at weekends, growth three dollars a day and thirty on
// one of them, in one minute.
func fourWeeks(_ context.Context, from, to time.Time, use func(sentinel.Entry) error) error {
	n := 0
	for at := from; at.Before(to); at = at.Add(30 * time.Minute) {
		for _, who := range []sentinel.Caller{{Org: "acme", Team: "core", Service: "app"}, {Org: "acme", Team: "growth", Service: "bot"}} {
			calls, cost := 1, 200*sentinel.USD/1000
			switch weekend := at.Weekday() == time.Saturday || at.Weekday() == time.Sunday; {
			case who.Team == "growth" && at.Sub(from) == 10*24*time.Hour:
				calls, cost = 100, 300*sentinel.USD/1000
			case who.Team == "growth":
				cost = 60 * sentinel.USD / 1000
			case weekend:
				cost = 20 * sentinel.USD / 1000
			}
			for i := range calls {
				n++
				wanted := sentinel.Wanted{Bound: sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: 1000, sentinel.OutputTokens: 1000}, Choices: 1}
				e := sentinel.Entry{Call: sentinel.Call{At: at.Add(time.Duration(i) * time.Millisecond), Caller: who, Provider: "openai", Endpoint: "chat.completions", Model: "gpt-5", Demand: wanted.Demand()},
					Asked: "gpt-5", Status: 200, Cost: cost, Usage: wanted.Bound, Source: sentinel.SourceMeter, Duration: time.Millisecond / 2}
				e.ID[13], e.ID[14], e.ID[15] = byte(n>>16), byte(n>>8), byte(n)
				if err := use(e); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func TestSuggestionsFitTheirHistoryAndSayWhatTheyWouldHaveDone(t *testing.T) {
	files := []policy.File{{Name: "policies.yaml", Data: []byte(`org: acme
teams: {core: {}, growth: {}}
services: {app: {team: core, identity: {token: svc_app_0001}}, bot: {team: growth, identity: {token: svc_bot_0001}}}
providers: {openai: {preset: openai, credential: "vault:secret/openai#key"}}
`)}}
	from := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	run := func(o suggest.Options) map[string]suggest.Suggestion {
		t.Helper()
		list, err := Suggest(t.Context(), simulate.Past{Calls: fourWeeks}, from, from.AddDate(0, 0, 28), files, o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := compile(append(files, policy.File{Name: "pasted.yaml", Data: []byte(suggest.YAML(list, true))})...); err != nil {
			t.Errorf("the rules do not compile: %v\n%s", err, suggest.YAML(list, true))
		}
		out := map[string]suggest.Suggestion{}
		for _, s := range list {
			out[s.Name] = s
		}
		return out
	}
	wide := run(suggest.Options{HeadRoom: 0.5, Quantile: 1, Most: 20})
	if len(wide) != 11 { // org: month; each team: day, month; each service: day, requests, tokens
		t.Errorf("%d suggestions: %v", len(wide), wide)
	}
	for name, s := range wide {
		if s.Effect.Refused != 0 || s.Effect.Avoided != 0 || s.Effect.Calls != 28*48*2+99 {
			t.Errorf("%s with ample room would have refused %+v", name, s.Effect)
		}
	}
	if day := wide["suggested budget a day of team core"]; day.Amount < 14*int64(sentinel.USD) || day.Amount > 18*int64(sentinel.USD) || !strings.Contains(day.Basis, "forecast") {
		t.Errorf("core spends 9.60 dollars a day, with half of that as head-room: %s, %s", day.Amounted(), day.Basis)
	}
	if pace := wide["suggested requests a minute of service bot"]; pace.Amount < 150 || pace.Amount > 170 {
		t.Errorf("bot makes 100 calls in its busiest minute: %d", pace.Amount)
	}
	if pace := wide["suggested tokens a minute of service app"]; pace.Amount < 5000 || pace.Amount > 5200 {
		t.Errorf("app uses 2,000 tokens a minute and half of that is head-room; a call that may use 2,000 must fit beside them: %d", pace.Amount)
	}
	tight := run(suggest.Options{HeadRoom: 0, Quantile: 0.9, Most: 20})
	if s := tight["suggested budget a day of team growth"]; s.Effect.Refused < 20 || s.Effect.Avoided <= 0 || s.Effect.Worst < 20 {
		t.Errorf("a day of ten times the usual spend does not exceed %s: %+v", s.Amounted(), s.Effect)
	}
	files[0].Data = []byte(strings.ReplaceAll(strings.ReplaceAll(string(files[0].Data), ", growth: {}", ""), "growth", "core"))
	if moved := run(suggest.Options{HeadRoom: 0.5, Quantile: 1, Most: 20}); len(moved) != 6 || moved["suggested budget a day of service app"].Amount == 0 {
		t.Errorf("%d suggestions when team growth is gone, want the organisation's, core's and app's alone: %v", len(moved), moved)
	}
	if _, err := Suggest(t.Context(), simulate.Past{Calls: fourWeeks}, from, from.AddDate(0, 0, 1), files, suggest.Options{HeadRoom: -1, Quantile: 2}); err == nil {
		t.Error("options out of their bounds are taken")
	}
}
