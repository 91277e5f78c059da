package governor_test

import (
	"context"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/ratelimit"
)

// quiet is a limiter and a ledger that take no time to speak of.
type quiet struct{ *ratelimit.Model }

func (quiet) Append(context.Context, sentinel.Record) error { return nil }

// BenchmarkAdmit measures a decision by the ways that a call may take: alone, with three cheaper models, and with two models of another
// provider besides, into whose words the request is put.
func BenchmarkAdmit(b *testing.B) {
	const budget = "policies: [{name: r, match: {service: loose}, budget: {usd: 1000000/day}, on_exceed: ["
	for name, exceed := range map[string]string{
		"alone":                "throttle]}]\n",
		"a cut":                "{clamp: {output_tokens: 10}}]}]\n",
		"three cheaper models": "{downgrade: [gpt-5-mini, gpt-5-nano, gpt-4.1-nano]}]}]\n",
		"and two of another":   "{downgrade: [gpt-5-mini, gpt-5-nano, gpt-4.1-nano]}, {fallback: [claude/claude-haiku-4-5, claude/claude-sonnet-4-5]}]}]\n",
	} {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			state := compile(b, house+"  claude: {preset: anthropic, credential: \"vault:secret/claude#key\"}\n"+budget+exceed)
			all := quiet{ratelimit.NewModel(time.Now)}
			w := &world{Governor: governor.New(governor.Options{Limiter: all, Journal: all, Instance: "bench", HoldTTL: time.Minute, Now: time.Now}, state)}
			route := state.Routes[chat]
			caller, _ := state.Policy.CallerByToken("svc_loose_1234")
			r := governor.Request{State: state, Route: route, Call: sentinel.Call{At: now, Caller: caller, Provider: "openai", Endpoint: "chat.completions"}}
			r.Raw.Path, r.Raw.ContentType, r.Raw.Body = route.Endpoint.Path, "application/json", []byte(large)
			b.ReportAllocs()
			for b.Loop() {
				r.Call.ID = sentinel.NewCallID(now)
				a, err := w.Admit(b.Context(), r)
				if err != nil || a.Verdict.Action != sentinel.Allow {
					b.Fatalf("%+v, %v", a.Verdict, err)
				}
			}
		})
	}
}
