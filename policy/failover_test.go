package policy

import (
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

const failoverHead = "org: acme\nteams: {a: }\nservices: {s: {team: a, identity: {token: abcdefgh}}}\n" +
	"providers: {openai: {preset: openai, credential: secret/a#b}, claude: {preset: anthropic, credential: secret/c#d},\n" +
	"  weather: {host: api.weather.example, credential: {vault: secret/w#k, header: x-key}, endpoints: [{name: get, method: GET, path: /v1/a, price: {per_request_usd: 1}}]}}\n"

func compileFailover(f string) (*Set, error) {
	return Compile(File{Name: "p", Data: []byte(failoverHead + "policies: [{name: r, match: {provider: openai}, failover: " + f + "}]\n")}, Options{
		Presets:    []string{"openai", "anthropic"},
		ModelKnown: func(preset, model, _ string) bool { return preset == "anthropic" && model == "claude-haiku-4-5" },
	})
}

func TestFaultsOfFailover(t *testing.T) {
	for text, want := range map[string]string{
		"{}":                                               "policies[0].failover.to",
		"{to: []}":                                         "want 1 to 7 models",
		"{to: [a, b, c, d, e, f, g, h]}":                   "want 1 to 7 models",
		"{to: [claude-haiku-4-5]}":                         `policies[0].failover.to[0]: "claude-haiku-4-5" is not PROVIDER/MODEL`,
		"{to: [claude/]}":                                  "is not PROVIDER/MODEL",
		"{to: [\"claude/claude-*\"]}":                      "is not PROVIDER/MODEL",
		"{to: [gemini/pro]}":                               `there is no provider "gemini"`,
		"{to: [weather/get]}":                              "weather has no preset",
		"{to: [claude/unheard-of]}":                        "no price is known for model unheard-of at anthropic",
		"{to: [claude/claude-haiku-4-5], on: [404]}":       "policies[0].failover.on[0]",
		"{to: [claude/claude-haiku-4-5], timeout: 500ms}":  "policies[0].failover.timeout: 500ms is not a number of seconds",
		"{to: [claude/claude-haiku-4-5], timeout: 11m}":    "is not a number of seconds",
		"{to: [claude/claude-haiku-4-5], timeout: 1500ms}": "is not a number of seconds",
		"{to: [claude/claude-haiku-4-5], timeout: 0s}":     "is not a number of seconds",
		"{to: [claude/claude-haiku-4-5, claude/unheard-of], timeout: 30s}": "policies[0].failover.to[1]",
	} {
		if _, err := compileFailover(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("failover: %s gave %v, want something about %q", text, err, want)
		}
	}
}

func TestFailoverIsAsTheFileSays(t *testing.T) {
	for text, want := range map[string]Failures{"": allFailures, ", on: [429]": FailureLimited, ", on: [5xx, unreachable]": FailureError | FailureUnreachable} {
		set, err := compileFailover("{to: [claude/claude-haiku-4-5], timeout: 30s" + text + "}")
		if err != nil {
			t.Fatal(err)
		}
		p := set.Plan(&sentinel.Call{Caller: set.callers[0], Provider: "openai"}, "gpt-5", time.Now())
		if f := p.Failover; f.On != want || f.Timeout != 30*time.Second || len(f.To) != 1 || f.To[0] != (Target{"claude", "claude-haiku-4-5"}) {
			t.Errorf("on%s: %+v, want %v", text, f, want)
		}
		if p := set.Plan(&sentinel.Call{Caller: set.callers[0], Provider: "claude"}, "claude-haiku-4-5", time.Now()); len(p.Failover.To) != 0 {
			t.Errorf("a call that the rule is not about goes to %+v", p.Failover)
		}
		if w := set.Ways(); len(w) != 1 || w[0] != (Way{"claude", 30 * time.Second}) {
			t.Errorf("the ways are %+v", w)
		}
	}
}
