package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/alerts"
	"github.com/saas-sentinel/saas-sentinel/credential"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

// alerting joins facts, incidents and channels. Its book is swapped whole when the policy changes.
type alerting struct {
	app  *App
	book atomic.Pointer[book]
	// silences are what people asked for, nil before they were read; silenced is the machine with them.
	silences atomic.Pointer[[]sentinel.AlertSilence]
	silenced atomic.Pointer[silenced]
	inbox    *alerts.Inbox
	facts    facts
	watch    watcher
	board    board
	firsts   firsts

	evaluated evaluated
	pasts     pasts

	client *http.Client
	away   func() time.Duration // how long the database has not answered

	unwrittenAt time.Time // when the database last did not take a write; of the drain alone

	certificates certificates
}

// unusualPrefix begins the names of alert rules that policies about anomalies make.
const unusualPrefix = "policy "

// book is what a policy set says about alerts.
type book struct {
	machine  *alerts.Machine
	channels map[string]alerts.Channel
	phones   map[string]string // person by phone
	members  map[string]policy.Person
	replies  []string // begins of URLs at which Slack takes answers
	slack    []policy.SecretRef
	sockets  []socket
	twilio   []policy.AlertChannel
	rules    []policy.AlertRule
}

// openAlerts reads the policy's part about alerts, and puts the observer of limits into the governor.
func (a *App) openAlerts(context.Context) error {
	al := &alerting{app: a, client: alerts.NewClient()}
	al.watch.board, al.watch.instance = &al.board, a.instance
	a.alerting = al
	first, err := al.newBook(a.governor.State().Policy)
	if err != nil {
		return err
	}
	al.book.Store(first)
	al.inbox = &alerts.Inbox{Store: a.store, Machine: al.machine, Log: a.log}
	a.governor.Limiter = &watchedLimiter{Limiter: a.governor.Limiter, report: al.crossed, facts: &al.facts}
	return nil
}

// newBook makes the book of a policy set.
func (al *alerting) newBook(set *policy.Set) (*book, error) {
	in := set.Alerts
	b := &book{
		rules: in.Rules, channels: map[string]alerts.Channel{}, phones: map[string]string{}, members: map[string]policy.Person{}, replies: []string{"https://hooks.slack.com/"},
		machine: &alerts.Machine{Rules: map[string]alerts.Rule{}, Timing: alerts.DefaultTiming(), Edits: map[string]bool{},
			Quiet: alerts.Quiet{On: in.Quiet.On, From: in.Quiet.From, To: in.Quiet.To, Below: in.Quiet.Below, Zone: set.Zone}},
	}
	for _, p := range in.People {
		if p.Phone != "" {
			b.phones[p.Phone] = p.Name
		}
		if p.Slack != "" {
			b.members[p.Slack] = p
		}
	}
	for _, r := range in.Rules {
		rule := alerts.Rule{Name: r.Name, Severity: r.Severity, ByScope: r.ByScope, ResolveAfter: r.ResolveAfter, InhibitedBy: r.InhibitedBy, To: r.To,
			Budget: r.On == "budget" || r.On == "forecast"}
		for _, s := range r.Escalate {
			rule.Escalate = append(rule.Escalate, alerts.Step{After: s.After, To: s.To, Repeat: s.Repeat})
		}
		b.machine.Rules[r.Name] = rule
	}
	for _, r := range set.Telling() {
		b.machine.Rules[unusualPrefix+r.Name] = alerts.Rule{Name: unusualPrefix + r.Name, Severity: sentinel.SeverityCritical, ByScope: true, ResolveAfter: time.Minute, To: []string{r.Channel}}
	}
	for _, d := range in.Digests {
		b.machine.Rules[d.Name()] = alerts.Rule{Name: d.Name(), Severity: sentinel.SeverityInfo, ResolveAfter: time.Minute, To: d.To, Note: true}
	}
	for _, s := range in.Silences {
		b.machine.Silences = append(b.machine.Silences, sentinel.AlertSilence{Rule: s.Rule, Scope: s.Scope, From: s.From, Until: s.Until})
	}
	for _, c := range in.Channels {
		ch, edits, err := al.channel(set, c)
		if err != nil {
			return nil, fmt.Errorf("alerts.channels.%s: %w", c.Name, err)
		}
		b.channels[c.Name], b.machine.Edits[c.Name] = ch, edits
		b.listen(c)
	}
	return b, nil
}

// listen notes what people may press of a channel.
func (b *book) listen(c policy.AlertChannel) {
	if c.Kind == "sms" || c.Kind == "call" {
		b.twilio = append(b.twilio, c)
	}
	if c.Kind != "slack" {
		return
	}
	if c.Signing.Path != "" {
		b.slack = append(b.slack, c.Signing)
	}
	if s := (socket{c.App, c.API}); c.App.Path != "" && !slices.Contains(b.sockets, s) {
		b.sockets = append(b.sockets, s)
	}
	if c.API != "" {
		b.replies = append(b.replies, strings.TrimSuffix(c.API, "/")+"/")
	}
}

