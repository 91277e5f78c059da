package alerts

import (
	"fmt"
	"slices"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// life drives one group of a machine second by second.
type life struct {
	t    *testing.T
	m    *Machine
	g    sentinel.AlertGroup
	now  time.Time
	sent []sentinel.Delivery
	log  []string
}

func newLife(t *testing.T, r Rule) *life {
	if r.To == nil {
		r.To = []string{"chat"}
	}
	m := &Machine{Rules: map[string]Rule{r.Name: r}, Timing: DefaultTiming(), Edits: map[string]bool{"chat": true}}
	return &life{t: t, m: m, g: sentinel.AlertGroup{Key: r.Name, Rule: r.Name}, now: noon}
}

func (l *life) apply(in Input) {
	in.Now = l.now
	g, out := l.m.Apply(l.g, in)
	l.g, l.sent = g, append(l.sent, out.Deliveries...)
	for _, h := range out.History {
		l.log = append(l.log, h.What)
	}
}

// run lets time pass, and looks only when the group is due.
func (l *life) run(d time.Duration) {
	for end := l.now.Add(d); l.now.Before(end); {
		l.now = l.now.Add(time.Second)
		if !l.g.Due.IsZero() && !l.g.Due.After(l.now) {
			l.apply(Input{})
		}
	}
}

func (l *life) fire(scope string, level int64) {
	l.apply(Input{Events: []Event{{Rule: l.g.Rule, Scope: scope, Firing: true, Level: level, Title: scope + " is over", At: l.now}}})
}

func (l *life) clear(scope string) {
	l.apply(Input{Events: []Event{{Rule: l.g.Rule, Scope: scope, At: l.now}}})
}

func (l *life) count(kind sentinel.DeliveryKind) (n int) {
	for _, d := range l.sent {
		if d.Kind == kind {
			n++
		}
	}
	return n
}

func (l *life) want(messages, edits, pages int) {
	l.t.Helper()
	got := [3]int{l.count(sentinel.DeliverMessage), l.count(sentinel.DeliverEdit), l.count(sentinel.DeliverPage)}
	if got != [3]int{messages, edits, pages} {
		l.t.Errorf("messages, edits and pages: got %v, want %v", got, [3]int{messages, edits, pages})
	}
}

func TestWholeLifeIsOneMessageAndEdits(t *testing.T) {
	l := newLife(t, Rule{Name: "errors", ResolveAfter: time.Minute})
	l.fire("provider/openai", 0)
	l.run(10 * time.Second)
	l.want(1, 0, 0)
	l.apply(Input{Presses: []Press{{Act: Acknowledge, By: "ana"}}})
	l.want(1, 1, 0)
	for range 2 {
		l.fire("provider/openai", 0)
		l.run(30 * time.Second)
		l.clear("provider/openai")
		l.run(30 * time.Second)
	}
	l.run(90 * time.Second)
	l.want(1, 2, 0)
	if want := []string{"opened", "told", "acknowledged", "cleared", "began again", "cleared", "resolved"}; !slices.Equal(l.log, want) {
		t.Errorf("history %v, want %v", l.log, want)
	}
	l.run(time.Hour)
	l.fire("provider/openai", 0)
	l.run(10 * time.Second)
	l.want(2, 2, 0)
	if l.g.Episode != 2 {
		t.Errorf("the second outbreak is episode %d, want 2: a thread of its own", l.g.Episode)
	}
}

func TestFlappingIsOneIncident(t *testing.T) {
	l := newLife(t, Rule{Name: "errors", ResolveAfter: time.Minute})
	for i := range 600 {
		if i%2 == 0 {
			l.fire("provider/openai", 0)
		} else {
			l.clear("provider/openai")
		}
		l.run(time.Second)
	}
	l.want(1, 0, 0)
	lines := map[string]int{}
	for _, what := range l.log {
		lines[what]++
	}
	if lines["cleared"] != 300 || lines["began again"] != 299 {
		t.Errorf("history has %v: want 300 ends and 299 returns", lines)
	}
	if len(l.g.Incidents) != 1 || l.g.Incidents[0].Flaps != 299 {
		t.Errorf("%d incidents, %d flaps: want 1 and 299", len(l.g.Incidents), l.g.Incidents[0].Flaps)
	}
}

func TestHigherLevelIsToldOnce(t *testing.T) {
	l := newLife(t, Rule{Name: "budget", ResolveAfter: time.Minute})
	l.fire("team/growth", 5_000)
	l.run(10 * time.Minute)
	l.apply(Input{Presses: []Press{{Act: Acknowledge, By: "ana"}}})
	l.fire("team/growth", 5_000)
	l.run(10 * time.Minute)
	l.want(1, 1, 0)
	l.fire("team/growth", 8_000)
	l.run(10 * time.Second)
	if l.count(sentinel.DeliverMessage) != 2 || l.g.Incidents[0].State != sentinel.IncidentOpen {
		t.Errorf("80 %% after an acknowledged 50 %%: %d messages, %s", l.count(sentinel.DeliverMessage), l.g.Incidents[0].State)
	}
}

func TestSnoozeEndsInANewMessageOnlyWhileItFires(t *testing.T) {
	for name, tt := range map[string]struct {
		clears   bool
		messages int
	}{"still firing": {false, 2}, "over by then": {true, 1}} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t, Rule{Name: "errors", ResolveAfter: time.Minute})
			l.fire("a", 0)
			l.run(10 * time.Second)
			l.apply(Input{Presses: []Press{{Act: Snooze, By: "ana", For: time.Hour}}})
			if tt.clears {
				l.clear("a")
			}
			l.run(61 * time.Minute)
			if n := l.count(sentinel.DeliverMessage); n != tt.messages {
				t.Errorf("%d messages, want %d", n, tt.messages)
			}
		})
	}
}

