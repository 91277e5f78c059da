package extproc

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// inbound is a request as it reached the gateway.
type inbound struct {
	headers             headers
	method, host        string
	path, query         string // path as the client wrote it
	upstream            string // the provider's own path
	id                  identity
	request             governor.Request
	started             time.Time
	body                []byte
	hasBody, bodyUnread bool
	ends                bool             // with its headers, at the stage of an attempt
	shadow              sentinel.Shadows // what shadows made of it
}

// guard judges one request. It asks for the body only where the price or the policy needs it, and
// ends its stream with its verdict: one left open would cut a running answer if the process died.
func (s *Server) guard(st *answeredStream, first *extprocv3.ProcessingRequest) error {
	if attribute(first, "xds.route_name") == TunnelRoute {
		return s.tunnel(st, first)
	}
	in, refused := s.receive(first)
	if refused != nil {
		return s.refuse(st, in, *refused)
	}
	onHeaders := true
	if in.request.Route.Endpoint.Body != provider.BodyNone && !first.GetRequestHeaders().GetEndOfStream() {
		body, err := wholeBody(st, bufferBody())
		if err != nil {
			return err
		}
		in.body, in.hasBody, onHeaders = body, true, false
	}
	in.bodyUnread = in.request.Route.Endpoint.Body == provider.BodyNone
	return s.judge(st, in, onHeaders)
}

// wholeBody asks for a request's body.
func wholeBody(st *answeredStream, order *extprocv3.ProcessingResponse) ([]byte, error) {
	if err := st.Send(order); err != nil {
		return nil, err
	}
	next, err := st.Recv()
	if err != nil {
		return nil, err
	}
	body := next.GetRequestBody()
	if body == nil || !body.EndOfStream {
		return nil, status.Error(codes.InvalidArgument, "expected the whole request body")
	}
	return body.Body, nil
}

// receive recognises caller, route and endpoint from the headers.
func (s *Server) receive(first *extprocv3.ProcessingRequest) (*inbound, *sentinel.Verdict) {
	h := headersOf(first.GetRequestHeaders())
	now := s.Governor.Now()
	in := &inbound{headers: h, method: h.get(":method"), host: h.get(":authority"), started: now}
	in.path, in.query, _ = strings.Cut(h.get(":path"), "?")
	state := s.Governor.State()
	route, ok, there := state.Placed(attribute(first, "xds.route_name"))
	if !ok {
		return in, deny(sentinel.ReasonUnknownEndpoint, "this endpoint is not configured: only the endpoints of the policy's providers are routed")
	}
	in.request = governor.Request{State: state, Route: route, Trace: h.traceparent(), Call: sentinel.Call{
		ID: sentinel.CallIDOf(now, h.get("x-request-id")), At: now.Truncate(time.Microsecond), Provider: route.Provider.Name, Endpoint: route.Endpoint.Name,
	}}
	if !there { // a credential goes nowhere that the policy in force does not name
		return in, deny(sentinel.ReasonOtherPlace, "the policy has this provider at another place than Envoy has yet: try again")
	}
	if err := provider.CanonicalPath(in.path); err != nil {
		return in, deny(sentinel.ReasonBadRequest, err.Error())
	}
	in.upstream = ownPath(in.path, route, attribute(first, "xds.virtual_host_name"))
	if in.method != route.Endpoint.Method || !route.Endpoint.Match(in.upstream) {
		return in, deny(sentinel.ReasonUnknownEndpoint, "the path is not the one that this route was made for")
	}
	if v := repeated(h, route.Endpoint); v != nil {
		return in, v
	}
	if v := s.tooLong(h, route.Endpoint); v != nil {
		return in, v
	}
	from := arrivalOf(first)
	id, err := s.identify(state.Policy, h, from)
	if err != nil {
		return in, deny(sentinel.ReasonUnidentified, err.Error())
	}
	in.id = id
	astray := from.astray(in.host)
	if id.aws == nil || astray == "" { // what is only claimed is no caller's to be booked on
		in.request.Call.Caller = id.caller
	}
	if astray != "" {
		return in, deny(sentinel.ReasonHostMismatch, astray)
	}
	return in, nil
}

// repeated refuses a second header of a kind that the reading or the price of a request depends on.
func repeated(h headers, e provider.Endpoint) *sentinel.Verdict {
	for _, name := range e.Once() {
		if h.count(name) > 1 {
			return deny(sentinel.ReasonBadRequest, name+": this header stands twice")
		}
	}
	return nil
}

