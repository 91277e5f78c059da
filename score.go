package sentinel

import "time"

// Score says how unusual a minute of a service was, as one gateway process saw it.
type Score struct {
	At               time.Time // the minute's begin, UTC
	Service          string
	Instance         string
	Team             string
	Score            float64 // one minus the share of the service's minutes that are as unusual: 0 for nothing
	Strength         float64 // the detector's own, 0.5 for an alert
	Feature          string  // what was most unusual, and Share its part of all that was
	Share            float64
	Actual, Expected float64 // of Feature, in its own unit
	Impact           NanoUSD // what the minute cost above what its hour's usual calls do; 0 below LeastScore
	// Features are all that were unusual, the largest share first, and Shares theirs; none below LeastScore.
	Features []string
	Shares   []float64
}

// LeastScore is the score from which a minute counts as unusual at all: below it nothing is compared with a policy.
const LeastScore = 0.9

// Feedback is what a person said of an anomaly.
type Feedback struct {
	At      time.Time
	Service string
	Verdict string // FeedbackTrue, FeedbackFalse or FeedbackPlanned
}

// The verdicts, as incidents' histories have them.
const (
	FeedbackTrue    = "confirmed"
	FeedbackFalse   = "false alarm"
	FeedbackPlanned = "planned"
)
