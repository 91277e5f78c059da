package alerts

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/png"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockalerts"
)

var update = flag.Bool("update", false, "rewrite golden files")

// The secrets of the channels. None may ever be in a message or an error.
const (
	slackToken  = "xoxb-slacktokenslacktoken"
	twilioToken = "twiliotokentwiliotoken"
	pagerKey    = "pagerdutykeypagerdutykey"
	hookPath    = "urlsecreturlsecret"
	mailPass    = "mailpasswordmailpassword"
)

var hookSecret = "whsec_" + base64.StdEncoding.EncodeToString([]byte("hooksecrethooksecret"))

func held(v string) func() sentinel.Secret {
	return func() sentinel.Secret { return sentinel.NewSecret(v) }
}

// hostile is a service's name as an attacker would choose it.
const hostile = "<!channel> @everyone *bold* <script>alert(1)</script> [x](http://evil.example) \u202e\r\nBcc: all@example.com"

func sample() Outgoing {
	g := sentinel.AlertGroup{Key: "budget", Rule: "budget", Incidents: []sentinel.Incident{
		{ID: "i1", State: sentinel.IncidentOpen, Severity: sentinel.SeverityCritical, Title: "team growth has spent 80 % of 500 USD/day", Detail: hostile, Scope: "team/growth"},
		{ID: "i2", State: sentinel.IncidentOpen, Severity: sentinel.SeverityWarning, Title: hostile, Flaps: 3},
	}}
	for i := range g.Incidents {
		g.Incidents[i].Title, g.Incidents[i].Detail = Plain(g.Incidents[i].Title, maxText), Plain(g.Incidents[i].Detail, maxText)
	}
	m := compose(g, Rule{Name: "budget"}, sentinel.DeliverMessage, noon)
	m.ID = "al_0123456789"
	return Outgoing{Message: m}
}

type rig struct {
	mock *mockalerts.Server
	http *httptest.Server
	mail *mockalerts.SMTP
	all  map[string]Channel

	client *http.Client
	phones func(time.Time) []string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{mock: mockalerts.New(mockalerts.Credentials{SlackToken: slackToken, SlackAppToken: appToken, TwilioAccount: "AC1", TwilioToken: twilioToken, PagerDutyKey: pagerKey, WebhookSecret: hookSecret})}
	r.http = httptest.NewServer(r.mock)
	t.Cleanup(r.http.Close)
	r.http.Config.ErrorLog = nil
	var err error
	if r.mail, err = mockalerts.StartSMTP("ops", mailPass); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.mail.Close)
	client := NewClient()
	client.Transport = &http.Transport{}
	t.Cleanup(client.CloseIdleConnections)
	phones := func(time.Time) []string { return []string{"+15550100001"} }
	r.client, r.phones = client, phones
	r.dark(false)
	return r
}

// dark makes the channels, with charts of a theme.
func (r *rig) dark(dark bool) {
	base, client := r.http.URL, r.client
	twilio := TwilioConfig{TwilioAccount: TwilioAccount{Account: "AC1", Token: held(twilioToken), API: base + "/twilio"}, From: "+15550100000", To: r.phones, Callback: "https://gw.example"}
	voice := twilio
	voice.Voice = true
	r.all = map[string]Channel{
		"slack":     NewSlack(SlackConfig{Channel: "#finops", Token: held(slackToken), API: base + "/slack/api", Buttons: true, Dark: dark}, client),
		"sms":       NewTwilio(twilio, client),
		"voice":     NewTwilio(voice, client),
		"pagerduty": NewPagerDuty(PagerDutyConfig{RoutingKey: held(pagerKey), API: base + "/pagerduty", Source: "acme"}, client),
		"discord":   NewDiscord(DiscordConfig{URL: held(base + "/discord/" + hookPath), Dark: dark}, client),
		"teams":     NewTeams(TeamsConfig{URL: held(base + "/teams/" + hookPath), Dark: dark}, client),
		"webhook":   NewWebhook(WebhookConfig{URL: held(base + "/webhook/" + hookPath), Secret: held(hookSecret)}, client),
		"email":     NewEmail(EmailConfig{Server: r.mail.Address, From: "Sentinel <s@example.com>", To: []string{"ops@example.com"}, User: "ops", Password: held(mailPass), TLS: &tls.Config{RootCAs: r.mail.Roots}, Dark: dark}),
	}
}

