package policy

import (
	"fmt"
	"slices"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// then is what a rule does whatever was used, and how unusual a service must be for it to hold; the zero value is none.
type then struct {
	above       float64 // 0: the rule holds always
	minutes     int
	deny, avoid bool
	alert       string
}

func (t then) acts() bool { return t.deny || t.avoid || t.alert != "" }

func (t then) holds(s *Scores, service string) bool {
	return t.above == 0 || s.Lasted(service, t.minutes) > t.above
}

// thens reads anomaly and then.
func (c *compiler) thens(key string, y ruleYAML, r *rule) {
	if y.Anomaly == nil {
		if c.Sound(key+".then") && len(y.Then) == 0 {
			c.Fault(key+".then", "say what happens: deny, or {downgrade: [model]}")
		}
		for i, t := range y.Then {
			c.always(fmt.Sprintf("%s.then[%d]", key, i), t, y, r)
		}
		if r.then.deny && !slices.ContainsFunc([]string{"match", "during", "canary"}, func(k string) bool { return c.Has(key + "." + k) }) {
			c.Fault(key+".then", "the rule would refuse every call: say which with match, or when with during")
		}
		return
	}
	if len(r.per) == 0 { // who is unusual is throttled, not whoever shares the rule
		r.per = []dimension{{scope: "service"}}
	}
	r.then.above, r.then.minutes = float64(y.Anomaly.Above), 1
	if c.Has(key + ".anomaly.for") {
		r.then.minutes = int((y.Anomaly.For + time.Minute - 1) / time.Minute)
		if y.Anomaly.For < time.Minute || r.then.minutes > MostMinutes {
			c.Fault(key+".anomaly.for", "%s is outside of 1m to 1h", y.Anomaly.For)
		}
	}
	if len(y.Then) == 0 && len(r.limits) == 0 {
		c.Fault(key+".then", "say what happens meanwhile: deny, {throttle: {requests: 10/minute}}, {downgrade: [model]} or {alert: channel}")
	}
	for i, t := range y.Then {
		c.oneThen(fmt.Sprintf("%s.then[%d]", key, i), t, y, r)
	}
}

// always reads what a rule without anomaly says, whatever was used: deny, or cheaper models only.
func (c *compiler) always(at string, t thenYAML, y ruleYAML, r *rule) {
	switch {
	case c.Has(at + ".throttle"):
		c.Fault(at+".throttle", "throttle belongs to a rule with anomaly: here write limits beside match")
	case c.Has(at + ".alert"):
		c.Fault(at+".alert", "alert belongs to a rule with anomaly: for other facts write alerts.rules")
	default:
		c.oneThen(at, t, y, r)
	}
}

func (c *compiler) oneThen(at string, t thenYAML, y ruleYAML, r *rule) {
	forms := 0
	for _, form := range []string{".throttle", ".downgrade", ".alert"} {
		if c.Has(at + form) {
			forms++
		}
	}
	switch {
	case t.action != 0:
		r.then.deny = true
	case forms != 1:
		c.Fault(at, "one action an entry: deny, {throttle: {requests: 10/minute}}, {downgrade: [model]} or {alert: channel}")
	case t.Alert != "":
		if _, ok := c.in.Alerts.Channels[t.Alert]; !ok {
			c.Fault(at+".alert", "there is no channel %q under alerts.channels", clip(t.Alert))
		}
		r.then.alert = t.Alert
	case c.Has(at + ".downgrade"):
		if len(t.Downgrade) == 0 {
			c.Fault(at+".downgrade", "name at least one model")
		}
		for j, m := range t.Downgrade {
			c.downgrade(fmt.Sprintf("%s.downgrade[%d]", at, j), m, y.Match)
		}
		r.downgrades, r.then.avoid = append(r.downgrades, t.Downgrade...), true
		if len(r.downgrades) > maxDowngrades {
			c.Fault(at, "%d cheaper models: at most %d can be tried", len(r.downgrades), maxDowngrades)
		}
	default:
		limits := c.limits(at, y.cell(), y.Name, t.Throttle, nil)
		for i := range limits { // the times are apart from those of the rule's own limits
			limits[i].Cell += "/unusual"
		}
		if len(limits) == 0 && c.Sound(at+".throttle") {
			c.Fault(at+".throttle", "no limit is set")
		}
		r.limits = append(r.limits, limits...)
	}
}

// UnusualRule is a rule that tells a channel of what is unusual.
type UnusualRule struct{ Name, Channel string }

// Telling are the rules that tell a channel.
func (s *Set) Telling() []UnusualRule {
	var out []UnusualRule
	for i := range s.rules {
		if r := &s.rules[i]; r.then.alert != "" && !r.shadow {
			out = append(out, UnusualRule{r.name, r.then.alert})
		}
	}
	return out
}

// Acting are the names of the anomaly rules that hold for a service now, in the file's order.
func (s *Set) Acting(scores *Scores, service string) []string {
	at := slices.IndexFunc(s.callers, func(c sentinel.Caller) bool { return c.Service == service })
	if at < 0 {
		return nil
	}
	var out []string
	for i := range s.rules {
		if r := &s.rules[i]; r.then.above > 0 && !r.shadow && r.about(s.callers[at]) && r.then.holds(scores, service) {
			out = append(out, r.name)
		}
	}
	return out
}
