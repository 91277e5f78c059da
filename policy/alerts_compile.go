package policy

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/mail"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Bounds of alerts.
const (
	maxAlertItems = 200
	maxSteps      = 8
	minPause      = 30 * time.Second
)

var phonePattern = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// alerts compiles the part of a policy file about alerts.
func (c *compiler) alerts() {
	in, out := c.in.Alerts, &c.set.Alerts
	for key, n := range map[string]int{"channels": len(in.Channels), "rules": len(in.Rules), "people": len(in.People), "silences": len(in.Silences)} {
		if n > maxAlertItems {
			c.Fault("alerts."+key, "%d entries: at most %d are allowed", n, maxAlertItems)
			return
		}
	}
	for _, name := range slices.Sorted(maps.Keys(in.People)) {
		out.People = append(out.People, c.person(name, in.People[name]))
	}
	c.onCall(in.OnCall)
	for _, name := range slices.Sorted(maps.Keys(in.Channels)) {
		key := "alerts.channels." + name
		c.name(key, name)
		ch, kinds := c.channel(key, in.Channels[name])
		if kinds != 1 {
			c.Fault(key, "a channel is exactly one of slack, sms, call, email, pagerduty, teams, discord and webhook, and this is %d", kinds)
		}
		ch.Name = name
		out.Channels = append(out.Channels, ch)
	}
	c.quiet(in.Quiet)
	for i, s := range in.Silences {
		key := fmt.Sprintf("alerts.silences[%d]", i)
		q := AlertSilence{Rule: s.Rule, Scope: s.Scope, From: c.moment(key+".from", s.From), Until: c.moment(key+".until", s.Until)}
		if !q.From.IsZero() && !q.Until.After(q.From) {
			c.Fault(key+".until", "it is not after from")
		}
		for _, pattern := range []string{s.Rule, s.Scope} {
			if _, err := path.Match(pattern, ""); err != nil {
				c.Fault(key, "%q is not a pattern", clip(pattern))
			}
		}
		out.Silences = append(out.Silences, q)
	}
	c.alertRules()
	c.digest(in.Digest)
}

var slackPattern = regexp.MustCompile(`^[UW][A-Z0-9]{2,20}$`)

func (c *compiler) person(name string, in personYAML) Person {
	key := "alerts.people." + name
	p := Person{Name: name, Phone: in.Phone, Slack: in.Slack, Team: in.Team}
	p.Role, _ = sentinel.RoleByName(in.Role)
	if in.Phone == "" && in.Slack == "" {
		c.Fault(key, "nobody can reach or know this person: give a phone, a slack or both")
	}
	if in.Phone != "" {
		c.phone(key+".phone", in.Phone)
	}
	if in.Slack != "" && !slackPattern.MatchString(in.Slack) {
		c.Fault(key+".slack", "%q is not a member id: copy it from the person's profile in Slack, such as U0123ABCD", clip(in.Slack))
	}
	if (p.Role == sentinel.RoleTeamAdmin) != (in.Team != "") {
		c.Fault(key, "role: team-admin and team go together")
	}
	return p
}

// phones asks that people who are to be called have a phone.
func (c *compiler) phones(key string, names []string) {
	for _, name := range names {
		p, ok := c.in.Alerts.People[name]
		switch {
		case !ok:
			c.Fault(key, "%q is not one of alerts.people", clip(name))
		case p.Phone == "":
			c.Fault(key, "%q has no phone in alerts.people", clip(name))
		}
	}
}

func (c *compiler) phone(key, phone string) {
	if !phonePattern.MatchString(phone) {
		c.Fault(key, "%q is not a phone number: write it as +15550100001", clip(phone))
	}
}

func (c *compiler) moment(key, text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		c.Fault(key, "%q is not a time: write it as 2026-12-01T20:00:00Z", clip(text))
	}
	return at.UTC()
}

func (c *compiler) onCall(in onCallYAML) {
	if len(in.People) == 0 {
		return
	}
	c.phones("alerts.on_call.people", in.People)
	if in.Every < time.Hour {
		c.Fault("alerts.on_call.every", "%s is under an hour: write for instance 168h", in.Every)
	}
	c.set.Alerts.OnCall = OnCall{People: in.People, Every: in.Every, Start: c.moment("alerts.on_call.from", in.From)}
}

