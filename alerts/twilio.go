package alerts

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Twilio sends text messages, and calls where Voice is set, by Twilio's REST API of 2010-04-01.
type Twilio struct {
	Account string // AC…
	Token   Secret
	From    string   // E.164
	To      []string // E.164
	Voice   bool
	API     string // of a stand-in; empty is Twilio's own
	Client  *http.Client
}

const (
	twilioAPI = "https://api.twilio.com"
	maxSMS    = 320 // two segments
)

// Send tells everybody. An error of one does not keep the others from hearing, and has the whole told again.
func (t Twilio) Send(ctx context.Context, d sentinel.Delivery) error {
	token, err := t.Token()
	if err != nil {
		return fmt.Errorf("twilio: %w", err)
	}
	text := "SaaS-Sentinel " + line(d.Incident)
	var failed []error
	for _, to := range t.To {
		form := url.Values{"From": {t.From}, "To": {to}, "Body": {cut(text, maxSMS)}}
		failed = append(failed, t.call(ctx, "Messages", form, token))
		if t.Voice {
			form = url.Values{"From": {t.From}, "To": {to}, "Twiml": {"<Response><Say>" + escapeXML(text) + "</Say></Response>"}}
			failed = append(failed, t.call(ctx, "Calls", form, token))
		}
	}
	return errors.Join(failed...)
}

func (t Twilio) call(ctx context.Context, what string, form url.Values, token sentinel.Secret) error {
	api := t.API
	if api == "" {
		api = twilioAPI
	}
	to := strings.TrimSuffix(api, "/") + "/2010-04-01/Accounts/" + url.PathEscape(t.Account) + "/" + what + ".json"
	rq, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("twilio: %w", err)
	}
	rq.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rq.SetBasicAuth(t.Account, token.Reveal())
	return post(t.Client, rq, "twilio "+what, token)
}

func escapeXML(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder does not fail
	return b.String()
}
