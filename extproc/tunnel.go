package extproc

import (
	"strings"
	"time"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

// TunnelRoute is the name of Envoy's route for tunnels to hosts that are no provider's.
const TunnelRoute = "sentinel/tunnel"

// tunnel judges a CONNECT to a host that is no provider's: nothing of what it carries is seen.
func (s *Server) tunnel(st *answeredStream, first *extprocv3.ProcessingRequest) error {
	h, now, state := headersOf(first.GetRequestHeaders()), s.Governor.Now(), s.Governor.State()
	host, port, _ := strings.Cut(strings.ToLower(h.get(":authority")), ":")
	in := &inbound{headers: h, method: h.get(":method"), host: host, started: now}
	in.request = governor.Request{State: state, Call: sentinel.Call{
		ID: sentinel.CallIDOf(now, h.get("x-request-id")), At: now.Truncate(time.Microsecond), Provider: sentinel.TunnelProvider,
	}}
	id, err := s.identify(state.Policy, h, attribute(first, "connection.uri_san_peer_certificate"), h.get("proxy-authorization"))
	if err != nil {
		return s.refuse(st, in, *deny(sentinel.ReasonUnidentified, err.Error()))
	}
	in.request.Call.Caller = id.caller
	other := state.Policy.Egress.Of(host)
	if len(host) > maxHost || (port != "" && port != "443") || other.Then == policy.PassDeny {
		// The name stands on the log alone: what is refused must not fill the ledger with names of the caller's choice.
		return s.refuse(st, in, *deny(sentinel.ReasonUnknownEndpoint, "no tunnel is made to "+clipped(host)+": it is no provider's host, and egress.others does not let it through at port 443"))
	}
	in.request.Call.Endpoint = host
	t := governor.Ticket{Call: in.request.Call, Action: sentinel.Allow, PolicyVersion: state.Policy.Version}
	if err := st.SendFinal(through(t, host)); err != nil {
		return err
	}
	s.Observe(Observation{Call: in.request.Call, Passage: other.Then, Duration: s.Governor.Now().Sub(in.started)})
	return nil
}

// maxHost is a DNS name's longest (RFC 1035).
const maxHost = 253

func clipped(host string) string { return host[:min(len(host), maxHost)] }