func TestEscalationStopsWithAnAnswer(t *testing.T) {
	l := newLife(t, Rule{Name: "outage", Escalate: []Step{{After: 5 * time.Minute, To: []string{"sms"}}, {After: 10 * time.Minute, To: []string{"call"}, Repeat: 2 * time.Minute}}})
	l.fire("provider/openai", 0)
	l.run(4 * time.Minute)
	l.want(1, 0, 0)
	l.run(7 * time.Minute)
	l.want(1, 0, 2)
	l.run(4 * time.Minute)
	l.want(1, 0, 4)
	l.apply(Input{Presses: []Press{{Act: Acknowledge, By: "ana"}}})
	l.run(time.Hour)
	l.want(1, 1, 4)
}

func TestEscalationWaitsForTheEndOfQuietHours(t *testing.T) {
	for name, tt := range map[string]struct {
		severity sentinel.Severity
		pages    [2]int // at the end of the quiet hours, and ten minutes later
	}{
		"a warning waits":     {sentinel.SeverityWarning, [2]int{0, 4}}, // a text, a call five minutes later, and again every two minutes and a half
		"what is severe does": {sentinel.SeverityCritical, [2]int{22, 22}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t, Rule{Name: "outage", Severity: tt.severity, Escalate: []Step{{After: 5 * time.Minute, To: []string{"sms"}}, {After: 10 * time.Minute, To: []string{"call"}, Repeat: 150 * time.Second}}})
			l.m.Quiet = Quiet{On: true, From: 12*60 + 1, To: 14 * 60, Below: sentinel.SeverityCritical, Zone: time.UTC}
			l.fire("provider/openai", 0)
			l.run(2*time.Hour - 2*time.Second)
			l.want(1, 0, tt.pages[0])
			l.run(10*time.Minute + 10*time.Second)
			l.want(1, 0, tt.pages[1])
		})
	}
}

func TestACauseThatKeepsReturningIsResolvedLaterEachTime(t *testing.T) {
	l := newLife(t, Rule{Name: "errors", ResolveAfter: 5 * time.Minute})
	for range 3 * 60 / 7 { // for three hours: a minute of it, and six without
		l.fire("provider/openai", 0)
		l.run(time.Minute)
		l.clear("provider/openai")
		l.run(6 * time.Minute)
	}
	if n := l.count(sentinel.DeliverMessage); n > 2 || len(l.g.Incidents) != 1 || l.g.Incidents[0].Returns != 1 || l.g.Incidents[0].Flaps < 20 {
		t.Errorf("%d messages in three hours; %+v", n, l.g.Incidents)
	}
	l.run(20 * time.Minute)
	if len(l.g.Incidents) != 0 && l.g.Incidents[0].State != sentinel.IncidentResolved {
		t.Errorf("still open 20 minutes after its cause: %+v", l.g.Incidents)
	}
	l.run(2 * time.Hour)
	l.fire("provider/openai", 0)
	if got := l.g.Incidents[len(l.g.Incidents)-1].Returns; got != 0 {
		t.Errorf("two hours later it counts as return %d", got)
	}
}

