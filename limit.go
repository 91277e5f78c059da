package sentinel

import (
	"errors"
	"math/bits"
	"strconv"
	"time"
)

// ErrLimitBusy says that a limit's counter or override was changed again and again while it was to be changed. Trying again helps.
var ErrLimitBusy = errors.New("the limit is in use")

// Measure is what a limit counts.
type Measure uint8

// The measures.
const (
	MeasureRequests Measure = iota
	MeasureTokens           // input and output together
	MeasureInputTokens
	MeasureOutputTokens
	MeasureCost       // nano-dollars
	MeasureConcurrent // calls in flight

	MeasureCount = iota
)

var measureNames = [MeasureCount]string{"requests", "tokens", "input_tokens", "output_tokens", "cost", "concurrent"}

// String is the measure's name in reasons, labels and messages.
func (m Measure) String() string {
	if int(m) < len(measureNames) {
		return measureNames[m]
	}
	return "unknown"
}

// Amount is an amount for people: dollars of money, else the count.
func (m Measure) Amount(n int64) string {
	if m == MeasureCost {
		return NanoUSD(n).String()
	}
	return strconv.FormatInt(n, 10)
}

// Amounts are quantities by measure: what a call may take (a bound) or took (actual).
// MeasureCost is in nano-dollars; MeasureConcurrent is always 1 for a bound.
type Amounts [MeasureCount]int64

// AmountsOf gives a usage and its cost as amounts.
func AmountsOf(u Usage, cost NanoUSD) Amounts {
	return Amounts{
		MeasureRequests: 1, MeasureTokens: u.TokenSum(), MeasureInputTokens: u.InputTokenSum(),
		MeasureOutputTokens: u.OutputTokenSum(), MeasureCost: int64(cost), MeasureConcurrent: 1,
	}
}

// LimitKind is the algorithm of a limit.
type LimitKind uint8

// The kinds.
const (
	Rate       LimitKind = iota // GCRA: Max per Period, a burst of Max
	Window                      // a calendar window [Start, End): Max in all, never reset because Start is in the key
	Concurrent                  // Max holds at once
)

// Limit is one bound on one cell, as it applies to one admission.
type Limit struct {
	Name    string // for people: "team payments: 20000 USD/month"
	Cell    string // identity of the counter within the org, without the window: "team/payments/cost"; stable when Max changes
	Kind    LimitKind
	Measure Measure
	Max     int64         // in the measure's unit, above 0
	Period  time.Duration // Rate only
	Start   time.Time     // Window only, UTC
	End     time.Time     // Window only, UTC
	// Charge keeps an expired hold counted until it is settled (hard money). Otherwise it is void.
	Charge bool
	// Soft limits are counted and reported, and never refuse.
	Soft bool
	// Look is of shadows only: the limit is checked and not counted, because the call's own candidates count it.
	Look bool
	// Spare is the share of Max that this call must leave to calls of a higher class, in hundredths of a percent; 0 for none.
	Spare int64
	// Rollover is the most that the window takes over of what the one before it left, as a share of Max in hundredths of a percent; 0 for
	// none. Before is when that one began. One in which nothing was counted leaves nothing.
	Rollover int64
	Before   time.Time
	// WarnAt are shares of Max in hundredths of a percent, ascending; each is reported once a window (Window only).
	WarnAt []int64
}

// AcrossCells begins the cells that organisations of one group share: one provider key, say, that all of them use.
const AcrossCells = "across/"

// FullShare is the whole of a limit, in hundredths of a percent.
const FullShare = 10_000

// Crossing says that a window's posted amount has reached a share of its limit for the first time, on
// whatever replica: exactly one admission or settlement reports it.
type Crossing struct {
	Cell   string // the limit's cell, as in Limit
	Start  time.Time
	Share  int64 // in hundredths of a percent
	Posted int64 // in the limit's measure; for a refusal, what was not left
	Max    int64
}

// Candidate is one way to serve the call: the asked model, a cheaper one, or one of another provider.
type Candidate struct {
	Model    string
	Provider string  // of a fallback; empty for the asked one
	Limits   []Limit // all that apply to this candidate; checked and committed together
	Bound    Amounts // a true upper bound of what the call can take
	Cut      Cut     // how the answer can be made shorter where the bound does not fit; the zero value: it cannot
}

// Cut says what a call can take with a shorter answer: with n tokens at most Base + n × Step.
type Cut struct {
	Least, Most int64 // tokens of one answer: the fewest that are worth sending, and those that were asked for
	Base, Step  Amounts
}

// At is the bound of a call whose answer has at most so many tokens.
func (c Cut) At(tokens int64) Amounts {
	out := c.Base
	for m, step := range c.Step {
		out[m] += tokens * step
	}
	return out
}

// Kept is how much of the limit its call must leave, in the limit's measure, rounded down.
func (l *Limit) Kept() int64 { return ShareOf(l.Max, l.Spare) }

// ShareOf is a share of n in hundredths of a percent, at most the whole of it, rounded down.
func ShareOf(n, share int64) int64 {
	hi, lo := bits.Mul64(uint64(max(0, n)), uint64(min(max(0, share), FullShare)))
	q, _ := bits.Div64(hi, lo, FullShare)
	return int64(q)
}

// Ask is one admission: the first candidate whose limits all fit is held, or none.
type Ask struct {
	Org        string
	Call       CallID
	TTL        time.Duration // life of the hold when nobody settles it
	Candidates []Candidate   // in order of preference, at least 1, at most 8
	// Shadows are judged beside the candidates and decide nothing, at most MaxShadows. Each holds its first candidate whose limits all
	// fit, in cells of its own, where the call itself is let through.
	Shadows [][]Candidate
}

// Hold is the limiter's own text for a reservation: which cells hold how much until when. It
// travels with the call so that any replica can settle, and is opaque to everybody else.
type Hold string

// Denial says which limit refused a candidate.
type Denial struct {
	Limit      *Limit        // of the ask
	Remaining  int64         // what was left, in the measure's unit
	RetryAfter time.Duration // 0 when waiting does not help within the limit's own window
	Reason     Reason        // where no limit of the policy refused; else empty
}

// Level is a limit's state after an admission, for RateLimit headers.
type Level struct {
	Limit     *Limit // of the ask
	Remaining int64
	Reset     time.Duration // until the limit is full again (Rate) or the window ends (Window)
}

// Reservation is the limiter's answer.
type Reservation struct {
	Chosen int // index into Ask.Candidates, −1 when none fits
	// Tokens is how long the chosen candidate's answer may be, where that had to be cut; 0 where it fits as it was asked.
	Tokens int64
	Hold   Hold
	// Denials has the first refusing limit of each candidate that was passed over, in order.
	Denials []Denial
	// Levels of the chosen candidate's limits; for a refusal, those of the first candidate.
	Levels []Level
	// Crossed has the budgets that refused a call for the first time in their window, as their FullShare.
	Crossed []Crossing
	// Shadows say of each of the ask's what was Chosen and which Denials there were; none where they were not judged.
	Shadows []Reservation
}

// Settlement ends a reservation with what the call really took.
type Settlement struct {
	Org    string
	Call   CallID
	Hold   Hold
	Actual Amounts
	// Shadows are what each of the ask's would have taken; where one is missing, Actual.
	Shadows []Amounts
}

// Settled says what a settlement did.
type Settled struct {
	Duplicate     bool // it had been settled before: nothing changed
	UnderReserved bool // the actual amount was above the hold, and was posted in full
	Crossed       []Crossing
}
