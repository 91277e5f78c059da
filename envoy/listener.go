package envoy

import (
	"net"
	"slices"
	"strconv"
	"time"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	filelogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/file/v3"
	streamlogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/stream/v3"
	filterstatev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/common/set_filter_state/v3"
	setstatev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/set_filter_state/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	listenerName = "egress"
	connectionKB = 1024 // Envoy's buffer of a connection; a JSON answer that is held back whole must fit
)

// listener is the base-URL listener. Its routes come by RDS where inline is nil, so that it stays as it is
// when policies change: a changed listener drains its connections.
func listener(c Config, inline *routev3.RouteConfiguration) *listenerv3.Listener {
	m := manager(c, inline)
	if c.TLS.verifies() {
		m.HttpFilters = slices.Insert(m.HttpFilters, 0, filter("sentinel.identity", &setstatev3.Config{OnRequestHeaders: []*filterstatev3.FilterStateValue{kept(Peer, everyURI)}}))
	}
	chain := &listenerv3.FilterChain{Name: listenerName, Filters: []*listenerv3.Filter{httpFilter(m)}}
	if c.TLS != nil {
		chain.TransportSocket = downstreamTLS(gatewaySecrets, *c.TLS, inline == nil, "h2", "http/1.1")
	}
	return &listenerv3.Listener{
		Name:                          listenerName,
		Address:                       address(c.Listen),
		PerConnectionBufferLimitBytes: wrapperspb.UInt32(connectionKB << 10),
		FilterChains:                  []*listenerv3.FilterChain{chain},
	}
}

// manager is the HTTP connection manager, set up as an edge: whoever speaks to it is not trusted.
func manager(c Config, inline *routev3.RouteConfiguration) *hcmv3.HttpConnectionManager {
	m := &hcmv3.HttpConnectionManager{
		StatPrefix:                    "egress",
		HttpFilters:                   filters(),
		ServerName:                    "sentinel",
		ServerHeaderTransformation:    hcmv3.HttpConnectionManager_APPEND_IF_ABSENT,
		EarlyHeaderMutationExtensions: []*corev3.TypedExtensionConfig{stripClientHeaders()},
		UseRemoteAddress:              wrapperspb.Bool(true),
		SkipXffAppend:                 true, // providers need not know who calls from within
		InternalAddressConfig:         nobody(),
		GenerateRequestId:             wrapperspb.Bool(true),
		NormalizePath:                 wrapperspb.Bool(false), // see template.go
		MergeSlashes:                  false,
		PathWithEscapedSlashesAction:  hcmv3.HttpConnectionManager_REJECT_REQUEST,
		MaxRequestHeadersKb:           wrapperspb.UInt32(64),
		StreamIdleTimeout:             durationpb.New(c.StreamIdle),
		RequestHeadersTimeout:         durationpb.New(10 * time.Second),
		// The host of an absolute target would stand beside the Host header, and one of the two would be overlooked.
		HttpProtocolOptions: &corev3.Http1ProtocolOptions{AllowAbsoluteUrl: wrapperspb.Bool(false)},
		CommonHttpProtocolOptions: &corev3.HttpProtocolOptions{
			IdleTimeout:     durationpb.New(time.Hour),
			MaxHeadersCount: wrapperspb.UInt32(100),
			// x_api_key and x-api-key are one name to some servers: a credential could hide in the first. Dropped,
			// because a rejection closes the connection without an answer.
			HeadersWithUnderscoresAction: corev3.HttpProtocolOptions_DROP_HEADER,
		},
		// The values are those of Envoy's guide for edge proxies; its limits against floods of frames are on by default.
		Http2ProtocolOptions: &corev3.Http2ProtocolOptions{
			MaxConcurrentStreams:        wrapperspb.UInt32(100),
			InitialStreamWindowSize:     wrapperspb.UInt32(64 << 10),
			InitialConnectionWindowSize: wrapperspb.UInt32(1 << 20),
		},
		AccessLog: accessLogs(c),
		RouteSpecifier: &hcmv3.HttpConnectionManager_Rds{
			Rds: &hcmv3.Rds{ConfigSource: ads(), RouteConfigName: routesName},
		},
	}
	if inline != nil {
		m.RouteSpecifier = &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: inline}
	}
	return m
}

