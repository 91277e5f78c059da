package envoy

import (
	"net"
	"net/netip"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	commondnsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/common/dns/v3"
	dnsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dns/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	sentinelCluster = "sentinel"
	httpOptions     = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

	// upstreamIdle is below the 60 s after which many load balancers close an idle connection, so that a
	// request is not sent into a closing one.
	upstreamIdle = 45 * time.Second

	// upstreamCalls bounds what runs at one provider at a time. Over HTTP/1.1 every call has a connection of its own, and one past the bound waits for
	// another to end, so there are as many connections.
	upstreamCalls = 16_384
)

func clusterName(p Provider) string { return "provider/" + p.placed(p.Name) }

// placed adds where a provider is to a name: what was said of one place never holds for another.
func (p Provider) placed(name string) string {
	if p.Place == "" {
		return name
	}
	return name + "@" + p.Place
}

// providerCluster is where the calls to one provider go, and nothing else.
func providerCluster(p Provider, byADS bool) *clusterv3.Cluster {
	at := p.Address
	if at == "" {
		at = defaultAddress(p)
	}
	c := &clusterv3.Cluster{
		Name:                          clusterName(p),
		ConnectTimeout:                durationpb.New(5 * time.Second),
		PerConnectionBufferLimitBytes: wrapperspb.UInt32(connectionKB << 10),
		LoadAssignment:                endpoints(clusterName(p), at),
		CircuitBreakers:               breakers(upstreamCalls, upstreamCalls),
	}
	c.LoadAssignment.Endpoints[0].LbEndpoints[0].Metadata = named(p)
	locate(c, at)
	options := &httpv3.HttpProtocolOptions{
		CommonHttpProtocolOptions: &corev3.HttpProtocolOptions{IdleTimeout: durationpb.New(upstreamIdle)},
	}
	if p.Plaintext {
		options.UpstreamProtocolOptions = &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{
			ExplicitHttpConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig{
				ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_HttpProtocolOptions{HttpProtocolOptions: &corev3.Http1ProtocolOptions{}},
			},
		}
	} else {
		c.TransportSocket = upstreamTLS(p, byADS)
		options.UpstreamProtocolOptions = &httpv3.HttpProtocolOptions_AutoConfig{AutoConfig: &httpv3.HttpProtocolOptions_AutoHttpConfig{
			HttpProtocolOptions: &corev3.Http1ProtocolOptions{}, Http2ProtocolOptions: &corev3.Http2ProtocolOptions{},
		}}
	}
	c.TypedExtensionProtocolOptions = map[string]*anypb.Any{httpOptions: packed(options)}
	return c
}

func defaultAddress(p Provider) string {
	if _, _, err := net.SplitHostPort(p.Host); err == nil {
		return p.Host
	}
	if p.Plaintext {
		return net.JoinHostPort(HostOnly(p.Host), "80")
	}
	return net.JoinHostPort(HostOnly(p.Host), "443")
}

// controlCluster is sentinel itself: ext_proc and ADS on one port.
func controlCluster(c Config) *clusterv3.Cluster {
	http2 := &corev3.Http2ProtocolOptions{
		ConnectionKeepalive:         &corev3.KeepaliveSettings{Interval: durationpb.New(10 * time.Second), Timeout: durationpb.New(3 * time.Second)},
		MaxConcurrentStreams:        wrapperspb.UInt32(65_536),
		InitialStreamWindowSize:     wrapperspb.UInt32(1 << 20),
		InitialConnectionWindowSize: wrapperspb.UInt32(8 << 20),
	}
	out := &clusterv3.Cluster{
		Name:           sentinelCluster,
		ConnectTimeout: durationpb.New(250 * time.Millisecond),
		// Every call opens two streams. Taken in turn, an even number of replicas would be given requests alone, or answers alone.
		LbPolicy:       clusterv3.Cluster_LEAST_REQUEST,
		LoadAssignment: endpoints(sentinelCluster, c.Control),
		// One running answer is one stream for minutes, so the usual 1024 would be too few.
		CircuitBreakers: breakers(1024, 65_536),
		TypedExtensionProtocolOptions: map[string]*anypb.Any{httpOptions: packed(&httpv3.HttpProtocolOptions{
			UpstreamProtocolOptions: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{
				ExplicitHttpConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig{
					ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{Http2ProtocolOptions: http2},
				},
			},
		})},
		HealthChecks: []*corev3.HealthCheck{{
			Timeout: durationpb.New(500 * time.Millisecond), Interval: durationpb.New(time.Second),
			NoTrafficInterval:  durationpb.New(time.Second),
			UnhealthyThreshold: wrapperspb.UInt32(2), HealthyThreshold: wrapperspb.UInt32(1),
			HealthChecker: &corev3.HealthCheck_GrpcHealthCheck_{GrpcHealthCheck: &corev3.HealthCheck_GrpcHealthCheck{}},
		}},
	}
	locate(out, c.Control)
	return out
}

// locate says how an address is found: an IP stands for itself, a name is asked of DNS. Of a name with
// many addresses Envoy uses whichever answers first (RFC 8305), and keeps its connections when the answer changes.
func locate(c *clusterv3.Cluster, hostPort string) {
	if _, err := netip.ParseAddrPort(hostPort); err == nil {
		c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC}
		return
	}
	c.ClusterDiscoveryType = &clusterv3.Cluster_ClusterType{ClusterType: &clusterv3.Cluster_CustomClusterType{
		Name: "envoy.clusters.dns",
		TypedConfig: packed(&dnsv3.DnsCluster{
			RespectDnsTtl: true, DnsLookupFamily: commondnsv3.DnsLookupFamily_ALL, AllAddressesInSingleEndpoint: c.Name != sentinelCluster,
		}),
	}}
}

func endpoints(name, hostPort string) *endpointv3.ClusterLoadAssignment {
	return &endpointv3.ClusterLoadAssignment{
		ClusterName: name,
		Endpoints: []*endpointv3.LocalityLbEndpoints{{LbEndpoints: []*endpointv3.LbEndpoint{{
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: address(hostPort)}},
		}}}},
	}
}

func breakers(connections, requests uint32) *clusterv3.CircuitBreakers {
	return &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{{
		MaxConnections: wrapperspb.UInt32(connections), MaxPendingRequests: wrapperspb.UInt32(requests),
		MaxRequests: wrapperspb.UInt32(requests), MaxRetries: wrapperspb.UInt32(1024),
	}}}
}
