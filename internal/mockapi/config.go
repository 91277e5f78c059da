// Package mockapi holds stand-ins for the APIs that SaaS-Sentinel sits in front of: OpenAI,
// Anthropic, Google's Gemini, Stripe, Twilio, AWS (Bedrock Converse and S3) and a small weather API. They answer in the
// shapes that the official clients accept, with usage, latency, pace and faults chosen by
// configuration, and keep an account of their own (/_stats) to compare the ledger with.
package mockapi

import (
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/goccy/go-yaml"
	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Bounds of what a server keeps and accepts.
const (
	maxBody    = 16 << 20 // bytes of one request
	maxObjects = 64 << 20 // bytes of all stored S3 objects together
	maxCalls   = 50_000   // calls that their clients named
	maxRecords = 10_000   // Stripe objects, rows of the account, known credentials
	maxTokens  = 100_000  // tokens of one answer
	maxChoices = 16       // answers of one call (OpenAI's n)
)

// Config says how the stand-ins behave.
type Config struct {
	Seed    uint64             `yaml:"seed"`    // draws the lengths of answers; the same request gives the same length
	Hosts   map[string]string  `yaml:"hosts"`   // host name, without a port, to stand-in
	Answers Answers            `yaml:"answers"` // how a model answers that Models does not name
	Models  map[string]Answers `yaml:"models"`  // by model (or by stand-in, where the API has none); replaces Answers as a whole
	Faults  []Fault            `yaml:"faults"`  // at most one is applied to a call: the first that is due
	Prices  []Price            `yaml:"prices"`  // the first that matches bills a call
	// Accept has the credentials that a stand-in takes; a stand-in without any takes all. For AWS
	// each is "ACCESS_KEY_ID:SECRET", and the signature is checked.
	Accept map[string][]string `yaml:"accept"`
	// Administration is who may make keys at OpenAI's stand-in.
	Administration Administration `yaml:"administration"`
	// Canaries are texts, such as the client's own tokens, that must never reach a provider.
	Canaries []string `yaml:"canaries"`
}

// Answers says how long a model takes and how much it says.
type Answers struct {
	Latency         time.Duration `yaml:"latency"`          // before the first byte
	Pace            time.Duration `yaml:"pace"`             // between two tokens of a stream
	MinOutput       int64         `yaml:"min_output"`       // tokens, drawn when the request sets no maximum
	MaxOutput       int64         `yaml:"max_output"`       // tokens, drawn when the request sets no maximum
	Limit           int64         `yaml:"limit"`            // tokens, when the request sets a maximum; 0 = 100,000
	ReasoningTokens int64         `yaml:"reasoning_tokens"` // hidden part of the output
	CachedPercent   int64         `yaml:"cached_percent"`   // share of the prompt that is reported as cached
}

// FaultKind is a way to misbehave.
type FaultKind string

// The kinds.
const (
	FaultStatus FaultKind = "status" // an error with Status, which costs nothing
	FaultReset  FaultKind = "reset"  // the connection is reset after AfterTokens tokens of a stream, or before an answer
	FaultSlow   FaultKind = "slow"   // Delay before the first byte
	FaultEcho   FaultKind = "echo"   // an error with Status that quotes the credential
	FaultLong   FaultKind = "long"   // AfterTokens tokens of an answer, whatever the request's maximum is
	FaultHuge   FaultKind = "huge"   // Bytes of white space within the answer, where it is not a stream
)

// maxHuge bounds an answer: 16 GiB.
const maxHuge = 16 << 30

// Fault is a rule of misbehaviour. Empty match fields match everything.
type Fault struct {
	Provider    string        `yaml:"provider"`
	Endpoint    string        `yaml:"endpoint"`
	Model       string        `yaml:"model"`
	Kind        FaultKind     `yaml:"kind"`
	First       int64         `yaml:"first"` // the first n calls …
	Of          int64         `yaml:"of"`    // … of every m; 0 = of all
	Status      int           `yaml:"status"`
	RetryAfter  time.Duration `yaml:"retry_after"` // of FaultStatus, in whole seconds, as the provider says it; 0 says nothing
	AfterTokens int64         `yaml:"after_tokens"`
	Delay       time.Duration `yaml:"delay"`
	Bytes       int64         `yaml:"bytes"` // of FaultHuge
}

// Price bills the calls that it matches. Empty match fields match everything.
type Price struct {
	Provider string `yaml:"provider"`
	Endpoint string `yaml:"endpoint"`
	Model    string `yaml:"model"`
	// Rates are pico-dollars per unit, by the unit's name.
	Rates map[string]int64 `yaml:"rates"`
}

//go:embed default.yaml
var defaultYAML []byte

// DefaultConfig has the hosts of all stand-ins, list prices and quick answers.
func DefaultConfig() Config {
	c, err := ParseConfig(defaultYAML)
	if err != nil {
		panic(err) // the embedded file is tested
	}
	return c
}

// ParseConfig reads YAML. Unknown keys and values out of range are errors; all of the latter are reported at once.
func ParseConfig(data []byte) (Config, error) {
	var c Config
	if err := yaml.UnmarshalWithOptions(data, &c, yaml.Strict()); err != nil {
		return Config{}, fmt.Errorf("mock configuration: %s", yaml.FormatError(err, false, false))
	}
	if err := c.Validate(); err != nil {
		return Config{}, fmt.Errorf("mock configuration: %w", err)
	}
	return c, nil
}

// Validate reports every fault at once, each by its key.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	for _, host := range slices.Sorted(maps.Keys(c.Hosts)) {
		if _, ok := standIns[c.Hosts[host]]; !ok {
			fault("hosts.%s: unknown stand-in %q; allowed: %v", host, c.Hosts[host], StandIns())
		}
	}
	if err := c.Answers.validate("answers"); err != nil {
		faults = append(faults, err)
	}
	for _, model := range slices.Sorted(maps.Keys(c.Models)) {
		if err := c.Models[model].validate("models." + model); err != nil {
			faults = append(faults, err)
		}
	}
	for i, f := range c.Faults {
		if err := f.validate(); err != nil {
			fault("faults[%d].%w", i, err)
		}
	}
	for i, p := range c.Prices {
		for _, unit := range slices.Sorted(maps.Keys(p.Rates)) {
			if _, ok := sentinel.UnitByName(unit); !ok {
				fault("prices[%d].rates.%s: unknown unit", i, unit)
			}
			if p.Rates[unit] < 0 {
				fault("prices[%d].rates.%s: %d is negative", i, unit, p.Rates[unit])
			}
		}
	}
	for _, p := range slices.Sorted(maps.Keys(c.Accept)) {
		if _, ok := standIns[p]; !ok {
			fault("accept.%s: unknown stand-in; allowed: %v", p, StandIns())
		}
	}
	return errors.Join(faults...)
}