func (c *compiler) quiet(in *quietYAML) {
	if in == nil {
		return
	}
	q := QuietHours{On: true, From: c.minute("alerts.quiet.from", in.From), To: c.minute("alerts.quiet.to", in.To), Below: sentinel.SeverityCritical}
	if below, ok := sentinel.SeverityByName(in.Below); ok {
		q.Below = below
	}
	c.set.Alerts.Quiet = q
}

// minute reads a time of the day.
func (c *compiler) minute(key, text string) int {
	t, err := time.Parse("15:04", text)
	if err != nil {
		c.Fault(key, "%q is not a time of the day: write it as 22:00", clip(text))
	}
	return t.Hour()*60 + t.Minute()
}

func (c *compiler) digest(in *digestYAML) {
	if in == nil {
		return
	}
	var all []string
	to := in.To
	for _, ch := range c.set.Alerts.Channels {
		all = append(all, ch.Name)
		if len(in.To) == 0 && ch.Kind != "sms" && ch.Kind != "call" && ch.Kind != "pagerduty" {
			to = append(to, ch.Name)
		}
	}
	c.channelsExist("alerts.digest.to", to, all)
	if len(to) == 0 {
		c.Fault("alerts.digest", "it reaches nobody: name channels in to")
	}
	minute := c.minute("alerts.digest.at", cmp.Or(in.At, "09:00"))
	for _, every := range slices.Compact(slices.Sorted(slices.Values(in.Every))) {
		d := Digest{Days: map[string]int{"day": 1, "week": 7}[every], Minute: minute, To: to}
		if d.Days == 0 {
			c.Fault("alerts.digest.every", "%q is neither day nor week", clip(every))
			continue
		}
		c.set.Alerts.Digests = append(c.set.Alerts.Digests, d)
	}
}

// dark is the theme of charts that is not the default.
const dark = "dark"

// channel compiles one channel, and counts of how many kinds it is.
func (c *compiler) channel(key string, in channelYAML) (out AlertChannel, kinds int) {
	ref := func(r refYAML) SecretRef { return SecretRef{r.path, r.field} }
	if s := in.Slack; s != nil {
		out, kinds = AlertChannel{Kind: "slack", Channel: s.Channel, Secret: ref(s.Token), Signing: ref(s.Signing), App: ref(s.App), API: s.API, Dark: s.Theme == dark}, kinds+1
	}
	for kind, p := range map[string]*phoneYAML{"sms": in.SMS, "call": in.Call} {
		if p == nil {
			continue
		}
		out, kinds = AlertChannel{Kind: kind, Account: p.Account, From: p.From, To: p.To, Secret: ref(p.Token), API: p.API}, kinds+1
		c.phone(key+"."+kind+".from", p.From)
		if len(p.To) == 0 && len(c.in.Alerts.OnCall.People) == 0 {
			c.Fault(key+"."+kind, "it reaches nobody: name people in to, or an alerts.on_call")
		}
		c.phones(key+"."+kind+".to", p.To)
	}
	if e := in.Email; e != nil {
		out, kinds = AlertChannel{Kind: "email", Server: e.Server, From: e.From, To: e.To, User: e.User, Secret: ref(e.Password), CAFile: e.CAFile, Dark: e.Theme == dark}, kinds+1
		if _, _, err := net.SplitHostPort(e.Server); err != nil {
			c.Fault(key+".email.server", "%q is not host:port", clip(e.Server))
		}
		for _, a := range append([]string{e.From}, e.To...) {
			if _, err := mail.ParseAddress(a); err != nil {
				c.Fault(key+".email", "%q is not a mail address", clip(a))
			}
		}
		if (e.User == "") != (e.Password.path == "") {
			c.Fault(key+".email", "user and password go together")
		}
	}
	if p := in.PagerDuty; p != nil {
		out, kinds = AlertChannel{Kind: "pagerduty", Secret: ref(p.Key), API: p.API}, kinds+1
	}
	for kind, h := range map[string]*hookYAML{"teams": in.Teams, "discord": in.Discord} {
		if h != nil {
			out, kinds = AlertChannel{Kind: kind, Secret: ref(h.URL), Dark: h.Theme == dark}, kinds+1
		}
	}
	if w := in.Webhook; w != nil {
		out, kinds = AlertChannel{Kind: "webhook", Secret: ref(w.URL), Signing: ref(w.Secret)}, kinds+1
	}
	for _, r := range []SecretRef{out.Secret, out.Signing, out.App} {
		if r.Path != "" && r.Field == "" {
			c.Fault(key, "the secret at %s has many fields: name one, as in %s#field", r.Path, r.Path)
		}
	}
	if u, err := url.Parse(out.API); out.API != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		c.Fault(key, "api: %q is not a URL", clip(out.API))
	}
	return out, kinds
}

