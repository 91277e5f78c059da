// Package extproc speaks Envoy's external processing protocol (ext_proc, v3) and translates it to
// calls. Guard judges requests and fails closed; Attempt gives each attempt of a call that may fail over its provider's credential and words,
// and fails closed; Events signs what a client sends while its call runs, and fails closed; Meter reads answers and never cuts one by dying.
package extproc

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"github.com/rs/zerolog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

// Header is one header to set on a request to a provider; the name is in lower case.
type Header struct{ Name, Value string }

// Outgoing is a request as it goes to its provider: what a signature covers.
type Outgoing struct {
	Method, Host, Path, Query string
	Headers                   []Header // content-type and x-amz-*, lower-case names
	Body                      []byte
	HasBody                   bool // false: the body streams past unread
	Events                    bool // the body is a stream of events, each of which is signed by itself
}

// QueryHeader is the name of what is to stand in the query instead of a header: NAME=VALUE, escaped. No other parameter has its name then.
const QueryHeader = ":query"

// ErrUnsendable says that a request is one that cannot be sent with any other credential than its client's.
var ErrUnsendable = errors.New("this request cannot be sent on")

// Credentials is what the guard needs to take a client's credential away and put the provider's in.
type Credentials interface {
	// Inject gives the headers that authenticate a request at its provider; one that is named QueryHeader is a parameter of the query.
	// ErrUnsendable is for the client.
	Inject(r governor.Route, o Outgoing, now time.Time) ([]Header, error)
	// CallerByToken finds the service of a token. The error is for the client, who may have a token that cannot be used.
	CallerByToken(set *policy.Set, token string, now time.Time) (sentinel.Caller, error)
	// VerifyAWS checks that a request was signed with the secret that was issued to the identity.
	VerifyAWS(id policy.AWSIdentity, authorization string, o Outgoing, now time.Time) error
	// SignEvents begins to sign anew the events of a request whose head went to its provider with the authorization sent. Received is the head's
	// own that the identity's client sent; nil is a caller that is known by other means, whose signatures are not looked at.
	SignEvents(r governor.Route, id *policy.AWSIdentity, received, sent string) (Events, error)
	// AccessKeyID reads whose key an AWS authorization header claims.
	AccessKeyID(authorization string) (string, bool)
	// Echoes gives what an answer of a route may quote of its credential; failed is an answer that is no success.
	Echoes(r governor.Route, failed bool) *Needles
	// Withheld lists every header of clients that a provider must not get, in lower case: where a client may carry a
	// credential, or choose another account than the injected credential's.
	Withheld(p policy.Provider) []string
}

// Events signs the events of one request as they pass.
type Events interface {
	// Sign gives what goes on in place of the next bytes of the request, whose end last is. The error is for the client.
	Sign(chunk []byte, last bool, now time.Time) ([]byte, error)
}

// Options are the parts of a Server.
type Options struct {
	Governor    *governor.Governor
	Credentials Credentials
	Log         zerolog.Logger
	// MaxBodyBytes bounds the bodies that are read; Envoy holds no longer ones. 0 is no bound.
	MaxBodyBytes int64
	Observe      func(Observation)     // counts and durations for metrics; may be nil
	Paused       func(provider string) // a provider asks for a pause; may be nil
	Capture      func(sentinel.Body)   // a body that the policy has stored; it must not wait. nil stores none
	Quarantined  func(provider string) // a provider refuses one of several credentials, which is left out; may be nil
}

// Observation is one decision or one settlement, for metrics. Every field is of a bounded set or a number.
type Observation struct {
	Call     sentinel.Call
	Action   sentinel.Action
	Reason   sentinel.Reason
	Entry    *sentinel.Entry // of a settlement
	Passage  policy.Passage  // of a tunnel to a host that is no provider's
	Trace    string          // the client's traceparent header, if it sent one
	Duration time.Duration   // the processor's own share
	Shadow   sentinel.Shadows
}

// Server is the ext_proc service.
type Server struct {
	extprocv3.UnimplementedExternalProcessorServer
	Options
	metering sync.Map // sentinel.CallID → struct{}: answers that this process meters now
	stopping atomic.Bool
	reset    sync.Once // an answer's stream was reset, and somebody was told
}

// New makes a Server.
func New(o Options) *Server {
	if o.Observe == nil {
		o.Observe = func(Observation) {}
	}
	if o.Paused == nil {
		o.Paused = func(string) {}
	}
	if o.Quarantined == nil {
		o.Quarantined = func(string) {}
	}
	return &Server{Options: o}
}

// Register adds the service to a gRPC server.
func (s *Server) Register(g *grpc.Server) { extprocv3.RegisterExternalProcessorServer(g, s) }

// Metering tells whether this process is metering the answer of a call right now.
func (s *Server) Metering(id sentinel.CallID) bool {
	_, ok := s.metering.Load(id)
	return ok
}

// Stop marks the process as going away: answers that it stops watching are left to the reconciler,
// because nobody will have seen their end.
func (s *Server) Stop() { s.stopping.Store(true) }

// stream is the part of ext_proc's stream that the stages use.
type stream interface {
	Context() context.Context
	Send(*extprocv3.ProcessingResponse) error
	Recv() (*extprocv3.ProcessingRequest, error)
}

// Process serves one stream of one filter: guard's begins with request headers, meter's with
// response headers. Envoy lets a request through when a stream closes with OK before its verdict,
// so every early end here is a gRPC error, a panic included.
func (s *Server) Process(st extprocv3.ExternalProcessor_ProcessServer) error {
	first, err := st.Recv()
	if err != nil {
		return err
	}
	return s.serve(st, first)
}

// errNoVerdict says that a handler ended before it had answered.
var errNoVerdict = errors.New("the handler ended without a verdict")

func (s *Server) serve(st stream, first *extprocv3.ProcessingRequest) error {
	return s.answering(st, func(answered *answeredStream) error { return s.handle(answered, first) })
}

// answering turns whatever keeps a handler from answering into an error.
func (s *Server) answering(st stream, handle func(*answeredStream) error) (err error) {
	answered := &answeredStream{stream: st}
	defer func() {
		if p := recover(); p != nil {
			s.Log.Error().Interface("panic", p).Bytes("stack", debug.Stack()).Msg("handler panicked")
			err = status.Error(codes.Internal, "handler panicked")
		} else if err == nil && !answered.done {
			err = status.Error(codes.Internal, errNoVerdict.Error())
		}
	}()
	return handle(answered)
}

func (s *Server) handle(answered *answeredStream, first *extprocv3.ProcessingRequest) error {
	switch first.Request.(type) {
	case *extprocv3.ProcessingRequest_RequestHeaders:
		switch stageOf(answered) {
		case StageAttempt:
			return s.attempt(answered, first)
		case StageEvents:
			return s.events(answered, first)
		}
		return s.guard(answered, first)
	case *extprocv3.ProcessingRequest_ResponseHeaders:
		return s.meter(answered, first)
	default:
		return status.Error(codes.InvalidArgument, fmt.Sprintf("a stream cannot begin with %T", first.Request))
	}
}

// answeredStream knows whether Envoy has a final answer to the stage that it asked about.
type answeredStream struct {
	stream
	done bool
}

// SendFinal sends the verdict of a stage.
func (a *answeredStream) SendFinal(r *extprocv3.ProcessingResponse) error {
	if err := a.Send(r); err != nil {
		return err
	}
	a.done = true
	return nil
}