func (a Answers) validate(key string) error {
	switch {
	case a.Latency < 0 || a.Latency > time.Minute:
		return fmt.Errorf("%s.latency: %s is outside [0s, 1m]", key, a.Latency)
	case a.Pace < 0 || a.Pace > time.Minute:
		return fmt.Errorf("%s.pace: %s is outside [0s, 1m]", key, a.Pace)
	case a.MaxOutput < 1 || a.MaxOutput > maxTokens:
		return fmt.Errorf("%s.max_output: %d is outside [1, %d]", key, a.MaxOutput, maxTokens)
	case a.MinOutput < 1 || a.MinOutput > a.MaxOutput:
		return fmt.Errorf("%s.min_output: %d is outside [1, max_output]", key, a.MinOutput)
	case a.Limit < 0 || a.Limit > maxTokens:
		return fmt.Errorf("%s.limit: %d is outside [0, %d]", key, a.Limit, maxTokens)
	case a.ReasoningTokens < 0 || a.ReasoningTokens > maxTokens:
		return fmt.Errorf("%s.reasoning_tokens: %d is outside [0, %d]", key, a.ReasoningTokens, maxTokens)
	case a.CachedPercent < 0 || a.CachedPercent > 100:
		return fmt.Errorf("%s.cached_percent: %d is outside [0, 100]", key, a.CachedPercent)
	}
	return nil
}

func (f Fault) validate() error {
	switch {
	case !slices.Contains([]FaultKind{FaultStatus, FaultReset, FaultSlow, FaultEcho, FaultLong, FaultHuge}, f.Kind):
		return fmt.Errorf("kind: %q is unknown; allowed: status, reset, slow, echo, long, huge", f.Kind)
	case f.First < 1:
		return fmt.Errorf("first: %d is below 1", f.First)
	case f.Of != 0 && f.Of < f.First:
		return fmt.Errorf("of: %d is below first", f.Of)
	case (f.Kind == FaultStatus || f.Kind == FaultEcho) && (f.Status < 400 || f.Status > 599):
		return fmt.Errorf("status: %d is outside [400, 599]", f.Status)
	case f.Delay < 0 || f.Delay > time.Minute:
		return fmt.Errorf("delay: %s is outside [0s, 1m]", f.Delay)
	case f.Bytes < 0 || f.Bytes > maxHuge || (f.Kind == FaultHuge) != (f.Bytes > 0):
		return fmt.Errorf("bytes: %d is outside [1, %d], or the fault is not huge", f.Bytes, int64(maxHuge))
	case f.Kind == FaultLong && f.AfterTokens == 0:
		return errors.New("after_tokens: say how long an answer is, at least 1")
	case f.AfterTokens < 0 || f.AfterTokens > maxTokens:
		return fmt.Errorf("after_tokens: %d is outside [0, %d]", f.AfterTokens, maxTokens)
	}
	return nil
}

// answers finds the settings of a model, or of a stand-in whose API has no models.
func (c *Config) answers(provider, model string) Answers {
	for _, key := range []string{model, provider} {
		if a, ok := c.Models[key]; ok {
			return a
		}
	}
	return c.Answers
}

func matches(wantProvider, wantEndpoint, wantModel, provider, endpoint, model string) bool {
	return (wantProvider == "" || wantProvider == provider) &&
		(wantEndpoint == "" || wantEndpoint == endpoint) &&
		(wantModel == "" || wantModel == model)
}
