package policy

import (
	"fmt"
	"maps"
	"slices"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// MostMinutes is how long an anomaly rule may want a service to be unusual: an hour.
const MostMinutes = 60

// Scores say how unusual services are: for each, at i, the score that the last i+1 minutes all reached, or some i+1 minutes in a row
// within the time for which a rule goes on to hold. A Scores never changes; a new minute makes a new one.
type Scores struct{ lasted map[string][]float64 }

// NewScores makes a snapshot; the lists have at most MostMinutes scores and do not ascend. It keeps the map.
func NewScores(lasted map[string][]float64) *Scores { return &Scores{lasted} }

// Lasted is the score that a service reached for so many minutes; 0 where nothing is known.
func (s *Scores) Lasted(service string, minutes int) float64 {
	if s == nil {
		return 0
	}
	if list := s.lasted[service]; minutes >= 1 && minutes <= len(list) {
		return list[minutes-1]
	}
	return 0
}

// Services are those of which a score is known, sorted.
func (s *Scores) Services() []string {
	if s == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(s.lasted))
}

// unusual is the compiled part of a rule about anomalies, and of what then says; the zero value is none.
type unusual struct {
	above       float64 // 0: the rule holds always
	minutes     int
	deny, avoid bool
	alert       string
}

func (u unusual) acts() bool { return u.deny || u.avoid || u.alert != "" }

func (u unusual) holds(s *Scores, service string) bool {
	return u.above == 0 || s.Lasted(service, u.minutes) > u.above
}

// unusual reads anomaly and then.
func (c *compiler) unusual(key string, y ruleYAML, r *rule) {
	if y.Anomaly == nil {
		if c.Sound(key+".then") && len(y.Then) == 0 {
			c.Fault(key+".then", "say what happens: deny, or {downgrade: [model]}")
		}
		for i, t := range y.Then {
			c.always(fmt.Sprintf("%s.then[%d]", key, i), t, y, r)
		}
		if r.unusual.deny && !slices.ContainsFunc([]string{"match", "during", "canary"}, func(k string) bool { return c.Has(key + "." + k) }) {
			c.Fault(key+".then", "the rule would refuse every call: say which with match, or when with during")
		}
		return
	}
	if len(r.per) == 0 { // who is unusual is throttled, not whoever shares the rule
		r.per = []dimension{{scope: "service"}}
	}
	r.unusual.above, r.unusual.minutes = float64(y.Anomaly.Above), 1
	if c.Has(key + ".anomaly.for") {
		r.unusual.minutes = int((y.Anomaly.For + time.Minute - 1) / time.Minute)
		if y.Anomaly.For < time.Minute || r.unusual.minutes > MostMinutes {
			c.Fault(key+".anomaly.for", "%s is outside of 1m to 1h", y.Anomaly.For)
		}
	}
	if len(y.Then) == 0 && len(r.limits) == 0 {
		c.Fault(key+".then", "say what happens meanwhile: deny, {throttle: {requests: 10/minute}}, {downgrade: [model]} or {alert: channel}")
	}
	for i, t := range y.Then {
		c.then(fmt.Sprintf("%s.then[%d]", key, i), t, y, r)
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
		c.then(at, t, y, r)
	}
}

func (c *compiler) then(at string, t thenYAML, y ruleYAML, r *rule) {
	forms := 0
	for _, form := range []string{".throttle", ".downgrade", ".alert"} {
		if c.Has(at + form) {
			forms++
		}
	}
	switch {
	case t.action != 0:
		r.unusual.deny = true
	case forms != 1:
		c.Fault(at, "one action an entry: deny, {throttle: {requests: 10/minute}}, {downgrade: [model]} or {alert: channel}")
	case t.Alert != "":
		if _, ok := c.in.Alerts.Channels[t.Alert]; !ok {
			c.Fault(at+".alert", "there is no channel %q under alerts.channels", clip(t.Alert))
		}
		r.unusual.alert = t.Alert
	case c.Has(at + ".downgrade"):
		if len(t.Downgrade) == 0 {
			c.Fault(at+".downgrade", "name at least one model")
		}
		for j, m := range t.Downgrade {
			c.downgrade(fmt.Sprintf("%s.downgrade[%d]", at, j), m, y.Match)
		}
		r.downgrades, r.unusual.avoid = append(r.downgrades, t.Downgrade...), true
		if len(r.downgrades) > maxDowngrades {
			c.Fault(at, "%d cheaper models: at most %d can be tried", len(r.downgrades), maxDowngrades)
		}
	default:
		limits := c.limits(at, "rule/"+y.Name, y.Name, t.Throttle, nil)
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
		if r := &s.rules[i]; r.unusual.alert != "" {
			out = append(out, UnusualRule{r.name, r.unusual.alert})
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
		if r := &s.rules[i]; r.unusual.above > 0 && r.about(s.callers[at]) && r.unusual.holds(scores, service) {
			out = append(out, r.name)
		}
	}
	return out
}
