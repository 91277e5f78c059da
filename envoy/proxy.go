package envoy

import (
	"fmt"
	"net/http"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	setstatev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/set_filter_state/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Proxy is for clients that keep their providers' hosts: they come through HTTPS_PROXY, or the network redirects them. A connection to a
// configured host ends inside this Envoy, behind a certificate for that host, and goes on through the same filters and routes as the
// base-URL listener. Any other host is refused, or its connection carried untouched.
type Proxy struct {
	Listen     string       // IP:port at which CONNECT is taken, "127.0.0.1:3128"; "" for none
	TLS        *ListenerTLS // of Listen; nil: clients say CONNECT in plain HTTP
	Redirected string       // IP:port to which the network redirects connections to port 443, "127.0.0.1:15001"; "" for none
	Leaves     []Leaf       // certificates by host
	Others     []Other      // hosts without one to which tunnels may lead; none: they are refused
	WithoutSNI bool         // redirected connections whose TLS names no host may go to the address that they were made to
}

// Leaf is a host's certificate and key, in PEM.
type Leaf struct {
	Host      string
	Cert, Key []byte
}

const (
	proxyName   = "proxy"
	leafSecrets = "leaf/"

	// ProxyIdentity is the filter state with the Proxy-Authorization of a tunnel. Only the proxy listener sets it.
	ProxyIdentity = "sentinel.proxy"
	// Peer is the filter state with every URI of the certificate of a client of the gateway or its proxy, which alone set it.
	Peer       = "sentinel.peer"
	tunnelHost = "sentinel.tunnel" // the host:port that a tunnel was made to

	// everyURI joins by commas what Envoy's attribute gives the first of: a certificate with two names is nobody's.
	everyURI = "%DOWNSTREAM_PEER_URI_SAN%"
)

// refusedTunnel says why a tunnel is not made.
const refusedTunnel = "SaaS-Sentinel makes no tunnel to this host: only the hosts of configured providers can be reached through this proxy\n"

const wantsIdentity = "SaaS-Sentinel wants to know who calls: set HTTPS_PROXY=http://SERVICE:TOKEN@gateway:port with the service's token\n"

func (p Proxy) validate(gateway string) []error {
	var faults []error
	for name, at := range map[string]string{"listen": p.Listen, "redirected": p.Redirected} {
		if at != "" && (!isIPPort(at) || at == gateway) {
			faults = append(faults, fmt.Errorf("proxy %s %q: want an IP address and a port of its own, as in 127.0.0.1:3128", name, at))
		}
	}
	if p.Listen == p.Redirected {
		faults = append(faults, fmt.Errorf("proxy: CONNECT and redirected connections want a port each, or one of them none: both have %q", p.Listen))
	}
	if p.TLS != nil {
		faults = append(faults, p.TLS.validate()...)
	}
	if err := validateOthers(p.Others); err != nil {
		faults = append(faults, err)
	}
	seen := map[string]bool{}
	for _, l := range p.Leaves {
		if !isHost(l.Host) || seen[domain(l.Host)] || len(l.Cert) == 0 || len(l.Key) == 0 {
			faults = append(faults, fmt.Errorf("proxy certificate of %q: want a host once, a certificate and a key", l.Host))
		}
		seen[domain(l.Host)] = true
	}
	return faults
}

// open tells whether any connection is carried untouched.
func (p *Proxy) open() bool { return p != nil && (len(p.Others) > 0 || p.WithoutSNI) }

// proxyListeners are the listeners that take CONNECT and redirected connections, and those behind them.
func proxyListeners(c Config, inline *routev3.RouteConfiguration) []*listenerv3.Listener {
	if c.Proxy == nil {
		return nil
	}
	out := []*listenerv3.Listener{judgeListener(c)}
	if c.Proxy.Listen != "" {
		out = append(out, connectListener(c, inline == nil), insideListener(c, inline))
	}
	if c.Proxy.Redirected != "" {
		out = append(out, redirectedListener(c, inline))
	}
	return out
}

// connectListener takes CONNECT.
func connectListener(c Config, byADS bool) *listenerv3.Listener {
	m := connectManager(c, proxyName, true)
	identity := &setstatev3.Config{OnRequestHeaders: passedOn(ProxyIdentity, "%REQ(PROXY-AUTHORIZATION)%")}
	identity.OnRequestHeaders = append(identity.OnRequestHeaders, passedOn(tunnelHost, "%REQ(:AUTHORITY)%")...)
	if c.Proxy.byCertificate() {
		identity.OnRequestHeaders = append(identity.OnRequestHeaders, passedOn(Peer, everyURI)...)
	}
	m.HttpFilters = slices.Insert(m.HttpFilters, 0, filter("sentinel.identity", identity))
	chain := &listenerv3.FilterChain{Name: proxyName, Filters: []*listenerv3.Filter{httpFilter(m)}}
	if c.Proxy.TLS != nil {
		chain.TransportSocket = downstreamTLS(proxyName, *c.Proxy.TLS, byADS, "http/1.1")
	}
	return &listenerv3.Listener{
		Name: proxyName, Address: address(c.Proxy.Listen), PerConnectionBufferLimitBytes: wrapperspb.UInt32(connectionKB << 10),
		FilterChains: []*listenerv3.FilterChain{chain},
	}
}

// connectManager judges tunnels. Those to hosts with a certificate lead inside, where what comes out of them is judged.
func connectManager(c Config, name string, toInside bool) *hcmv3.HttpConnectionManager {
	m := manager(c, &routev3.RouteConfiguration{Name: name, VirtualHosts: tunnels(c, toInside)})
	m.StatPrefix = name
	m.HttpProtocolOptions = &corev3.Http1ProtocolOptions{AcceptHttp_10: true} // Python's CONNECT
	m.UpgradeConfigs = []*hcmv3.HttpConnectionManager_UpgradeConfig{{UpgradeType: "CONNECT"}}
	m.HttpFilters = append(tunnelFilters(c.Proxy), filter("envoy.filters.http.router", &routerv3.Router{SuppressEnvoyHeaders: true}))
	m.AccessLog = append(m.AccessLog, tunnelAccess())
	return m
}

// tunnels routes CONNECT. Where it comes from a client, those to hosts that have a certificate lead inside, and who does not say who it is
// gets 407.
func tunnels(c Config, fromClient bool) []*routev3.VirtualHost {
	unnamed := answered(connectMatch(), http.StatusProxyAuthRequired, wantsIdentity)
	unnamed.ResponseHeadersToAdd = []*corev3.HeaderValueOption{overwrite("proxy-authenticate", `Basic realm="SaaS-Sentinel"`)}
	plain := answered(&routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}}, http.StatusForbidden, refusedTunnel)
	to := func(name, cluster string) []*routev3.Route {
		if !fromClient {
			return []*routev3.Route{c.Proxy.tunnelTo(name, cluster, connectMatch()), plain}
		}
		named := []*routev3.Route{c.Proxy.tunnelTo(name, cluster, byToken())}
		if c.Proxy.byCertificate() {
			named = append(named, c.Proxy.tunnelTo(name, cluster, byCertificate()))
		}
		return append(named, unnamed, plain)
	}
	listed := &routev3.VirtualHost{Name: "listed", Routes: to("tunnel", insideName)}
	for _, r := range listed.Routes {
		r.TypedPerFilterConfig = unfiltered() // the guard judges what comes out of it
	}
	for _, l := range c.Proxy.Leaves {
		listed.Domains = append(listed.Domains, domain(l.Host)+":443", domain(l.Host)) // botocore leaves the port out
	}
	var out []*routev3.VirtualHost
	if fromClient && len(listed.Domains) > 0 {
		out = append(out, listed)
	}
	for _, o := range c.Proxy.Others {
		if o.Address != "" && !slices.Contains(listed.Domains, o.Host) {
			out = append(out, &routev3.VirtualHost{Name: otherPrefix + o.Host, Domains: []string{o.Host, o.Host + ":443"}, Routes: to(TunnelRoute, otherPrefix+o.Host)})
		}
	}
	return append(out, &routev3.VirtualHost{Name: "other", Domains: []string{"*"}, Routes: to(TunnelRoute, othersName)})
}

