package policy

import (
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Alerts says what people are told, and how.
type Alerts struct {
	Channels []AlertChannel // by name
	Rules    []AlertRule
	Silences []AlertSilence
	People   []Person // by name
	OnCall   OnCall
	Quiet    QuietHours
	Digests  []Digest
}

// Digest tells what a day or a week has cost.
type Digest struct {
	Days   int // 1 or 7
	Minute int // of the day, in the policy's time zone; a week is told on Mondays
	To     []string
}

// Name is the digest's rule.
func (d Digest) Name() string {
	if d.Days == 1 {
		return "digest-day"
	}
	return "digest-week"
}

// Period gives the newest [from, to) that is over and was due to be told at told.
func (d Digest) Period(now time.Time, zone *time.Location) (from, to, told time.Time) {
	local := now.In(zone)
	day := func(back int) time.Time {
		return time.Date(local.Year(), local.Month(), local.Day()-back, 0, 0, 0, 0, zone)
	}
	at := func(midnight time.Time) time.Time {
		return time.Date(midnight.Year(), midnight.Month(), midnight.Day(), 0, d.Minute, 0, 0, zone)
	}
	back := 0
	if d.Days > 1 {
		back = (int(local.Weekday()) + 6) % 7 // days since Monday
	}
	if now.Before(at(day(back))) {
		back += d.Days
	}
	return day(back + d.Days).UTC(), day(back).UTC(), at(day(back)).UTC()
}

// AlertChannel is one way to reach people.
type AlertChannel struct {
	Name, Kind    string // slack, sms, call, email, pagerduty, teams, discord, webhook
	Channel       string // of Slack
	Account, From string
	Server, User  string
	To            []string
	API           string    // base URL instead of the service's own
	Secret        SecretRef // token, key, password or, where the URL is the credential, the URL
	Signing       SecretRef // of Slack's callbacks and of webhooks; may be empty
	App           SecretRef // app-level token of Slack's Socket Mode; may be empty
	CAFile        string
	Dark          bool // charts are
}

// AlertRule opens incidents.
type AlertRule struct {
	Name, On     string
	When         AlertCondition
	Severity     sentinel.Severity
	ByScope      bool
	ResolveAfter time.Duration
	InhibitedBy  []string
	To           []string
	Escalate     []AlertStep
}

// AlertStep is one more try when nobody reacted.
type AlertStep struct {
	After, Repeat time.Duration
	To            []string
}

// AlertSilence keeps incidents quiet for a time.
type AlertSilence struct {
	Rule, Scope string
	From, Until time.Time
}

// Person is somebody who can be called, or who may raise budgets in Slack.
type Person struct {
	Name, Phone, Slack string
	Role               sentinel.Role // 0: none
	Team               string        // of a team admin
}

// MayRaise tells whether a person may raise the limit of a cell.
func (p Person) MayRaise(cell string) bool {
	switch p.Role {
	case sentinel.RoleOperator, sentinel.RoleAdmin:
		return true
	case sentinel.RoleTeamAdmin:
		return p.Team != "" && strings.HasPrefix(cell, "team/"+p.Team+"/")
	default:
		return false
	}
}

// OnCall is a rotation: from Start, each of People for Every, in turn.
type OnCall struct {
	People []string
	Start  time.Time
	Every  time.Duration
}

// At tells who is on call at a time; nobody when there is no rotation.
func (o OnCall) At(now time.Time) string {
	if len(o.People) == 0 || o.Every <= 0 {
		return ""
	}
	turn := int64(now.Sub(o.Start) / o.Every)
	if now.Before(o.Start) {
		turn = 0
	}
	return o.People[turn%int64(len(o.People))]
}

// QuietHours are minutes of the day, in the policy's time zone.
type QuietHours struct {
	On       bool
	From, To int
	Below    sentinel.Severity
}

// secretRefs lists what alerts need of Vault.
func (a Alerts) secretRefs() (out []SecretRef) {
	for _, ch := range a.Channels {
		for _, r := range []SecretRef{ch.Secret, ch.Signing, ch.App} {
			if r.Path != "" {
				out = append(out, r)
			}
		}
	}
	return out
}