// nobody makes no caller internal, who could steer Envoy by headers. An empty list means nobody to some versions of Envoy and
// every private address to others, so it names one that no one has (RFC 5737).
func nobody() *hcmv3.HttpConnectionManager_InternalAddressConfig {
	return &hcmv3.HttpConnectionManager_InternalAddressConfig{CidrRanges: []*corev3.CidrRange{
		{AddressPrefix: "192.0.2.0", PrefixLen: wrapperspb.UInt32(32)},
	}}
}

// logged is every field of the access log. It is a list of what may be written, never of headers: a header map
// shows the injected credential by whatever name it is asked.
var logged = map[string]string{
	"at":             "%START_TIME%",
	"call":           "%DYNAMIC_METADATA(" + Namespace + ":" + MarkKey + ")%",
	"route":          "%ROUTE_NAME%",
	"status":         "%RESPONSE_CODE%",
	"details":        "%RESPONSE_CODE_DETAILS%",
	"flags":          "%RESPONSE_FLAGS%",
	"bytes_received": "%BYTES_RECEIVED%",
	"bytes_sent":     "%BYTES_SENT%",
	"duration_ms":    "%DURATION%",
	"cluster":        "%UPSTREAM_CLUSTER_RAW%",
	"request":        "%STREAM_ID%", // Envoy's own; gone once the request went upstream, where it must not be known
	"upstream_sent":  "%UPSTREAM_WIRE_BYTES_SENT%",
	"upstream_got":   "%UPSTREAM_WIRE_BYTES_RECEIVED%",
}

// accessLogs are the log for people and its copy for the Witness.
func accessLogs(c Config) (list []*accesslogv3.AccessLog) {
	for _, log := range []struct{ name, path string }{{"sentinel.access", c.AccessLog}, {"sentinel.witness", c.Witness}} {
		if log.path != "" {
			list = append(list, accessLog(log.name, log.path))
		}
	}
	return list
}

func accessLog(name, path string) *accesslogv3.AccessLog {
	fields := map[string]*structpb.Value{}
	for name, command := range logged {
		fields[name] = structpb.NewStringValue(command)
	}
	format := &corev3.SubstitutionFormatString{
		Format: &corev3.SubstitutionFormatString_JsonFormat{JsonFormat: &structpb.Struct{Fields: fields}},
	}
	var config proto.Message = &filelogv3.FileAccessLog{
		Path: path, AccessLogFormat: &filelogv3.FileAccessLog_LogFormat{LogFormat: format},
	}
	if path == "/dev/stdout" { // by its descriptor: opening the path again fails where it is a pipe of another user
		config = &streamlogv3.StdoutAccessLog{AccessLogFormat: &streamlogv3.StdoutAccessLog_LogFormat{LogFormat: format}}
	}
	return &accesslogv3.AccessLog{Name: name, ConfigType: &accesslogv3.AccessLog_TypedConfig{TypedConfig: packed(config)}}
}

func ads() *corev3.ConfigSource {
	return &corev3.ConfigSource{
		ResourceApiVersion:    corev3.ApiVersion_V3,
		ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
	}
}

// address is a validated host:port.
func address(hostPort string) *corev3.Address {
	host, port, _ := net.SplitHostPort(hostPort)
	n, _ := strconv.ParseUint(port, 10, 16)
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: host, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(n)},
	}}}
}

func transportSocket(config *anypb.Any) *corev3.TransportSocket {
	return &corev3.TransportSocket{
		Name:       "envoy.transport_sockets.tls",
		ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: config},
	}
}
