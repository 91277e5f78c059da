package extproc

import (
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

// events signs the events of a request anew while it runs. The provider's key must not reach Envoy, so that a process that dies cuts the call: what
// has passed until then is booked by the meter of its answer, as at most what it can cost.
func (s *Server) events(st *answeredStream, first *extprocv3.ProcessingRequest) error {
	t, ok := ticketOf(first)
	if !ok {
		return status.Error(codes.PermissionDenied, errNoTicket.Error())
	}
	in := s.attempted(&t, first)
	chain, err := s.eventsOf(in, attribute(first, HeadAttribute))
	if err != nil {
		return s.attemptRefused(st, in, governor.Admission{Ticket: t}, err)
	}
	if err := st.SendFinal(eventsBegin()); err != nil {
		return err
	}
	for {
		r, err := st.Recv()
		if err != nil {
			return nil //nolint:nilerr // the call has ended: its meter books it
		}
		body := r.GetRequestBody()
		if body == nil {
			return status.Errorf(codes.InvalidArgument, "expected events of the request, got %T", r.Request)
		}
		signed, err := chain.Sign(body.Body, body.EndOfStream, s.Governor.Now())
		if err != nil {
			s.Log.Warn().Err(err).Str("call", t.Call.ID.String()).Str("service", t.Call.Caller.Service).Msg("event refused")
			return st.Send(refusal(in, *deny(sentinel.ReasonBadRequest, err.Error())))
		}
		if err := st.Send(eventsOn(signed)); err != nil || body.EndOfStream {
			return err
		}
	}
}

// eventsOf begins a request's chain of signatures. A caller that signs for itself is looked up anew: its key may be gone since its head was judged.
func (s *Server) eventsOf(in *inbound, received string) (Events, error) {
	var by *policy.AWSIdentity
	if received != "" {
		id, err := s.identifyAWS(s.Governor.State().Policy, received)
		if err != nil {
			return nil, err
		}
		by = id.aws
	}
	return s.Credentials.SignEvents(in.request.Route, by, received, in.headers.get("authorization"))
}

// eventsBegin lets a head go on as the guard has made it.
func eventsBegin() *extprocv3.ProcessingResponse {
	return &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestHeaders{RequestHeaders: &extprocv3.HeadersResponse{}}}
}

// eventsOn puts events in the place of what came; nothing where none was complete.
func eventsOn(signed []byte) *extprocv3.ProcessingResponse {
	change := &extprocv3.BodyMutation{Mutation: &extprocv3.BodyMutation_Body{Body: signed}}
	if len(signed) == 0 {
		change.Mutation = &extprocv3.BodyMutation_ClearBody{ClearBody: true}
	}
	return &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestBody{
		RequestBody: &extprocv3.BodyResponse{Response: &extprocv3.CommonResponse{BodyMutation: change}},
	}}
}
