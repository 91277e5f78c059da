package policy

import (
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

// Alerts says what people are told, and how.
type Alerts struct {
	Channels []AlertChannel // by name
	Rules    []AlertRule
	Silences []AlertSilence
	People   []Person // by name
	OnCall   OnCall
	Quiet    QuietHours
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
	CAFile        string
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

// Person is somebody who can be called.
type Person struct{ Name, Phone string }

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

type alertsYAML struct {
	Channels map[string]channelYAML `yaml:"channels" doc:"Ways to reach people, by name."`
	Rules    []alertRuleYAML        `yaml:"rules" doc:"What opens an incident. Default: a rule for each kind of fact, to all channels."`
	People   map[string]personYAML  `yaml:"people" doc:"Who can be called, by name."`
	OnCall   onCallYAML             `yaml:"on_call" doc:"Whom text messages and calls reach when a channel names nobody."`
	Quiet    *quietYAML             `yaml:"quiet" doc:"Hours in which only severe incidents are told."`
	Silences []silenceYAML          `yaml:"silences" doc:"Maintenance: what is not told for a time."`
}

type channelYAML struct {
	Slack     *slackYAML     `yaml:"slack" doc:"A Slack channel, by a bot."`
	SMS       *phoneYAML     `yaml:"sms" doc:"Text messages by Twilio."`
	Call      *phoneYAML     `yaml:"call" doc:"Calls by Twilio."`
	Email     *emailYAML     `yaml:"email" doc:"Mail by SMTP with TLS."`
	PagerDuty *pagerDutyYAML `yaml:"pagerduty" doc:"A PagerDuty service, by its Events API v2."`
	Teams     *hookYAML      `yaml:"teams" doc:"A workflow of a Microsoft Teams channel."`
	Discord   *hookYAML      `yaml:"discord" doc:"A webhook of a Discord channel."`
	Webhook   *webhookYAML   `yaml:"webhook" doc:"A URL that gets signed JSON, as Standard Webhooks has it."`
}

type slackYAML struct {
	Channel string  `yaml:"channel,required" doc:"Such as #finops, or a channel's id."`
	Token   refYAML `yaml:"token,required" doc:"Where the bot token lies: vault:MOUNT/PATH#FIELD."`
	Signing refYAML `yaml:"signing_secret" doc:"Where the app's signing secret lies. With it messages have buttons."`
	API     string  `yaml:"api" doc:"Base URL of a compatible API. Default: Slack's own."`
}

type phoneYAML struct {
	Account string   `yaml:"account,required" doc:"Twilio's account SID."`
	Token   refYAML  `yaml:"token,required" doc:"Where the account's auth token lies."`
	From    string   `yaml:"from,required" doc:"Our number, such as +15550100000."`
	To      []string `yaml:"to" doc:"People of this file. Default: who is on call."`
	API     string   `yaml:"api" doc:"Base URL of a compatible API. Default: Twilio's own."`
}

type emailYAML struct {
	Server   string   `yaml:"server,required" doc:"host:port of the mail server. Port 465 speaks TLS at once, every other one by STARTTLS."`
	From     string   `yaml:"from,required" doc:"The sender's address."`
	To       []string `yaml:"to,required" doc:"The receivers' addresses."`
	User     string   `yaml:"user" doc:"The login's name."`
	Password refYAML  `yaml:"password" doc:"Where the login's password lies."`
	CAFile   string   `yaml:"ca_file" doc:"File of the certificate authorities to trust. Default: the system's."`
}

type pagerDutyYAML struct {
	Key refYAML `yaml:"routing_key,required" doc:"Where the integration key lies."`
	API string  `yaml:"api" doc:"Base URL of a compatible API. Default: PagerDuty's own."`
}

type hookYAML struct {
	URL refYAML `yaml:"url,required" doc:"Where the URL lies: who knows it can post."`
}

type webhookYAML struct {
	URL    refYAML `yaml:"url,required" doc:"Where the URL lies."`
	Secret refYAML `yaml:"secret,required" doc:"Where the signing secret lies, such as whsec_ and base64."`
}

type personYAML struct {
	Phone string `yaml:"phone,required" doc:"Such as +15550100001."`
}

type onCallYAML struct {
	People []string      `yaml:"people" doc:"In their order."`
	From   string        `yaml:"from" doc:"The start of the first turn, such as 2026-01-05T09:00:00Z."`
	Every  time.Duration `yaml:"every" doc:"The length of a turn, such as 168h."`
}

type quietYAML struct {
	From  string `yaml:"from,required" doc:"Such as 22:00, in the policy's time zone."`
	To    string `yaml:"to,required" doc:"Such as 07:00."`
	Below string `yaml:"below" enum:"warning,critical" doc:"What is told all the same. Default: critical."`
}

type silenceYAML struct {
	Rule  string `yaml:"rule" doc:"Rules. * stands for any text without a slash."`
	Scope string `yaml:"scope" doc:"Scopes, such as provider/*."`
	From  string `yaml:"from,required" doc:"Such as 2026-12-01T20:00:00Z."`
	Until string `yaml:"until,required" doc:"Such as 2026-12-01T22:00:00Z."`
}

type alertRuleYAML struct {
	Name         string        `yaml:"name,required" doc:"Unique."`
	On           string        `yaml:"on,required" enum:"budget,refused,downgraded,errors,key_refused,unpriced,anomaly,spool_lag,dependency" doc:"The kind of fact."`
	When         string        `yaml:"when" doc:"CEL over the fact, such as share >= 0.8 or count >= 20 && rate > 0.1. Default: what is usual for the kind."`
	Severity     string        `yaml:"severity" enum:"info,warning,critical" doc:"Default: warning. A budget that is used up is always critical."`
	By           string        `yaml:"by" enum:"rule,scope" doc:"Which incidents share messages: all of the rule (default), or those of one scope."`
	ResolveAfter time.Duration `yaml:"resolve_after" doc:"The cause must be gone for so long. Default: 5m."`
	InhibitedBy  []string      `yaml:"inhibited_by" doc:"Rules whose open incident on the same scope or above keeps this one quiet."`
	To           []string      `yaml:"to" doc:"Channels. Default: all."`
	Escalate     []stepYAML    `yaml:"escalate" doc:"What follows when nobody reacts."`
}

type stepYAML struct {
	After  time.Duration `yaml:"after,required" doc:"From the first message, such as 10m."`
	To     []string      `yaml:"to,required" doc:"Channels."`
	Repeat time.Duration `yaml:"repeat" doc:"Again after so long, until somebody acknowledges; at most 20 times."`
}

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
		c.phone("alerts.people."+name+".phone", in.People[name].Phone)
		out.People = append(out.People, Person{Name: name, Phone: in.People[name].Phone})
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
	for _, p := range in.People {
		if _, ok := c.in.Alerts.People[p]; !ok {
			c.Fault("alerts.on_call.people", "%q is not one of alerts.people", clip(p))
		}
	}
	if in.Every < time.Hour {
		c.Fault("alerts.on_call.every", "%s is under an hour: write for instance 168h", in.Every)
	}
	c.set.Alerts.OnCall = OnCall{People: in.People, Every: in.Every, Start: c.moment("alerts.on_call.from", in.From)}
}

func (c *compiler) quiet(in *quietYAML) {
	if in == nil {
		return
	}
	minute := func(key, text string) int {
		t, err := time.Parse("15:04", text)
		if err != nil {
			c.Fault("alerts.quiet."+key, "%q is not a time of the day: write it as 22:00", clip(text))
		}
		return t.Hour()*60 + t.Minute()
	}
	q := QuietHours{On: true, From: minute("from", in.From), To: minute("to", in.To), Below: sentinel.SeverityCritical}
	if below, ok := sentinel.SeverityByName(in.Below); ok {
		q.Below = below
	}
	c.set.Alerts.Quiet = q
}

// channel compiles one channel, and counts of how many kinds it is.
func (c *compiler) channel(key string, in channelYAML) (out AlertChannel, kinds int) {
	ref := func(r refYAML) SecretRef { return SecretRef{r.path, r.field} }
	if s := in.Slack; s != nil {
		out, kinds = AlertChannel{Kind: "slack", Channel: s.Channel, Secret: ref(s.Token), Signing: ref(s.Signing), API: s.API}, kinds+1
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
		for _, name := range p.To {
			if _, ok := c.in.Alerts.People[name]; !ok {
				c.Fault(key+"."+kind+".to", "%q is not one of alerts.people", clip(name))
			}
		}
	}
	if e := in.Email; e != nil {
		out, kinds = AlertChannel{Kind: "email", Server: e.Server, From: e.From, To: e.To, User: e.User, Secret: ref(e.Password), CAFile: e.CAFile}, kinds+1
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
			out, kinds = AlertChannel{Kind: kind, Secret: ref(h.URL)}, kinds+1
		}
	}
	if w := in.Webhook; w != nil {
		out, kinds = AlertChannel{Kind: "webhook", Secret: ref(w.URL), Signing: ref(w.Secret)}, kinds+1
	}
	for _, r := range []SecretRef{out.Secret, out.Signing} {
		if r.Path != "" && r.Field == "" {
			c.Fault(key, "the secret at %s has many fields: name one, as in %s#field", r.Path, r.Path)
		}
	}
	if u, err := url.Parse(out.API); out.API != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		c.Fault(key, "api: %q is not a URL", clip(out.API))
	}
	return out, kinds
}

// secretRefs lists what alerts need of Vault.
func (a Alerts) secretRefs() (out []SecretRef) {
	for _, ch := range a.Channels {
		for _, r := range []SecretRef{ch.Secret, ch.Signing} {
			if r.Path != "" {
				out = append(out, r)
			}
		}
	}
	return out
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
	for _, on := range strings.Fields("budget refused downgraded errors key_refused unpriced anomaly spool_lag dependency") {
		r := alertRuleYAML{Name: on, On: on, Severity: "warning"}
		switch on {
		case "key_refused", "dependency":
			r.Severity = "critical"
		case "errors", "refused":
			r.InhibitedBy = []string{"dependency"}
		}
		out = append(out, r)
	}
	return out
}
