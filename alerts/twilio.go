package alerts

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// TwilioConfig sends text messages, or calls.
type TwilioConfig struct {
	Account  string
	Token    func() sentinel.Secret
	From     string                   // E.164
	To       func(time.Time) []string // who is on call then, E.164
	Voice    bool                     // call and read aloud instead of a text message
	Callback string                   // public base URL of this gateway's callbacks; empty: calls take no key
	API      string                   // base URL; empty: Twilio's own
}

// Twilio reaches phones.
type Twilio struct {
	config TwilioConfig
	client *http.Client
}

// maxPhones bounds who is reached by one message.
const maxPhones = 5

// NewTwilio makes a Twilio channel.
func NewTwilio(c TwilioConfig, h *http.Client) *Twilio {
	if c.API == "" {
		c.API = "https://api.twilio.com"
	}
	return &Twilio{config: c, client: h}
}

// Send texts or calls everybody on call. The reference is the last message's SID.
func (t *Twilio) Send(ctx context.Context, o Outgoing) (string, error) {
	phones := t.config.To(time.Now().UTC())
	if len(phones) == 0 {
		return "", fmt.Errorf("twilio: nobody with a phone is on call: %w", ErrRefused)
	}
	var ref string
	for _, phone := range phones[:min(len(phones), maxPhones)] {
		form := url.Values{"To": {phone}, "From": {t.config.From}}
		resource := "Messages"
		if t.config.Voice {
			resource = "Calls"
			form.Set("Twiml", t.script(o.Message))
		} else {
			form.Set("Body", smsText(o.Message))
		}
		sid, err := t.post(ctx, resource, form)
		if err != nil {
			return "", err
		}
		ref = sid
	}
	return ref, nil
}

func (t *Twilio) post(ctx context.Context, resource string, form url.Values) (string, error) {
	token := t.config.Token()
	answer, err := exchange(ctx, t.client, request{
		name: "twilio", url: strings.TrimSuffix(t.config.API, "/") + "/2010-04-01/Accounts/" + url.PathEscape(t.config.Account) + "/" + resource + ".json",
		body: []byte(form.Encode()), secrets: []sentinel.Secret{token},
		header: map[string]string{
			"Content-Type":  "application/x-www-form-urlencoded",
			"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(t.config.Account+":"+token.Reveal())),
		},
	})
	if err != nil {
		return "", err
	}
	var sent struct {
		SID string `json:"sid"`
	}
	_ = json.Unmarshal(answer, &sent) // it has arrived, whatever the answer says
	return sent.SID, nil
}

// smsText fits two segments: GSM-7 has no room for more than 306 characters in two.
func smsText(m Message) string {
	tail := " " + m.ID
	if m.State == sentinel.IncidentOpen.String() && !m.Test && !m.Note {
		tail = " Reply ACK " + AckCode(m.Group) + "." + tail
	}
	return clip(gsm(headline(m)), 306-len(tail)) + tail
}

// gsm keeps printable ASCII that no phone reads as a link or a code: everything else becomes a full stop or is
// parted, so that data cannot bring a link to click into a message of ours.
func gsm(text string) string {
	text = strings.NewReplacer("·", "-", "—", "-", "://", ": ", "www.", "www ").Replace(text)
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '.'
		}
		return r
	}, text)
}

// say, gather and response are TwiML, Twilio's words for a call.
type twiml struct {
	XMLName xml.Name `xml:"Response"`
	Gather  *gather  `xml:"Gather,omitempty"`
	Say     string   `xml:"Say,omitempty"`
}

type gather struct {
	Action  string `xml:"action,attr"`
	Digits  int    `xml:"numDigits,attr"`
	Timeout int    `xml:"timeout,attr"`
	Say     string `xml:"Say"`
}

// script is what a call says. Its callback carries the group and the time, and Twilio signs both.
func (t *Twilio) script(m Message) string {
	text := "SaaS Sentinel alert. " + gsm(headline(m)) + "."
	out := twiml{Say: text}
	if t.config.Callback != "" && !m.Test {
		query := url.Values{"group": {m.Group}, "t": {strconv.FormatInt(time.Now().Unix(), 10)}}
		out = twiml{Gather: &gather{
			Action: strings.TrimSuffix(t.config.Callback, "/") + "/twilio/voice?" + query.Encode(), Digits: 1, Timeout: 10,
			Say: text + " Press 1 to acknowledge.",
		}, Say: "No key was pressed. We will call again."}
	}
	b, err := xml.Marshal(out)
	if err != nil { // no field can fail
		panic(err)
	}
	return string(b)
}