// alertRules compiles the rules, or makes the usual ones.
func (c *compiler) alertRules() {
	var all []string
	for _, ch := range c.set.Alerts.Channels {
		all = append(all, ch.Name)
	}
	list := c.in.Alerts.Rules
	if len(list) == 0 && len(all) > 0 {
		list = usualRules()
	}
	names := map[string]bool{}
	for _, r := range list {
		names[r.Name] = true
	}
	seen := map[string]bool{}
	for i, r := range list {
		key := fmt.Sprintf("alerts.rules[%d]", i)
		c.name(key+".name", r.Name)
		if seen[r.Name] {
			c.Fault(key+".name", "%q is the name of two rules", clip(r.Name))
		}
		seen[r.Name] = true
		out := AlertRule{Name: r.Name, On: r.On, Severity: sentinel.SeverityWarning, ByScope: r.By == "scope", ResolveAfter: r.ResolveAfter, InhibitedBy: r.InhibitedBy, To: r.To}
		if s, ok := sentinel.SeverityByName(r.Severity); ok {
			out.Severity = s
		}
		if out.ResolveAfter == 0 {
			out.ResolveAfter = 5 * time.Minute
		}
		if len(out.To) == 0 {
			out.To = all
		}
		for _, parent := range r.InhibitedBy {
			if !names[parent] {
				c.Fault(key+".inhibited_by", "there is no rule %q", clip(parent))
			}
		}
		c.channelsExist(key+".to", out.To, all)
		out.Escalate = c.steps(key, r.Escalate, all)
		var err error
		if out.When, err = compileCondition(r.On, r.When); err != nil {
			c.Fault(key+".when", "%s", err)
		}
		c.set.Alerts.Rules = append(c.set.Alerts.Rules, out)
	}
}

func (c *compiler) steps(key string, list []stepYAML, all []string) (out []AlertStep) {
	if len(list) > maxSteps {
		c.Fault(key+".escalate", "%d steps: at most %d are allowed", len(list), maxSteps)
		return nil
	}
	for k, s := range list {
		at := fmt.Sprintf("%s.escalate[%d]", key, k)
		c.channelsExist(at+".to", s.To, all)
		if k > 0 && s.After <= list[k-1].After {
			c.Fault(at+".after", "%s is not after the step before", s.After)
		}
		if s.Repeat != 0 && (s.Repeat < minPause || k < len(list)-1) {
			c.Fault(at+".repeat", "only the last step repeats, and not more often than every %s", minPause)
		}
		out = append(out, AlertStep{After: s.After, Repeat: s.Repeat, To: s.To})
	}
	return out
}

func (c *compiler) channelsExist(key string, names, all []string) {
	for _, n := range names {
		if !slices.Contains(all, n) {
			c.Fault(key, "there is no channel %q: known are %s", clip(n), list(all))
		}
	}
}

// usualRules are what a file without rules gets.
func usualRules() []alertRuleYAML {
	var out []alertRuleYAML
	for _, on := range strings.Fields("budget forecast refused downgraded errors outage latency key_refused quarantine rotation unpriced anomaly first_seen other_host spool_lag dependency process drift policy certificate") {
		r := alertRuleYAML{Name: on, On: on, Severity: "warning"}
		switch on {
		case "budget", "forecast":
			r.InhibitedBy = []string{"budget"} // the organisation's over its teams', where it is as severe
		case "outage", "key_refused", "quarantine", "rotation", "drift", "policy":
			r.Severity = "critical"
		case "dependency", "process":
			r.Severity, r.By = "critical", "scope" // that the database is away is not to wait for five minutes because Redis was
		case "refused":
			r.InhibitedBy = []string{"dependency"}
		case "errors", "latency":
			r.InhibitedBy = []string{"dependency", "outage"}
		case "first_seen":
			r.Severity = "info"
		}
		out = append(out, r)
	}
	return out
}
