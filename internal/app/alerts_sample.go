package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/alerts"
)

// Answer is what a channel said to a sample.
type Answer struct {
	Channel string
	Err     error         // nil: it was taken; an *alerts.Partly: a part of it was not
	Took    time.Duration // until it answered
}

// Fault says what a channel did not take; empty where it took the sample whole.
func (a Answer) Fault() string {
	if _, ok := errors.AsType[*alerts.Partly](a.Err); ok {
		return "taken, but " + a.Err.Error()
	}
	if a.Err != nil {
		return a.Err.Error()
	}
	return ""
}

// sampleTimeout bounds one sample.
const sampleTimeout = 15 * time.Second

// SampleAlert sends a marked sample to every channel of a rule, escalations included, past silences and quiet
// hours. It opens no incident and needs no database.
func SampleAlert(ctx context.Context, c Config, log zerolog.Logger, rule string) ([]Answer, error) {
	a := &App{config: c, log: log}
	defer a.Close()
	for _, step := range []func(context.Context) error{a.openPolicy, a.openSecrets} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	al := &alerting{app: a, client: alerts.NewClient()}
	defer al.client.CloseIdleConnections()
	b, err := al.newBook(a.governor.State().Policy)
	if err != nil {
		return nil, err
	}
	answers, ok := b.sample(ctx, rule)
	if !ok {
		var names []string
		for _, known := range b.rules {
			names = append(names, known.Name)
		}
		return nil, fmt.Errorf("alerts.rules: there is no rule %q: known are %v", rule, names)
	}
	return answers, nil
}

// sample tells every channel of a rule that nothing is wrong; ok is false without such a rule.
func (b *book) sample(ctx context.Context, rule string) (out []Answer, ok bool) {
	r, ok := b.machine.Rules[rule]
	if !ok {
		return nil, false
	}
	to := slices.Clone(r.To)
	for _, s := range r.Escalate {
		to = append(to, s.To...)
	}
	slices.Sort(to)
	m := alerts.Message{
		ID: "al_test_" + uuid.NewString()[:8], Group: rule, Rule: rule, Kind: sentinel.DeliverMessage, Severity: r.Severity.String(),
		State: sentinel.IncidentOpen.String(), Title: "a sample of rule " + rule + ": nothing is wrong", At: time.Now().UTC(), Test: true,
	}
	m.Lines = []alerts.Line{{Severity: m.Severity, State: m.State, Title: m.Title}}
	for _, name := range slices.Compact(to) {
		out = append(out, sample(ctx, b.channels[name], name, m))
	}
	return out, true
}

func sample(ctx context.Context, ch alerts.Channel, name string, m alerts.Message) Answer {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	began := time.Now()
	_, err := ch.Send(ctx, alerts.Outgoing{Message: m, Chart: func(context.Context) *alerts.Chart { return sampleChart(m.At) }})
	return Answer{Channel: name, Err: err, Took: time.Since(began)}
}

// sampleChart is a day that never was, so that a channel shows whether it takes pictures.
func sampleChart(now time.Time) *alerts.Chart {
	c := &alerts.Chart{Title: "a sample: no real figures", Budget: dayHours}
	for hour := range dayHours {
		usual := float64(hour)
		c.At = append(c.At, now.Truncate(time.Hour).Add(time.Duration(hour-dayHours)*time.Hour))
		c.Actual, c.Low, c.High = append(c.Actual, usual*usual/dayHours), append(c.Low, usual/2), append(c.High, usual)
	}
	return c
}