// tooLong refuses a body by its announced length, before it is asked for: Envoy 1.40 can hang on one
// that passes its limit before the order to buffer it arrives.
func (s *Server) tooLong(h headers, e provider.Endpoint) *sentinel.Verdict {
	n, _ := strconv.ParseInt(h.get("content-length"), 10, 64) // what is no number is 0, and what is past all numbers the largest
	if e.Body == provider.BodyNone || s.MaxBodyBytes == 0 || n <= s.MaxBodyBytes {
		return nil
	}
	return deny(sentinel.ReasonTooLarge, "the body has "+strconv.FormatInt(n, 10)+" bytes, at most "+strconv.FormatInt(s.MaxBodyBytes, 10)+" are read")
}

// FallbackHost is the authority under which Envoy has the policy's chains; behind a provider's name and place, that provider.
const FallbackHost = "fallback.sentinel.internal"

// hostAt leads to a route's provider at its place, and to no other.
func hostAt(r governor.Route) string { return r.Provider.Name + "." + r.Place + "." + FallbackHost }

// gatewayHost is Envoy's virtual host for requests that name the provider in their path. By a
// provider's own host name the path is the provider's.
const gatewayHost = "gateway"

// ownPath takes the gateway's prefix off, as Envoy's route will.
func ownPath(path string, r governor.Route, virtualHost string) string {
	if rest, ok := strings.CutPrefix(path, "/"+r.Provider.Name+"/"); ok && virtualHost == gatewayHost {
		return "/" + rest
	}
	return path
}

func deny(reason sentinel.Reason, detail string) *sentinel.Verdict {
	return &sentinel.Verdict{Action: sentinel.Deny, Reason: reason, Detail: detail}
}

// judge verifies, admits and answers.
func (s *Server) judge(st *answeredStream, in *inbound, onHeaders bool) error {
	ctx := st.Context()
	if err := s.verify(in.id, in.asSent(), in.started); err != nil {
		in.request.Call.Caller = sentinel.Caller{} // it was only claimed: nothing is booked on its service
		return s.refuse(st, in, *deny(sentinel.ReasonUnidentified, err.Error()))
	}
	if place := in.elsewhere(); place != "" {
		return s.refuse(st, in, *deny(sentinel.ReasonBadRequest, place+": the service's token stands in it, and would reach the provider"))
	}
	in.request.Raw = in.raw()
	a, err := s.Governor.Admit(ctx, in.request)
	if err != nil {
		s.Log.Error().Err(err).Str("call", in.request.Call.ID.String()).Msg("call not decided")
		reason := sentinel.ReasonLimiterUnavailable
		if errors.Is(err, governor.ErrJournal) {
			reason = sentinel.ReasonLedgerUnavailable
		}
		return s.refuse(st, in, *deny(reason, "the gateway could not decide on this call"))
	}
	in.request.Call, in.shadow = a.Ticket.Call, a.Ticket.Shadow // the model is known now
	s.captureRequest(a.Ticket, in.body)
	if a.Cause != nil {
		s.Log.Warn().Err(a.Cause).Str("call", a.Ticket.Call.ID.String()).Msg("call judged without the limiter")
	}
	if a.Verdict.Action.Refused() {
		return s.refuse(st, in, a.Verdict)
	}
	route := a.Upstream(in.request.Route)
	withheld := in.withheld(append(slices.Clip(s.Credentials.Withheld(route.Provider)), in.request.State.Policy.SubjectHeaders()...))
	var credential []Header
	if a.Chain == "" {
		credential, err = s.Credentials.Inject(route, in.outgoing(a, route, withheld), s.Governor.Now())
	}
	if err != nil {
		return st.SendFinal(refusal(in, s.withoutCredential(st, in, a, route, err)))
	}
	if err := st.SendFinal(forward(in, a, credential, withheld, onHeaders)); err != nil {
		// Without the verdict Envoy sends nothing upstream.
		s.withdrawn(st, in, a, *deny(sentinel.ReasonUndelivered, "nobody waited for the verdict any longer: "+err.Error()), 0)
		return err
	}
	s.observe(in, a.Verdict)
	return nil
}

// raw is the request as its provider's preset reads it.
func (in *inbound) raw() provider.RawRequest {
	r := in.request.Route
	return provider.RawRequest{
		Path: in.upstream, Query: in.query, ContentType: in.headers.get("content-type"), Header: in.headers.get,
		Currencies: r.Currencies, OnBehalf: r.Provider.OnBehalf, Redirects: r.Provider.Redirects, Known: r.Provider.Known, Body: in.body,
	}
}

