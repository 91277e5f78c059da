package alerting

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/alerts"
)

const processes = 3

// storm is many services that cross a threshold again and again: each once a second for so many seconds, and back half a second later.
type storm struct {
	Services, Flaps int
	Span            time.Duration // within which all of them do
	Start           time.Time
}

// stormRules are the rules that services take turns in: two that share messages, and one with a group for each service.
var stormRules = []string{"budget", "errors", "latency"}

// incident is a service's rule and scope.
func incident(service int) (rule, scope string) {
	return stormRules[service%len(stormRules)], fmt.Sprintf("service/s%03d", service)
}

// report tells a process's part. A service's crossings go round the processes, as its calls do.
func (s storm) report(ctx context.Context, part int, report func(alerts.Event)) error {
	seconds := int(s.Span / time.Second)
	for second := range seconds {
		for half, firing := range []bool{true, false} {
			at := s.Start.Add(time.Duration(second)*time.Second + time.Duration(half)*time.Second/2)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(time.Until(at)):
			}
			for service := range s.Services {
				first := service * (seconds - s.Flaps) / max(s.Services-1, 1)
				if n := second - first; n < 0 || n >= s.Flaps || (service+n)%processes != part {
					continue
				}
				rule, scope := incident(service)
				report(alerts.Event{Rule: rule, Scope: scope, Firing: firing, Title: scope + " crosses its threshold", At: time.Now().UTC()})
			}
		}
	}
	<-ctx.Done()
	return nil
}

// TestStormOverThreeProcessesIsFewMessages lets 500 services cross 10,000 thresholds in a minute (STORM=full), or a tenth of it with
// shorter clocks, over three processes on PostgreSQL.
func TestStormOverThreeProcessesIsFewMessages(t *testing.T) {
	s := storm{Services: 50, Flaps: 5, Span: 10 * time.Second}
	timing, resolve := alerts.DefaultTiming(), 10*time.Second
	timing.Interval, timing.EditGap = 20*time.Second, 5*time.Second
	patience := 5 * time.Minute
	if os.Getenv("STORM") == "full" {
		s, timing, resolve, patience = storm{Services: 500, Flaps: 20, Span: time.Minute}, alerts.DefaultTiming(), 5*time.Minute, time.Hour
	}
	f := newField(t, nil)
	for n, name := range stormRules {
		channel := []string{"chat", "chat", "hook"}[n]
		f.worker.Rules = append(f.worker.Rules, alerts.Rule{Name: name, Severity: sentinel.SeverityWarning, ByScope: channel == "hook", ResolveAfter: resolve, To: []string{channel}})
	}
	s.Start = time.Now().Add(2 * time.Second)
	f.worker.Timing, f.worker.Storm = timing, s
	for part := range processes {
		f.spawn(part + 1)
	}
	f.pause(time.Until(s.Start.Add(s.Span)))
	f.eventually("every incident is over and every message is out", patience, func() bool {
		return f.count(`SELECT count(*) FROM incidents`) >= s.Services && f.count(`SELECT count(*) FROM incidents WHERE resolved IS NULL`) == 0 && f.count(waiting) == 0
	})
	spent := time.Since(s.Start)
	f.missedNone(s)
	out := Figures{Title: "A storm over three processes on PostgreSQL", By: "make storm"}
	out.Add("threshold crossings, each with its return", "10,000", "%d within %s, of %d services that flap once a second", s.Services*s.Flaps, s.Span, s.Services)
	out.Add("incidents missed", "0", "0 of %d", s.Services)
	for _, channel := range []string{"chat", "hook"} {
		messages, edits, closest, apart := f.paced(channel, timing.Interval)
		out.Add(channel+": messages and edits", "", "%d messages, %d edits in %s", messages, edits, spent.Round(time.Second))
		out.Add(channel+": closest two of a channel", "≥ 1 s", "%s", closest.Round(time.Millisecond))
		if apart > 0 {
			out.Add(channel+": closest two messages of a group", "≥ "+timing.Interval.String(), "%s", apart.Round(time.Millisecond))
		}
	}
	for _, r := range out.Rows {
		t.Logf("%s: %s", r.What, r.Figure)
	}
	f.must(out.Write(os.Getenv("BENCH_ALERTS"), "storm"))
}

// missedNone checks that there was one incident of each service, and that people were told of it.
func (f *field) missedNone(s storm) {
	f.t.Helper()
	list, err := f.store.Incidents(f.t.Context(), sentinel.IncidentQuery{Limit: 10 * s.Services})
	f.must(err)
	told := map[string]int{}
	for _, i := range list {
		if i.Notified.IsZero() {
			f.t.Errorf("nobody was told of %s %s", i.Rule, i.Scope)
		}
		told[i.Rule+i.Scope]++
	}
	hook := map[string]bool{}
	for _, m := range f.took("hook") {
		hook[m.scope] = true
	}
	for service := range s.Services {
		rule, scope := incident(service)
		if told[rule+scope] != 1 {
			f.t.Errorf("%d incidents of %s %s, want one: flapping is no second", told[rule+scope], rule, scope)
		}
		if rule == stormRules[2] && !hook[scope] {
			f.t.Errorf("no message about %s", scope)
		}
	}
}

// paced checks a channel's pace, and gives its smallest gaps.
func (f *field) paced(channel string, interval time.Duration) (messages, edits int, closest, apart time.Duration) {
	f.t.Helper()
	list, last := f.took(channel), map[string]time.Time{}
	closest = time.Hour
	for i, m := range list {
		if i > 0 {
			closest = min(closest, m.at.Sub(list[i-1].at))
		}
		if !m.first {
			edits++
			continue
		}
		messages++
		if was, ok := last[m.group]; ok {
			if gap := m.at.Sub(was); apart == 0 || gap < apart {
				apart = gap
			}
		}
		last[m.group] = m.at
	}
	if len(list) == 0 || closest < time.Second || apart > 0 && apart < interval {
		f.t.Errorf("%s: %d sends, the closest %s apart, and of one group %s", channel, len(list), closest, apart)
	}
	return messages, edits, closest, apart
}
