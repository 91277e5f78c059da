// Package mockalerts has stand-ins for the services that alerts go to: Slack, Twilio, PagerDuty, Discord, Teams,
// generic webhooks and an SMTP server. They check credentials, signatures, shapes and limits as the real ones
// document them, keep what they took, and fail on demand.
package mockalerts

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Message is what a stand-in took.
type Message struct {
	Service string // slack, twilio, pagerduty, discord, teams, webhook, smtp
	Method  string // of the service: chat.postMessage, Messages, enqueue …
	ID      string // that the stand-in gave it
	At      time.Time
	Body    string
}

// Fault is how the next answers of a service go wrong.
type Fault struct {
	Status     int    // 0: the request is taken, and the connection is cut before the answer
	RetryAfter string // header of a 429
	Times      int    // how often; the fault is gone after that
}

// Credentials are what clients must show.
type Credentials struct {
	SlackToken, SlackAppToken, TwilioAccount, TwilioToken, PagerDutyKey, WebhookSecret string
}

// maxMessages bounds what a Server keeps.
const maxMessages = 100_000

// Server is the HTTP stand-ins: /slack/api/, /twilio/, /pagerduty/, /discord/, /teams and /webhook.
type Server struct {
	Credentials
	mu       sync.Mutex
	messages []Message
	faults   map[string]*Fault
	next     int
	uploads  map[string][]byte
	posts    map[string][]time.Time // by channel of Slack
	sockets  sockets
	received map[string]time.Time // of text messages that people sent, by SID
}

// New makes stand-ins that want these credentials.
func New(c Credentials) *Server {
	return &Server{Credentials: c, faults: map[string]*Fault{}, uploads: map[string][]byte{}, posts: map[string][]time.Time{}}
}

// Fail makes the next answers of a service go wrong.
func (s *Server) Fail(service string, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[service] = &f
}

// Messages gives what a service took, in order.
func (s *Server) Messages(service string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Message
	for _, m := range s.messages {
		if m.Service == service {
			out = append(out, m)
		}
	}
	return out
}

// Receive makes Twilio know a text message that somebody sent.
func (s *Server) Receive(sid string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.received == nil {
		s.received = map[string]time.Time{}
	}
	s.received[sid] = at
}

// Upload gives a file that Slack took.
func (s *Server) Upload(id string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.uploads[id]
}

func (s *Server) keep(service, method, body string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	id := fmt.Sprintf("%d", 1_000_000+s.next)
	if len(s.messages) < maxMessages {
		s.messages = append(s.messages, Message{Service: service, Method: method, ID: id, At: time.Now(), Body: body})
	}
	return id
}

// fault takes the due fault of a service.
func (s *Server) fault(service string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.faults[service]
	if f == nil || f.Times == 0 {
		return nil
	}
	f.Times--
	return &Fault{Status: f.Status, RetryAfter: f.RetryAfter}
}

// ServeHTTP routes by the first segment of the path.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	service, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if service == "slack" && rest == socketPath {
		s.socket(w, r)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 4<<20))
	if err != nil {
		return
	}
	f := s.fault(service)
	if f != nil && f.Status != 0 {
		if f.RetryAfter != "" {
			w.Header().Set("Retry-After", f.RetryAfter)
		}
		w.WriteHeader(f.Status)
		return
	}
	serve, ok := map[string]func(http.ResponseWriter, *http.Request, string, []byte){
		"slack": s.slack, "twilio": s.twilio, "pagerduty": s.pagerDuty, "discord": s.discord, "teams": s.teams, "webhook": s.webhook,
	}[service]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if f != nil {
		serve(nowhere{}, r, rest, body)
		panic(http.ErrAbortHandler) // taken, and nobody hears of it
	}
	serve(w, r, rest, body)
}

// nowhere is an answer that is lost.
type nowhere struct{}

func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (nowhere) WriteHeader(int)             {}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
