package alerts

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockalerts"
)

var signing = sentinel.NewSecret("slacksigningsecret")

type door struct {
	*Callbacks
	st   *memory
	mock *mockalerts.Server
}

func newDoor(t *testing.T) door {
	t.Helper()
	m, r := testMachine("budget"), newRig(t)
	st := newMemory()
	if _, err := apply(t.Context(), st, m, "budget", Input{Now: time.Now(), Events: []Event{{Rule: "budget", Scope: "team/growth", Firing: true, At: time.Now()}}}); err != nil {
		t.Fatal(err)
	}
	return door{&Callbacks{Store: st, Machine: func() *Machine { return m }, Log: zerolog.Nop(), Base: "https://gw.example",
		Change: func(ctx context.Context, _ sentinel.AuditRow, do func(context.Context) error) error { return do(ctx) },
		Slack:  func() []sentinel.Secret { return []sentinel.Secret{{}, signing} }, // the first was not read yet
		Twilio: func() []TwilioAccount {
			return []TwilioAccount{{Account: "AC1", Token: held(twilioToken), API: r.http.URL + "/twilio"}}
		},
		Client: r.client,
		Phones: func() map[string]string { return map[string]string{"+15550100001": "ana"} },
	}, st, r.mock}
}

// signTwilio is Twilio's signature of a form, as its documentation has it: base64 of HMAC-SHA1 over the URL and the sorted parameters.
func signTwilio(token, to string, form url.Values) string {
	mac := hmac.New(sha1.New, []byte(token))
	mac.Write([]byte(to))
	for _, k := range slices.Sorted(maps.Keys(form)) {
		mac.Write([]byte(k + form.Get(k)))
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
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

// A press that changes nothing is told to who pressed: in Slack, and on the phone.
func TestAPressAfterTheEndSaysSo(t *testing.T) {
	r, d := newRig(t), newDoor(t)
	d.Client, d.Replies = r.http.Client(), func() []string { return []string{r.http.URL + "/slack/api/"} }
	recorded := 0
	d.Change = func(ctx context.Context, _ sentinel.AuditRow, do func(context.Context) error) error {
		err := do(ctx)
		if err == nil {
			recorded++
		}
		return err
	}
	if err := Answer(t.Context(), d.st, d.Machine(), "budget", Press{Act: Resolve, By: "ana"}); err != nil {
		t.Fatal(err)
	}
	payload := fmt.Sprintf(`{"type":"block_actions","user":{"id":"U1"},"response_url":"%s/slack/api/response/1","actions":[{"action_id":"acknowledge","block_id":"sentinel","value":"budget","type":"button"}]}`, r.http.URL)
	body := url.Values{"payload": {payload}}.Encode()
	if code := d.post("/slack", body, slackHeader(body, time.Now())); code != http.StatusOK || recorded != 0 {
		t.Errorf("answered %d, with %d acts recorded", code, recorded)
	}
	if len(r.mock.Messages("slack")) != 1 || !strings.Contains(r.took("slack"), "nothing was changed") {
		t.Errorf("the member was told %s", r.took("slack"))
	}
	w := httptest.NewRecorder()
	d.ack(w, httptest.NewRequestWithContext(t.Context(), "POST", "/twilio/voice", nil), "budget", "ana")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "It is over") || recorded != 0 {
		t.Errorf("the phone hears %d %s, with %d acts recorded", w.Code, w.Body, recorded)
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
	sms := url.Values{"From": {"+15550100001"}, "Body": {"ack " + AckCode("budget")}, "MessageSid": {"SM1"}}
	sign := func(path string, f url.Values) map[string]string {
		return map[string]string{"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signTwilio(twilioToken, "https://gw.example"+path, f)}
	}
	t.Run("sms", func(t *testing.T) {
		d := newDoor(t)
		d.mock.Receive("SM1", time.Now().Add(-time.Minute))
		forged := url.Values{"From": {"+15550100001"}, "Body": {"ACK AAAA"}, "MessageSid": {"SM1"}}
		if code := d.post("/twilio/sms", sms.Encode(), sign("/twilio/sms", forged)); code != 401 {
			t.Errorf("altered: %d", code)
		}
		if code := d.post("/twilio/sms", sms.Encode(), map[string]string{"X-Twilio-Signature": signTwilio("other", "https://gw.example/twilio/sms", sms)}); code != 401 {
			t.Errorf("forged: %d", code)
		}
		if code := d.post("/twilio/sms", sms.Encode(), sign("/twilio/sms", sms)); code != 200 || d.state() != sentinel.IncidentAcknowledged {
			t.Errorf("a signed ACK: %d, %s", code, d.state())
		}
		if code := d.post("/twilio/sms", sms.Encode(), sign("/twilio/sms", sms)); code != 401 {
			t.Errorf("replayed: %d", code)
		}
	})
	for name, tt := range map[string]struct {
		before func(door)
		code   int
	}{
		"sms, over 5 min":          {func(d door) { d.mock.Receive("SM1", time.Now().Add(-6*time.Minute)) }, 401},
		"sms, unknown to Twilio":   {func(door) {}, 401},
		"sms, Twilio does not say": {func(d door) { d.mock.Fail("twilio", mockalerts.Fault{Status: 500, Times: 1}) }, 503},
		"sms, no account":          {func(d door) { d.Twilio = func() []TwilioAccount { return nil } }, 401},
		"sms, no token yet": {func(d door) {
			d.Twilio = func() []TwilioAccount { return []TwilioAccount{{Token: held("")}} }
		}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t)
			tt.before(d)
			if code := d.post("/twilio/sms", sms.Encode(), sign("/twilio/sms", sms)); code != tt.code || d.state() != sentinel.IncidentOpen {
				t.Errorf("%d, %s", code, d.state())
			}
		})
	}
	t.Run("sms of a stranger", func(t *testing.T) {
		d := newDoor(t)
		d.mock.Receive("SM2", time.Now())
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
	a := TwilioAccount{Token: held("12345")}
	const to, signature = "https://example.com/myapp.php?foo=1&bar=2", "L/OH5YylLD5NRKLltdqwSvS0BnU="
	if !a.signed(to, f, signature) || signTwilio("12345", to, f) != signature {
		t.Error("the documentation's signature is not taken")
	}
	f.Set("Digits", "1")
	if a.signed(to, f, signature) {
		t.Error("an altered form is taken")
	}
}

// A phone that got a message does not get it again because another did not.
func TestPhonesAreReachedOnceEach(t *testing.T) {
	for name, tt := range map[string]struct {
		phones []string
		faults []mockalerts.Fault // of the first try, phone by phone
		again  bool               // the first try wants another
		texts  int                // in the end
	}{
		"a phone that is none": {[]string{"+15005550001", "+15550100001"}, nil, false, 1},
		"all are none":         {[]string{"+15005550001"}, nil, true, 0},
		"one fails at first":   {[]string{"+15550100001", "+15550100002"}, []mockalerts.Fault{{Times: 1, Status: 500}}, true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.phones = func(time.Time) []string { return tt.phones }
			r.dark(false)
			for _, f := range tt.faults {
				r.mock.Fail("twilio", f)
			}
			_, err := r.all["sms"].Send(t.Context(), sample())
			if _, part := errors.AsType[*Partly](err); (err != nil && !part) != tt.again || !tt.again && !part {
				t.Errorf("the first try: %v", err)
			}
			if tt.again && tt.texts > 0 {
				if _, err := r.all["sms"].Send(t.Context(), sample()); err != nil {
					t.Errorf("the second try: %v", err)
				}
			}
			if got := len(r.mock.Messages("twilio")); got != tt.texts {
				t.Errorf("%d texts, want %d", got, tt.texts)
			}
		})
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
		"an answer to another host": {"U1", "trap/slack/api/response/1", nil, 0, sentinel.IncidentAcknowledged},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			d := newDoor(t)
			strayed := false
			trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed = true }))
			defer trap.Close()
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
			to = strings.Replace(to, "trap", trap.URL, 1)
			payload := fmt.Sprintf(`{"type":"block_actions","user":{"id":%q},"response_url":%q,"actions":[{"action_id":"raise","block_id":"sentinel","value":"budget\nteam/growth/cost/day","type":"button"}]}`, tt.member, to)
			body := url.Values{"payload": {payload}}.Encode()
			header := slackHeader(body, time.Now())
			if code := d.post("/slack", body, header); code != http.StatusOK || d.state() != tt.state || len(asked) != 1 || asked[0] != tt.member+" team/growth/cost/day" {
				t.Errorf("%d, the incident is %s, asked %q", code, d.state(), asked)
			}
			if got := r.mock.Messages("slack"); len(got) != tt.replies || len(r.mock.Messages("webhook")) != 0 || strayed {
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

// Nobody answers, so somebody is called again and again, until a key is pressed in a call.
func TestCallsGoOnUntilAKeyIsPressed(t *testing.T) {
	r, d := newRig(t), newDoor(t)
	m := &Machine{Timing: DefaultTiming(), Rules: map[string]Rule{"budget": {Name: "budget", To: []string{"chat"},
		Escalate: []Step{{After: 5 * time.Minute, To: []string{"phone"}, Repeat: 2 * time.Minute}}}}}
	d.Machine = func() *Machine { return m }
	now := time.Now().UTC()
	calls := func() (n int) {
		for _, q := range d.st.outbox {
			if q.Channel == "phone" {
				n++
			}
		}
		return n
	}
	run := func(d2 time.Duration) {
		for end := now.Add(d2); now.Before(end); now = now.Add(time.Second) {
			if _, err := apply(t.Context(), d.st, m, "budget", Input{Now: now}); err != nil {
				t.Fatal(err)
			}
		}
	}
	run(10 * time.Minute)
	if calls() != 3 {
		t.Fatalf("%d calls in ten minutes, want those after 5, 7 and 9", calls())
	}
	o, err := decode(d.st.outbox[len(d.st.outbox)-1].Body)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.all["voice"].Send(t.Context(), Outgoing{Message: o}); err != nil {
		t.Fatal(err)
	}
	form, _ := url.ParseQuery(strings.TrimPrefix(r.took("voice"), "Calls\n"))
	var said twiml
	if err := xml.Unmarshal([]byte(form.Get("Twiml")), &said); err != nil || said.Gather == nil {
		t.Fatalf("the call asks for no key: %s", form.Get("Twiml"))
	}
	key := url.Values{"To": {"+15550100001"}, "Digits": {"1"}, "CallSid": {"CA1"}}
	path := strings.TrimPrefix(said.Gather.Action, "https://gw.example")
	if code := d.post(path, key.Encode(), map[string]string{"X-Twilio-Signature": signTwilio(twilioToken, said.Gather.Action, key)}); code != http.StatusOK || d.state() != sentinel.IncidentAcknowledged {
		t.Errorf("a key pressed: %d, %s", code, d.state())
	}
	run(time.Hour)
	if calls() != 3 {
		t.Errorf("%d calls after it was acknowledged", calls()-3)
	}
}
