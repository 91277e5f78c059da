package sentinel

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"
)

// Severity says who has to be told, and how fast.
type Severity uint8

// The severities, rising.
const (
	Notice Severity = iota
	Warning
	Critical
)

var severities = [...]string{"notice", "warning", "critical"}

// String is the severity's word.
func (s Severity) String() string {
	if int(s) < len(severities) {
		return severities[s]
	}
	return fmt.Sprintf("severity(%d)", uint8(s))
}

// ParseSeverity reads what String writes.
func ParseSeverity(text string) (Severity, error) {
	for i, word := range severities {
		if word == text {
			return Severity(i), nil
		}
	}
	return 0, fmt.Errorf("%q is not a severity: use notice, warning or critical", text)
}

// Alert says that something happened which people want to know. Rule, Scope and Window name it: the same three
// are the same incident, however often and from however many processes it is raised.
type Alert struct {
	Rule     string // such as "budget"
	Scope    string // what it is about, such as a limit's cell
	Window   string // when it can come again, such as a budget's month; empty: once the incident is resolved
	Severity Severity
	Title    string // one line
	Text     string // plain text; channels escape it
	At       time.Time
}

// Key identifies the incident of an alert: SHA-256 over the three names, each with its length before it.
func (a Alert) Key() [sha256.Size]byte {
	var b []byte
	for _, part := range []string{a.Rule, a.Scope, a.Window} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return sha256.Sum256(b)
}

// IncidentState is where an incident's life has got to.
type IncidentState uint8

// The states.
const (
	IncidentOpen IncidentState = iota
	IncidentAcknowledged
	IncidentSnoozed
	IncidentResolved
)

var incidentStates = [...]string{"open", "acknowledged", "snoozed", "resolved"}

// String is the state's word.
func (s IncidentState) String() string {
	if int(s) < len(incidentStates) {
		return incidentStates[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// ParseIncidentState reads what String writes.
func ParseIncidentState(text string) (IncidentState, error) {
	for i, word := range incidentStates {
		if word == text {
			return IncidentState(i), nil
		}
	}
	return 0, fmt.Errorf("%q is not a state: use open, acknowledged, snoozed or resolved", text)
}

// Incident is the life of an alert. Alert.At is when it was raised first.
type Incident struct {
	ID string // a UUID; people see its first eight digits
	Alert
	State   IncidentState
	Count   int64     // how often it was raised
	Updated time.Time // when it was raised last, or changed
	Actor   string    // who changed its state last; empty: nobody
}

// Delivery is one message about an incident on its way to a channel.
type Delivery struct {
	ID       int64
	Channel  string
	Attempt  int // from 1
	Incident Incident
}
