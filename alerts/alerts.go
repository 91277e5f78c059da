// Package alerts turns facts into incidents, and incidents into few messages that reach people. The life of
// an incident is decided purely (Machine.Apply); a Store keeps it together with what is to be sent, and one
// process at a time sends (Sender).
package alerts

import (
	"context"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Store keeps groups, incidents, history and deliveries. All replicas share one.
type Store interface {
	// UpdateGroup loads a group with its open incidents, has change decide, and writes all that change
	// gives in one transaction. Two changes of one group never overlap. near are open incidents of the rules named.
	UpdateGroup(ctx context.Context, key string, near []string, change func(sentinel.AlertGroup, []sentinel.IncidentRef) (sentinel.AlertGroup, sentinel.AlertEffects)) error
	// NoteLast writes what a person says into the history of a group's last incident and of those that were open beside it, if none is open and
	// it was resolved in the last 30 days, and gives their number.
	NoteLast(ctx context.Context, key, what, by string) (int, error)
	// DueGroups lists groups whose time has come, at most limit.
	DueGroups(ctx context.Context, now time.Time, limit int) ([]string, error)
	// OpenGroups lists groups with incidents that are not resolved, at most limit.
	OpenGroups(ctx context.Context, limit int) ([]string, error)
	// Lease makes holder the one sender for ttl, and gives the fence that its writes must carry.
	Lease(ctx context.Context, holder string, ttl time.Duration) (fence int64, ok bool, err error)
	// Claim gives due deliveries, at most one a channel, and counts the try. Messages of a group arrive in a channel no closer than
	// gap, and a channel that asked for a pause gets nothing before its end. A stale fence gets ErrFenced.
	Claim(ctx context.Context, fence int64, now time.Time, gap time.Duration) ([]sentinel.Delivery, error)
	// Finish records how a try ended. A stale fence gets ErrFenced.
	Finish(ctx context.Context, fence int64, r sentinel.DeliveryResult) error
	// FirstSeen tells whether a callback's mark has not been seen before, and remembers it until then.
	FirstSeen(ctx context.Context, mark string, until time.Time) (bool, error)
}

// Rule says when an incident opens and whom it concerns.
type Rule struct {
	Name         string
	Severity     sentinel.Severity
	ByScope      bool          // each scope is a group of its own; otherwise the rule is one group
	ResolveAfter time.Duration // the cause must be gone for so long; flapping shorter than this is one incident
	InhibitedBy  []string      // rules whose open incident on the same scope, or on one above it, keeps this one quiet
	To           []string      // channels
	Escalate     []Step
	Budget       bool // its scopes are budgets that people may raise
	Note         bool // it tells what was, and asks for nothing: it is not edited when it is over
}

// Step is one more set of channels when nobody reacted.
type Step struct {
	After  time.Duration // from the first message
	To     []string
	Repeat time.Duration // again after so long, until somebody acknowledges; 0: once
}

// Quiet are hours in which only severe incidents are told. Times are minutes of the day in Zone; From after
// To spans midnight.
type Quiet struct {
	On       bool
	From, To int
	Below    sentinel.Severity // incidents below this wait
	Zone     *time.Location
}

// Timing are the machine's clocks.
type Timing struct {
	Wait     time.Duration // from the first incident to the message: what comes together is told together
	Interval time.Duration // at most one message a group in this time; edits are free of it
	EditGap  time.Duration // between edits
}

// DefaultTiming tells within a second, and a group at most once in five minutes.
func DefaultTiming() Timing {
	return Timing{Wait: time.Second, Interval: 5 * time.Minute, EditGap: 5 * time.Second}
}

// Event is a report that a rule's cause holds, or no longer holds, for a scope.
type Event struct {
	Rule, Scope, Window string
	Firing              bool
	Severity            sentinel.Severity // the higher of this and the rule's counts
	Level               int64             // a higher one on the same incident is told again: 80 % after 50 %
	Title, Detail       string
	At, Until           time.Time
}

// Act is what a person does to an incident.
type Act string

// The acts.
const (
	Acknowledge Act = "acknowledge"
	Snooze      Act = "snooze"
	Plan        Act = "planned"
	Resolve     Act = "resolve"
	Raise       Act = "raise"       // of a budget: it gets a fifth more until its window ends
	Confirm     Act = "confirmed"   // of an anomaly: it is one
	Dismiss     Act = "false alarm" // of an anomaly: it is none
)

// Press is an act on every open incident of a group.
type Press struct {
	Act   Act
	By    string
	For   time.Duration // of Snooze
	Ended bool          // it is on the last incident, which has ended, and on none that opened since
}

// GroupKey names the group of a rule's incident.
func (r Rule) GroupKey(scope string) string {
	if r.ByScope {
		return r.Name + "|" + scope
	}
	return r.Name
}

// ruleOf reads the rule's name out of a group's key.
func ruleOf(key string) string {
	name, _, _ := strings.Cut(key, "|")
	return name
}
