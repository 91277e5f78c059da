package hostile

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/alerts"
)

// pressed is what Slack sends when somebody presses a button.
type pressed struct {
	body   string
	at     time.Time
	secret string
	sign   func(signature string) string // nil: as it is
}

// press is a button's, by a member of Slack.
func (s *stand) press(act, value string) pressed {
	s.Helper()
	payload, err := json.Marshal(map[string]any{
		"type": "block_actions", "user": map[string]string{"id": "U0EVE"}, "response_url": "http://" + s.trap.addr + "/",
		"actions": []map[string]string{{"action_id": act, "block_id": "sentinel", "value": value, "type": "button"}},
	})
	s.must(err)
	return pressed{body: url.Values{"payload": {string(payload)}}.Encode(), at: time.Now(), secret: slackSigning}
}

// bring gives it to the gateway, signed.
func (s *stand) bring(p pressed) answer {
	s.Helper()
	signature := alerts.SignSlack(sentinel.NewSecret(p.secret), p.at.Unix(), []byte(p.body))
	if p.sign != nil {
		signature = p.sign(signature)
	}
	return s.callback("POST /slack", p.body, form, "X-Slack-Request-Timestamp: "+strconv.FormatInt(p.at.Unix(), 10), "X-Slack-Signature: "+signature)
}

// callback sends a request to the port of callbacks.
func (s *stand) callback(line, body string, headers ...string) answer {
	s.Helper()
	c, err := dial(s.callbacks)
	s.must(err)
	x, err := exchange(c, withBody(line, body, append(headers, "Connection: close")...))
	s.must(err)
	return quiet(x)[0]
}

// incident waits for a message about the budget that is spent, and gives the value of its buttons.
func (s *stand) incident() (group string) {
	s.Helper()
	s.eventually("Slack is told of the spent budget", func() bool {
		for _, m := range s.slack.Messages("slack") {
			form, err := url.ParseQuery(m.Body)
			var blocks []struct {
				Elements []struct {
					ActionID string `json:"action_id"`
					Value    string `json:"value"`
				} `json:"elements"`
			}
			if err != nil || m.Method != "chat.postMessage" || json.Unmarshal([]byte(form.Get("blocks")), &blocks) != nil {
				continue
			}
			for _, b := range blocks {
				for _, e := range b.Elements {
					if e.ActionID == string(alerts.Acknowledge) {
						group = e.Value
						return true
					}
				}
			}
		}
		return false
	})
	return group
}

// acknowledged counts the incidents that somebody has answered.
func (s *stand) acknowledged() (n int) {
	s.Helper()
	s.must(s.db.QueryRow(s.Context(), `SELECT count(*) FROM audit WHERE action LIKE 'alert.%' OR action LIKE 'limit.%'`).Scan(&n))
	return n
}

