package policy

import (
	"slices"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

const alertsFile = `
org: acme
alerts:
  people: {ana: {phone: "+15550100001"}, ben: {phone: "+15550100002"}}
  on_call: {people: [ana, ben], from: 2026-01-05T09:00:00Z, every: 168h}
  quiet: {from: "22:00", to: "07:00"}
  channels:
    finops: {slack: {channel: "#finops", token: "vault:secret/slack#token", signing_secret: "vault:secret/slack#signing"}}
    page: {call: {account: AC1, token: "vault:secret/twilio#token", from: "+15550100000"}}
`

func TestChannelsAloneGetTheUsualRules(t *testing.T) {
	s, err := Compile(File{Name: "p", Data: []byte(alertsFile)}, options)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Alerts.Rules) != 20 || len(s.Alerts.Rules[0].To) != 2 || s.Alerts.Rules[5].Name != "outage" || s.Alerts.Rules[5].Severity != sentinel.SeverityCritical {
		t.Errorf("rules: %+v", s.Alerts.Rules)
	}
	if refs := s.SecretRefs(); len(refs) != 3 {
		t.Errorf("secrets: %v", refs)
	}
	start := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	for at, want := range map[time.Time]string{
		start.Add(-time.Hour): "ana", start: "ana", start.Add(168*time.Hour - 1): "ana", start.Add(168 * time.Hour): "ben", start.Add(336 * time.Hour): "ana",
	} {
		if got := s.Alerts.OnCall.At(at); got != want {
			t.Errorf("on call at %s: %s, want %s", at, got, want)
		}
	}
}

func TestConditions(t *testing.T) {
	for text, tt := range map[string]struct {
		fact AlertFact
		want bool
	}{
		"share >= 0.8 && limit.startsWith('team/')": {AlertFact{Share: 0.8, Limit: "team/a/cost/day"}, true},
		"share >= 0.9":                   {AlertFact{Share: 0.8}, false},
		"count > 5 && provider in ['x']": {AlertFact{Count: 6, Provider: "x"}, true},
		"10 / count > 3":                 {AlertFact{}, true}, // cannot be judged: it speaks up
	} {
		c, err := compileCondition("budget", text)
		if err != nil {
			t.Fatal(text, err)
		}
		if got := c.Holds(tt.fact); got != tt.want {
			t.Errorf("%s of %+v = %v, want %v", text, tt.fact, got, tt.want)
		}
	}
}

func TestDigestsAreDueOnceADayAndOnMondays(t *testing.T) {
	s, err := Compile(File{Name: "p", Data: []byte("timezone: Europe/Paris\n" + strings.TrimPrefix(alertsFile, "\n") + "  digest: {every: [week, day], at: \"08:30\"}\n")}, options)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Alerts.Digests) != 2 || !slices.Equal(s.Alerts.Digests[0].To, []string{"finops"}) {
		t.Fatalf("digests %+v: want two, to the channel that is no phone", s.Alerts.Digests)
	}
	utc := func(text string) time.Time {
		at, err := time.Parse("2006-01-02 15:04", text)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for _, tt := range []struct {
		digest              Digest
		now, from, to, told string
	}{
		{s.Alerts.Digests[0], "2026-03-30 06:30", "2026-03-28 23:00", "2026-03-29 22:00", "2026-03-30 06:30"}, // a day of 23 hours
		{s.Alerts.Digests[0], "2026-03-30 06:29", "2026-03-27 23:00", "2026-03-28 23:00", "2026-03-29 06:30"},
		{s.Alerts.Digests[1], "2026-03-30 06:30", "2026-03-22 23:00", "2026-03-29 22:00", "2026-03-30 06:30"}, // a Monday
		{s.Alerts.Digests[1], "2026-03-30 06:29", "2026-03-15 23:00", "2026-03-22 23:00", "2026-03-23 07:30"},
		{s.Alerts.Digests[1], "2026-04-05 20:00", "2026-03-22 23:00", "2026-03-29 22:00", "2026-03-30 06:30"}, // a Sunday
	} {
		from, to, told := tt.digest.Period(utc(tt.now), s.Zone)
		if !from.Equal(utc(tt.from)) || !to.Equal(utc(tt.to)) || !told.Equal(utc(tt.told)) {
			t.Errorf("%s at %s: [%s, %s) told at %s, want [%s, %s) at %s", tt.digest.Name(), tt.now, from, to, told, tt.from, tt.to, tt.told)
		}
	}
}

func TestWhoMayRaiseABudget(t *testing.T) {
	for name, tt := range map[string]struct {
		person      Person
		own, others bool
	}{
		"operator":                  {Person{Role: sentinel.RoleOperator}, true, true},
		"team admin":                {Person{Role: sentinel.RoleTeamAdmin, Team: "a"}, true, false},
		"team of a longer name":     {Person{Role: sentinel.RoleTeamAdmin, Team: "ab"}, false, false},
		"team admin without a team": {Person{Role: sentinel.RoleTeamAdmin}, false, false},
		"somebody":                  {Person{}, false, false},
	} {
		if own, other := tt.person.MayRaise("team/a/cost/day"), tt.person.MayRaise("org/cost/day"); own != tt.own || other != tt.others {
			t.Errorf("%s: %v of the own, %v of another, want %v and %v", name, own, other, tt.own, tt.others)
		}
	}
	_, err := Compile(File{Name: "p", Data: []byte(strings.ReplaceAll(alertsFile, `ben: {phone: "+15550100002"}`, "ben: {slack: nobody, role: team-admin}"))}, options)
	if err == nil || !strings.Contains(err.Error(), "not a member id") || !strings.Contains(err.Error(), "go together") || !strings.Contains(err.Error(), `"ben" has no phone`) {
		t.Errorf("faults: %v", err)
	}
}
