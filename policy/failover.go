package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Failures are kinds of failures of a provider.
type Failures uint8

// The kinds.
const (
	FailureLimited     Failures = 1 << iota // 429
	FailureError                            // 5xx
	FailureUnreachable                      // no connection, a reset or silence
	FailureRefused                          // 401: of one of several credentials, which no rule names
	allFailures        = FailureLimited | FailureError | FailureUnreachable
)

var failuresByName = map[string]Failures{"429": FailureLimited, "5xx": FailureError, "unreachable": FailureUnreachable}

// Failover says where a call goes when its provider fails it. The zero value is nowhere.
type Failover struct {
	To []Target // in order; a call goes to the first that can serve it, once
	On Failures
	// Timeout is how long an attempt may be silent; 0 is as long as any answer.
	Timeout time.Duration
}

// Bounds of failover.
const (
	maxFailoverTargets = 7
	shortestSilence    = time.Second
	longestSilence     = 10 * time.Minute
)

type failoverYAML struct {
	To      []string      `yaml:"to,required" doc:"Models of other providers as PROVIDER/MODEL. A call goes to the first that can serve it, once. Requests and answers are translated between OpenAI's chat completions and Anthropic's messages."`
	On      []string      `yaml:"on" enum:"429,5xx,unreachable" doc:"Failures after which it does, if the call cannot be billed twice by that: 429, 503 and 529, and calls that never reached the provider; with an idempotency-key of the client's also other 5xx, resets and silence. Default: all."`
	Timeout time.Duration `yaml:"timeout" doc:"How long a provider may be silent, from 1s to 10m: before its answer and within it. Default: as long as any answer, envoy.stream_idle."`
}

// failover reads where a rule sends calls that their provider fails.
func (c *compiler) failover(key string, y ruleYAML, r *rule) {
	f := y.Failover
	if f == nil {
		return
	}
	if n := len(f.To); n == 0 || n > maxFailoverTargets {
		c.Fault(key+".to", "want 1 to %d models of other providers, as in anthropic/claude-haiku-4-5", maxFailoverTargets)
	}
	for i, t := range f.To {
		r.failover.To = append(r.failover.To, c.fallback(fmt.Sprintf("%s.to[%d]", key, i), t))
	}
	for _, on := range f.On {
		r.failover.On |= failuresByName[on]
	}
	if len(f.On) == 0 {
		r.failover.On = allFailures
	}
	if c.Has(key+".timeout") && (f.Timeout < shortestSilence || f.Timeout > longestSilence || f.Timeout%time.Second != 0) {
		c.Fault(key+".timeout", "%s is not a number of seconds from %s to %s", f.Timeout, shortestSilence, longestSilence)
	}
	r.failover.Timeout = f.Timeout
}

// Way is a way of failover between two providers that a rule may send a call.
type Way struct {
	To      string // the provider
	Timeout time.Duration
}

// Ways lists the ways of all rules, each once, in a fixed order.
func (s *Set) Ways() []Way {
	var out []Way
	for i := range s.rules {
		f := &s.rules[i].failover
		for _, t := range f.To {
			if w := (Way{t.Provider, f.Timeout}); !slices.Contains(out, w) {
				out = append(out, w)
			}
		}
	}
	slices.SortFunc(out, func(a, b Way) int { return cmp.Or(strings.Compare(a.To, b.To), cmp.Compare(a.Timeout, b.Timeout)) })
	return out
}
