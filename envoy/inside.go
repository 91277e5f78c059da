package envoy

import (
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	internallistenerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/bootstrap/internal_listener/v3"
	filterstatev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/common/set_filter_state/v3"
	inspectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/tls_inspector/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	setstatev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/set_filter_state/v3"
	tcpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	internalv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/internal_upstream/v3"
	rawv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/raw_buffer/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	insideName = "inside" // the listener that ends the proxy's tunnels
	judgeName  = "judge"  // the listener at which connections without a certificate are judged, as CONNECT to the host that their TLS names
	namedHost  = "sentinel.host"

	// NoName stands for the host of a tunnel whose TLS names none.
	NoName = "none.invalid"
)

// insideListener ends the proxy's tunnels.
func insideListener(c Config, inline *routev3.RouteConfiguration) *listenerv3.Listener {
	return &listenerv3.Listener{
		Name:                          insideName,
		ListenerSpecifier:             &listenerv3.Listener_InternalListener{InternalListener: &listenerv3.Listener_InternalListenerConfig{}},
		PerConnectionBufferLimitBytes: wrapperspb.UInt32(connectionKB << 10),
		ListenerFilters:               []*listenerv3.ListenerFilter{inspector()}, ListenerFiltersTimeout: durationpb.New(5e9), ContinueOnListenerFiltersTimeout: true,
		FilterChains:       hostChains(c, inline, &listenerv3.FilterChainMatch{}),
		DefaultFilterChain: &listenerv3.FilterChain{Name: insideName, Filters: []*listenerv3.Filter{state(passedOn(namedHost, NoName), passedOn(namedHost, "%REQUESTED_SERVER_NAME%")), toJudge()}},
	}
}

// hostChains are a filter chain for every host with a certificate, with the base-URL listener's filters and routes. Before are filters
// that stand before them.
func hostChains(c Config, inline *routev3.RouteConfiguration, match *listenerv3.FilterChainMatch, before ...*listenerv3.Filter) []*listenerv3.FilterChain {
	var out []*listenerv3.FilterChain
	for _, l := range c.Proxy.Leaves {
		match := proto.CloneOf(match)
		match.ServerNames = []string{domain(l.Host)}
		out = append(out, &listenerv3.FilterChain{
			Name: leafSecrets + l.Host, FilterChainMatch: match,
			TransportSocket: transportSocket(packed(&tlsv3.DownstreamTlsContext{CommonTlsContext: &tlsv3.CommonTlsContext{
				TlsParams:                      &tlsv3.TlsParameters{TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_2},
				AlpnProtocols:                  []string{"h2", "http/1.1"},
				TlsCertificateSdsSecretConfigs: []*tlsv3.SdsSecretConfig{secretRef(leafSecrets+l.Host, inline == nil)},
			}})),
			Filters: append(before[:len(before):len(before)], httpFilter(manager(c, inline))),
		})
	}
	return out
}

// judgeListener asks the guard for connections that have no chain of their own, and carries or refuses them: it tells the guard's verdict
// by closing them.
func judgeListener(c Config) *listenerv3.Listener {
	return &listenerv3.Listener{
		Name:                          judgeName,
		ListenerSpecifier:             &listenerv3.Listener_InternalListener{InternalListener: &listenerv3.Listener_InternalListenerConfig{}},
		PerConnectionBufferLimitBytes: wrapperspb.UInt32(connectionKB << 10),
		FilterChains:                  []*listenerv3.FilterChain{{Name: judgeName, Filters: []*listenerv3.Filter{httpFilter(connectManager(c, judgeName, false))}}},
	}
}

// toJudge asks for a tunnel to the host that the connection names.
func toJudge() *listenerv3.Filter {
	return network("envoy.filters.network.tcp_proxy", &tcpv3.TcpProxy{
		StatPrefix: judgeName, ClusterSpecifier: &tcpv3.TcpProxy_Cluster{Cluster: judgeName},
		TunnelingConfig: &tcpv3.TcpProxy_TunnelingConfig{Hostname: "%FILTER_STATE(" + namedHost + ":PLAIN)%:443"},
	})
}

