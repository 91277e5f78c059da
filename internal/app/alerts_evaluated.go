package app

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/saas-sentinel/saas-sentinel/admin"
	"github.com/saas-sentinel/saas-sentinel/alerts"
)

// maxEvaluations bounds the causes that a process remembers to have begun or ended.
const maxEvaluations = 1_000

// evaluated is what came of judging facts: for people who ask why they were told, or not.
type evaluated struct {
	mu     sync.Mutex
	at     time.Time
	facts  map[string]int      // of each kind, at the last look
	firing map[string][]string // scopes by rule, at the last look
	last   []admin.Evaluation  // a ring once it is full
	next   int
	noted  int64
}

// note remembers a cause that has begun or ended.
func (v *evaluated) note(e alerts.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.noted++
	one := admin.Evaluation{At: e.At, Rule: e.Rule, Scope: e.Scope, Firing: e.Firing, Title: e.Title, Seq: v.noted}
	if len(v.last) < maxEvaluations {
		v.last = append(v.last, one)
		return
	}
	v.last[v.next] = one
	v.next = (v.next + 1) % maxEvaluations
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
	for _, e := range turned {
		v.note(e)
	}
	return turned
}

// newest gives the last evaluations before one's number, 0 for all, the newest first.
func (v *evaluated) newest(before int64, limit int) []admin.Evaluation {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := slices.Concat(v.last[v.next:], v.last[:v.next])
	slices.Reverse(out)
	if before > 0 {
		out = slices.DeleteFunc(out, func(e admin.Evaluation) bool { return e.Seq >= before })
	}
	return out[:min(limit, len(out))]
}

// Evaluations are the causes that began or ended lately.
func (b *adminBackend) Evaluations(before int64, limit int) []admin.Evaluation {
	return b.app.alerting.evaluated.newest(before, limit)
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
