package extproc

import (
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"

	"github.com/saas-sentinel/saas-sentinel/governor"
)

// Namespace is the dynamic metadata in which guard leaves its mark and the ticket. Only guard may
// write it, and Envoy's RBAC filter lets no request pass without it.
const Namespace = "sentinel"

const (
	markKey   = "id" // the call id: access logs and RBAC read it
	ticketKey = "t"
	headKey   = "h" // the authorization of a client's head, which its events continue
	// OriginAttribute is the CEL path under which meter's filter has to ask what an answer comes from.
	OriginAttribute = "response.code_details"
	// TicketAttribute is the CEL path under which meter's filter has to ask for the ticket.
	TicketAttribute = "metadata.filter_metadata['" + Namespace + "']['" + ticketKey + "']"
	// HeadAttribute is the CEL path under which the filter of events has to ask for what they continue.
	HeadAttribute = "metadata.filter_metadata['" + Namespace + "']['" + headKey + "']"
	// The next are the CEL paths under which guard's filter has to ask for how a request arrived.

	// ProxyAttribute is the Proxy-Authorization of its tunnel.
	ProxyAttribute = "filter_state['sentinel.proxy']"
	// PeerAttribute is every URI of the certificate with which the gateway or its proxy was reached, joined by commas.
	PeerAttribute = "filter_state['sentinel.peer']"
	// TunnelAttribute is the host that the tunnel was made to.
	TunnelAttribute = "filter_state['sentinel.tunnel']"
	// RedirectedAttribute is the source of a redirected connection.
	RedirectedAttribute = "filter_state['sentinel.redirected']"

	sniAttribute    = "connection.requested_server_name"
	spiffeAttribute = "connection.uri_san_peer_certificate" // the first of them
	// attributesKey is where Envoy puts request attributes, whatever the filter is called.
	attributesKey = "envoy.filters.http.ext_proc"
)

// headers reads a request's or an answer's header block. Names arrive in lower case.
type headers struct{ list []*corev3.HeaderValue }

func headersOf(h *extprocv3.HttpHeaders) headers { return headers{h.GetHeaders().GetHeaders()} }

func value(h *corev3.HeaderValue) string {
	if len(h.RawValue) > 0 {
		return string(h.RawValue)
	}
	return h.Value
}

// get gives a header's value, or "".
func (h headers) get(name string) string {
	for _, v := range h.list {
		if v.Key == name {
			return value(v)
		}
	}
	return ""
}

// traceparent gives the header of W3C Trace Context, version 00, or "" for what has not its form.
func (h headers) traceparent() string {
	const form = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	v := h.get("traceparent")
	if len(v) != form || strings.Trim(v, "0123456789abcdef-") != "" {
		return ""
	}
	return v
}

// blanked gives the headers that show a secret, without it.
func (h headers) blanked(n *Needles) []Header {
	var out []Header
	for _, v := range h.list {
		if n == nil || strings.HasPrefix(v.Key, ":") {
			continue
		}
		if was := value(v); string(n.blank([]byte(was))) != was {
			out = append(out, Header{v.Key, string(n.blank([]byte(was)))})
		}
	}
	return out
}

// count tells how often a header occurs.
func (h headers) count(name string) int {
	n := 0
	for _, v := range h.list {
		if v.Key == name {
			n++
		}
	}
	return n
}

// signable lists the headers that an AWS signature covers, beside the host.
func (h headers) signable() []Header {
	var out []Header
	for _, v := range h.list {
		if v.Key == "content-type" || v.Key == "content-md5" || strings.HasPrefix(v.Key, "x-amz-") && v.Key != "x-amz-security-token" {
			out = append(out, Header{v.Key, value(v)})
		}
	}
	return out
}

// attribute reads one of the attributes that guard's filter asks for.
func attribute(r *extprocv3.ProcessingRequest, name string) string {
	return r.GetAttributes()[attributesKey].GetFields()[name].GetStringValue()
}

// ticketOf reads the ticket that guard left on the request.
func ticketOf(r *extprocv3.ProcessingRequest) (governor.Ticket, bool) {
	text := attribute(r, TicketAttribute)
	if text == "" {
		return governor.Ticket{}, false
	}
	t, err := governor.ParseTicket(text)
	return t, err == nil
}

// all gives every header but the pseudo ones: what a client's signature may cover.
func (h headers) all() []Header {
	out := make([]Header, 0, len(h.list))
	for _, v := range h.list {
		if !strings.HasPrefix(v.Key, ":") {
			out = append(out, Header{v.Key, value(v)})
		}
	}
	return out
}
