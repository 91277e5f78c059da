package sentinel

import "time"

// Model says how the detector of a service is made from the ledger: from which minute on it learns, and how that did on days
// that it had not seen.
type Model struct {
	Service                 string
	LearnsFrom              time.Time
	JudgedFrom, JudgedUntil time.Time
	Version                 int // of the detector's code
	Features                []string
	FalseAlerts             int // in the time judged, but for those that people confirmed
	Bursts, Found           int // made ones, in the time judged
	Trained                 time.Time
}

// Minute is what a service's calls of one minute sum up to, as one gateway process on the average saw it. Refused calls do not count.
type Minute struct {
	At                 time.Time
	Calls              float64
	Prompt, Completion float64 // tokens
	CostUSD            float64
	// LatencyMS and ErrorRate are means over the calls; NaN where only sums are left of the minute.
	LatencyMS, ErrorRate float64
}
