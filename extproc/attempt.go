package extproc

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// The gRPC metadata by which Envoy's configuration names the stage of a stream.
const (
	StageKey     = "sentinel-stage"
	StageAttempt = "attempt"
	StageEvents  = "events"
)

// HostAttribute is the CEL path of the provider that Envoy has chosen for an attempt.
const HostAttribute = "xds.upstream_host_metadata.filter_metadata['" + Namespace + "']['provider']"

const (
	// RetryHeader marks an answer that Envoy is to have made good by the next provider.
	RetryHeader = "x-sentinel-retry"
	// idempotencyKey is the header by which a client says that its call may be repeated.
	idempotencyKey = "idempotency-key"
	// retryOn is Envoy's header for what may be repeated beside what its route says; clients cannot send it.
	retryOn = "x-envoy-retry-on"
)

var (
	errNoTicket      = errors.New("an attempt without a ticket")
	errOtherPlace    = errors.New("the provider that Envoy has chosen is not where the policy has it")
	errOtherProvider = errors.New("the provider that Envoy has chosen is not one that the call was admitted to")
)

// stageOf is what Envoy's configuration says that a stream is of; empty for the guard and the meter.
func stageOf(st stream) string {
	md, _ := metadata.FromIncomingContext(st.Context())
	if named := md.Get(StageKey); len(named) == 1 {
		return named[0]
	}
	return ""
}

// attempt gives one attempt of a call the credential of the provider that it really goes to, whatever an earlier attempt has left on the
// request, and decides on its answer's headers whether another provider is to make it good. Without an answer of this stage nothing goes
// upstream.
func (s *Server) attempt(st *answeredStream, first *extprocv3.ProcessingRequest) error {
	t, ok := ticketOf(first)
	if !ok {
		return status.Error(codes.PermissionDenied, errNoTicket.Error())
	}
	in := s.attempted(&t, first)
	to, place, _ := strings.Cut(attribute(first, HostAttribute), "@")
	if place != s.Governor.PlaceOf(&t, to) {
		return status.Error(codes.PermissionDenied, errOtherPlace.Error())
	}
	switch {
	case t.Attempt == 0 && t.Failed == 0 && to == t.Call.Provider:
		a := governor.Admission{Ticket: t, Path: in.upstream}
		credential, err := s.Credentials.Inject(in.request.Route, in.outgoing(a, in.request.Route, nil), s.Governor.Now())
		if err != nil {
			return s.attemptRefused(st, in, a, err)
		}
		if err := st.SendFinal(attemptOn(in, a, credential, s.withheldBy(in, in.request.Route), true)); err != nil {
			return err
		}
	case t.Attempt == 0 && strings.HasPrefix(t.Next, to+"/") && to != "" && (t.Failed != 0 || !t.Again()):
		sent, err := s.secondAttempt(st, in, &t)
		if err != nil || !sent {
			return err
		}
	default:
		return status.Error(codes.PermissionDenied, errOtherProvider.Error())
	}
	return s.outcome(st, &t, in.headers.get(idempotencyKey) != "")
}

// attempted is the request of an attempt as the router sends it: the provider's own path, and no credential but that of an earlier attempt.
func (s *Server) attempted(t *governor.Ticket, first *extprocv3.ProcessingRequest) *inbound {
	h := headersOf(first.GetRequestHeaders())
	in := &inbound{headers: h, method: h.get(":method"), host: h.get(":authority"), started: s.Governor.Now(), bodyUnread: true}
	in.path, in.query, _ = strings.Cut(h.get(":path"), "?")
	in.upstream, in.ends = in.path, first.GetRequestHeaders().GetEndOfStream()
	in.request = governor.Request{Route: s.Governor.Route(t), Call: t.Call, Trace: t.Trace}
	return in
}

