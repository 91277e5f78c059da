package sentinel

import "time"

// Action is what the gateway does with a call.
type Action uint8

// The actions.
const (
	Allow Action = iota
	Downgrade
	Throttle // refused now, welcome after RetryAfter
	Deny     // refused until something changes
	Delay    // let through after a wait for the limit
	Fallback // sent to another provider
	Clamp    // sent with a shorter answer than was asked for
)

var actionNames = [...]string{"allow", "downgrade", "throttle", "deny", "delay", "fallback", "clamp"}

// String is the action's name in the ledger, labels and headers.
func (a Action) String() string {
	if int(a) < len(actionNames) {
		return actionNames[a]
	}
	return "unknown"
}

// ActionByName finds an action by its String.
func ActionByName(name string) (Action, bool) {
	for a, n := range actionNames {
		if n == name {
			return Action(a), true
		}
	}
	return 0, false
}

// Refused tells whether the call stays away from the provider.
func (a Action) Refused() bool { return a == Throttle || a == Deny }

// Reason is why; a bounded set, so it can be a label.
type Reason string

// The reasons.
const (
	ReasonNone               Reason = ""
	ReasonRate               Reason = "rate_limited"
	ReasonConcurrency        Reason = "concurrency_limited"
	ReasonQuota              Reason = "quota_spent"
	ReasonBudget             Reason = "budget_spent"
	ReasonUnpriced           Reason = "unpriced"
	ReasonUnidentified       Reason = "unidentified_caller"
	ReasonUnknownEndpoint    Reason = "unknown_endpoint"
	ReasonHostMismatch       Reason = "host_mismatch" // tunnel, TLS and request name different hosts
	ReasonBadRequest         Reason = "bad_request"
	ReasonTooLarge           Reason = "request_too_large"
	ReasonCredential         Reason = "credential_unavailable" //nolint:gosec // a word, no credential
	ReasonLimiterUnavailable Reason = "limiter_unavailable"
	ReasonAnomaly            Reason = "anomaly"
	ReasonPolicy             Reason = "policy" // a rule says so, whatever was used
	ReasonLedgerUnavailable  Reason = "ledger_unavailable"
	ReasonProviderLimit      Reason = "provider_limited" // the provider itself has refused such calls, and said for how long
	ReasonProviderFailed     Reason = "provider_failed"  // another provider, or credential, was tried after it
	ReasonUndelivered        Reason = "undelivered"      // its client, or Envoy, no longer waited for the verdict
	ReasonOtherPlace         Reason = "other_place"      // Envoy does not have the provider where the policy has it
)

// Verdict is the decision on one call. A refusal is a verdict, not an error.
type Verdict struct {
	Action     Action
	Reason     Reason
	Model      string        // to send upstream; differs from the asked one after a downgrade or a fallback
	Provider   string        // of a fallback: where to send it
	Limit      string        // name of the limit that decided, when one did
	Detail     string        // one sentence for the caller; no secret, no other team's figures
	RetryAfter time.Duration // Throttle only
	Levels     []Level       // for RateLimit headers
}
