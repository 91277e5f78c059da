package alerts

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// shownIncidents bounds the lines of one message; the rest is counted.
const shownIncidents = 10

// Message is what people read, before a channel gives it its form. Every text in it may come from an
// attacker: a channel must escape it.
type Message struct {
	ID       string                `json:"id"`
	Group    string                `json:"group"`
	Rule     string                `json:"rule"`
	Kind     sentinel.DeliveryKind `json:"kind"`
	Severity string                `json:"severity"`
	State    string                `json:"state"`
	By       string                `json:"by,omitempty"`
	Title    string                `json:"title"`
	Lines    []Line                `json:"lines"`
	More     int                   `json:"more,omitempty"` // incidents that are not in Lines
	At       time.Time             `json:"at"`
	Test     bool                  `json:"test,omitempty"`
	Budget   bool                  `json:"budget,omitempty"` // Scope is one budget that people may raise
	Note     bool                  `json:"note,omitempty"`   // it asks for nothing
	Scope    string                `json:"scope,omitempty"`  // of the worst incident
	Window   string                `json:"window,omitempty"`
}

// Line is one incident of a message.
type Line struct {
	Incident string `json:"incident"`
	Severity string `json:"severity"`
	State    string `json:"state"`
	Title    string `json:"title"`
	Detail   string `json:"detail,omitempty"`
	Flaps    int64  `json:"flaps,omitempty"`
}

func (m Message) encode() []byte {
	b, err := json.Marshal(m)
	if err != nil { // no field can fail
		panic(err)
	}
	return b
}

func decode(b []byte) (m Message, err error) {
	err = json.Unmarshal(b, &m)
	return m, err
}

// compose writes a group as a message: what is new first for a message, all of it for an edit.
func compose(g sentinel.AlertGroup, r Rule, kind sentinel.DeliveryKind, now time.Time) Message {
	list := slices.Clone(g.Incidents)
	slices.SortFunc(list, bySeverity)
	if kind == sentinel.DeliverMessage {
		slices.SortStableFunc(list, func(a, b sentinel.Incident) int {
			switch wa, wb := waiting(a), waiting(b); {
			case wa == wb:
				return 0
			case wa:
				return -1
			}
			return 1
		})
	}
	m := Message{Group: g.Key, Rule: r.Name, Kind: kind, State: groupState(list).String(), At: now, Note: r.Note, Severity: sentinel.SeverityInfo.String()}
	worst := sentinel.SeverityInfo
	for n, i := range list {
		worst = max(worst, i.Severity)
		if i.By != "" {
			m.By = i.By
		}
		if n >= shownIncidents {
			m.More++
			continue
		}
		m.Lines = append(m.Lines, Line{Incident: i.ID, Severity: i.Severity.String(), State: i.State.String(), Title: i.Title, Detail: i.Detail, Flaps: i.Flaps})
	}
	m.Severity = worst.String()
	if len(list) > 0 {
		m.Title, m.Scope, m.Window = list[0].Title, list[0].Scope, list[0].Window
	}
	m.Budget = r.Budget && len(list) == 1
	if len(list) > 1 {
		m.Title = fmt.Sprintf("%s, and %d more", list[0].Title, len(list)-1)
	}
	return m
}

// groupState is the state that needs people most.
func groupState(list []sentinel.Incident) sentinel.IncidentState {
	state := sentinel.IncidentResolved
	for _, i := range list {
		state = min(state, i.State)
	}
	return state
}

// deliveryID is the same for the same step of the same group, whoever computes it.
func deliveryID(g sentinel.AlertGroup, channel string, kind sentinel.DeliveryKind, now time.Time, n int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%s\x00%s\x00%d\x00%d", g.Key, g.Episode, channel, kind, now.UnixNano(), n))
	return "al_" + hex.EncodeToString(sum[:10])
}

// Plain makes one line of text without control, formatting or direction characters, of at most most bytes.
func Plain(s string, most int) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "�") {
		if unicode.IsSpace(r) {
			r = ' '
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			continue
		}
		if b.Len()+len(string(r)) > most {
			break
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}
