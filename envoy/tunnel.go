package envoy

import (
	"errors"
	"io"
	"net/netip"
	"time"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	grpclogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/grpc/v3"
	dfpclusterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dynamic_forward_proxy/v3"
	dfpcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/dynamic_forward_proxy/v3"
	dfpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/dynamic_forward_proxy/v3"
	rbacfilterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	upstreamipv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/rbac/matchers/upstream_ip_port/v3"
	accessv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Other is a host that is no provider's, and to which tunnels are carried untouched when the guard agrees.
type Other struct {
	Host    string // a name, *.NAME or *
	Address string // ip:port; empty: any public address of the host, at port 443
}

const (
	// TunnelRoute is the route of tunnels to other hosts, by which the guard knows them.
	TunnelRoute  = "sentinel/tunnel"
	tunnelLog    = "sentinel.tunnels"
	publicName   = "sentinel.public"
	othersName   = "others"
	otherPrefix  = "other/"
	maxOtherDNS  = 4096 // hosts whose addresses are remembered
	tunnelsEvery = time.Second
)

// within are networks that no tunnel reaches by a name: who can set a name's address must not choose a machine in here (RFC 6890).
var within = []string{
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/3",
	"::/127", "::ffff:0:0/96", "64:ff9b::/96", "fc00::/7", "fe80::/10", "ff00::/8",
}

func validateOthers(others []Other) error {
	seen := map[string]bool{}
	for _, o := range others {
		if o.Host == "" || seen[o.Host] || o.Address != "" && !isIPPort(o.Address) {
			return errors.New("proxy: other host " + o.Host + ": want each host once, and addresses as ip:port")
		}
		seen[o.Host] = true
	}
	return nil
}

// tunnelFilters stand before the router. The guard judges every tunnel, so that those who are refused are known.
func tunnelFilters(p *Proxy) []*hcmv3.HttpFilter {
	judged := []*hcmv3.HttpFilter{filter(guardName, guard()), filter(rbacName, onlyMarked())}
	if !p.open() {
		return judged
	}
	return append(judged,
		filter("envoy.filters.http.dynamic_forward_proxy", &dfpv3.FilterConfig{
			ImplementationSpecifier: &dfpv3.FilterConfig_DnsCacheConfig{DnsCacheConfig: dnsCache()}, SaveUpstreamAddress: true,
		}),
		filter(publicName, onlyPublic()),
	)
}

func dnsCache() *dfpcommonv3.DnsCacheConfig {
	return &dfpcommonv3.DnsCacheConfig{Name: othersName, DnsLookupFamily: clusterv3.Cluster_V4_PREFERRED, MaxHosts: wrapperspb.UInt32(maxOtherDNS)}
}

// onlyPublic refuses names whose address is of a private network.
func onlyPublic() *rbacfilterv3.RBAC {
	var private []*rbacv3.Permission
	for _, text := range within {
		p := netip.MustParsePrefix(text)
		private = append(private, &rbacv3.Permission{Rule: &rbacv3.Permission_Matcher{Matcher: &corev3.TypedExtensionConfig{
			Name: "envoy.rbac.matchers.upstream_ip_port",
			TypedConfig: packed(&upstreamipv3.UpstreamIpPortMatcher{UpstreamIp: &corev3.CidrRange{
				AddressPrefix: p.Addr().String(), PrefixLen: wrapperspb.UInt32(uint32(p.Bits())), // 0 to 128
			}}),
		}}})
	}
	return &rbacfilterv3.RBAC{Rules: &rbacv3.RBAC{Action: rbacv3.RBAC_DENY, Policies: map[string]*rbacv3.Policy{"private": {
		Permissions: private, Principals: []*rbacv3.Principal{{Identifier: &rbacv3.Principal_Any{Any: true}}},
	}}}}
}

// otherClusters lead to other hosts: those with an address of their own, and one for all names.
func otherClusters(p *Proxy) []*clusterv3.Cluster {
	if !p.open() {
		return nil
	}
	out := []*clusterv3.Cluster{{
		Name: othersName, ConnectTimeout: durationpb.New(5 * time.Second), LbPolicy: clusterv3.Cluster_CLUSTER_PROVIDED, CircuitBreakers: breakers(upstreamCalls, upstreamCalls),
		ClusterDiscoveryType: &clusterv3.Cluster_ClusterType{ClusterType: &clusterv3.Cluster_CustomClusterType{
			Name: "envoy.clusters.dynamic_forward_proxy",
			TypedConfig: packed(&dfpclusterv3.ClusterConfig{
				ClusterImplementationSpecifier: &dfpclusterv3.ClusterConfig_DnsCacheConfig{DnsCacheConfig: dnsCache()},
			}),
		}},
	}}
	for _, o := range p.Others {
		if o.Address != "" {
			c := &clusterv3.Cluster{Name: otherPrefix + o.Host, ConnectTimeout: durationpb.New(5 * time.Second),
				LoadAssignment: endpoints(otherPrefix+o.Host, o.Address), CircuitBreakers: breakers(upstreamCalls, upstreamCalls)}
			locate(c, o.Address)
			out = append(out, c)
		}
	}
	return out
}

// tunnelAccess tells sentinel of every request to the proxy when it has ended.
func tunnelAccess() *accesslogv3.AccessLog {
	return &accesslogv3.AccessLog{Name: tunnelLog, ConfigType: &accesslogv3.AccessLog_TypedConfig{TypedConfig: packed(&grpclogv3.HttpGrpcAccessLogConfig{
		CommonConfig: &grpclogv3.CommonGrpcAccessLogConfig{
			LogName: tunnelLog, TransportApiVersion: corev3.ApiVersion_V3, BufferFlushInterval: durationpb.New(tunnelsEvery),
			GrpcService: &corev3.GrpcService{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: sentinelCluster}}},
		},
	})}}
}

// Tunnel is one tunnel that was carried untouched, and has ended.
type Tunnel struct {
	Ticket   string // as the guard left it
	Sent     int64  // bytes from the client
	Received int64  // bytes to the client
	Status   int
	Duration time.Duration
}

// Tunnels takes Envoy's reports of tunnels.
type Tunnels struct {
	accessv3.UnimplementedAccessLogServiceServer
	Ended func(Tunnel)
}

// Register adds the service to a gRPC server.
func (s *Tunnels) Register(g *grpc.Server) { accessv3.RegisterAccessLogServiceServer(g, s) }

// StreamAccessLogs reads one Envoy's reports. Requests that the guard marked as no tunnel are passed over.
func (s *Tunnels) StreamAccessLogs(st accessv3.AccessLogService_StreamAccessLogsServer) error {
	for {
		m, err := st.Recv()
		if errors.Is(err, io.EOF) {
			return st.SendAndClose(&accessv3.StreamAccessLogsResponse{})
		}
		if err != nil {
			return err
		}
		for _, e := range m.GetHttpLogs().GetLogEntry() {
			common := e.GetCommonProperties()
			ticket := common.GetMetadata().GetFilterMetadata()[Namespace].GetFields()[ticketKey].GetStringValue()
			if ticket == "" {
				continue
			}
			s.Ended(Tunnel{
				Ticket: ticket, Sent: int64(e.GetRequest().GetRequestBodyBytes()), Received: int64(e.GetResponse().GetResponseBodyBytes()), // no tunnel carries 2^63 bytes
				Status: int(e.GetResponse().GetResponseCode().GetValue()), Duration: common.GetDuration().AsDuration(),
			})
		}
	}
}
