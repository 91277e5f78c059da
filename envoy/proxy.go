package envoy

import (
	"fmt"
	"net/http"
	"slices"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	internallistenerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/bootstrap/internal_listener/v3"
	filterstatev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/common/set_filter_state/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	setstatev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/set_filter_state/v3"
	inspectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/tls_inspector/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	internalv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/internal_upstream/v3"
	rawv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/raw_buffer/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Proxy is the listener for clients that keep their providers' hosts and come through HTTPS_PROXY. A tunnel to a configured host ends
// inside this Envoy, behind a certificate for that host, and goes on through the same filters and routes as the base-URL listener. Any
// other host is refused, or its tunnel carried untouched.
type Proxy struct {
	Listen string  // IP:port, "127.0.0.1:3128"
	Leaves []Leaf  // certificates by host
	Others []Other // hosts without one to which tunnels may lead; none: they are refused
}

// Leaf is a host's certificate and key, in PEM.
type Leaf struct {
	Host      string
	Cert, Key []byte
}

const (
	proxyName   = "proxy"
	insideName  = "inside" // the listener that ends the tunnels
	leafSecrets = "leaf/"

	// ProxyIdentity is the filter state with the Proxy-Authorization of a tunnel. Only the proxy listener sets it.
	ProxyIdentity = "sentinel.proxy"
)

// refusedTunnel says why a tunnel is not made.
const refusedTunnel = "SaaS-Sentinel makes no tunnel to this host: only the hosts of configured providers can be reached through this proxy\n"

const wantsIdentity = "SaaS-Sentinel wants to know who calls: set HTTPS_PROXY=http://SERVICE:TOKEN@gateway:port with the service's token\n"

func (p Proxy) validate(gateway string) []error {
	var faults []error
	if !isIPPort(p.Listen) || p.Listen == gateway {
		faults = append(faults, fmt.Errorf("proxy listen %q: want an IP address and a port of its own, as in 127.0.0.1:3128", p.Listen))
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

// proxyListeners are the listener that takes CONNECT, and the one behind it that ends the tunnels.
func proxyListeners(c Config, inline *routev3.RouteConfiguration) []*listenerv3.Listener {
	if c.Proxy == nil {
		return nil
	}
	inside := &listenerv3.Listener{
		Name:                          insideName,
		ListenerSpecifier:             &listenerv3.Listener_InternalListener{InternalListener: &listenerv3.Listener_InternalListenerConfig{}},
		PerConnectionBufferLimitBytes: wrapperspb.UInt32(connectionKB << 10),
		ListenerFilters: []*listenerv3.ListenerFilter{{Name: "envoy.filters.listener.tls_inspector",
			ConfigType: &listenerv3.ListenerFilter_TypedConfig{TypedConfig: packed(&inspectorv3.TlsInspector{})}}},
		ListenerFiltersTimeout: durationpb.New(5e9),
	}
	for _, l := range c.Proxy.Leaves {
		inside.FilterChains = append(inside.FilterChains, &listenerv3.FilterChain{
			Name: leafSecrets + l.Host, FilterChainMatch: &listenerv3.FilterChainMatch{ServerNames: []string{domain(l.Host)}},
			TransportSocket: transportSocket(packed(&tlsv3.DownstreamTlsContext{CommonTlsContext: &tlsv3.CommonTlsContext{
				TlsParams:                      &tlsv3.TlsParameters{TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_2},
				AlpnProtocols:                  []string{"h2", "http/1.1"},
				TlsCertificateSdsSecretConfigs: []*tlsv3.SdsSecretConfig{secretRef(leafSecrets+l.Host, inline == nil)},
			}})),
			Filters: []*listenerv3.Filter{{Name: "envoy.filters.network.http_connection_manager",
				ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: packed(manager(c, inline))}}},
		})
	}
	out := []*listenerv3.Listener{{
		Name: proxyName, Address: address(c.Proxy.Listen), PerConnectionBufferLimitBytes: wrapperspb.UInt32(connectionKB << 10),
		FilterChains: []*listenerv3.FilterChain{{Name: proxyName, Filters: []*listenerv3.Filter{{Name: "envoy.filters.network.http_connection_manager",
			ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: packed(connectManager(c))}}}}},
	}}
	if len(inside.FilterChains) > 0 { // Envoy takes no listener without one
		out = append(out, inside)
	}
	return out
}

// connectManager makes tunnels to the listener inside, for those who say who they are.
func connectManager(c Config) *hcmv3.HttpConnectionManager {
	m := manager(c, &routev3.RouteConfiguration{Name: proxyName, VirtualHosts: tunnels(c)})
	m.StatPrefix = proxyName
	m.HttpProtocolOptions = &corev3.Http1ProtocolOptions{AcceptHttp_10: true} // Python's CONNECT
	m.UpgradeConfigs = []*hcmv3.HttpConnectionManager_UpgradeConfig{{UpgradeType: "CONNECT"}}
	m.HttpFilters = []*hcmv3.HttpFilter{
		filter("sentinel.identity", &setstatev3.Config{OnRequestHeaders: []*filterstatev3.FilterStateValue{{
			Key:                &filterstatev3.FilterStateValue_ObjectKey{ObjectKey: ProxyIdentity},
			FactoryKey:         "envoy.hashable_string", // connections inside are shared by hash: never between two identities
			SharedWithUpstream: filterstatev3.FilterStateValue_TRANSITIVE, ReadOnly: true,
			Value: &filterstatev3.FilterStateValue_FormatString{FormatString: &corev3.SubstitutionFormatString{
				Format: &corev3.SubstitutionFormatString_TextFormatSource{TextFormatSource: &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: "%REQ(PROXY-AUTHORIZATION)%"}}},
			}},
		}}}),
	}
	if len(c.Proxy.Others) > 0 {
		m.HttpFilters = append(m.HttpFilters, tunnelFilters()...)
		m.AccessLog = append(m.AccessLog, tunnelAccess())
	}
	m.HttpFilters = append(m.HttpFilters, filter("envoy.filters.http.router", &routerv3.Router{SuppressEnvoyHeaders: true}))
	return m
}

