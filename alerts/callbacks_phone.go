package alerts

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// twilio reads a signed form, and gives the account that signed it.
func (c *Callbacks) twilio(w http.ResponseWriter, r *http.Request, at string) (url.Values, TwilioAccount, bool) {
	body, ok := c.body(w, r)
	if !ok {
		return nil, TwilioAccount{}, false
	}
	to := strings.TrimSuffix(c.Base, "/") + at
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	form, err := url.ParseQuery(string(body))
	signer := -1
	accounts := c.Twilio()
	if err == nil {
		signer = slices.IndexFunc(accounts, func(a TwilioAccount) bool { return a.signed(to, form, r.Header.Get("X-Twilio-Signature")) })
	}
	if signer < 0 {
		unauthorized(w)
		return nil, TwilioAccount{}, false
	}
	return form, accounts[signer], true
}

// sms takes a reply: ACK and the group's code, from a phone of ours.
func (c *Callbacks) sms(w http.ResponseWriter, r *http.Request) {
	form, account, ok := c.twilio(w, r, "/twilio/sms")
	if !ok || !c.timely(w, r, account, form.Get("MessageSid")) || !c.fresh(w, r, "sms"+form.Get("MessageSid"), 2*callbackAge) {
		return
	}
	who, known := c.Phones()[form.Get("From")]
	words := strings.Fields(strings.ToUpper(form.Get("Body")))
	if !known || len(words) != 2 || words[0] != "ACK" {
		c.say(w, r, "")
		return
	}
	c.ackByCode(w, r, words[1], who)
}

// timely tells whether a text message came to Twilio within the last minutes. Its callback has no time that is signed, so Twilio is asked.
// When that cannot be known it is not taken.
func (c *Callbacks) timely(w http.ResponseWriter, r *http.Request, account TwilioAccount, sid string) bool {
	at, err := account.received(r.Context(), c.Client, sid)
	switch {
	case err != nil && !errors.Is(err, ErrRefused):
		c.Log.Warn().Err(err).Msg("a text message was not taken: its age is not known")
		http.Error(w, "try again", http.StatusServiceUnavailable)
	case err != nil || !recent(at.Unix(), time.Now()):
		unauthorized(w)
	default:
		return true
	}
	return false
}

// ackByCode acknowledges the group whose code it is.
func (c *Callbacks) ackByCode(w http.ResponseWriter, r *http.Request, code, who string) {
	groups, err := c.Store.OpenGroups(r.Context(), maxIncidents)
	if err != nil {
		http.Error(w, "try again", http.StatusServiceUnavailable)
		return
	}
	for _, g := range groups {
		if AckCode(g) == code {
			c.ack(w, r, g, who)
			return
		}
	}
	c.say(w, r, "There is no open alert with this code.")
}

// AckCode names a group in a text message: four letters and digits.
func AckCode(group string) string {
	sum := sha256.Sum256([]byte(group))
	return base32.StdEncoding.EncodeToString(sum[:])[:4]
}

// voice takes a key pressed in a call. The time in its URL is ours, and covered by Twilio's signature.
func (c *Callbacks) voice(w http.ResponseWriter, r *http.Request) {
	form, _, ok := c.twilio(w, r, "/twilio/voice")
	if !ok {
		return
	}
	at, err := strconv.ParseInt(r.URL.Query().Get("t"), 10, 64)
	if err != nil || !recent(at, time.Now()) {
		unauthorized(w)
		return
	}
	if !c.fresh(w, r, "voice"+form.Get("CallSid")+r.URL.RawQuery, 2*callbackAge) {
		return
	}
	who, known := c.Phones()[form.Get("To")]
	if !known || form.Get("Digits") != "1" {
		c.say(w, r, "Not acknowledged.")
		return
	}
	c.ack(w, r, r.URL.Query().Get("group"), who)
}

// ack acknowledges a group for somebody at a phone.
func (c *Callbacks) ack(w http.ResponseWriter, r *http.Request, group, who string) {
	switch status, why := c.act(r.Context(), group, Press{Act: Acknowledge, By: who}); status {
	case http.StatusOK:
		c.say(w, r, "Acknowledged.")
	case http.StatusConflict:
		c.say(w, r, "It is over: nothing of this alert is open.")
	default:
		http.Error(w, why, status)
	}
}

// say answers Twilio: a phone hears it, a text message shows it.
func (c *Callbacks) say(w http.ResponseWriter, r *http.Request, text string) {
	w.Header().Set("Content-Type", "text/xml")
	word := "Message"
	if strings.HasSuffix(r.URL.Path, "/voice") {
		word = "Say"
	}
	if text != "" {
		text = "<" + word + ">" + text + "</" + word + ">"
	}
	_, _ = io.WriteString(w, "<Response>"+text+"</Response>")
}