func connectMatch() *routev3.RouteMatch {
	return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_ConnectMatcher_{ConnectMatcher: &routev3.RouteMatch_ConnectMatcher{}}}
}

// byToken matches the tunnels of those who say who they are.
func byToken() *routev3.RouteMatch {
	m := connectMatch()
	m.Headers = []*routev3.HeaderMatcher{{
		Name: "proxy-authorization", HeaderMatchSpecifier: &routev3.HeaderMatcher_PresentMatch{PresentMatch: true},
	}}
	return m
}

// byCertificate matches the tunnels of those whose certificate says who they are: without an authority of clients none is taken.
func byCertificate() *routev3.RouteMatch {
	m := connectMatch()
	m.TlsContext = &routev3.RouteMatch_TlsContextMatchOptions{Presented: wrapperspb.Bool(true)}
	return m
}

// byCertificate tells whether clients can be known so.
func (p *Proxy) byCertificate() bool { return p.TLS.verifies() }

// tunnelTo leads a tunnel to a cluster. Where none is carried to other hosts, the guard still says why.
func (p *Proxy) tunnelTo(name, cluster string, match *routev3.RouteMatch) *routev3.Route {
	if cluster == othersName && !p.open() {
		refused := answered(match, http.StatusForbidden, refusedTunnel)
		refused.Name, refused.TypedPerFilterConfig = name, nil
		return refused
	}
	return &routev3.Route{
		Name: name, Match: match,
		Action: &routev3.Route_Route{Route: &routev3.RouteAction{
			ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: cluster}, Timeout: durationpb.New(0),
			UpgradeConfigs: []*routev3.RouteAction_UpgradeConfig{{UpgradeType: "CONNECT", ConnectConfig: &routev3.RouteAction_UpgradeConfig_ConnectConfig{}}},
		}},
	}
}

// answered is a route that answers by itself.
func answered(match *routev3.RouteMatch, status uint32, text string) *routev3.Route {
	return &routev3.Route{Match: match, TypedPerFilterConfig: unfiltered(), Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{
		Status: status, Body: &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: text}},
	}}}
}