var services = map[string]string{"slack": "slack", "sms": "twilio", "voice": "twilio", "pagerduty": "pagerduty", "discord": "discord", "teams": "teams", "webhook": "webhook"}

// took gives what a channel's service got last, as text.
func (r *rig) took(channel string) string {
	if channel == "email" {
		if mails := r.mail.Mails(); len(mails) > 0 {
			return mails[len(mails)-1]
		}
		return ""
	}
	list := r.mock.Messages(services[channel])
	if len(list) == 0 {
		return ""
	}
	return list[len(list)-1].Method + "\n" + list[len(list)-1].Body
}

func TestGoldenPayloads(t *testing.T) {
	r := newRig(t)
	cases := map[string]func(context.Context) *Chart{"discord.chart": charted, "teams.chart": charted, "email.chart": charted}
	for name := range r.all {
		cases[name] = nil
	}
	for full, chart := range cases {
		name, _, _ := strings.Cut(full, ".")
		t.Run(full, func(t *testing.T) {
			o := sample()
			o.Chart = chart
			if _, err := r.all[name].Send(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			got := readable(r.took(name))
			file := filepath.Join("testdata", full+".out.txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("what %s got (-want +got):\n%s", name, diff)
			}
		})
	}
}

var (
	picture  = regexp.MustCompile(`iVBORw0KGgo[A-Za-z0-9+/=\r\n]*`) // base64 that begins as a PNG does
	boundary = regexp.MustCompile(`boundary=([0-9a-f]{60})`)
)

// readable decodes a form and indents JSON, and drops what changes from run to run.
func readable(text string) string {
	text = picture.ReplaceAllString(text, "PNG")
	method, body, _ := strings.Cut(text, "\n")
	if json.Valid([]byte(body)) {
		var out bytes.Buffer
		_ = json.Indent(&out, []byte(body), "", " ")
		return method + "\n" + out.String() + "\n"
	}
	if form, err := url.ParseQuery(body); err == nil && !strings.Contains(body, "MIME-Version") {
		var out strings.Builder
		out.WriteString(method + "\n")
		for _, k := range []string{"channel", "text", "blocks", "metadata", "To", "From", "Body", "Twiml"} {
			if v := form.Get(k); v != "" {
				out.WriteString(k + ": " + v + "\n")
			}
		}
		s := out.String()
		if i := strings.Index(s, "t=1"); i > 0 {
			s = s[:i] + "t=TIME" + s[i+12:]
		}
		return s
	}
	for n, found := range boundary.FindAllStringSubmatch(text, -1) {
		text = strings.ReplaceAll(text, found[1], fmt.Sprint("BOUNDARY", n+1))
	}
	return strings.ReplaceAll(text, "\r\n", "\n")
}

func TestDataCannotMentionLinkOrAddHeaders(t *testing.T) {
	r := newRig(t)
	for name, ch := range r.all {
		o := sample()
		o.Title = Plain(hostile, maxText)
		if _, err := ch.Send(t.Context(), o); err != nil {
			t.Fatal(name, err)
		}
		got := r.took(name)
		for _, c := range map[string][]string{
			"slack":   {"mrkdwn%22", "text=%5Bcritical%5D+open%3A+<", "%3C%21channel%3E+%40everyone&", "link_names=1"},
			"sms":     {"http%3A%2F%2F"},
			"voice":   {"<script", "http%3A%2F%2Fevil"},
			"discord": {`"parse":["`, "@everyone"},
			"teams":   {"TextBlock\"" + `,"text"`},
			"email":   {"\r\nBcc:", "<script>alert"},
		}[name] {
			part := got
			if name == "email" {
				if c == "<script>alert" {
					_, part, _ = strings.Cut(got, "text/html")
				} else {
					part, _, _ = strings.Cut(got, "\r\n\r\n")
				}
			}
			if strings.Contains(strings.ReplaceAll(part, "\"RichTextBlock", ""), c) {
				t.Errorf("%s got %q in %s", name, c, part)
			}
		}
	}
	form, _ := url.ParseQuery(strings.TrimPrefix(r.took("slack"), "chat.postMessage\n"))
	if text := form.Get("text"); strings.ContainsAny(text, "<>*`") || strings.Contains(text, "@everyone") {
		t.Errorf("Slack's text %q can mention, link or format", text)
	}
}

func TestNoSecretInMessagesOrFaults(t *testing.T) {
	secrets := []string{slackToken, twilioToken, pagerKey, hookPath, hookSecret, "hooksecrethooksecret", mailPass, base64.StdEncoding.EncodeToString([]byte("\x00ops\x00" + mailPass))}
	clean := func(t *testing.T, what, text string) {
		t.Helper()
		for _, s := range secrets {
			if strings.Contains(text, s) {
				t.Errorf("%s has a secret: %s", what, text)
			}
		}
	}
	for name := range newRig(t).all {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			send := func() (string, error) {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				ref, err := r.all[name].Send(ctx, sample())
				if err != nil {
					clean(t, "the fault", err.Error())
				}
				return ref, err
			}
			ref, err := send()
			if err != nil {
				t.Fatal(err)
			}
			clean(t, "the message", r.took(name)+ref)
			if name == "email" {
				r.mail.Refuse(451)
				if _, err := send(); err == nil {
					t.Error("a 451 is no success")
				}
				r.mail.Pass = "other" // the server then quotes what it was sent
			} else {
				for _, f := range []mockalerts.Fault{{Status: 500}, {Status: 401}, {Status: 429, RetryAfter: "7"}, {}} {
					f.Times = 1
					r.mock.Fail(services[name], f)
					_, err := send()
					if err == nil {
						t.Errorf("%+v is no success", f)
					}
					if f.Status == 429 && retryAfter(err, 1) != 7*time.Second {
						t.Errorf("a Retry-After of 7 s became %s", retryAfter(err, 1))
					}
				}
				r.http.Close()
			}
			if _, err := send(); err == nil {
				t.Error("a refused connection or login is no success")
			}
		})
	}
}

