package alerts

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/mail"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/twilio/twilio-go/client"
	twilioapi "github.com/twilio/twilio-go/rest/api/v2010"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// TwilioAccount is an account of Twilio.
type TwilioAccount struct {
	Account string // SID
	Token   func() sentinel.Secret
	API     string // base URL; empty: Twilio's own
}

// twilioHome is where Twilio's library sends its requests.
const twilioHome = "https://api.twilio.com"

// service is Twilio's library over a connection of ours.
func (a TwilioAccount) service(ctx context.Context, h *http.Client) (*twilioapi.ApiService, *twilioWire) {
	w := &twilioWire{ctx: ctx, http: h, account: a, token: a.Token()}
	return twilioapi.NewApiService(&client.RequestHandler{Client: w}), w
}

// twilioWire sends the requests of Twilio's library: it has no context, no bound of an answer and no Retry-After of its own, and
// its errors quote the answer.
type twilioWire struct {
	ctx     context.Context //nolint:containedctx // the library's calls have none
	http    *http.Client
	account TwilioAccount
	token   sentinel.Secret
	taken   bool // Twilio took the request, whatever its answer says
}

// AccountSid is the account's SID.
func (w *twilioWire) AccountSid() string { return w.account.Account }

// SetTimeout does nothing: the context bounds a request.
func (w *twilioWire) SetTimeout(time.Duration) {}

// SetOauth does nothing: a request shows the account's token.
func (w *twilioWire) SetOauth(client.OAuth) {}

// OAuth is none.
func (w *twilioWire) OAuth() client.OAuth { return nil }

// SendRequest sends one request.
func (w *twilioWire) SendRequest(method, rawURL string, data url.Values, _ map[string]any, _ ...byte) (*http.Response, error) {
	r := request{
		name: "twilio", method: method, url: rawURL, secrets: []sentinel.Secret{w.token},
		header: map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(w.account.Account+":"+w.token.Reveal()))},
	}
	if w.account.API != "" {
		r.url = strings.TrimSuffix(w.account.API, "/") + strings.TrimPrefix(rawURL, twilioHome)
	}
	if method == http.MethodPost {
		r.body, r.header["Content-Type"] = []byte(data.Encode()), "application/x-www-form-urlencoded"
	}
	answer, err := exchange(w.ctx, w.http, r)
	if err != nil {
		return nil, err
	}
	w.taken = true
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(answer))}, nil
}

var messageSID = regexp.MustCompile(`^[A-Za-z0-9]{1,64}$`)

// received asks when Twilio got a text message, which its callback does not say. A message that Twilio does not know is an ErrRefused.
func (a TwilioAccount) received(ctx context.Context, h *http.Client, sid string) (time.Time, error) {
	if !messageSID.MatchString(sid) {
		return time.Time{}, fmt.Errorf("twilio: the message's id is none: %w", ErrRefused)
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	api, wire := a.service(ctx, h)
	m, err := api.FetchMessage(sid, nil)
	switch {
	case err != nil && !wire.taken:
		return time.Time{}, err
	case err != nil || m.DateCreated == nil:
		return time.Time{}, fmt.Errorf("twilio: the message has no date: %w", ErrRefused)
	}
	at, err := mail.ParseDate(*m.DateCreated)
	if err != nil {
		return time.Time{}, fmt.Errorf("twilio: the message's date is none: %w", ErrRefused)
	}
	return at, nil
}

// signed tells whether Twilio signed a form with the account's token for a URL of ours.
func (a TwilioAccount) signed(to string, form url.Values, signature string) bool {
	token := a.Token()
	if token.IsZero() {
		return false
	}
	params := map[string]string{}
	for k := range form {
		params[k] = form.Get(k)
	}
	v := client.NewRequestValidator(token.Reveal())
	return v.Validate(to, params, signature)
}
