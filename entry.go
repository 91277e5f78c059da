package sentinel

import "time"

// Source says who witnessed an entry's usage. A higher one supersedes a lower one for the same
// call and attempt, in whatever order they arrive.
type Source uint8

// The sources, from the weakest.
const (
	SourceReconciler Source = iota + 1 // no answer was metered: the bound of the admission
	SourcePartial                      // the stream ended early: own count of what went through
	SourceMeter                        // the provider's own usage report, or a refusal that cost nothing
)

var sourceNames = [...]string{"", "reconciler", "partial", "meter"}

// String is the source's name in the ledger.
func (s Source) String() string {
	if int(s) < len(sourceNames) {
		return sourceNames[s]
	}
	return "unknown"
}

// Intent is written before the call is dispatched: whatever dies later, the money is not forgotten.
type Intent struct {
	Call
	Attempt       int16  // 0 for the first
	Asked         string // the model before a downgrade; Call.Model is the one sent
	Action        Action
	Reason        Reason
	Bound         Usage   // upper bound of the usage
	BoundCost     NanoUSD // its price
	Hold          Hold
	PriceVersion  string
	PolicyVersion string
	Instance      string // boot id of the process that admitted it
}

// Entry is the durable record of what a call used and cost.
type Entry struct {
	Call
	Attempt       int16 // 0 for the first; one entry an attempt
	Asked         string
	Action        Action
	Reason        Reason
	Status        int // HTTP status that the client got; 0 when nobody saw it
	Usage         Usage
	Cost          NanoUSD
	PriceVersion  string
	PolicyVersion string
	Source        Source
	Method        string        // how an estimate was made: "o200k_base", "bound"; empty for reported usage
	Own           Counted       // beside a report that was corrected, could not be read, or came from another model; else zero
	Duration      time.Duration // from At to the last byte
	FirstByte     time.Duration // from At to the response headers
	Shadow        Shadows       // of shadows that judge otherwise; empty where none does
}

// Counted are the tokens of a call by the gateway's own count: the prompt by its spelling, the answer by its text.
type Counted struct{ Input, Output int64 }

// Estimated tells whether the usage is not the provider's own word.
func (e Entry) Estimated() bool { return e.Method != "" }

// The versions of prices that no catalog has: the policy's flat one, and none at all.
const (
	VersionFlat     = "unpriced@flat"
	VersionUnpriced = "unpriced@alert"
)

// Unpriced tells whether no catalog or policy has a price for the call: it was let through at a flat one, or free with an alert.
func (e Entry) Unpriced() bool {
	return e.PriceVersion == VersionFlat || e.PriceVersion == VersionUnpriced
}

// Record is one line of the spool: exactly one of the two is set.
type Record struct {
	Intent *Intent
	Entry  *Entry
}
