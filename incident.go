package sentinel

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"
)

// IncidentState is where an incident is in its life.
type IncidentState uint8

// The states.
const (
	IncidentOpen IncidentState = iota + 1
	IncidentAcknowledged
	IncidentSnoozed
	IncidentResolved
)

var incidentStateNames = [...]string{"", "open", "acknowledged", "snoozed", "resolved"}

// String is the state's name in messages and in the database.
func (s IncidentState) String() string {
	if int(s) < len(incidentStateNames) {
		return incidentStateNames[s]
	}
	return "unknown"
}

// Severity orders incidents by what they ask of people.
type Severity uint8

// The severities, from the weakest.
const (
	SeverityInfo Severity = iota
	SeverityWarning
	SeverityCritical
)

var severityNames = [...]string{"info", "warning", "critical"}

// String is the severity's name in policies and messages.
func (s Severity) String() string {
	if int(s) < len(severityNames) {
		return severityNames[s]
	}
	return "unknown"
}

// SeverityByName finds a severity by its String.
func SeverityByName(name string) (Severity, bool) {
	for s, n := range severityNames {
		if n == name {
			return Severity(s), true
		}
	}
	return 0, false
}

// Incident is one thing that is wrong, from its first sight to its end.
type Incident struct {
	ID           string // see IncidentID
	Group        string // incidents of one group share their messages
	Rule         string
	Scope        string // who or what: "team/growth/cost/month", "provider/openai"
	Window       string // of a budget the start of its window; empty where the scope alone says it
	Severity     Severity
	State        IncidentState
	Firing       bool // what caused it holds now
	Level        int64
	Title        string // one line, for people
	Detail       string
	Opened       time.Time
	Seen         time.Time // last time that the cause was reported
	Until        time.Time // the cause ends by itself then; zero: when it is reported ended
	Cleared      time.Time // end of the cause; zero while it holds
	SnoozedUntil time.Time
	Resolved     time.Time
	By           string // who acknowledged or snoozed it
	Planned      bool   // somebody expected it
	Fired        int64  // how often the cause was reported
	Flaps        int64  // how often it came back before it was resolved
	Returns      int    // how often it came back soon after it had been resolved
	Dirty        bool   // people are still to be told
	Held         string // why they are not told: "inhibited", "silenced" or empty
	Notified     time.Time
}

// CauseReturned is in the history of an incident whose cause had ended and began again before it was resolved.
const CauseReturned = "began again"

// IncidentTurn is the cause of an incident that began, rose or ended, as whichever process noticed it.
type IncidentTurn struct {
	Seq         int64 // numbers them over all processes
	At          time.Time
	Rule, Scope string
	Title       string // of the incident's highest level
	Ended       bool
	Again       bool // it had ended, and began again before its incident was resolved
}

// IncidentQuery chooses incidents, the newest first.
type IncidentQuery struct {
	Open  bool   // leave out those that are resolved
	Scope string // only those of a scope; empty is any
	After Cursor // only those after it in the list
	Limit int
}

// IncidentID names the incident of a rule on a scope in a window: the same cause has the same id on every replica.
func IncidentID(rule, scope, window string) string {
	h := sha256.New()
	for _, part := range []string{rule, scope, window} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// IncidentRef names an incident that is not resolved, as others see it.
type IncidentRef struct {
	Rule, Scope string
	Severity    Severity
}

// LatelyResolved is what a group remembers of an incident that was resolved.
type LatelyResolved struct {
	ID       string
	Resolved time.Time
	Returns  int
}

// AlertGroup is what shares messages: the incidents of one rule, or of one rule and scope.
type AlertGroup struct {
	Key      string
	Rule     string
	Episode  int64     // counts the times that the group went from quiet to loud; each has its own thread
	Ready    time.Time // when what is dirty may be told; zero when nothing waits
	LastSent time.Time // of the last message, edits not counted
	LastEdit time.Time
	Stale    bool      // what the last message shows is no longer true
	Began    time.Time // first message of the episode; escalation counts from here
	Step     int       // escalation steps taken in this episode
	Repeats  int       // of the last step
	Paged    time.Time // of the newest step or repeat
	Due      time.Time // when the group must be looked at again; zero: not before something happens
	Lately   []LatelyResolved
	// Incidents are those that are not resolved. Those that this change resolved are among them, once.
	Incidents []Incident
}

// IncidentChange is one line of an incident's history.
type IncidentChange struct {
	At       time.Time
	Incident string
	What     string // opened, raised, cleared, returned, acknowledged, snoozed, planned, resolved, notified …
	By       string
}

// AlertEffects are what a change of a group brings about. They are written in the same transaction.
type AlertEffects struct {
	History    []IncidentChange
	Deliveries []Delivery
	Pressed    int // open incidents that people's acts were applied to
	Unopened   int // incidents that were not opened because the group has as many as it may; they are counted, not kept
}

// Delivery is one message to one channel, kept until the channel took it.
type Delivery struct {
	ID        string // visible in the message, the same at every try
	Group     string
	Episode   int64
	Channel   string
	Kind      DeliveryKind
	Body      []byte // the message, as the room of alerts encodes it
	NotBefore time.Time
	Created   time.Time
	Attempts  int
	Root      string // where the channel keeps the episode's first message; empty before that was sent
}

// AlertMessage is a delivery as people see it.
type AlertMessage struct {
	Seq      int64 // counts the messages of all channels
	ID       string
	Group    string
	Channel  string
	Kind     DeliveryKind
	State    string // waiting, sent or dead
	Created  time.Time
	Ended    time.Time // zero while it waits
	Attempts int
	Fault    string // of the last attempt, without secrets
}

// DeliveryKind is what a delivery does in its channel.
type DeliveryKind string

// The kinds.
const (
	DeliverMessage DeliveryKind = "message" // a message of its own, or a line in the thread of the first
	DeliverEdit    DeliveryKind = "edit"    // the first message shows what is true now
	DeliverPage    DeliveryKind = "page"    // an escalation step
)

// DeliveryResult is how a try to deliver ended.
type DeliveryResult struct {
	ID    string
	Done  bool
	Dead  bool      // given up: the channel will never take it
	Retry time.Time // of the next try, when neither done nor dead
	Pause bool      // until Retry the channel wants nothing else either
	Ref   string    // where the channel keeps the message
	Fault string    // why, without secrets
}

// Why an answer to an alert changed nothing.
var (
	ErrNoAlert      = errors.New("the policy has no alert rule of this group")
	ErrIncidentOver = errors.New("nothing was changed: no such incident is open, and what an anomaly was is taken of its alert's last incident alone, for 30 days after the end")
)

// ErrFenced says that another process has taken over the sending of alerts.
var ErrFenced = errors.New("another process sends the alerts now")
