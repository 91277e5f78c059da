package mockalerts

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
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
	if name, ok := strings.CutPrefix(path, "api/response/"); ok { // as the URL of an upload
		s.keep("slack", "response", name+" "+string(body))
		return
	}
	wrong := func(word string) { answer(w, http.StatusOK, object{"ok": false, "error": word}) }
	form, err := url.ParseQuery(string(body))
	if err != nil {
		wrong("invalid_form_data")
		return
	}
	if path == "api/apps.connections.open" {
		s.openSocket(w, r)
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+s.SlackToken && form.Get("token") != s.SlackToken {
		wrong("invalid_auth")
		return
	}
	method := strings.TrimPrefix(path, "api/")
	switch method {
	case "chat.postMessage", "chat.update":
		var blocks []slackBlock
		if form.Get("channel") == "" {
			wrong("channel_not_found")
			return
		}
		if err := json.Unmarshal([]byte(form.Get("blocks")), &blocks); err != nil || len(blocks) == 0 || len(blocks) > 50 {
			wrong("invalid_blocks")
			return
		}
		if slices.ContainsFunc(blocks, slackBlock.wrong) {
			wrong("invalid_blocks")
			return
		}
		if ts := form.Get("ts") + form.Get("thread_ts"); !s.posted(ts) {
			wrong(map[string]string{"chat.update": "message_not_found", "chat.postMessage": "thread_not_found"}[method])
			return
		}
		if method == "chat.postMessage" && s.tooSoon(form.Get("channel")) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
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

// slackBlock is what Slack checks of a block.
type slackBlock struct {
	Type     string    `json:"type"`
	Text     slackText `json:"text"`
	Elements []struct {
		Type     string          `json:"type"`
		ActionID string          `json:"action_id"`
		Value    string          `json:"value"`
		Text     json.RawMessage `json:"text"` // an object in a button, a string in a context
	} `json:"elements"`
}

type slackText struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// wrong checks the lengths that the reference of Block Kit gives.
func (b slackBlock) wrong() bool {
	n := len([]rune(b.Text.Text))
	switch b.Type {
	case "header":
		return n == 0 || n > 150 || b.Text.Type != "plain_text"
	case "section":
		return n == 0 || n > 3000
	case "actions":
		seen := map[string]bool{}
		for _, e := range b.Elements {
			var label slackText
			if e.Type != "button" || e.ActionID == "" || len(e.ActionID) > 255 || seen[e.ActionID] || len(e.Value) > 2000 ||
				json.Unmarshal(e.Text, &label) != nil || label.Type != "plain_text" || len([]rune(label.Text)) > 75 {
				return true
			}
			seen[e.ActionID] = true
		}
		return len(b.Elements) == 0 || len(b.Elements) > 25
	}
	return false
}

// posted tells whether a message's timestamp is one that the stand-in gave; none is asked for by a first message.
func (s *Server) posted(ts string) bool {
	id, ok := strings.CutSuffix(ts, ".000100")
	return ts == "" || ok && slices.ContainsFunc(s.Messages("slack"), func(m Message) bool { return m.ID == id && m.Method == "chat.postMessage" })
}

// tooSoon counts a post: Slack takes one a second in a channel, and lets short bursts pass.
func (s *Server) tooSoon(channel string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	recent := slices.DeleteFunc(s.posts[channel], func(at time.Time) bool { return now.Sub(at) > slackBurst*time.Second })
	s.posts[channel] = append(recent, now)
	return len(recent) >= slackBurst
}

// slackBurst is how many posts a channel takes in as many seconds.
const slackBurst = 5

// uploaded reads the file out of a form, or takes the body as it is.
func uploaded(r *http.Request, body []byte) []byte {
	if i := strings.Index(string(body), "\x89PNG"); i >= 0 && strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		return body[i:]
	}
	return body
}

// invalidPhone is the number that Twilio's own test credentials refuse.
const invalidPhone = "+15005550001"

var e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

func (s *Server) twilio(w http.ResponseWriter, r *http.Request, path string, body []byte) {
	wrong := func(status, code int) { answer(w, status, object{"code": code, "status": status}) }
	user, password, ok := r.BasicAuth()
	if !ok || user != s.TwilioAccount || password != s.TwilioToken {
		wrong(http.StatusUnauthorized, 20003)
		return
	}
	if r.Method == http.MethodGet {
		s.twilioMessage(w, path)
		return
	}
	form, err := url.ParseQuery(string(body))
	resource, ok := strings.CutPrefix(path, "2010-04-01/Accounts/"+s.TwilioAccount+"/")
	switch {
	case err != nil || !ok:
		wrong(http.StatusNotFound, 20404)
		return
	case !e164.MatchString(form.Get("To")) || form.Get("To") == invalidPhone:
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

// twilioMessage shows a text message that somebody sent.
func (s *Server) twilioMessage(w http.ResponseWriter, path string) {
	sid := strings.TrimSuffix(strings.TrimPrefix(path, "2010-04-01/Accounts/"+s.TwilioAccount+"/Messages/"), ".json")
	s.mu.Lock()
	at, ok := s.received[sid]
	s.mu.Unlock()
	if !ok {
		answer(w, http.StatusNotFound, object{"code": 20404, "status": http.StatusNotFound})
		return
	}
	answer(w, http.StatusOK, object{"sid": sid, "direction": "inbound", "date_created": at.UTC().Format(time.RFC1123Z)})
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
	body, file, ok := discordParts(r.Header.Get("Content-Type"), body)
	var m struct {
		Embeds []struct {
			Title, Description string
		}
		Allow *struct {
			Parse []string `json:"parse"`
		} `json:"allowed_mentions"`
	}
	if !ok || json.Unmarshal(body, &m) != nil || len(m.Embeds) == 0 || len(m.Embeds) > 10 || len([]rune(m.Embeds[0].Title)) > 256 || len([]rune(m.Embeds[0].Description)) > 4096 {
		answer(w, http.StatusBadRequest, object{"code": 50035})
		return
	}
	id := s.keep("discord", r.Method, string(body))
	if file != nil {
		s.mu.Lock()
		s.uploads[id] = file
		s.mu.Unlock()
	}
	answer(w, http.StatusOK, object{"id": id})
}

// discordParts takes a message and its file out of a form; a message alone is JSON.
func discordParts(kind string, body []byte) (payload, file []byte, ok bool) {
	media, params, err := mime.ParseMediaType(kind)
	if err != nil || media == "application/json" {
		return body, nil, err == nil
	}
	form, err := multipart.NewReader(bytes.NewReader(body), params["boundary"]).ReadForm(4 << 20)
	if err != nil || media != "multipart/form-data" || len(form.Value["payload_json"]) != 1 || len(form.File["files[0]"]) != 1 {
		return nil, nil, false
	}
	f, err := form.File["files[0]"][0].Open()
	if err != nil {
		return nil, nil, false
	}
	defer func() { _ = f.Close() }()
	file, err = io.ReadAll(f)
	payload = []byte(form.Value["payload_json"][0])
	return payload, file, err == nil && bytes.Contains(payload, []byte("attachment://"+form.File["files[0]"][0].Filename))
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
