package policy

import "time"

// alertsYAML is the part of a policy file about alerts.
type alertsYAML struct {
	Channels map[string]channelYAML `yaml:"channels" doc:"Ways to reach people, by name."`
	Rules    []alertRuleYAML        `yaml:"rules" doc:"What opens an incident. Default: a rule for each kind of fact, to all channels."`
	People   map[string]personYAML  `yaml:"people" doc:"Who can be called, and who may do what in Slack, by name."`
	OnCall   onCallYAML             `yaml:"on_call" doc:"Whom text messages and calls reach when a channel names nobody."`
	Quiet    *quietYAML             `yaml:"quiet" doc:"Hours in which only severe incidents are told."`
	Silences []silenceYAML          `yaml:"silences" doc:"Maintenance: what is not told for a time."`
	Digest   *digestYAML            `yaml:"digest" doc:"What was spent, told every day or week with a chart."`
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
	App     refYAML `yaml:"app_token" doc:"Where an app-level token (xapp-…) lies. With it messages have buttons, and what people press comes over a connection that the gateway opens (Socket Mode)."`
	API     string  `yaml:"api" doc:"Base URL of a compatible API. Default: Slack's own."`
	Theme   string  `yaml:"theme" enum:"light,dark" doc:"Of charts. Default: light."`
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
	Theme    string   `yaml:"theme" enum:"light,dark" doc:"Of charts. Default: light."`
}

type pagerDutyYAML struct {
	Key refYAML `yaml:"routing_key,required" doc:"Where the integration key lies."`
	API string  `yaml:"api" doc:"Base URL of a compatible API. Default: PagerDuty's own."`
}

type hookYAML struct {
	URL   refYAML `yaml:"url,required" doc:"Where the URL lies: who knows it can post."`
	Theme string  `yaml:"theme" enum:"light,dark" doc:"Of charts. Default: light."`
}

type webhookYAML struct {
	URL    refYAML `yaml:"url,required" doc:"Where the URL lies."`
	Secret refYAML `yaml:"secret,required" doc:"Where the signing secret lies, such as whsec_ and base64."`
}

type personYAML struct {
	Phone string `yaml:"phone" doc:"Such as +15550100001."`
	Slack string `yaml:"slack" doc:"Member id in Slack, such as U0123ABCD."`
	Role  string `yaml:"role" enum:"team-admin,operator,admin" doc:"Who may raise a budget in Slack: an operator or admin every one, a team-admin those of the own team. Default: nobody."`
	Team  string `yaml:"team" doc:"Of a team-admin."`
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

type digestYAML struct {
	Every []string `yaml:"every,required" enum:"day,week" doc:"A week is told on Mondays."`
	At    string   `yaml:"at" doc:"Time of the day in the policy's time zone. Default: 09:00."`
	To    []string `yaml:"to" doc:"Channels. Default: all but phones and PagerDuty."`
}

type silenceYAML struct {
	Rule  string `yaml:"rule" doc:"Rules. * stands for any text."`
	Scope string `yaml:"scope" doc:"Scopes, such as provider/*."`
	From  string `yaml:"from,required" doc:"Such as 2026-12-01T20:00:00Z."`
	Until string `yaml:"until,required" doc:"Such as 2026-12-01T22:00:00Z."`
}

type alertRuleYAML struct {
	Name         string        `yaml:"name,required" doc:"Unique."`
	On           string        `yaml:"on,required" enum:"budget,forecast,refused,downgraded,errors,outage,latency,key_refused,quarantine,rotation,unpriced,anomaly,first_seen,other_host,spool_lag,dependency,process,drift,policy,certificate" doc:"The kind of fact."`
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
