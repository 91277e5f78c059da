package alerts

import (
	"path"
	"slices"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// hold finds what is inhibited or silenced. What is held stays dirty, and is told when the hold ends. Nothing is inhibited by
// what is less severe: a budget that is used up is told while the organisation's own is at half.
func (s *step) hold(near []sentinel.IncidentRef) {
	for k := range s.g.Incidents {
		i := &s.g.Incidents[k]
		i.Held = ""
		for _, n := range near {
			if slices.Contains(s.rule.InhibitedBy, n.Rule) && n.Severity >= i.Severity && covers(n.Scope, i.Scope) && (n.Rule != i.Rule || n.Scope != i.Scope) {
				i.Held = "inhibited"
			}
		}
		for _, q := range s.m.Silences {
			if silences(q, *i, s.now) {
				i.Held = "silenced"
			}
		}
	}
}

// covers tells whether a scope is the other or above it. "org" is above all; "team/growth" is above "team/growth/…".
func covers(above, below string) bool {
	return above == below || above == "org" || strings.HasPrefix(above, "org/") && !strings.HasPrefix(below, "org/") ||
		strings.HasPrefix(below, above+"/") || strings.HasPrefix(above, "dependency/")
}

func silences(q sentinel.AlertSilence, i sentinel.Incident, now time.Time) bool {
	return !now.Before(q.From) && now.Before(q.Until) && fits(q.Rule, i.Rule) && fits(q.Scope, i.Scope)
}

// fits matches one pattern, whose * also stands for slashes.
func fits(pattern, text string) bool {
	if pattern == "" {
		return true
	}
	ok, err := path.Match(strings.ReplaceAll(pattern, "/", "\x00"), strings.ReplaceAll(text, "/", "\x00"))
	return err == nil && ok
}

// end tells when a severity may be told; now when it may at once.
func (q Quiet) end(now time.Time, sev sentinel.Severity) time.Time {
	if !q.On || sev >= q.Below || q.From == q.To {
		return now
	}
	local := now.In(q.Zone)
	minute := local.Hour()*60 + local.Minute()
	inside := minute >= q.From && minute < q.To
	if q.From > q.To {
		inside = minute >= q.From || minute < q.To
	}
	if !inside {
		return now
	}
	end := time.Date(local.Year(), local.Month(), local.Day(), q.To/60, q.To%60, 0, 0, q.Zone)
	if !end.After(now) {
		end = time.Date(local.Year(), local.Month(), local.Day()+1, q.To/60, q.To%60, 0, 0, q.Zone)
	}
	return end.UTC()
}