// onCallbacks are attacks on the port at which Slack brings what people press.
func onCallbacks() []attack {
	// forged is one that must not be taken.
	forged := func(name string, status int, change func(s *stand, p *pressed)) attack {
		return attack{name: name, status: status, play: func(s *stand) []answer {
			p := s.press(string(alerts.Acknowledge), s.incident())
			change(s, &p)
			before := s.acknowledged()
			x := s.bring(p)
			if n := s.acknowledged() - before; n != 0 {
				s.Errorf("%d acts were recorded", n)
			}
			return []answer{x}
		}}
	}
	signed := func(name string, sign func(string) string) attack {
		return forged(name, http.StatusUnauthorized, func(_ *stand, p *pressed) { p.sign = sign })
	}
	return []attack{
		{name: "a pressed button that is brought twice", play: func(s *stand) []answer {
			p := s.press(string(alerts.Acknowledge), s.incident())
			first, before := s.bring(p), s.acknowledged()
			again := s.bring(p)
			if first.status != http.StatusOK || again.status != http.StatusUnauthorized || s.acknowledged() != before {
				s.Errorf("answered %d and then %d, with %d more acts", first.status, again.status, s.acknowledged()-before)
			}
			return []answer{{raw: first.raw}, {raw: again.raw}}
		}},
		signed("a pressed button that nobody signed", func(string) string { return "" }),
		signed("a pressed button whose signature is cut short", func(x string) string { return x[:len(x)-1] }),
		signed("a pressed button whose signature is of another version", func(x string) string { return "v1" + x[2:] }),
		signed("a pressed button whose signature is in capitals", strings.ToUpper),
		signed("a pressed button with two signatures in one", func(x string) string { return "v0=00, " + x }),
		forged("a pressed button signed with an empty secret", http.StatusUnauthorized, func(_ *stand, p *pressed) { p.secret = "" }),
		forged("a pressed button signed with Slack's other secret", http.StatusUnauthorized, func(_ *stand, p *pressed) { p.secret = slackToken }),
		forged("a pressed button of before", http.StatusUnauthorized, func(_ *stand, p *pressed) { p.at = time.Now().Add(-6 * time.Minute) }),
		forged("a pressed button of later", http.StatusUnauthorized, func(_ *stand, p *pressed) { p.at = time.Now().Add(6 * time.Minute) }),
		forged("a pressed button of another alert", http.StatusNotFound, func(s *stand, p *pressed) { *p = s.press(string(alerts.Acknowledge), "nobody' OR '1'='1") }),
		forged("a button that is none", http.StatusNotFound, func(s *stand, p *pressed) { *p = s.press("resolve", s.incident()) }),
		forged("a raised budget by a stranger in Slack", http.StatusOK, func(s *stand, p *pressed) { *p = s.press(string(alerts.Raise), s.incident()+"\nteam/poor/cost/day") }),
		forged("a pressed button that is no JSON", http.StatusBadRequest, func(_ *stand, p *pressed) { p.body = "payload={" }),
		forged("a pressed button in a megabyte", http.StatusRequestEntityTooLarge, func(_ *stand, p *pressed) { p.body += "&x=" + strings.Repeat("x", 1<<20) }),
		{name: "a pressed button under the signature of another", status: http.StatusUnauthorized, play: func(s *stand) []answer {
			p := s.press(string(alerts.Acknowledge), s.incident())
			other := alerts.SignSlack(sentinel.NewSecret(slackSigning), p.at.Unix(), []byte(p.body))
			p.body, p.sign = strings.Replace(p.body, "acknowledge", "snooze", 1), func(string) string { return other }
			return []answer{s.bring(p)}
		}},
		{name: "other requests at the port of callbacks", play: func(s *stand) (out []answer) {
			for line, want := range map[string]int{"GET /slack": http.StatusMethodNotAllowed, "POST /slack/": http.StatusNotFound, "POST /twilio/sms": http.StatusUnauthorized, "POST /twilio/voice?t=1": http.StatusUnauthorized,
				"GET /api/v1/policy": http.StatusNotFound, "GET /metrics": http.StatusNotFound, "GET /debug/pprof/": http.StatusNotFound} {
				x := s.callback(line, "From=%2B15005550006&Body=ACK+AAAA&MessageSid=SM1", form)
				if x.status != want {
					s.Errorf("%s is answered %d, want %d", line, x.status, want)
				}
				out = append(out, answer{raw: x.raw})
			}
			return out
		}},
	}
}

// told are attacks on what the gateway tells people and collectors by itself.
func told() []attack {
	const noise = "gpt-5-mini-<!channel>-<https://evil.example|here>"
	return []attack{
		{name: "a trace whose ids are secrets", status: 200, hits: 1, raw: request("GET "+lima, auth, "traceparent: "+token, "tracestate: key="+token, "baggage: token="+token)},
		{name: "a trace that is a client's", status: 200, hits: 1, raw: request("GET "+lima, auth, "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate: key="+token), holds: func(s *stand, _ answer) {
			s.eventually("the collector has a span", func() bool { return strings.Contains(string(s.told()["the collector"]), "sentinel") })
		}},
		{name: "a model that is a command to Slack", status: 403, reason: unpriced, raw: post(`{"model":"` + noise + `","max_completion_tokens":20,"messages":[]}`), holds: func(s *stand, _ answer) {
			for place, text := range s.told() {
				plain, _ := url.QueryUnescape(string(text))
				if place == "Slack" && (strings.Contains(plain, "<!channel>") || strings.Contains(plain, "<https://evil")) {
					s.Errorf("Slack is told %s", plain)
				}
			}
		}},
		{name: "a provider's error that quotes its key, to people and collectors", status: 500, hits: 12, play: func(s *stand) (out []answer) {
			s.provider.answering(quoting(500, false))
			for range 12 {
				x, err := s.send(request("GET "+lima, auth))
				s.must(err)
				out = append(out, x)
			}
			return out
		}},
		{name: "the collector and Slack, after all", play: func(s *stand) []answer {
			for place, text := range s.told() {
				if len(text) == 0 {
					s.Errorf("%s was told nothing: what holds of it is held of nothing", place)
				}
			}
			return nil
		}},
	}
}
