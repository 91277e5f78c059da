package governor_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/ratelimit"
)

// clamped is a budget of one cent whose calls may be cut to 100 tokens.
const clamped = "policies: [{name: tight, match: {service: loose}, budget: {usd: 0.01/day}, on_exceed: [{clamp: {output_tokens: 100}}, {downgrade: [gpt-5-nano]}]}]\n"

// metered is a world whose limiter counts.
func metered(t *testing.T, rules string) *world {
	w := newWorld(t, rules)
	model := ratelimit.NewModel(func() time.Time { return now })
	w.limiter.answer = func(a sentinel.Ask) (sentinel.Reservation, error) { return model.Reserve(context.Background(), a) }
	return w
}

func TestAnAnswerIsCutToWhatTheBudgetLeaves(t *testing.T) {
	w := metered(t, clamped)
	a := w.admit(w.request("loose", chat, large))
	// What a prompt of so many bytes costs is held at 1.25 dollars a million tokens, and 2 nano-dollars of rounding; a token of the answer costs 10,000.
	left := int64(10_000_000) - int64(len(large))*1250 - 2
	want := left / 10_000
	in := w.journal.intents[0]
	if a.Verdict.Action != sentinel.Clamp || a.Verdict.Reason != sentinel.ReasonBudget || a.Verdict.Limit != "tight: budget/day" || a.Verdict.Model != "gpt-5" {
		t.Errorf("the verdict is %+v", a.Verdict)
	}
	if in.Bound[sentinel.OutputTokens] != want || in.BoundCost > 10_000_000 || a.Ticket.Bound != in.Bound || in.Action != sentinel.Clamp {
		t.Errorf("the intent is bound to %v for %s, want %d tokens", in.Bound, in.BoundCost, want)
	}
	if body := string(a.Body); !strings.Contains(body, `"max_completion_tokens":`+strconv.FormatInt(want, 10)+`,`) || len(body) != len(large)-1 {
		t.Errorf("upstream goes %s", body)
	}
	if second := w.admit(w.request("loose", chat, large)); !second.Verdict.Action.Refused() {
		t.Errorf("a call that the spent budget cannot serve got %+v", second.Verdict)
	}
}

func TestAnAnswerThatFitsIsNotCut(t *testing.T) {
	w := metered(t, strings.Replace(clamped, "0.01/day", "1/day", 1))
	if a := w.admit(w.request("loose", chat, large)); a.Verdict.Action != sentinel.Allow || a.Body != nil {
		t.Errorf("got %+v with body %s", a.Verdict, a.Body)
	}
}

func TestACheaperModelIsTakenWhereACutIsNotWorthIt(t *testing.T) {
	w := metered(t, strings.Replace(clamped, "output_tokens: 100", "output_tokens: 999", 1))
	if a := w.admit(w.request("loose", chat, large)); a.Verdict.Action != sentinel.Downgrade || a.Verdict.Model != "gpt-5-nano" {
		t.Errorf("got %+v", a.Verdict)
	}
}

func TestARecordedCallIsCutAsALiveOne(t *testing.T) {
	w := metered(t, clamped)
	r := w.request("loose", chat, large)
	live := w.admit(r)
	recorded := live.Ticket.Call
	recorded.ID = sentinel.NewCallID(now.Add(time.Second))
	again := metered(t, clamped)
	j, err := again.Judge(t.Context(), nil, &recorded)
	if err != nil || j.Verdict.Action != sentinel.Clamp || j.Chosen.Bound[sentinel.MeasureOutputTokens] != live.Ticket.Bound[sentinel.OutputTokens] {
		t.Errorf("judged again it is %+v with %v, %v", j.Verdict, j.Chosen.Bound, err)
	}
}

// Each of two candidates is as long as the clamp says, at Google's price of the model, and the request says so in Google's words.
func TestAnAnswerOfGooglesIsCut(t *testing.T) {
	w := metered(t, "  gemini: {preset: gemini, credential: \"vault:secret/gemini#key\"}\n"+strings.Replace(clamped, ", {downgrade: [gpt-5-nano]}", "", 1))
	const body = `{"contents":[{"parts":[{"text":"hi"}]}],"generationConfig":{"candidateCount":2}}`
	r := w.request("loose", "gemini/generateContent", body)
	r.Raw.Path = "/v1beta/models/gemini-2.5-flash:generateContent"
	a := w.admit(r)
	// A prompt costs at most 1.00, as sound, and an answer 2.50 dollars a million tokens.
	want := (10_000_000 - int64(len(body))*1000 - 2) / 2500 / 2
	in := w.journal.intents[0]
	if a.Verdict.Action != sentinel.Clamp || in.Bound[sentinel.OutputTokens] != 2*want || in.BoundCost > 10_000_000 {
		t.Errorf("%+v is bound to %v for %s, want 2 × %d tokens", a.Verdict, in.Bound, in.BoundCost, want)
	}
	if got := string(a.Body); got != strings.Replace(body, `{"candidateCount"`, `{"maxOutputTokens":`+strconv.FormatInt(want, 10)+`,"candidateCount"`, 1) {
		t.Errorf("upstream goes %s", got)
	}
}