// channel makes one channel, and tells whether its messages can be changed later.
func (al *alerting) channel(set *policy.Set, c policy.AlertChannel) (alerts.Channel, bool, error) {
	secret := al.secret(c.Secret)
	switch c.Kind {
	case "slack":
		return alerts.NewSlack(alerts.SlackConfig{Channel: c.Channel, Token: secret, API: c.API, Buttons: c.Signing.Path != "" || c.App.Path != "", Dark: c.Dark}, al.client), true, nil
	case "sms", "call":
		return alerts.NewTwilio(alerts.TwilioConfig{TwilioAccount: al.twilio(c), From: c.From, To: phonesOf(set.Alerts, c.To), Voice: c.Kind == "call",
			Callback: al.app.config.Alerts.URL}, al.client), false, nil
	case "email":
		config := alerts.EmailConfig{Server: c.Server, From: c.From, To: c.To, User: c.User, Password: secret, Dark: c.Dark}
		if c.CAFile != "" {
			pem, err := readFile("certificate authorities", c.CAFile)
			if err != nil {
				return nil, false, err
			}
			config.TLS = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
			if !config.TLS.RootCAs.AppendCertsFromPEM(pem) {
				return nil, false, fmt.Errorf("ca_file %s has no certificate", c.CAFile)
			}
		}
		return alerts.NewEmail(config), false, nil
	case "pagerduty":
		return alerts.NewPagerDuty(alerts.PagerDutyConfig{RoutingKey: secret, API: c.API, Source: set.Org}, al.client), true, nil
	case "teams":
		return alerts.NewTeams(alerts.TeamsConfig{URL: secret, Dark: c.Dark}, al.client), false, nil
	case "discord":
		return alerts.NewDiscord(alerts.DiscordConfig{URL: secret, Dark: c.Dark}, al.client), true, nil
	default:
		return alerts.NewWebhook(alerts.WebhookConfig{URL: secret, Secret: al.secret(c.Signing)}, al.client), true, nil
	}
}

func (al *alerting) twilio(c policy.AlertChannel) alerts.TwilioAccount {
	return alerts.TwilioAccount{Account: c.Account, Token: al.secret(c.Secret), API: c.API}
}

// secret reads a secret at each use, so that a rotated one is used.
func (al *alerting) secret(r policy.SecretRef) func() sentinel.Secret {
	return func() sentinel.Secret {
		s, _ := al.app.secrets.Get(credential.Ref{Path: r.Path, Field: r.Field})
		return s
	}
}

func (al *alerting) secrets(refs []policy.SecretRef) []sentinel.Secret {
	var out []sentinel.Secret
	for _, r := range refs {
		out = append(out, al.secret(r)())
	}
	return out
}

// phonesOf finds the phones of named people, or of who is on call.
func phonesOf(a policy.Alerts, names []string) func(time.Time) []string {
	return func(now time.Time) (out []string) {
		want := names
		if len(want) == 0 {
			want = []string{a.OnCall.At(now)}
		}
		for _, p := range a.People {
			for _, n := range want {
				if p.Name == n {
					out = append(out, p.Phone)
				}
			}
		}
		return out
	}
}

// run judges facts, writes incidents, sends messages and takes callbacks until ctx ends.
func (al *alerting) run(ctx context.Context) error {
	defer al.client.CloseIdleConnections()
	sender := &alerts.Sender{
		Outage: al.outage,
		Store:  al.app.store, Machine: al.machine, Channels: func() map[string]alerts.Channel { return al.book.Load().channels },
		Chart: al.chart, Holder: al.app.instance, Log: al.app.log,
		Observe: func(channel string, o alerts.Outcome) {
			al.app.metrics.alertSends.WithLabelValues(channel, string(o)).Inc()
		},
	}
	al.away = sender.Away
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return al.inbox.Run(ctx) })
	group.Go(func() error { return sender.Run(ctx) })
	group.Go(func() error { return al.judge(ctx) })
	group.Go(func() error { return al.wake(ctx) })
	group.Go(func() error { return al.readSilences(ctx) })
	group.Go(func() error { return al.lead(ctx, sender.Leads) })
	c := al.answering()
	group.Go(func() error { return al.callbacks(ctx, c) })
	group.Go(func() error { return al.listenToSlack(ctx, c, sender.Leads) })
	return group.Wait()
}

// answering is what takes people's answers, from wherever they come.
func (al *alerting) answering() *alerts.Callbacks {
	return &alerts.Callbacks{
		Store: al.app.store, Machine: al.machine, Base: al.app.config.Alerts.URL, Log: al.app.log,
		Slack: func() []sentinel.Secret { return al.secrets(al.book.Load().slack) },
		Twilio: func() (out []alerts.TwilioAccount) {
			for _, c := range al.book.Load().twilio {
				out = append(out, al.twilio(c))
			}
			return out
		},
		Phones: func() map[string]string { return al.book.Load().phones },
		People: func() map[string]string {
			out := map[string]string{}
			for id, p := range al.book.Load().members {
				out[id] = p.Name
			}
			return out
		},
		Change: al.app.audit.Do, Raise: al.raise, Replies: func() []string { return al.book.Load().replies }, Client: al.client,
	}
}

// callbacks serves what people press, on a port of its own.
func (al *alerting) callbacks(ctx context.Context, c *alerts.Callbacks) error {
	s := &http.Server{Handler: c.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10}
	return serveHTTP(ctx, al.app.callbacks, s)
}
