package alerts

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/slack-go/slack"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Bounds of callbacks.
const (
	callbackAge = 5 * time.Minute
	maxCallback = 256 << 10
	snoozeTime  = time.Hour
)

// Callbacks takes what people press in Slack and on phones. What is forged, altered, late or seen before is
// answered 401 and does nothing.
type Callbacks struct {
	Store   Store
	Machine func() *Machine
	Slack   func() []sentinel.Secret // signing secrets of the Slack apps
	Twilio  func() []TwilioAccount
	Phones  func() map[string]string // person by phone: only these may acknowledge
	People  func() map[string]string // person by member id of Slack; others are shown by that id
	// Raise gives a budget a fifth more where a member of Slack may do that, else ErrNotAllowed. Its answer is for people. nil: nobody may.
	Raise func(ctx context.Context, member, cell string) (string, error)
	// Change records an act in the audit chain, and makes it in the same transaction with the context that it gives.
	Change  func(ctx context.Context, row sentinel.AuditRow, do func(context.Context) error) error
	Replies func() []string // begins of the URLs at which Slack takes an answer for one member alone
	Client  *http.Client
	Base    string // the public URL that people's services call, as Twilio signed it
	Log     zerolog.Logger
}

// Handler serves POST /slack, /twilio/sms and /twilio/voice.
func (c *Callbacks) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /slack", c.slack)
	mux.HandleFunc("POST /twilio/sms", c.sms)
	mux.HandleFunc("POST /twilio/voice", c.voice)
	return mux
}

func (c *Callbacks) body(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCallback))
	if err != nil {
		http.Error(w, "the body is too long or was cut", http.StatusRequestEntityTooLarge)
	}
	return b, err == nil
}

// unauthorized says no more than that.
func unauthorized(w http.ResponseWriter) { http.Error(w, "unauthorized", http.StatusUnauthorized) }

// fresh tells whether a callback with this mark was never seen. When that cannot be known it is not taken.
func (c *Callbacks) fresh(w http.ResponseWriter, r *http.Request, mark string, memory time.Duration) bool {
	first, err := c.first(r.Context(), mark, memory)
	if err != nil {
		http.Error(w, "try again", http.StatusServiceUnavailable)
		return false
	}
	if !first {
		unauthorized(w)
	}
	return first
}

// first remembers a mark, and tells whether it is new.
func (c *Callbacks) first(ctx context.Context, mark string, memory time.Duration) (bool, error) {
	sum := sha256.Sum256([]byte(mark))
	return c.Store.FirstSeen(ctx, hex.EncodeToString(sum[:]), time.Now().UTC().Add(memory))
}

// slack takes a pressed button.
func (c *Callbacks) slack(w http.ResponseWriter, r *http.Request) {
	body, ok := c.body(w, r)
	if !ok {
		return
	}
	if !c.signedBySlack(r.Header, body, time.Now()) {
		unauthorized(w)
		return
	}
	form, err := url.ParseQuery(string(body))
	var press slack.InteractionCallback
	if err != nil || json.Unmarshal([]byte(form.Get("payload")), &press) != nil || !oneButton(&press) {
		http.Error(w, "not a pressed button", http.StatusBadRequest)
		return
	}
	if !c.fresh(w, r, "slack"+r.Header.Get("X-Slack-Signature"), 2*callbackAge) {
		return
	}
	if status, why := c.pressed(r.Context(), &press); status != http.StatusOK {
		http.Error(w, why, status)
	}
}

// oneButton tells whether somebody pressed a button, and one.
func oneButton(press *slack.InteractionCallback) bool {
	return press.Type == slack.InteractionTypeBlockActions && len(press.ActionCallback.BlockActions) == 1
}

// pressed does what a button of Slack asks for. What becomes of it is told as HTTP does.
func (c *Callbacks) pressed(ctx context.Context, press *slack.InteractionCallback) (status int, why string) {
	action := press.ActionCallback.BlockActions[0]
	by := "slack user " + press.User.ID
	if c.People != nil {
		by = cmp.Or(c.People()[press.User.ID], by)
	}
	group := action.Value
	if Act(action.ActionID) == Raise {
		var cell string
		var ok bool
		if group, cell, ok = strings.Cut(group, raiseOf); !ok {
			return http.StatusNotFound, "there is no such budget"
		}
		if !c.raise(ctx, press, cell) {
			return http.StatusOK, "" // the member was told; Slack would show a fault of ours beside that
		}
	}
	group, ended := strings.CutSuffix(group, afterEnd)
	if status, why = c.act(ctx, group, Press{Act: Act(action.ActionID), By: by, For: snoozeTime, Ended: ended}); status == http.StatusConflict {
		c.reply(ctx, press.ResponseURL, why)
		return http.StatusOK, ""
	}
	return status, why
}

