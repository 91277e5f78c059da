package alerts

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	twilioapi "github.com/twilio/twilio-go/rest/api/v2010"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// TwilioConfig sends text messages, or calls.
type TwilioConfig struct {
	TwilioAccount
	From     string                   // E.164
	To       func(time.Time) []string // who is on call then, E.164
	Voice    bool                     // call and read aloud instead of a text message
	Callback string                   // public base URL of this gateway's callbacks; empty: calls take no key
}

// Twilio reaches phones.
type Twilio struct {
	config TwilioConfig
	client *http.Client

	mu      sync.Mutex
	reached map[string]bool // message and phone, of messages that did not reach every phone yet
}

// Bounds of Twilio.
const (
	maxPhones  = 5     // who are reached by one message
	maxReached = 1_000 // phones that are remembered; past that one may get a message again
)

// NewTwilio makes a Twilio channel.
func NewTwilio(c TwilioConfig, h *http.Client) *Twilio {
	return &Twilio{config: c, client: h, reached: map[string]bool{}}
}

// Send texts or calls everybody on call. The reference is the last message's SID. A phone that got the message is left out when it
// is sent again for the sake of another; one that is refused for good does not keep it from the others.
func (t *Twilio) Send(ctx context.Context, o Outgoing) (string, error) {
	phones := t.config.To(time.Now().UTC())
	if len(phones) == 0 {
		return "", fmt.Errorf("twilio: nobody with a phone is on call: %w", ErrRefused)
	}
	phones = phones[:min(len(phones), maxPhones)]
	var ref string
	var later error
	var refused []error
	for _, phone := range phones {
		if t.knows(o.ID + phone) {
			continue
		}
		sid, err := t.one(ctx, phone, o.Message)
		switch {
		case err == nil:
			ref = sid
			t.remember(o.ID + phone)
		case errors.Is(err, ErrRefused):
			refused = append(refused, err)
		default:
			later = err
		}
	}
	if later == nil && len(refused) == len(phones) {
		later = refused[0]
	}
	if later != nil {
		return "", later
	}
	t.forget(o.ID, phones)
	return ref, partly(refused...)
}

// one texts or calls one phone.
func (t *Twilio) one(ctx context.Context, phone string, m Message) (sid string, err error) {
	api, wire := t.config.service(ctx, t.client)
	var sent *string
	if t.config.Voice {
		p := (&twilioapi.CreateCallParams{}).SetTo(phone).SetFrom(t.config.From).SetTwiml(t.script(m))
		var call *twilioapi.ApiV2010Call
		if call, err = api.CreateCall(p); err == nil {
			sent = call.Sid
		}
	} else {
		p := (&twilioapi.CreateMessageParams{}).SetTo(phone).SetFrom(t.config.From).SetBody(smsText(m))
		var message *twilioapi.ApiV2010Message
		if message, err = api.CreateMessage(p); err == nil {
			sent = message.Sid
		}
	}
	if err != nil && !wire.taken {
		return "", err
	}
	if sent == nil { // it has arrived, whatever the answer says
		return "", nil
	}
	return *sent, nil
}

func (t *Twilio) knows(key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.reached[key]
}

func (t *Twilio) remember(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.reached) >= maxReached {
		clear(t.reached)
	}
	t.reached[key] = true
}

func (t *Twilio) forget(id string, phones []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, phone := range phones {
		delete(t.reached, id+phone)
	}
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