func TestEditsAndThreadsOfSlack(t *testing.T) {
	r := newRig(t)
	o := sample()
	o.Chart = charted
	ref, err := r.all["slack"].Send(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	o.Chart, o.Root = nil, ref
	if _, err := r.all["slack"].Send(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	o.Kind = sentinel.DeliverEdit
	if _, err := r.all["slack"].Send(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range r.mock.Messages("slack") {
		form, _ := url.ParseQuery(m.Body)
		got = append(got, m.Method+" "+form.Get("thread_ts")+form.Get("ts"))
		if m.Method == "files.getUploadURLExternal" {
			if _, err := png.Decode(bytes.NewReader(r.mock.Upload("F" + m.ID))); err != nil {
				t.Errorf("the uploaded chart: %v", err)
			}
		}
	}
	_, ts, _ := strings.Cut(ref, "|")
	want := []string{"chat.postMessage ", "files.getUploadURLExternal ", "files.completeUploadExternal " + ts, "chat.postMessage " + ts, "chat.update " + ts}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func charted(context.Context) *Chart { return testChart() }

func testChart() *Chart {
	c := &Chart{Title: "team growth: spend today", Budget: 500}
	for h := range 24 {
		v := float64(h*h) * 0.9
		c.At, c.Actual = append(c.At, noon.Add(time.Duration(h)*time.Hour)), append(c.Actual, v)
		c.Low, c.High = append(c.Low, float64(h)*8), append(c.High, float64(h)*14+20)
	}
	return c
}

func TestChartIsAPicture(t *testing.T) {
	for name, tt := range map[string]struct {
		look  Picture
		width int
	}{"light": {Picture{}, 1200}, "dark": {Picture{Dark: true}, 1200}, "small": {Picture{Small: true}, 600}} {
		b, err := testChart().PNG(tt.look)
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if img.Bounds().Dx() != tt.width || img.Bounds().Dy() != tt.width/2 || isDark(img) != tt.look.Dark {
			t.Errorf("%s: %v, dark %v", name, img.Bounds(), isDark(img))
		}
		if dir := os.Getenv("SENTINEL_CHART_DIR"); dir != "" {
			_ = os.WriteFile(filepath.Join(dir, name+".png"), b, 0o644)
		}
	}
	bad := testChart()
	bad.Low = bad.Low[:3]
	if _, err := bad.PNG(Picture{}); err == nil {
		t.Error("a band of another length than the series is no chart")
	}
}

// isDark looks at a corner of a picture.
func isDark(img image.Image) bool {
	r, _, _, _ := img.At(1, 1).RGBA()
	return r < 0x8000
}

// Each channel that shows pictures shows the chart in its theme, and a message whose chart cannot be drawn arrives without it.
func TestChartsOfChannels(t *testing.T) {
	for name := range pictures {
		for _, dark := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, dark %v", name, dark), func(t *testing.T) {
				r := newRig(t)
				r.dark(dark)
				o := sample()
				o.Chart = charted
				ref, err := r.all[name].Send(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				img, err := png.Decode(bytes.NewReader(pictures[name](r)))
				if err != nil || isDark(img) != dark {
					t.Errorf("the chart in %s is dark: %v, want %v: %v", name, err == nil && isDark(img), dark, err)
				}
				o.Kind, o.Root, o.Chart = sentinel.DeliverEdit, ref, nil
				if _, err := r.all[name].Send(t.Context(), o); err != nil || name == "discord" && !strings.Contains(r.took(name), `"attachment://chart.png"`) {
					t.Errorf("the edit loses the chart: %v, %s", err, r.took(name))
				}
			})
		}
		t.Run(name+", no chart", func(t *testing.T) {
			r := newRig(t)
			o := sample()
			o.Chart = func(context.Context) *Chart { return &Chart{} }
			_, err := r.all[name].Send(t.Context(), o)
			if _, ok := errors.AsType[*Partly](err); !ok || r.took(name) == "" {
				t.Errorf("%v, want a fault of the chart alone", err)
			}
		})
	}
}

// pictures take the chart out of what a channel's service got.
var pictures = map[string]func(*rig) []byte{
	"slack": func(r *rig) []byte {
		for _, m := range r.mock.Messages("slack") {
			if m.Method == "files.getUploadURLExternal" {
				return r.mock.Upload("F" + m.ID)
			}
		}
		return nil
	},
	"discord": func(r *rig) []byte { return r.mock.Upload(r.mock.Messages("discord")[0].ID) },
	"teams": func(r *rig) []byte {
		_, text, _ := strings.Cut(r.took("teams"), "data:image/png;base64,")
		text, _, _ = strings.Cut(text, `"`)
		data, _ := base64.StdEncoding.DecodeString(text)
		return data
	},
	"email": func(r *rig) []byte {
		letter, err := mail.ReadMessage(strings.NewReader(r.took("email")))
		if err != nil {
			return nil
		}
		_, params, _ := mime.ParseMediaType(letter.Header.Get("Content-Type"))
		parts := multipart.NewReader(letter.Body, params["boundary"])
		texts, _ := parts.NextPart()
		html, _ := io.ReadAll(texts)
		picture, err := parts.NextPart()
		if err != nil || !strings.Contains(string(html), `src=3D"cid:chart@sentinel"`) || picture.Header.Get("Content-ID") != "<chart@sentinel>" {
			return nil
		}
		data, _ := io.ReadAll(base64.NewDecoder(base64.StdEncoding, picture))
		return data
	},
}

// A receiver whom the server refuses does not keep a mail from the others; when it refuses all, the mail is refused.
func TestARefusedReceiverIsNoReasonToSendAgain(t *testing.T) {
	r := newRig(t)
	c := EmailConfig{Server: r.mail.Address, From: "s@example.com", User: "ops", Password: held(mailPass), TLS: &tls.Config{RootCAs: r.mail.Roots}}
	c.To = []string{"nobody@refused.example", "ops@example.com"}
	if _, err := NewEmail(c).Send(t.Context(), sample()); !errors.As(err, new(*Partly)) || len(r.mail.Mails()) != 1 {
		t.Errorf("%v, %d mails", err, len(r.mail.Mails()))
	}
	c.To = c.To[:1]
	if _, err := NewEmail(c).Send(t.Context(), sample()); !errors.Is(err, ErrRefused) || errors.As(err, new(*Partly)) || len(r.mail.Mails()) != 1 {
		t.Errorf("%v, %d mails", err, len(r.mail.Mails()))
	}
}
