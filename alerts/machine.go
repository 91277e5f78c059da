package alerts

import (
	"cmp"
	"slices"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Bounds of a group and of what people may ask of it.
const (
	maxIncidents = 2_000 // open at once in one group; more are not opened, and counted by the caller
	maxSnooze    = 7 * 24 * time.Hour
	maxRepeats   = 20
	maxText      = 300 // bytes of a title or detail
)

// Machine decides the life of incidents. It has no clock and no I/O: the same group, input and time always
// give the same effects.
type Machine struct {
	Rules    map[string]Rule
	Silences []sentinel.AlertSilence
	Quiet    Quiet
	Timing   Timing
	Edits    map[string]bool // channels whose messages can be changed after they were sent
}

// Input is what happened to one group.
type Input struct {
	Now     time.Time
	Events  []Event
	Presses []Press
	Near    []sentinel.IncidentRef // open incidents of inhibiting rules
}

// Apply takes a group from one state to the next.
func (m *Machine) Apply(g sentinel.AlertGroup, in Input) (sentinel.AlertGroup, sentinel.AlertEffects) {
	s := step{m: m, g: g, now: in.Now, rule: m.Rules[g.Rule]}
	s.g.Incidents = slices.DeleteFunc(slices.Clone(g.Incidents), func(i sentinel.Incident) bool { return i.State == sentinel.IncidentResolved })
	s.index = make(map[string]int, len(s.g.Incidents))
	for i := range s.g.Incidents {
		s.index[s.g.Incidents[i].ID] = i
	}
	for _, e := range in.Events {
		s.event(e)
	}
	for _, p := range in.Presses {
		s.press(p)
	}
	s.clocks()
	s.hold(in.Near)
	s.tell()
	s.escalate()
	s.edit()
	s.due()
	return s.g, s.out
}

// step is one Apply under way.
type step struct {
	m     *Machine
	g     sentinel.AlertGroup
	rule  Rule
	now   time.Time
	index map[string]int // of incidents by id
	out   sentinel.AlertEffects
}

func (s *step) note(i *sentinel.Incident, what, by string) {
	s.out.History = append(s.out.History, sentinel.IncidentChange{At: s.now, Incident: i.ID, What: what, By: by})
}

// event opens, renews, raises or clears an incident.
func (s *step) event(e Event) {
	id := sentinel.IncidentID(e.Rule, e.Scope, e.Window)
	at, known := s.index[id]
	if !known {
		if !e.Firing {
			return
		}
		if len(s.g.Incidents) >= maxIncidents {
			s.out.Unopened++
			return
		}
		s.index[id] = len(s.g.Incidents)
		s.g.Incidents = append(s.g.Incidents, sentinel.Incident{
			ID: id, Group: s.g.Key, Rule: e.Rule, Scope: e.Scope, Window: e.Window, Severity: max(e.Severity, s.rule.Severity),
			State: sentinel.IncidentOpen, Firing: true, Level: e.Level, Title: Plain(e.Title, maxText), Detail: Plain(e.Detail, maxText),
			Opened: e.At, Seen: e.At, Until: e.Until, Fired: 1, Dirty: true, Returns: s.returns(id),
		})
		s.note(&s.g.Incidents[len(s.g.Incidents)-1], "opened", "")
		return
	}
	i := &s.g.Incidents[at]
	if !e.Firing {
		if i.Firing {
			i.Firing, i.Cleared = false, e.At
			s.note(i, "cleared", "")
		}
		return
	}
	i.Seen, i.Fired = later(i.Seen, e.At), i.Fired+1
	i.Until = later(i.Until, e.Until)
	if !i.Firing {
		i.Firing, i.Cleared = true, time.Time{}
		i.Flaps++
		s.note(i, sentinel.CauseReturned, "") // as many lines as there are of its ends
	}
	if e.Level > i.Level {
		i.Level, i.Title, i.Detail = e.Level, Plain(e.Title, maxText), Plain(e.Detail, maxText)
		i.Severity = max(i.Severity, e.Severity)
		i.Dirty = !i.Planned
		if i.State == sentinel.IncidentAcknowledged {
			i.State = sentinel.IncidentOpen // what was acknowledged was less than this
		}
		s.g.Stale = true
		s.note(i, "raised", "")
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// press applies a person's act to every open incident.
func (s *step) press(p Press) {
	by := Plain(p.By, 80)
	for k := range s.g.Incidents {
		i := &s.g.Incidents[k]
		if i.State == sentinel.IncidentResolved {
			continue
		}
		switch p.Act {
		case Acknowledge, Confirm, Raise:
			i.State, i.Dirty = sentinel.IncidentAcknowledged, false
		case Snooze:
			i.State, i.Dirty = sentinel.IncidentSnoozed, false
			i.SnoozedUntil = s.now.Add(min(max(p.For, time.Minute), maxSnooze))
		case Plan, Dismiss:
			i.State, i.Dirty, i.Planned = sentinel.IncidentAcknowledged, false, true
		case Resolve:
			s.resolve(i, by)
			s.out.Pressed++
			continue
		default:
			continue
		}
		s.out.Pressed++
		i.By, s.g.Stale = by, true
		s.note(i, pastTense[p.Act], by)
	}
}

var pastTense = map[Act]string{Acknowledge: "acknowledged", Raise: "raised the budget", Snooze: "snoozed", Plan: sentinel.FeedbackPlanned, Confirm: sentinel.FeedbackTrue, Dismiss: sentinel.FeedbackFalse}

func (s *step) resolve(i *sentinel.Incident, by string) {
	i.State, i.Resolved, i.Firing, i.Dirty = sentinel.IncidentResolved, s.now, false, false
	if by != "" {
		i.By = by
	}
	s.g.Stale = true
	s.remember(i)
	s.note(i, "resolved", by)
}

// clocks does what time alone does: causes end, snoozes end, incidents are resolved.
func (s *step) clocks() {
	for k := range s.g.Incidents {
		i := &s.g.Incidents[k]
		if i.State == sentinel.IncidentResolved {
			continue
		}
		if i.Firing && !i.Until.IsZero() && !s.now.Before(i.Until) {
			i.Firing, i.Cleared = false, i.Until
			s.note(i, "cleared", "")
		}
		if i.State == sentinel.IncidentSnoozed && !s.now.Before(i.SnoozedUntil) {
			i.State, i.Dirty, s.g.Stale = sentinel.IncidentOpen, i.Firing, true
			s.note(i, "snooze ended", "")
		}
		// One that nobody was told of yet is told first: an incident must not be missed because it was short.
		if !i.Firing && !s.now.Before(i.Cleared.Add(s.resolveAfter(i))) && (!i.Dirty || i.Held != "") {
			s.resolve(i, "")
		}
	}
}

// waiting tells whether people are still to be told of an incident now.
func waiting(i sentinel.Incident) bool {
	return i.Dirty && i.Held == "" && i.State == sentinel.IncidentOpen
}

// tell sends one message for all that waits, no more often than the interval and not in quiet hours.
func (s *step) tell() {
	worst, n := sentinel.SeverityInfo, 0
	for _, i := range s.g.Incidents {
		if waiting(i) {
			worst, n = max(worst, i.Severity), n+1
		}
	}
	if n == 0 {
		s.g.Ready = time.Time{}
		return
	}
	if s.g.Ready.IsZero() {
		s.g.Ready = s.now.Add(s.m.Timing.Wait)
		if next := s.g.LastSent.Add(s.m.Timing.Interval); !s.g.LastSent.IsZero() && next.After(s.g.Ready) {
			s.g.Ready = next
		}
	}
	if end := s.m.Quiet.end(s.now, worst); end.After(s.now) {
		if end.After(s.g.Ready) {
			s.g.Ready = end
		}
		return
	}
	if s.now.Before(s.g.Ready) {
		return
	}
	if s.g.Began.IsZero() {
		s.g.Episode, s.g.Began, s.g.Step, s.g.Repeats = s.g.Episode+1, s.now, 0, 0
	}
	for k := range s.g.Incidents {
		if i := &s.g.Incidents[k]; waiting(*i) {
			i.Notified = s.now
		}
	}
	s.send(s.rule.To, sentinel.DeliverMessage)
	for k := range s.g.Incidents {
		if i := &s.g.Incidents[k]; waiting(*i) {
			i.Dirty = false
			s.note(i, "told", "")
		}
	}
	s.g.LastSent, s.g.Ready = s.now, time.Time{}
}

// send makes one delivery a channel, in a fixed order.
func (s *step) send(channels []string, kind sentinel.DeliveryKind) {
	for _, c := range channels {
		m := compose(s.g, s.rule, kind, s.now)
		m.ID = deliveryID(s.g, c, kind, s.now, len(s.out.Deliveries))
		s.out.Deliveries = append(s.out.Deliveries, sentinel.Delivery{
			ID: m.ID, Group: s.g.Key, Episode: s.g.Episode, Channel: c, Kind: kind, Body: m.encode(), NotBefore: s.now, Created: s.now,
		})
	}
}

// escalate takes the steps that are due when nobody reacted in time.
func (s *step) escalate() {
	for at := s.nextStep(); !at.IsZero() && !s.now.Before(at); at = s.nextStep() {
		if s.g.Step < len(s.rule.Escalate) {
			s.g.Step, s.g.Repeats = s.g.Step+1, 0
		} else {
			s.g.Repeats++
		}
		s.g.Paged = s.now
		s.send(s.rule.Escalate[s.g.Step-1].To, sentinel.DeliverPage)
	}
}

// nextStep is when the next step of the escalation is due: not in quiet hours, unless what nobody reacted to is severe. Zero: never.
func (s *step) nextStep() (at time.Time) {
	worst, open := sentinel.SeverityInfo, false
	for _, i := range s.g.Incidents {
		if unanswered(i) {
			worst, open = max(worst, i.Severity), true
		}
	}
	steps := s.rule.Escalate
	switch {
	case s.g.Began.IsZero() || !open || len(steps) == 0:
		return at
	case s.g.Step < len(steps):
		at = s.g.Began.Add(steps[s.g.Step].After)
		if n := s.g.Step; n > 0 { // also after quiet hours, the steps keep their distance
			at = later(at, s.g.Paged.Add(steps[n].After-steps[n-1].After))
		}
	case steps[len(steps)-1].Repeat > 0 && s.g.Repeats < maxRepeats:
		at = s.g.Paged.Add(steps[len(steps)-1].Repeat)
	default:
		return at
	}
	return s.m.Quiet.end(later(at, s.now), worst)
}

// unanswered tells whether people were told and nobody reacted.
func unanswered(i sentinel.Incident) bool {
	return i.State == sentinel.IncidentOpen && i.Firing && i.Held == "" && !i.Notified.IsZero()
}

// edit makes the first message true again, and ends the episode when all is resolved.
func (s *step) edit() {
	over := !slices.ContainsFunc(s.g.Incidents, func(i sentinel.Incident) bool { return i.State != sentinel.IncidentResolved })
	if s.g.Began.IsZero() {
		s.g.Stale = false
		return
	}
	s.g.Stale = s.g.Stale && !s.rule.Note
	if s.g.Stale && (over || !s.now.Before(s.g.LastEdit.Add(s.m.Timing.EditGap))) {
		var to []string
		for _, c := range s.told() {
			if s.m.Edits[c] {
				to = append(to, c)
			}
		}
		s.send(to, sentinel.DeliverEdit)
		s.g.Stale, s.g.LastEdit = false, s.now
	}
	if over {
		s.g.Began, s.g.Step, s.g.Repeats, s.g.Ready = time.Time{}, 0, 0, time.Time{}
	}
}

// told lists the channels that have heard of this episode.
func (s *step) told() []string {
	to := slices.Clone(s.rule.To)
	for _, e := range s.rule.Escalate[:min(s.g.Step, len(s.rule.Escalate))] {
		to = append(to, e.To...)
	}
	slices.Sort(to)
	return slices.Compact(to)
}

// due finds the next moment at which time alone changes something.
func (s *step) due() {
	var next time.Time
	at := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	at(s.g.Ready)
	if s.g.Stale {
		at(s.g.LastEdit.Add(s.m.Timing.EditGap))
	}
	for _, i := range s.g.Incidents {
		switch {
		case i.State == sentinel.IncidentResolved:
			continue
		case i.Held != "":
			at(s.now.Add(10 * time.Second)) // what holds it is in another group or in a calendar
		case i.State == sentinel.IncidentSnoozed:
			at(i.SnoozedUntil)
		}
		if i.Firing {
			at(i.Until)
		} else if !i.Dirty {
			at(i.Cleared.Add(s.resolveAfter(&i)))
		}
	}
	at(s.nextStep())
	if !next.IsZero() && next.Before(s.now) {
		next = s.now
	}
	s.g.Due = next
}

// bySeverity puts the worst first, then the oldest.
func bySeverity(a, b sentinel.Incident) int {
	return cmp.Or(cmp.Compare(b.Severity, a.Severity), a.Opened.Compare(b.Opened), cmp.Compare(a.ID, b.ID))
}
