package envoy

import (
	"fmt"
	"slices"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	overloadv3 "github.com/envoyproxy/go-control-plane/envoy/config/overload/v3"
	connectionsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/downstream_connections/v3"
	heapv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/fixed_heap/v3"
	"github.com/goccy/go-yaml"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
)

// maxConnections bounds the clients' connections of one Envoy; those past it are closed at once.
const maxConnections = 50_000

// maxPattern raises Envoy's bound of a compiled regular expression from 100 instructions: a variable takes
// about 35 of them, so every template with up to maxSegments fits.
const maxPattern = 2000

// maxReading is how long sentinel may take to read the chunks of an answer that was cut.
const maxReading = time.Minute

// Bootstrap is the file with which Envoy starts: who it is, its admin page, and where sentinel is, which then
// sends the rest. It is YAML. Start Envoy with --drain-time-s at least as long as the longest answer: a changed
// listener closes its old connections after that time.
func Bootstrap(c Config) ([]byte, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	b := bootstrap(c)
	b.DynamicResources = &bootstrapv3.Bootstrap_DynamicResources{
		LdsConfig: ads(), CdsConfig: ads(),
		AdsConfig: &corev3.ApiConfigSource{
			ApiType:             corev3.ApiConfigSource_DELTA_GRPC,
			TransportApiVersion: corev3.ApiVersion_V3,
			GrpcServices: []*corev3.GrpcService{{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{
				EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: sentinelCluster, RetryPolicy: soon()},
			}}},
			SetNodeOnFirstMessageOnly: true,
		},
	}
	return toYAML(b)
}

// soon is how Envoy comes back to a control plane that was away. By its own measure it would wait for up to 30 s after a long time, and refuse calls to places
// that the policy has since then.
func soon() *corev3.RetryPolicy {
	return &corev3.RetryPolicy{RetryBackOff: &corev3.BackoffStrategy{BaseInterval: durationpb.New(250 * time.Millisecond), MaxInterval: durationpb.New(2 * time.Second)}}
}

// Static is the same configuration as one file that needs no control plane, for `envoy --mode validate`.
func Static(c Config) ([]byte, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	b := bootstrap(c)
	b.StaticResources.Listeners = append([]*listenerv3.Listener{listener(c, routes(c))}, proxyListeners(c, routes(c))...)
	b.StaticResources.Secrets = slices.Concat(fileSecrets(c), leaves(c.Proxy), shown(c.Providers))
	b.StaticResources.Clusters = append(b.StaticResources.Clusters, proxyClusters(c.Proxy)...)
	for _, p := range c.Providers {
		b.StaticResources.Clusters = append(b.StaticResources.Clusters, providerCluster(p, false))
	}
	for _, chain := range c.Chains {
		b.StaticResources.Clusters = append(b.StaticResources.Clusters, chainCluster(chain, c.Providers))
	}
	return toYAML(b)
}

func bootstrap(c Config) *bootstrapv3.Bootstrap {
	return &bootstrapv3.Bootstrap{
		Node:  &corev3.Node{Id: c.NodeID, Cluster: "sentinel-egress"},
		Admin: &bootstrapv3.Admin{Address: address(c.Admin)},
		StaticResources: &bootstrapv3.Bootstrap_StaticResources{
			Clusters: append([]*clusterv3.Cluster{controlCluster(c)}, serviceClusters(c)...),
		},
		BootstrapExtensions: []*corev3.TypedExtensionConfig{internalListeners()},
		LayeredRuntime: &bootstrapv3.LayeredRuntime{Layers: []*bootstrapv3.RuntimeLayer{{
			Name: "static",
			LayerSpecifier: &bootstrapv3.RuntimeLayer_StaticLayer{StaticLayer: &structpb.Struct{Fields: map[string]*structpb.Value{
				"re2.max_program_size.error_level": structpb.NewNumberValue(maxPattern),
				"re2.max_program_size.warn_level":  structpb.NewNumberValue(maxPattern),
				// An answer that is cut is half-closed at the meter, and not reset: gRPC drops half of what has arrived on a stream that is reset and is not read
				// yet. Envoy waits so long for the meter's own end, then it resets.
				"envoy.reloadable_features.ext_proc_graceful_grpc_close":        structpb.NewBoolValue(true),
				"envoy.filters.http.ext_proc.remote_close_timeout_milliseconds": structpb.NewNumberValue(float64(maxReading.Milliseconds())),
			}}},
		}}},
		OverloadManager: overload(c),
	}
}

const heapMonitor = "envoy.resource_monitors.fixed_heap"

// overload bounds connections and memory, as Envoy's guide for edges does: near the bound it gives memory back to the system first, then
// answers new requests 503. Those that run go on.
func overload(c Config) *overloadv3.OverloadManager {
	monitor := func(name string, config proto.Message) *overloadv3.ResourceMonitor {
		return &overloadv3.ResourceMonitor{Name: name, ConfigType: &overloadv3.ResourceMonitor_TypedConfig{TypedConfig: packed(config)}}
	}
	above := func(action string, share float64) *overloadv3.OverloadAction {
		return &overloadv3.OverloadAction{Name: action, Triggers: []*overloadv3.Trigger{{
			Name: heapMonitor, TriggerOneof: &overloadv3.Trigger_Threshold{Threshold: &overloadv3.ThresholdTrigger{Value: share}},
		}}}
	}
	return &overloadv3.OverloadManager{
		RefreshInterval: durationpb.New(250 * time.Millisecond),
		ResourceMonitors: []*overloadv3.ResourceMonitor{
			monitor("envoy.resource_monitors.global_downstream_max_connections", &connectionsv3.DownstreamConnectionsConfig{MaxActiveDownstreamConnections: maxConnections}),
			monitor(heapMonitor, &heapv3.FixedHeapConfig{MaxHeapSizeBytes: uint64(c.MaxHeapBytes)}),
		},
		Actions: []*overloadv3.OverloadAction{above("envoy.overload_actions.shrink_heap", 0.95), above("envoy.overload_actions.stop_accepting_requests", 0.98)},
	}
}

func toYAML(b *bootstrapv3.Bootstrap) ([]byte, error) {
	if err := b.ValidateAll(); err != nil {
		return nil, fmt.Errorf("envoy bootstrap: %w", err)
	}
	j, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("envoy bootstrap: %w", err)
	}
	y, err := yaml.JSONToYAML(j)
	if err != nil {
		return nil, fmt.Errorf("envoy bootstrap: %w", err)
	}
	return y, nil
}