// tunnels routes CONNECT to the hosts that have a certificate, to other hosts where there are any, and answers 407 to those who do not
// say who they are.
func tunnels(c Config) []*routev3.VirtualHost {
	connect := &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_ConnectMatcher_{ConnectMatcher: &routev3.RouteMatch_ConnectMatcher{}}}
	unnamed := answered(connect, http.StatusProxyAuthRequired, wantsIdentity)
	unnamed.ResponseHeadersToAdd = []*corev3.HeaderValueOption{overwrite("proxy-authenticate", `Basic realm="SaaS-Sentinel"`)}
	plain := answered(&routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}}, http.StatusForbidden, refusedTunnel)
	inspected := tunnelTo("tunnel", insideName)
	inspected.TypedPerFilterConfig = unfiltered() // the guard judges what comes out of it
	listed := &routev3.VirtualHost{Name: "listed", Routes: []*routev3.Route{inspected, unnamed, plain}}
	for _, l := range c.Proxy.Leaves {
		listed.Domains = append(listed.Domains, domain(l.Host)+":443", domain(l.Host)) // botocore leaves the port out
	}
	var out []*routev3.VirtualHost
	if len(listed.Domains) > 0 {
		out = append(out, listed)
	}
	for _, o := range c.Proxy.Others {
		if o.Address != "" && !slices.Contains(listed.Domains, o.Host) {
			out = append(out, &routev3.VirtualHost{Name: otherPrefix + o.Host, Domains: []string{o.Host, o.Host + ":443"},
				Routes: []*routev3.Route{tunnelTo(TunnelRoute, otherPrefix+o.Host), unnamed, plain}})
		}
	}
	other := &routev3.VirtualHost{Name: "other", Domains: []string{"*"}, Routes: []*routev3.Route{answered(connect, http.StatusForbidden, refusedTunnel), plain}}
	if len(c.Proxy.Others) > 0 {
		other.Routes = []*routev3.Route{tunnelTo(TunnelRoute, othersName), unnamed, plain}
	}
	return append(out, other)
}

// tunnelTo is a route for those who say who they are.
func tunnelTo(name, cluster string) *routev3.Route {
	return &routev3.Route{
		Name: name,
		Match: &routev3.RouteMatch{
			PathSpecifier: &routev3.RouteMatch_ConnectMatcher_{ConnectMatcher: &routev3.RouteMatch_ConnectMatcher{}},
			Headers: []*routev3.HeaderMatcher{{
				Name: "proxy-authorization", HeaderMatchSpecifier: &routev3.HeaderMatcher_PresentMatch{PresentMatch: true},
			}},
		},
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

// insideCluster leads into the listener that ends tunnels, and takes the caller's identity along.
func insideCluster() *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name: insideName, ConnectTimeout: durationpb.New(1e9),
		TransportSocket: &corev3.TransportSocket{Name: "envoy.transport_sockets.internal_upstream", ConfigType: &corev3.TransportSocket_TypedConfig{
			TypedConfig: packed(&internalv3.InternalUpstreamTransport{TransportSocket: &corev3.TransportSocket{Name: "envoy.transport_sockets.raw_buffer",
				ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: packed(&rawv3.RawBuffer{})}}}),
		}},
		CircuitBreakers: breakers(16_384, 16_384),
		LoadAssignment: &endpointv3.ClusterLoadAssignment{ClusterName: insideName, Endpoints: []*endpointv3.LocalityLbEndpoints{{LbEndpoints: []*endpointv3.LbEndpoint{{
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: &corev3.Address{Address: &corev3.Address_EnvoyInternalAddress{
				EnvoyInternalAddress: &corev3.EnvoyInternalAddress{AddressNameSpecifier: &corev3.EnvoyInternalAddress_ServerListenerName{ServerListenerName: insideName}},
			}}}},
		}}}}},
	}
}

// leaves are the certificates as secrets: a new one is used by the next connection, and cuts none.
func leaves(p *Proxy) []*tlsv3.Secret {
	if p == nil {
		return nil
	}
	inline := func(b []byte) *corev3.DataSource {
		return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: b}}
	}
	var out []*tlsv3.Secret
	for _, l := range p.Leaves {
		out = append(out, &tlsv3.Secret{Name: leafSecrets + l.Host, Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
			CertificateChain: inline(l.Cert), PrivateKey: inline(l.Key),
		}}})
	}
	return out
}

// internalListeners lets Envoy have listeners that only itself reaches.
func internalListeners() *corev3.TypedExtensionConfig {
	return &corev3.TypedExtensionConfig{Name: "envoy.bootstrap.internal_listener", TypedConfig: packed(&internallistenerv3.InternalListener{})}
}