// ErrNotAllowed says that a person may not do that.
var ErrNotAllowed = errors.New("not allowed")

// raise raises a budget, and tells whoever pressed what came of it. An answer of HTTP is not seen in Slack.
func (c *Callbacks) raise(ctx context.Context, press *slack.InteractionCallback, cell string) bool {
	said, err := "the budget cannot be raised here", ErrNotAllowed
	if c.Raise != nil {
		said, err = c.Raise(ctx, press.User.ID, cell)
	}
	if err != nil && !errors.Is(err, ErrNotAllowed) {
		c.Log.Warn().Err(err).Str("cell", cell).Msg("budget not raised")
		said = "The budget was not raised: try again."
	}
	if errors.Is(err, ErrNotAllowed) {
		c.Log.Warn().Str("cell", cell).Str("member", press.User.ID).Msg("budget not raised: not allowed")
	}
	c.reply(ctx, press.ResponseURL, said)
	return err == nil
}

// reply answers one member. The URL came signed, and is asked only where Slack takes answers: a stolen signing secret must not make
// the gateway call whom it likes.
func (c *Callbacks) reply(ctx context.Context, to, text string) {
	if c.Client == nil || !slices.ContainsFunc(c.Replies(), func(begin string) bool { return strings.HasPrefix(to, begin) }) {
		return
	}
	body, err := json.Marshal(map[string]any{"response_type": "ephemeral", "replace_original": false, "text": slackEscape(Plain(text, maxText))})
	if err == nil {
		_, err = exchange(ctx, c.Client, request{name: "slack", url: to, body: body, secrets: []sentinel.Secret{sentinel.NewSecret(to)}, header: map[string]string{"Content-Type": "application/json"}})
	}
	if err != nil {
		c.Log.Warn().Err(err).Msg("answer not taken")
	}
}

// signedBySlack checks v0=HMAC-SHA256("v0:timestamp:body") and the timestamp's age.
func (c *Callbacks) signedBySlack(h http.Header, body []byte, now time.Time) bool {
	at, err := strconv.ParseInt(h.Get("X-Slack-Request-Timestamp"), 10, 64)
	if err != nil || !recent(at, now) {
		return false
	}
	for _, secret := range c.Slack() {
		if !secret.IsZero() && hmac.Equal([]byte(SignSlack(secret, at, body)), []byte(h.Get("X-Slack-Signature"))) {
			return true
		}
	}
	return false
}

func recent(unix int64, now time.Time) bool {
	age := now.Sub(time.Unix(unix, 0))
	return age >= -callbackAge && age <= callbackAge
}

// SignSlack is Slack's signature of a request at a Unix time.
func SignSlack(secret sentinel.Secret, at int64, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret.Reveal()))
	mac.Write([]byte("v0:" + strconv.FormatInt(at, 10) + ":"))
	mac.Write(body)
	return "v0=" + hex.EncodeToString(mac.Sum(nil))
}

// act applies a press to a group that exists. It is a conflict where nothing is open that it could change.
func (c *Callbacks) act(ctx context.Context, group string, p Press) (status int, why string) {
	err := sentinel.ErrNoAlert
	if slices.Contains([]Act{Acknowledge, Snooze, Plan, Raise, Confirm, Dismiss}, p.Act) {
		row := sentinel.AuditRow{Actor: p.By, Action: "alert." + string(p.Act), Object: group}
		err = c.Change(ctx, row, func(ctx context.Context) error {
			err := Answer(ctx, c.Store, c.Machine(), group, p)
			if p.Act == Raise && errors.Is(err, sentinel.ErrIncidentOver) {
				return nil // the budget is raised all the same
			}
			return err
		})
	}
	switch {
	case errors.Is(err, sentinel.ErrNoAlert):
		return http.StatusNotFound, "there is no such alert"
	case errors.Is(err, sentinel.ErrIncidentOver):
		return http.StatusConflict, err.Error()
	case err != nil:
		if !errors.Is(err, context.Canceled) {
			c.Log.Warn().Err(err).Msg("callback not applied")
		}
		return http.StatusServiceUnavailable, "try again"
	}
	c.Log.Info().Str("group", group).Str("act", string(p.Act)).Str("by", p.By).Msg("alert answered")
	return http.StatusOK, ""
}