// secondAttempt admits the call to the next provider, and sends it there in that one's words. It is not sent when it is refused.
func (s *Server) secondAttempt(st *answeredStream, in *inbound, t *governor.Ticket) (sent bool, err error) {
	first := *t
	if in.request.Route.Endpoint.Body != provider.BodyNone && !in.ends {
		if in.body, err = wholeBody(st, attemptBody()); err != nil {
			return false, err
		}
		in.hasBody, in.bodyUnread = true, false
	}
	keyed := in.headers.get(idempotencyKey) != ""
	granted := first.Failed > 0 // its answer was judged
	if !granted {
		granted = s.Governor.Retry(&first, governor.NoAnswer, keyed)
		if err := s.bookUnanswered(st, &first, keyed); err != nil {
			return false, err
		}
	}
	route := in.request.Route
	failed := governor.Failed{Ticket: first, Raw: in.raw()}
	a := failed.Exhausted()
	if granted {
		if a, err = s.Governor.Failover(st.Context(), failed); err != nil {
			s.Log.Error().Err(err).Str("call", t.Call.ID.String()).Msg("second attempt not decided")
			return false, err
		}
	}
	s.Log.Warn().Str("call", t.Call.ID.String()).Str("provider", first.Call.Provider).Int("status", first.Failed).Str("next", first.Next).
		Str("action", a.Verdict.Action.String()).Str("detail", a.Verdict.Detail).Msg("provider failed a call")
	if a.Verdict.Action.Refused() {
		return false, st.SendFinal(attemptRefusal(in, a))
	}
	to := a.Upstream(route)
	credential, err := s.Credentials.Inject(to, in.outgoing(a, to, nil), s.Governor.Now())
	if err != nil {
		return false, s.attemptRefused(st, in, a, err)
	}
	withheld := slices.Concat(s.withheldBy(in, route), s.withheldBy(in, to))
	if err := st.SendFinal(attemptOn(in, a, credential, withheld, !in.hasBody)); err != nil {
		s.withdrawn(st, in, a, *deny(sentinel.ReasonUndelivered, "nobody waited for the second attempt any longer: "+err.Error()), 0)
		return false, err
	}
	*t = a.Ticket
	return true, nil
}

// bookUnanswered books a first attempt that got no answer. Only a call that may be repeated can have reached its provider, which may then
// bill what it can cost.
func (s *Server) bookUnanswered(st *answeredStream, t *governor.Ticket, keyed bool) error {
	m := provider.Metered{Reported: true}
	if keyed {
		m = governor.Unseen(t)
	}
	entry, err := s.book(st, governor.Outcome{Ticket: *t, Metered: m})
	if err != nil {
		return status.Error(codes.Unavailable, "the failed attempt could not be booked")
	}
	t.Failed = governor.NoAnswer
	s.settled(*t, &entry)
	return nil
}

// withheldBy lists the headers that an attempt at another provider must not carry: what the gateway gave this one, and clients' credentials.
func (s *Server) withheldBy(in *inbound, r governor.Route) []string {
	out := in.withheld(s.Credentials.Withheld(r.Provider))
	if h := r.Provider.Credential.Header; h != "" {
		out = append(slices.Clip(out), strings.ToLower(h))
	}
	return out
}

// attemptRefused ends an attempt for whose provider there is no credential.
func (s *Server) attemptRefused(st *answeredStream, in *inbound, a governor.Admission, cause error) error {
	route := in.request.Route
	if a.To != nil {
		route = *a.To
	}
	v := s.withoutCredential(st, in, a, route, cause)
	a.Verdict = v
	a.Ticket.Action, a.Ticket.Reason, a.Ticket.Failed = v.Action, v.Reason, statusOf(v)
	return st.SendFinal(attemptRefusal(in, a))
}

// outcome waits for the headers of an attempt's answer. A failure that the next provider is to make good is booked here; every other answer is
// the meter's.
func (s *Server) outcome(st *answeredStream, t *governor.Ticket, keyed bool) error {
	r, err := st.Recv()
	if err != nil {
		return nil //nolint:nilerr // the attempt was reset, or its client has gone: the next stage, or the reconciler, books it
	}
	head := r.GetResponseHeaders()
	if head == nil {
		return status.Errorf(codes.InvalidArgument, "expected the headers of an answer, got %T", r.Request)
	}
	h := headersOf(head)
	code, _ := strconv.Atoi(h.get(":status"))
	again := s.Governor.Retry(t, code, keyed)
	said, onHeaders := []byte(nil), true
	if again && !head.EndOfStream && s.Governor.Route(t).Preset.PausesInBody(code) { // else the meter reads it
		if said, err = errorBody(st); err != nil {
			return nil //nolint:nilerr // as above
		}
		onHeaders = false
	}
	s.heed(t, code, h, said)
	if !again {
		return st.SendFinal(attemptAnswer(nil, onHeaders))
	}
	a := &answer{ticket: *t}
	s.open(a, h)
	if err := s.settleAnswer(st, a); err != nil {
		return st.SendFinal(attemptAnswer(nil, onHeaders)) // the meter tries again, on an answer that goes to the client
	}
	t.Failed = code
	return st.SendFinal(attemptAnswer(t, onHeaders))
}

