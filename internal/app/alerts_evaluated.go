package app

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/saas-sentinel/saas-sentinel/admin"
	"github.com/saas-sentinel/saas-sentinel/alerts"
)

// evaluated is what came of judging facts at the last look of this process: for people who ask why they were told, or not.
type evaluated struct {
	mu     sync.Mutex
	at     time.Time
	facts  map[string]int      // of each kind
	firing map[string][]string // scopes by rule
}

// judged remembers a look at the facts, and gives the causes that began with it, and those of before that ended.
func (v *evaluated) judged(now time.Time, list []seen, before, since map[string]alerts.Event) (turned []alerts.Event) {
	v.mu.Lock()
	v.at, v.facts, v.firing = now, map[string]int{}, map[string][]string{}
	for _, s := range list {
		v.facts[s.fact.Kind]++
	}
	for id, e := range since {
		v.firing[e.Rule] = append(v.firing[e.Rule], e.Scope)
		if _, was := before[id]; !was {
			turned = append(turned, e)
		}
	}
	v.mu.Unlock()
	for id, e := range before {
		if _, still := since[id]; !still {
			e.Firing, e.At = false, now
			turned = append(turned, e)
		}
	}
	return turned
}

// AlertRules lists the policy's rules.
func (b *adminBackend) AlertRules() []admin.AlertRule {
	v := &b.app.alerting.evaluated
	v.mu.Lock()
	defer v.mu.Unlock()
	out := []admin.AlertRule{}
	for _, r := range b.app.alerting.book.Load().rules {
		one := admin.AlertRule{Name: r.Name, On: r.On, When: r.When.Text, Severity: r.Severity.String(), To: append([]string{}, r.To...), Escalates: []admin.AlertStep{},
			Facts: v.facts[r.On], Firing: slices.Sorted(slices.Values(v.firing[r.Name]))}
		if one.Firing == nil {
			one.Firing = []string{}
		}
		if at := v.at; !at.IsZero() {
			one.Judged = &at
		}
		for _, s := range r.Escalate {
			one.Escalates = append(one.Escalates, admin.AlertStep{AfterSeconds: int64(s.After / time.Second), To: append([]string{}, s.To...)})
		}
		out = append(out, one)
	}
	return out
}

// SampleAlert sends a marked sample to every channel of a rule.
func (b *adminBackend) SampleAlert(ctx context.Context, rule string) ([]admin.Sampled, bool) {
	answers, ok := b.app.alerting.book.Load().sample(ctx, rule)
	out := make([]admin.Sampled, len(answers))
	for i, a := range answers {
		out[i] = admin.Sampled{Channel: a.Channel, Fault: a.Fault(), DurationMs: float64(a.Took) / float64(time.Millisecond)}
	}
	return out, ok
}