func TestParentInhibits(t *testing.T) {
	for name, tt := range map[string]struct {
		near sentinel.IncidentRef
		told int
	}{
		"org over team":          {sentinel.IncidentRef{Rule: "budget", Scope: "org/cost/month", Severity: sentinel.SeverityWarning}, 0},
		"org, and less severe":   {sentinel.IncidentRef{Rule: "budget", Scope: "org/cost/month", Severity: sentinel.SeverityInfo}, 1},
		"team over its services": {sentinel.IncidentRef{Rule: "budget", Scope: "team/growth", Severity: sentinel.SeverityCritical}, 0},
		"itself":                 {sentinel.IncidentRef{Rule: "budget", Scope: "team/growth/cost", Severity: sentinel.SeverityWarning}, 1},
		"another team":           {sentinel.IncidentRef{Rule: "budget", Scope: "team/grow", Severity: sentinel.SeverityWarning}, 1},
		"another rule":           {sentinel.IncidentRef{Rule: "errors", Scope: "org", Severity: sentinel.SeverityWarning}, 1},
		"a lost dependency":      {sentinel.IncidentRef{Rule: "dependency", Scope: "dependency/redis", Severity: sentinel.SeverityCritical}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t, Rule{Name: "budget", Severity: sentinel.SeverityWarning, InhibitedBy: []string{"budget", "dependency"}})
			l.apply(Input{Near: []sentinel.IncidentRef{tt.near}, Events: []Event{{Rule: "budget", Scope: "team/growth/cost", Firing: true, Title: "t", At: l.now}}})
			l.now = l.now.Add(5 * time.Second)
			l.apply(Input{Near: []sentinel.IncidentRef{tt.near}})
			l.want(tt.told, 0, 0)
			if tt.told == 0 {
				l.run(time.Minute) // the parent is gone
				l.want(1, 0, 0)
			}
		})
	}
}

func TestQuietHoursAndSilencesHoldMessagesBack(t *testing.T) {
	l := newLife(t, Rule{Name: "errors", Severity: sentinel.SeverityWarning})
	l.m.Quiet = Quiet{On: true, From: 11 * 60, To: 13 * 60, Below: sentinel.SeverityCritical, Zone: time.UTC}
	l.fire("a", 0)
	l.run(59 * time.Minute)
	l.want(0, 0, 0)
	l.run(2 * time.Minute)
	l.want(1, 0, 0)

	l = newLife(t, Rule{Name: "errors", Severity: sentinel.SeverityCritical})
	l.m.Quiet = Quiet{On: true, From: 23 * 60, To: 13 * 60, Below: sentinel.SeverityCritical, Zone: time.UTC}
	l.m.Silences = []sentinel.AlertSilence{{Rule: "err*", Scope: "provider/*", From: noon, Until: noon.Add(time.Hour)}}
	l.fire("a", 0)
	l.fire("provider/stripe", 0)
	l.run(10 * time.Second)
	l.want(1, 0, 0)
	l.run(2 * time.Hour)
	l.want(2, 0, 0)
}

// A storm: 500 services cross 10,000 thresholds in a minute, and flap once a second.
func TestStormIsFewMessagesAndMissesNothing(t *testing.T) {
	l := newLife(t, Rule{Name: "budget", ResolveAfter: 2 * time.Minute})
	for second := range 60 {
		var events []Event
		for i := range 10_000 / 60 {
			n := (second*166 + i) % 500
			events = append(events, Event{Rule: "budget", Scope: fmt.Sprintf("service/s%03d", n), Firing: true, Level: int64(second), Title: "over", At: l.now},
				Event{Rule: "budget", Scope: fmt.Sprintf("service/s%03d", n), At: l.now})
		}
		l.apply(Input{Events: events})
		l.run(time.Second)
	}
	l.run(20 * time.Minute)
	var last time.Time
	for _, d := range l.sent {
		if d.Kind != sentinel.DeliverMessage {
			continue
		}
		if gap := d.Created.Sub(last); !last.IsZero() && gap < 5*time.Minute {
			t.Errorf("two messages within %s", gap)
		}
		last = d.Created
	}
	opened, resolved := 0, 0
	for _, what := range l.log {
		switch what {
		case "opened":
			opened++
		case "resolved":
			resolved++
		}
	}
	if opened != 500 || resolved != 500 || l.count(sentinel.DeliverMessage) != 2 {
		t.Errorf("%d opened, %d resolved, %d messages: want 500, 500 and 2", opened, resolved, l.count(sentinel.DeliverMessage))
	}
}

func BenchmarkApply500(b *testing.B) {
	m := &Machine{Rules: map[string]Rule{"r": {Name: "r", To: []string{"chat"}}}, Timing: DefaultTiming()}
	var events []Event
	for i := range 500 {
		events = append(events, Event{Rule: "r", Scope: fmt.Sprint(i), Firing: true, At: noon})
	}
	g, _ := m.Apply(sentinel.AlertGroup{Key: "r", Rule: "r"}, Input{Now: noon, Events: events})
	b.ReportAllocs()
	for b.Loop() {
		m.Apply(g, Input{Now: noon, Events: events})
	}
}
