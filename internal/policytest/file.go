// Package policytest runs a policy against calls that a test file describes, through the same code that
// judges real ones: compile, match, price, limit and decide, with the limiter's model and a clock that
// the file moves.
package policytest

import (
	"time"

	"github.com/saas-sentinel/saas-sentinel/internal/strictyaml"
)

// file is a test file as its authors write it.
type file struct {
	Policy string     `yaml:"policy,required" doc:"The policy file to test, from this file's folder."`
	Clock  string     `yaml:"clock" doc:"RFC 3339 time at which each test begins. Default: 2026-01-01T00:00:00Z."`
	Tests  []testYAML `yaml:"tests,required" doc:"Tests; each begins with empty counters."`
}

type testYAML struct {
	Name     string            `yaml:"name,required" doc:"What the test shows."`
	Clock    string            `yaml:"clock" doc:"RFC 3339 time at which this test begins."`
	Counters map[string]string `yaml:"counters" doc:"What limits have counted before the first call, by their names or cells, as sentinel limits show lists them: {\"team growth: budget/day\": 499.50}. Default: nothing."`
	Scores   map[string]string `yaml:"scores" doc:"How unusual services are during the test, such as {summariser: 0.9995}: for as long as any rule asks. Default: nothing is unusual."`
	Calls    []callYAML        `yaml:"calls,required" doc:"Calls, one after the other."`
}

type callYAML struct {
	Service  string            `yaml:"service,required" doc:"Who calls: a service of the policy."`
	Provider string            `yaml:"provider,required" doc:"A provider of the policy."`
	Endpoint string            `yaml:"endpoint,required" doc:"One of its endpoints, such as chat.completions."`
	Path     string            `yaml:"path" doc:"The provider's path. Default: the endpoint's, where it has no parameters."`
	Query    string            `yaml:"query" doc:"The query string."`
	Type     string            `yaml:"content_type" doc:"Default: application/json where there is a body."`
	Headers  map[string]string `yaml:"headers" doc:"Further headers."`
	Body     string            `yaml:"body" doc:"The request's body."`
	Times    int               `yaml:"times" doc:"How often the call is made. Default: 1."`
	After    time.Duration     `yaml:"after" doc:"How long before each call the clock moves on, such as 10s."`
	Running  bool              `yaml:"running" doc:"The call stays in flight. Default: it ends at once, with all that its bound allows."`
	Usage    *usageYAML        `yaml:"usage" doc:"What the call really used, instead of its bound."`
	Expect   expectYAML        `yaml:"expect,required" doc:"What must happen to every one of them."`
}

type usageYAML struct {
	Input  int64 `yaml:"input_tokens" doc:"Input tokens."`
	Output int64 `yaml:"output_tokens" doc:"Output tokens."`
}

type expectYAML struct {
	Action     string            `yaml:"action,required" enum:"allow,clamp,downgrade,fallback,delay,throttle,deny" doc:"The verdict."`
	Model      string            `yaml:"model" doc:"The model that serves the call."`
	Reason     string            `yaml:"reason" doc:"Why it is refused, such as budget_spent."`
	Limit      string            `yaml:"limit" doc:"The limit that decided."`
	Provider   string            `yaml:"provider" doc:"The provider that serves the call after a fallback."`
	Status     int               `yaml:"status" doc:"The status of a refusal, such as 429."`
	Headers    map[string]string `yaml:"headers" doc:"Headers of a refusal, or those that the gateway adds to the answer of a call that goes out, by their names in lower case, such as {x-should-retry: \"false\"} or {x-sentinel-model: gpt-5-mini}; an empty text: there is none."`
	RetryAfter *time.Duration    `yaml:"retry_after" doc:"What the answer's Retry-After says, in whole seconds rounded up; 0s for none."`
}

// Schema is the JSON Schema of a test file, for editors.
func Schema() ([]byte, error) {
	return strictyaml.Schema(file{}, "https://github.com/saas-sentinel/saas-sentinel/schemas/policies_test.schema.json", "Tests of SaaS-Sentinel policies")
}
