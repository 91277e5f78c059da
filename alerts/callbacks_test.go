package alerts

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

var signing = sentinel.NewSecret("slacksigningsecret")

type door struct {
	*Callbacks
	st *memory
}

func newDoor(t *testing.T) door {
	t.Helper()
	m := testMachine("budget")
	st := newMemory()
	if err := apply(t.Context(), st, m, "budget", Input{Now: time.Now(), Events: []Event{{Rule: "budget", Scope: "team/growth", Firing: true, At: time.Now()}}}); err != nil {
		t.Fatal(err)
	}
	return door{&Callbacks{Store: st, Machine: func() *Machine { return m }, Log: zerolog.Nop(), Base: "https://gw.example",
		Change: func(ctx context.Context, _ sentinel.AuditRow, do func(context.Context) error) error { return do(ctx) },
		Slack:  func() []sentinel.Secret { return []sentinel.Secret{signing} },
		Twilio: func() []sentinel.Secret { return []sentinel.Secret{sentinel.NewSecret(twilioToken)} },
		Phones: func() map[string]string { return map[string]string{"+15550100001": "ana"} },
	}, st}
}

func (d door) post(path, body string, header map[string]string) int {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	for k, v := range header {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	d.Handler().ServeHTTP(w, r)
	return w.Code
}

func (d door) state() sentinel.IncidentState { return d.st.groups["budget"].Incidents[0].State }

func slackPress(act Act) string {
	payload := fmt.Sprintf(`{"type":"block_actions","user":{"id":"U1"},"actions":[{"action_id":%q,"block_id":"sentinel","value":"budget","type":"button"}]}`, act)
	return url.Values{"payload": {payload}}.Encode()
}

func slackHeader(body string, at time.Time) map[string]string {
	return map[string]string{"X-Slack-Request-Timestamp": strconv.FormatInt(at.Unix(), 10), "X-Slack-Signature": SignSlack(signing, at.Unix(), []byte(body))}
}

func TestButtonsOfSlack(t *testing.T) {
	for act, want := range map[Act]sentinel.IncidentState{Acknowledge: sentinel.IncidentAcknowledged, Snooze: sentinel.IncidentSnoozed, Plan: sentinel.IncidentAcknowledged} {
		d := newDoor(t)
		body := slackPress(act)
		if code := d.post("/slack", body, slackHeader(body, time.Now())); code != 200 || d.state() != want {
			t.Errorf("%s: %d, %s", act, code, d.state())
		}
	}
	d := newDoor(t)
	for _, act := range []Act{Resolve, "raise", ""} {
		body := slackPress(act)
		if code := d.post("/slack", body, slackHeader(body, time.Now())); code != 404 || d.state() != sentinel.IncidentOpen {
			t.Errorf("%s, which no button has: %d, %s", act, code, d.state())
		}
	}
}

func TestForgedReplayedLateAndAlteredCallbacksAre401(t *testing.T) {
	good := slackPress(Acknowledge)
	for name, tt := range map[string]struct {
		body   string
		header map[string]string
	}{
		"no signature":  {good, nil},
		"wrong secret":  {good, map[string]string{"X-Slack-Request-Timestamp": strconv.FormatInt(time.Now().Unix(), 10), "X-Slack-Signature": SignSlack(sentinel.NewSecret("other"), time.Now().Unix(), []byte(good))}},
		"altered":       {slackPress(Snooze), slackHeader(good, time.Now())},
		"over 5 min":    {good, slackHeader(good, time.Now().Add(-5*time.Minute-2*time.Second))},
		"in the future": {good, slackHeader(good, time.Now().Add(6*time.Minute))},
		"empty secret":  {good, map[string]string{"X-Slack-Request-Timestamp": strconv.FormatInt(time.Now().Unix(), 10), "X-Slack-Signature": SignSlack(sentinel.Secret{}, time.Now().Unix(), []byte(good))}},
	} {
		t.Run("slack, "+name, func(t *testing.T) {
			d := newDoor(t)
			if code := d.post("/slack", tt.body, tt.header); code != 401 || d.state() != sentinel.IncidentOpen {
				t.Errorf("%d, %s", code, d.state())
			}
		})
	}
	t.Run("slack, replayed", func(t *testing.T) {
		d := newDoor(t)
		h := slackHeader(good, time.Now())
		if a, b := d.post("/slack", good, h), d.post("/slack", good, h); a != 200 || b != 401 {
			t.Errorf("%d, then %d", a, b)
		}
	})
	token := sentinel.NewSecret(twilioToken)
	sms := url.Values{"From": {"+15550100001"}, "Body": {"ack " + AckCode("budget")}, "MessageSid": {"SM1"}}
	sign := func(path string, f url.Values) map[string]string {
		return map[string]string{"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": SignTwilio(token, "https://gw.example"+path, f)}
	}
	t.Run("sms", func(t *testing.T) {
		d := newDoor(t)
		forged := url.Values{"From": {"+15550100001"}, "Body": {"ACK AAAA"}, "MessageSid": {"SM1"}}
		if code := d.post("/twilio/sms", sms.Encode(), sign("/twilio/sms", forged)); code != 401 {
			t.Errorf("altered: %d", code)
		}
		if code := d.post("/twilio/sms", sms.Encode(), sign("/twilio/sms", sms)); code != 200 || d.state() != sentinel.IncidentAcknowledged {
			t.Errorf("a signed ACK: %d, %s", code, d.state())
		}
		if code := d.post("/twilio/sms", sms.Encode(), sign("/twilio/sms", sms)); code != 401 {
			t.Errorf("replayed: %d", code)
		}
	})
	t.Run("sms of a stranger", func(t *testing.T) {
		d := newDoor(t)
		f := url.Values{"From": {"+15550109999"}, "Body": sms["Body"], "MessageSid": {"SM2"}}
		if code := d.post("/twilio/sms", f.Encode(), sign("/twilio/sms", f)); code != 200 || d.state() != sentinel.IncidentOpen {
			t.Errorf("%d, %s", code, d.state())
		}
	})
	for name, tt := range map[string]struct {
		age   time.Duration
		code  int
		state sentinel.IncidentState
	}{"in time": {time.Minute, 200, sentinel.IncidentAcknowledged}, "late": {6 * time.Minute, 401, sentinel.IncidentOpen}} {
		t.Run("voice, "+name, func(t *testing.T) {
			d := newDoor(t)
			path := "/twilio/voice?" + url.Values{"group": {"budget"}, "t": {strconv.FormatInt(time.Now().Add(-tt.age).Unix(), 10)}}.Encode()
			f := url.Values{"To": {"+15550100001"}, "Digits": {"1"}, "CallSid": {"CA1"}}
			if code := d.post(path, f.Encode(), sign(path, f)); code != tt.code || d.state() != tt.state {
				t.Errorf("%d, %s", code, d.state())
			}
			if code := d.post(path, f.Encode(), sign(path, f)); code != 401 {
				t.Errorf("replayed: %d", code)
			}
		})
	}
}

// Twilio's documentation has this signature for these parameters.
func TestTwilioSignatureOfTheDocumentation(t *testing.T) {
	f := url.Values{"CallSid": {"CA1234567890ABCDE"}, "Caller": {"+14158675310"}, "Digits": {"1234"}, "From": {"+14158675310"}, "To": {"+18005551212"}}
	if got := SignTwilio(sentinel.NewSecret("12345"), "https://example.com/myapp.php?foo=1&bar=2", f); got != "L/OH5YylLD5NRKLltdqwSvS0BnU=" {
		t.Errorf("got %s", got)
	}
}

func TestOnlyWhoMayRaisesABudget(t *testing.T) {
	for name, tt := range map[string]struct {
		member, url string
		fault       error
		replies     int
		state       sentinel.IncidentState
	}{
		"who may":                   {"U1", "/slack/api/response/1", nil, 1, sentinel.IncidentAcknowledged},
		"who may not":               {"U2", "/slack/api/response/1", ErrNotAllowed, 1, sentinel.IncidentOpen},
		"Redis away":                {"U1", "/slack/api/response/1", errors.New("redis: gone"), 1, sentinel.IncidentOpen},
		"an answer to somewhere":    {"U1", "/webhook/1", nil, 0, sentinel.IncidentAcknowledged},
		"an answer to another host": {"U1", "http://127.0.0.1:1/slack/api/response/1", nil, 0, sentinel.IncidentAcknowledged},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			d := newDoor(t)
			d.Client, d.Replies = r.http.Client(), func() []string { return []string{r.http.URL + "/slack/api/"} }
			d.People = func() map[string]string { return map[string]string{"U1": "ana"} }
			var asked []string
			d.Raise = func(_ context.Context, member, cell string) (string, error) {
				asked = append(asked, member+" "+cell)
				return "said", tt.fault
			}
			to := tt.url
			if strings.HasPrefix(to, "/") {
				to = r.http.URL + to
			}
			payload := fmt.Sprintf(`{"type":"block_actions","user":{"id":%q},"response_url":%q,"actions":[{"action_id":"raise","block_id":"sentinel","value":"budget\nteam/growth/cost/day","type":"button"}]}`, tt.member, to)
			body := url.Values{"payload": {payload}}.Encode()
			header := slackHeader(body, time.Now())
			if code := d.post("/slack", body, header); code != http.StatusOK || d.state() != tt.state || len(asked) != 1 || asked[0] != tt.member+" team/growth/cost/day" {
				t.Errorf("%d, the incident is %s, asked %q", code, d.state(), asked)
			}
			if got := r.mock.Messages("slack"); len(got) != tt.replies || len(r.mock.Messages("webhook")) != 0 {
				t.Errorf("answers %+v, want %d", got, tt.replies)
			}
			if tt.state == sentinel.IncidentAcknowledged && d.st.groups["budget"].Incidents[0].By != "ana" {
				t.Errorf("acknowledged by %q", d.st.groups["budget"].Incidents[0].By)
			}
			if code := d.post("/slack", body, header); code != http.StatusUnauthorized || len(asked) != 1 {
				t.Errorf("replayed: %d, raised %d times", code, len(asked))
			}
		})
	}
}
