package extproc

import (
	"net/netip"
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
	host, port := hostOf(h.get(":authority"))
	in := &inbound{headers: h, method: h.get(":method"), host: host, started: now}
	in.request = governor.Request{State: state, Call: sentinel.Call{
		ID: sentinel.CallIDOf(now, h.get("x-request-id")), At: now.Truncate(time.Microsecond), Provider: sentinel.TunnelProvider,
	}}
	from := arrivalOf(first)
	id, err := s.identify(state.Policy, h, from)
	if err != nil {
		return s.refuse(st, in, *deny(sentinel.ReasonUnidentified, err.Error()))
	}
	in.request.Call.Caller = id.caller
	// The name stands on the log alone: what is refused must not fill the ledger with names of the caller's choice.
	if made, _ := hostOf(from.tunnel); from.tunnel != "" && made != host {
		return s.refuse(st, in, *deny(sentinel.ReasonHostMismatch, "the tunnel was made to "+made+", and the TLS inside names "+named(host)))
	}
	other := passage(state.Policy.Egress, from, host)
	if len(host) > maxHost || (port != "" && port != "443") || other.Then == policy.PassDeny {
		return s.refuse(st, in, *deny(sentinel.ReasonUnknownEndpoint, noPassage(state.Policy.Egress, from, host)))
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

// passage is what the policy does with a host. A redirected connection whose TLS names none shows the address that it was going to.
func passage(e policy.Egress, from arrival, host string) policy.Other {
	if _, err := netip.ParseAddr(host); err != nil || from.redirected == "" {
		return e.Of(host)
	}
	o := policy.Other{Host: host}
	if e.WithoutSNI {
		o.Then = policy.PassTunnel
	}
	return o
}

// noPassage says why a connection is not carried.
func noPassage(e policy.Egress, from arrival, host string) string {
	_, err := netip.ParseAddr(host)
	switch {
	case e.Front(host):
		return clipped(host) + " stands in for hidden hosts (Encrypted Client Hello): turn ECH off in the client, or set egress.ech"
	case err == nil && from.redirected != "":
		return "the connection to " + host + " names no host (no SNI): egress.without_sni does not let it through"
	default:
		return "no tunnel is made to " + clipped(host) + ": it is no provider's host, and egress.others does not let it through at port 443"
	}
}