// passedOn keeps a value with the connection and with those inside that it leads to; nothing is kept where the value is empty.
func passedOn(key, format string) []*filterstatev3.FilterStateValue {
	v := kept(key, format)
	v.FactoryKey = "envoy.hashable_string" // connections inside are shared by hash: never between two identities
	v.SharedWithUpstream = filterstatev3.FilterStateValue_TRANSITIVE
	return []*filterstatev3.FilterStateValue{v}
}

// kept keeps a value with the request or connection; nothing is kept where it is empty.
func kept(key, format string) *filterstatev3.FilterStateValue {
	return &filterstatev3.FilterStateValue{
		Key: &filterstatev3.FilterStateValue_ObjectKey{ObjectKey: key}, FactoryKey: "envoy.string", SkipIfEmpty: true,
		Value: &filterstatev3.FilterStateValue_FormatString{FormatString: &corev3.SubstitutionFormatString{
			OmitEmptyValues: true,
			Format:          &corev3.SubstitutionFormatString_TextFormatSource{TextFormatSource: &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: format}}},
		}},
	}
}

// state keeps values of a connection, the later over the earlier ones of the same name.
func state(values ...[]*filterstatev3.FilterStateValue) *listenerv3.Filter {
	s := &setstatev3.Config{}
	for _, v := range values {
		s.OnNewConnection = append(s.OnNewConnection, v...)
	}
	return network("envoy.filters.network.set_filter_state", s)
}

func httpFilter(m *hcmv3.HttpConnectionManager) *listenerv3.Filter {
	return network("envoy.filters.network.http_connection_manager", m)
}

func network(name string, config proto.Message) *listenerv3.Filter {
	return &listenerv3.Filter{Name: name, ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: packed(config)}}
}

func inspector() *listenerv3.ListenerFilter {
	return accepted("envoy.filters.listener.tls_inspector", &inspectorv3.TlsInspector{})
}

func accepted(name string, config proto.Message) *listenerv3.ListenerFilter {
	return &listenerv3.ListenerFilter{Name: name, ConfigType: &listenerv3.ListenerFilter_TypedConfig{TypedConfig: packed(config)}}
}

// proxyClusters lead into the listeners behind the proxy's, and to other hosts.
func proxyClusters(p *Proxy) []*clusterv3.Cluster {
	if p == nil {
		return nil
	}
	out := append(otherClusters(p), insideCluster(judgeName))
	if p.Listen != "" {
		out = append(out, insideCluster(insideName))
	}
	return out
}

// insideCluster leads into a listener of this Envoy, and takes the caller's identity along.
func insideCluster(listener string) *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name: listener, ConnectTimeout: durationpb.New(1e9),
		TransportSocket: &corev3.TransportSocket{Name: "envoy.transport_sockets.internal_upstream", ConfigType: &corev3.TransportSocket_TypedConfig{
			TypedConfig: packed(&internalv3.InternalUpstreamTransport{TransportSocket: &corev3.TransportSocket{Name: "envoy.transport_sockets.raw_buffer",
				ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: packed(&rawv3.RawBuffer{})}}}),
		}},
		CircuitBreakers: breakers(upstreamCalls, upstreamCalls),
		LoadAssignment: &endpointv3.ClusterLoadAssignment{ClusterName: listener, Endpoints: []*endpointv3.LocalityLbEndpoints{{LbEndpoints: []*endpointv3.LbEndpoint{{
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: &corev3.Address{Address: &corev3.Address_EnvoyInternalAddress{
				EnvoyInternalAddress: &corev3.EnvoyInternalAddress{AddressNameSpecifier: &corev3.EnvoyInternalAddress_ServerListenerName{ServerListenerName: listener}},
			}}}},
		}}}}},
	}
}

// leaves are the certificates as secrets: a new one is used by the next connection, and cuts none.
func leaves(p *Proxy) []*tlsv3.Secret {
	if p == nil {
		return nil
	}
	var out []*tlsv3.Secret
	for _, l := range p.Leaves {
		out = append(out, inlineSecret(leafSecrets+l.Host, l.Cert, l.Key))
	}
	return out
}

// internalListeners lets Envoy have listeners that only itself reaches.
func internalListeners() *corev3.TypedExtensionConfig {
	return &corev3.TypedExtensionConfig{Name: "envoy.bootstrap.internal_listener", TypedConfig: packed(&internallistenerv3.InternalListener{})}
}
