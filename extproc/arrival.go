package extproc

import (
	"net"
	"strings"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
)

// arrival is how a request came to the gateway, as Envoy's connections tell it: clients cannot write it. What does not apply is empty.
type arrival struct {
	spiffe     string // every URI of the certificate with which the gateway or its proxy was reached
	proxy      string // Proxy-Authorization of the tunnel
	tunnel     string // host:port that the tunnel was made to
	redirected string // source address of a redirected connection
	sni        string // of the connection that carries the request
}

func arrivalOf(first *extprocv3.ProcessingRequest) arrival {
	a := arrival{
		spiffe: attribute(first, PeerAttribute), proxy: attribute(first, ProxyAttribute), tunnel: attribute(first, TunnelAttribute),
		redirected: attribute(first, RedirectedAttribute), sni: attribute(first, sniAttribute),
	}
	if a.spiffe == "" { // an Envoy that has its configuration of an earlier version yet
		a.spiffe = attribute(first, spiffeAttribute)
	}
	return a
}

// astray says where tunnel, TLS and request name different hosts. Who could mix them would be let through by one name and served by
// another; the certificate is always of the host that TLS named. At the base URL all hosts are the gateway's.
func (a arrival) astray(authority string) string {
	if a.proxy == "" && a.tunnel == "" && a.redirected == "" {
		return ""
	}
	asked, _ := hostOf(authority)
	made, _ := hostOf(a.tunnel)
	switch sni := strings.ToLower(a.sni); {
	case a.redirected == "" && made != sni:
		return "the tunnel was made to " + made + ", and the TLS inside names " + named(sni)
	case asked != sni:
		return "the connection's TLS names " + named(sni) + ", and the request is for " + clipped(asked)
	}
	return ""
}

// named is a host in a sentence.
func named(host string) string {
	if host == "" || host == NoName {
		return "no host"
	}
	return clipped(host)
}

// NoName stands for the host of a tunnel whose TLS names none (RFC 6761 keeps it from being anybody's).
const NoName = "none.invalid"

// hostOf splits an authority into a host in lower case and a port, which may be missing.
func hostOf(authority string) (host, port string) {
	authority = strings.ToLower(authority)
	if host, port, err := net.SplitHostPort(authority); err == nil {
		return host, port
	}
	return strings.Trim(authority, "[]"), ""
}
