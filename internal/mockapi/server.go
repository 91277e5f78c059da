package mockapi

import (
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// standIns maps a stand-in's name to what serves its API.
var standIns = map[string]func(*exchange){
	"openai":    openAI,
	"anthropic": anthropic,
	"gemini":    gemini,
	"vertex":    vertex,
	"twilio":    twilio,
	"stripe":    stripe,
	"bedrock":   bedrock,
	"s3":        s3,
	"weather":   weather,
}

// StandIns lists the names of the stand-ins, sorted.
func StandIns() []string {
	names := make([]string, 0, 8)
	for name := range maps.Keys(standIns) {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Server serves all stand-ins on one handler. They are told apart by the Host, and for a Host that
// the configuration does not name by the first segment of the path, so that a client can reach
// them without TLS at http://127.0.0.1:PORT/openai/v1, as it would reach the gateway.
type Server struct {
	config  atomic.Pointer[rules]
	account *account
	stripe  *stripeRecords
	objects *objectStore
	ca      *authority

	projects projects
}

// rules are a configuration and the counters of its faults.
type rules struct {
	Config
	due []atomic.Int64 // calls that each fault has matched
}

// New makes a server, and a certificate authority for the configured hosts.
func New(c Config) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	ca, err := newAuthority(slices.Sorted(maps.Keys(c.Hosts)))
	if err != nil {
		return nil, err
	}
	s := &Server{account: newAccount(), stripe: newStripeRecords(), objects: newObjectStore(), ca: ca}
	s.config.Store(&rules{Config: c, due: make([]atomic.Int64, len(c.Faults))})
	return s, nil
}

// Apply replaces the configuration for calls that start from now on, and starts the faults anew.
// The certificates stay those of the hosts that New was given.
func (s *Server) Apply(c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	s.config.Store(&rules{Config: c, due: make([]atomic.Int64, len(c.Faults))})
	return nil
}

// SetClock replaces the clock by which the usage reports tell days. Call it before the first call is served.
func (s *Server) SetClock(now func() time.Time) { s.account.now = now }

// Handler serves the stand-ins, /_stats and /_reset.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// Stats is what the stand-ins have served since the start or the last Reset.
func (s *Server) Stats() Stats { return s.account.stats() }

// Calls is the account of each call whose client named it, in the order in which they ended.
func (s *Server) Calls() []Call { return s.account.named() }

// Reset forgets the account, and starts the faults anew. Stored objects stay.
func (s *Server) Reset() {
	s.account.reset()
	c := s.config.Load().Config
	s.config.Store(&rules{Config: c, due: make([]atomic.Int64, len(c.Faults))})
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/_stats":
		writeJSON(w, http.StatusOK, s.Stats())
		return
	case "/_reset":
		if r.Method != http.MethodPost {
			http.Error(w, "use POST", http.StatusMethodNotAllowed)
			return
		}
		s.Reset()
		w.WriteHeader(http.StatusNoContent)
		return
	}
	rules := s.config.Load()
	provider, path, bucket := route(rules.Hosts, r)
	serveAPI, ok := standIns[provider]
	if !ok {
		http.Error(w, "no stand-in for host "+r.Host, http.StatusMisdirectedRequest)
		return
	}
	s.account.enter(provider)
	defer s.account.leave(provider)

	x := &exchange{server: s, rules: rules, w: w, r: r, provider: provider, path: path, bucket: bucket, before: written(r.Context())}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			x.refuse(http.StatusRequestEntityTooLarge, "request_too_large", "the body is over 16 MiB")
			return
		}
		return // the client is gone: nothing was asked
	}
	x.body = body
	if !x.authenticate() {
		return
	}
	serveAPI(x)
}

// route finds the stand-in and the escaped path within its API. bucket is set for S3's
// virtual-host style, where the bucket is the first label of the host.
func route(hosts map[string]string, r *http.Request) (provider, path, bucket string) {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	path = r.URL.EscapedPath()
	if p, ok := hosts[host]; ok {
		return p, path, ""
	}
	if first, rest, ok := strings.Cut(host, "."); ok && hosts[rest] == "s3" {
		return "s3", path, first
	}
	first, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return first, "/" + rest, ""
}