// asSent is the request as its client signed it.
func (in *inbound) asSent() Outgoing {
	return Outgoing{Method: in.method, Host: in.host, Path: in.path, Query: in.query,
		Headers: in.headers.all(), Body: in.body, HasBody: !in.bodyUnread, Events: in.request.Route.Endpoint.Events}
}

// outgoing is the request as it goes upstream after an admission.
func (in *inbound) outgoing(a governor.Admission, route governor.Route, withheld []string) Outgoing {
	o := Outgoing{Method: in.method, Host: route.Provider.Host, Path: a.Path, Query: in.query,
		Headers: slices.DeleteFunc(in.headers.signable(), func(h Header) bool { return slices.Contains(withheld, h.Name) }), Body: in.body, HasBody: !in.bodyUnread,
		Events: route.Endpoint.Events}
	if a.Body != nil {
		o.Body = a.Body
	}
	return o
}

// withdrawn undoes an admission whose call does not go out: it is booked as refused, at nothing. Status is
// what its client gets, 0 where nobody is left to get it.
func (s *Server) withdrawn(st *answeredStream, in *inbound, a governor.Admission, v sentinel.Verdict, status int) {
	a.Ticket.Action, a.Ticket.Reason = v.Action, v.Reason
	_, _ = s.book(st, governor.Outcome{Ticket: a.Ticket, Status: status, Metered: provider.Metered{Reported: true}})
	s.observe(in, v)
}

// withoutCredential withdraws a call for whose provider there is no credential, and says what its client is told.
func (s *Server) withoutCredential(st *answeredStream, in *inbound, a governor.Admission, route governor.Route, cause error) sentinel.Verdict {
	s.Log.Error().Err(cause).Str("provider", route.Provider.Name).Msg("no credential for provider")
	v := *deny(sentinel.ReasonCredential, "the gateway holds no usable credential for this provider")
	if errors.Is(cause, ErrUnsendable) {
		v = *deny(sentinel.ReasonBadRequest, cause.Error())
	}
	s.withdrawn(st, in, a, v, statusOf(v))
	return v
}

// book settles an attempt, whoever still waits for its answer. An error is in the log.
func (s *Server) book(st *answeredStream, o governor.Outcome) (sentinel.Entry, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(st.Context()), settleTimeout)
	defer cancel()
	entry, err := s.Governor.Settle(ctx, o)
	if err != nil {
		s.Log.Error().Err(err).Str("call", o.Ticket.Call.ID.String()).Int16("attempt", o.Ticket.Attempt).Msg("call not settled")
	}
	return entry, err
}

// settled counts what was booked of an attempt.
func (s *Server) settled(t governor.Ticket, e *sentinel.Entry) {
	s.Observe(Observation{Call: t.Call, Action: t.Action, Reason: t.Reason, Entry: e, Trace: t.Trace})
}

// refuse answers without going upstream, and books the refusal of a known caller. Requests of unknown callers
// are counted, not booked: they must not be able to fill the ledger.
func (s *Server) refuse(st *answeredStream, in *inbound, v sentinel.Verdict) error {
	if caller := in.request.Call.Caller; caller.Service != "" {
		t := governor.Ticket{Call: in.request.Call, Asked: in.request.Call.Model, Action: v.Action, Reason: v.Reason,
			PolicyVersion: in.request.State.Policy.Version, Shadow: in.shadow}
		if err := s.Governor.Refuse(context.WithoutCancel(st.Context()), t, statusOf(v)); err != nil {
			s.Log.Error().Err(err).Msg("refusal not booked")
		}
	}
	s.observe(in, v)
	return st.SendFinal(refusal(in, v))
}

// observe logs and counts one decision.
func (s *Server) observe(in *inbound, v sentinel.Verdict) {
	c := in.request.Call
	s.Observe(Observation{Call: c, Action: v.Action, Reason: v.Reason, Duration: s.Governor.Now().Sub(in.started), Shadow: in.shadow, Trace: in.request.Trace})
	if v.Action == sentinel.Allow {
		return
	}
	s.Log.Info().Str("call", c.ID.String()).Str("service", c.Caller.Service).Str("provider", c.Provider).
		Str("endpoint", c.Endpoint).Str("action", v.Action.String()).Str("reason", string(v.Reason)).Str("limit", v.Limit).Str("detail", v.Detail).Msg("call judged")
}

// settleTimeout bounds the booking of a call, which outlives its stream: a client that hangs up cannot stop it.
const settleTimeout = 2 * time.Second
