package mockalerts

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

type object = map[string]any

// slack is the part of Slack's Web API that alerts use. Slack answers 200 and says in the body what is wrong.
func (s *Server) slack(w http.ResponseWriter, r *http.Request, path string, body []byte) {
	if path == "upload" { // the URL of an upload carries its own authority
		s.mu.Lock()
		s.uploads[r.URL.Query().Get("file")] = uploaded(r, body)
		s.mu.Unlock()
		return
	}
	wrong := func(word string) { answer(w, http.StatusOK, object{"ok": false, "error": word}) }
	form, err := url.ParseQuery(string(body))
	if err != nil {
		wrong("invalid_form_data")
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+s.SlackToken && form.Get("token") != s.SlackToken {
		wrong("invalid_auth")
		return
	}
	method := strings.TrimPrefix(path, "api/")
	switch method {
	case "chat.postMessage", "chat.update":
		var blocks []struct {
			Type string `json:"type"`
			Text struct {
				Text string `json:"text"`
			} `json:"text"`
		}
		if form.Get("channel") == "" {
			wrong("channel_not_found")
			return
		}
		if err := json.Unmarshal([]byte(form.Get("blocks")), &blocks); err != nil || len(blocks) == 0 || len(blocks) > 50 {
			wrong("invalid_blocks")
			return
		}
		for _, b := range blocks {
			if b.Type == "header" && len([]rune(b.Text.Text)) > 150 || b.Type == "section" && len([]rune(b.Text.Text)) > 3000 {
				wrong("invalid_blocks")
				return
			}
		}
		if method == "chat.update" && form.Get("ts") == "" {
			wrong("message_not_found")
			return
		}
		form.Del("token")
		id := s.keep("slack", method, form.Encode())
		ts := id + ".000100"
		if method == "chat.update" {
			ts = form.Get("ts")
		}
		answer(w, http.StatusOK, object{"ok": true, "channel": "C0123456789", "ts": ts})
	case "files.getUploadURLExternal":
		form.Del("token")
		id := "F" + s.keep("slack", method, form.Encode())
		answer(w, http.StatusOK, object{"ok": true, "file_id": id, "upload_url": "http://" + r.Host + "/slack/upload?file=" + id})
	case "files.completeUploadExternal":
		form.Del("token")
		s.keep("slack", method, form.Encode())
		answer(w, http.StatusOK, object{"ok": true, "files": []object{{"id": "F1", "title": "chart"}}})
	default:
		wrong("unknown_method")
	}
}

// uploaded reads the file out of a form, or takes the body as it is.
func uploaded(r *http.Request, body []byte) []byte {
	if i := strings.Index(string(body), "\x89PNG"); i >= 0 && strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		return body[i:]
	}
	return body
}

var e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

func (s *Server) twilio(w http.ResponseWriter, r *http.Request, path string, body []byte) {
	wrong := func(status, code int) { answer(w, status, object{"code": code, "status": status}) }
	user, password, ok := r.BasicAuth()
	if !ok || user != s.TwilioAccount || password != s.TwilioToken {
		wrong(http.StatusUnauthorized, 20003)
		return
	}
	form, err := url.ParseQuery(string(body))
	resource, ok := strings.CutPrefix(path, "2010-04-01/Accounts/"+s.TwilioAccount+"/")
	switch {
	case err != nil || !ok:
		wrong(http.StatusNotFound, 20404)
		return
	case !e164.MatchString(form.Get("To")):
		wrong(http.StatusBadRequest, 21211)
		return
	case !e164.MatchString(form.Get("From")):
		wrong(http.StatusBadRequest, 21212)
		return
	case resource == "Messages.json" && (form.Get("Body") == "" || len([]rune(form.Get("Body"))) > 1600):
		wrong(http.StatusBadRequest, 21617)
		return
	case resource == "Calls.json" && (form.Get("Twiml") == "" || len(form.Get("Twiml")) > 4000):
		wrong(http.StatusBadRequest, 21620)
		return
	}
	prefix := map[string]string{"Messages.json": "SM", "Calls.json": "CA"}[resource]
	if prefix == "" {
		wrong(http.StatusNotFound, 20404)
		return
	}
	answer(w, http.StatusCreated, object{"sid": prefix + s.keep("twilio", strings.TrimSuffix(resource, ".json"), form.Encode()), "status": "queued"})
}

func (s *Server) pagerDuty(w http.ResponseWriter, _ *http.Request, path string, body []byte) {
	var e struct {
		RoutingKey string `json:"routing_key"`
		Action     string `json:"event_action"`
		DedupKey   string `json:"dedup_key"`
		Payload    *struct {
			Summary, Source, Severity string
		} `json:"payload"`
	}
	shape := json.Unmarshal(body, &e) == nil && path == "v2/enqueue" && e.RoutingKey == s.PagerDutyKey && len(e.DedupKey) <= 255
	switch e.Action {
	case "trigger":
		shape = shape && e.Payload != nil && e.Payload.Summary != "" && len(e.Payload.Summary) <= 1024 && e.Payload.Source != "" &&
			slices.Contains([]string{"critical", "error", "warning", "info"}, e.Payload.Severity)
	case "acknowledge", "resolve":
		shape = shape && e.DedupKey != ""
	default:
		shape = false
	}
	if !shape {
		answer(w, http.StatusBadRequest, object{"status": "invalid event"})
		return
	}
	s.keep("pagerduty", e.Action, strings.ReplaceAll(string(body), s.PagerDutyKey, "KEY"))
	answer(w, http.StatusAccepted, object{"status": "success", "dedup_key": e.DedupKey})
}

func (s *Server) discord(w http.ResponseWriter, r *http.Request, _ string, body []byte) {
	var m struct {
		Embeds []struct{ Title, Description string }
		Allow  *struct {
			Parse []string `json:"parse"`
		} `json:"allowed_mentions"`
	}
	if json.Unmarshal(body, &m) != nil || len(m.Embeds) == 0 || len(m.Embeds) > 10 || len([]rune(m.Embeds[0].Title)) > 256 || len([]rune(m.Embeds[0].Description)) > 4096 {
		answer(w, http.StatusBadRequest, object{"code": 50035})
		return
	}
	answer(w, http.StatusOK, object{"id": s.keep("discord", r.Method, string(body))})
}

func (s *Server) teams(w http.ResponseWriter, _ *http.Request, _ string, body []byte) {
	var m struct {
		Type        string
		Attachments []struct{ ContentType string }
	}
	const bound = 28 << 10 // of a card
	if json.Unmarshal(body, &m) != nil || m.Type != "message" || len(m.Attachments) != 1 || len(body) > bound {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.keep("teams", "card", string(body))
	w.WriteHeader(http.StatusAccepted)
}

// webhook checks the signature of Standard Webhooks.
func (s *Server) webhook(w http.ResponseWriter, r *http.Request, _ string, body []byte) {
	id, at := r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp")
	unix, err := strconv.ParseInt(at, 10, 64)
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(s.WebhookSecret, "whsec_"))
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + at + "." + string(body)))
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if err != nil || time.Since(time.Unix(unix, 0)).Abs() > 5*time.Minute || !hmac.Equal([]byte(want), []byte(r.Header.Get("webhook-signature"))) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	s.keep("webhook", id, string(body))
	w.WriteHeader(http.StatusNoContent)
}
