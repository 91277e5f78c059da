package policy

import (
	"cmp"
	"errors"
	"fmt"
	"sync"

	"cel.dev/cel-go/cel"
)

// Bounds of conditions.
const (
	maxCondition     = 500 // bytes of text
	maxConditionCost = 10_000
)

// AlertFact is what a condition sees: something that was measured in one process.
type AlertFact struct {
	Kind     string
	Team     string  // of refused, downgraded, unpriced and anomaly
	Service  string  // likewise
	Provider string  // of refused, downgraded, errors, outage, latency, key_refused, quarantine, rotation, unpriced and first_seen
	Limit    string  // the cell of a budget or forecast
	Reason   string  // of refused; of a process: killed, still or silent; of a certificate: renewal where the gateway issues it and could not renew it
	Name     string  // of a dependency: redis, ledger, database, vault, spool or clock; of a process: killed, still, or silent/ and the id of its spool; of a drift: envoy or redis; of a policy: file or published; of an anomaly: what is unusual; of first_seen: the provider or its model; of other_host: the host; of a certificate: the key that names it
	Share    float64 // of a budget that is used, 1 for all of it; of a forecast: that is expected to be used at the window's end
	Low      float64 // of a forecast: the share that is passed 9 of 10 times
	Count    int64   // in the last minute; records of a spool_lag
	Rate     float64 // of errors and outage: the share of calls that failed
	Seconds  float64 // of latency: within which 95 of 100 calls began to be answered
	Days     float64 // of a certificate: until it ends
	Score    float64 // of an anomaly, 0.5 to 1: the detector's
	Factor   float64 // of an anomaly: how many times what was expected
}

// AlertCondition tells whether a fact opens an incident.
type AlertCondition struct {
	Text    string // in CEL
	program cel.Program
}

// usualConditions hold where a rule has none.
var usualConditions = map[string]string{
	"budget": "true", "refused": "count >= 1", "downgraded": "count >= 1", "errors": "count >= 20 && rate >= 0.25",
	"key_refused": "count >= 3", "quarantine": "count >= 1", "outage": "count >= 10 && rate >= 0.9", "latency": "count >= 20 && seconds >= 30.0", "certificate": "days < 14.0", "forecast": "share >= 1.0",
	"unpriced": "count >= 1", "anomaly": "score >= 0.5", "spool_lag": "count >= 20000", "dependency": "count >= 1", "process": "count >= 1", "drift": "count >= 1", "policy": "count >= 1", "other_host": "count >= 1",
}

var conditions = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(
		cel.Variable("team", cel.StringType), cel.Variable("service", cel.StringType), cel.Variable("provider", cel.StringType),
		cel.Variable("limit", cel.StringType), cel.Variable("reason", cel.StringType), cel.Variable("name", cel.StringType),
		cel.Variable("share", cel.DoubleType), cel.Variable("count", cel.IntType), cel.Variable("rate", cel.DoubleType),
		cel.Variable("score", cel.DoubleType), cel.Variable("factor", cel.DoubleType), cel.Variable("seconds", cel.DoubleType),
		cel.Variable("days", cel.DoubleType), cel.Variable("low", cel.DoubleType),
	)
})

func compileCondition(kind, text string) (AlertCondition, error) {
	if text == "" {
		text = cmp.Or(usualConditions[kind], "true")
	}
	if len(text) > maxCondition {
		return AlertCondition{}, fmt.Errorf("longer than %d bytes", maxCondition)
	}
	env, err := conditions()
	if err != nil {
		return AlertCondition{}, err
	}
	tree, issues := env.Compile(text)
	if issues.Err() != nil {
		return AlertCondition{}, fmt.Errorf("not a condition in CEL: %s", issues.Errors()[0].Message)
	}
	if tree.OutputType() != cel.BoolType {
		return AlertCondition{}, errors.New("it is not true or false: compare something, as in share >= 0.8")
	}
	program, err := env.Program(tree, cel.CostLimit(maxConditionCost))
	return AlertCondition{text, program}, err
}

// Holds judges a fact. A condition that cannot be judged, such as one that divides by zero, holds: an alert too
// many is seen, one too few is not.
func (c AlertCondition) Holds(f AlertFact) bool {
	if c.program == nil {
		return true
	}
	out, _, err := c.program.Eval(map[string]any{
		"team": f.Team, "service": f.Service, "provider": f.Provider, "limit": f.Limit, "reason": f.Reason, "name": f.Name,
		"share": f.Share, "count": f.Count, "rate": f.Rate, "score": f.Score, "factor": f.Factor, "seconds": f.Seconds,
		"days": f.Days, "low": f.Low,
	})
	return err != nil || out.Value() == true
}