// errorBody asks for the body of a failed attempt's answer, whose headers wait for it; of a long one its beginning comes.
func errorBody(st *answeredStream) ([]byte, error) {
	if err := st.Send(attemptError()); err != nil {
		return nil, err
	}
	next, err := st.Recv()
	if err != nil {
		return nil, err
	}
	body := next.GetResponseBody().GetBody()
	return body[:min(len(body), maxSaid)], nil
}

// settleAnswer books the answer of a failed attempt, whose body nobody will see.
func (s *Server) settleAnswer(st *answeredStream, a *answer) error {
	entry, err := s.book(st, governor.Outcome{Ticket: a.ticket, Metered: a.meter.Finish(true), Status: a.status, FirstByte: a.firstByte})
	if err == nil {
		s.settled(a.ticket, &entry)
	}
	return err
}

// attemptBody asks Envoy for the body of an attempt.
func attemptBody() *extprocv3.ProcessingResponse {
	r := bufferBody()
	r.ModeOverride.ResponseHeaderMode = filterv3.ProcessingMode_SEND
	return r
}

// attemptOn lets an attempt go: earlier credentials out, its provider's in, and the body in its words.
func attemptOn(in *inbound, a governor.Admission, credential []Header, withheld []string, onHeaders bool) *extprocv3.ProcessingResponse {
	common := onward(in, a, credential, withheld)
	if a.To != nil {
		common.HeaderMutation.SetHeaders = append(common.HeaderMutation.SetHeaders, overwrite(":path", a.Path), overwrite(":authority", a.To.Provider.Host))
	}
	return departing(common, a.Ticket, onHeaders)
}

// attemptRefusal answers in the place of a provider, and leaves the verdict for the meter: the router takes it off an answer of this stage.
func attemptRefusal(in *inbound, a governor.Admission) *extprocv3.ProcessingResponse {
	r := refusal(in, a.Verdict)
	r.DynamicMetadata = mark(a.Ticket)
	return r
}

// attemptError asks Envoy for the body of an attempt's answer before its headers go on.
func attemptError() *extprocv3.ProcessingResponse {
	return &extprocv3.ProcessingResponse{
		Response: &extprocv3.ProcessingResponse_ResponseHeaders{ResponseHeaders: &extprocv3.HeadersResponse{Response: &extprocv3.CommonResponse{}}},
		ModeOverride: &filterv3.ProcessingMode{
			RequestHeaderMode: filterv3.ProcessingMode_SEND, ResponseHeaderMode: filterv3.ProcessingMode_SEND, ResponseBodyMode: filterv3.ProcessingMode_BUFFERED_PARTIAL,
		},
	}
}

// attemptAnswer lets an answer's headers go, with or without the mark of a failure: when they came, or with the body that they waited for. A provider's
// own mark says nothing.
func attemptAnswer(failed *governor.Ticket, onHeaders bool) *extprocv3.ProcessingResponse {
	common := &extprocv3.CommonResponse{HeaderMutation: &extprocv3.HeaderMutation{RemoveHeaders: []string{RetryHeader}}}
	if failed != nil {
		common.HeaderMutation = &extprocv3.HeaderMutation{SetHeaders: []*corev3.HeaderValueOption{overwrite(RetryHeader, "1")}}
	}
	r := bodyReply(common)
	if onHeaders {
		r = &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ResponseHeaders{ResponseHeaders: &extprocv3.HeadersResponse{Response: common}}}
	}
	if failed != nil {
		r.DynamicMetadata = mark(*failed)
	}
	return r
}
