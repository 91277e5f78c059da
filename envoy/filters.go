package envoy

import (
	"time"

	mutationrulesv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	headermutationv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	rbacfilterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	earlyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/early_header_mutation/header_mutation/v3"
	previoushostsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/previous_hosts/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Namespace is the dynamic metadata that guard alone may write; MarkKey in it is the call id, without which
// no request passes.
const (
	Namespace      = "sentinel"
	MarkKey        = "id"
	ticketKey      = "t"
	headKey        = "h"
	MeterNamespace = "sentinel.meter" // what meter may write, for access logs

	// OriginAttribute is the CEL path of what an answer comes from: the provider, or a failure that Envoy answers for.
	OriginAttribute = "response.code_details"
	// TicketAttribute is the CEL path of the ticket that guard left on the call.
	TicketAttribute = "metadata.filter_metadata['" + Namespace + "']['" + ticketKey + "']"
	// HeadAttribute is the CEL path of what guard left on a call whose client signs its events.
	HeadAttribute = "metadata.filter_metadata['" + Namespace + "']['" + headKey + "']"
)

// The CEL paths of how a request arrived: a tunnel's identity by its header, the names of the client's certificate, the host that the tunnel was
// made to, and the source of a redirected connection.
const (
	ProxyAttribute      = "filter_state['" + ProxyIdentity + "']"
	PeerAttribute       = "filter_state['" + Peer + "']"
	TunnelAttribute     = "filter_state['" + tunnelHost + "']"
	RedirectedAttribute = "filter_state['" + redirectedFrom + "']"
)

// VirtualHostGateway is the guard's xds.virtual_host_name of a request that came by the gateway's own
// host name and so carries the provider's name as its first path segment. By a provider's own host
// name the path is the provider's.
const VirtualHostGateway = "gateway"

const (
	guardName  = "sentinel.guard"
	rbacName   = "sentinel.marked"
	eventsName = "sentinel.events"
	meterName  = "sentinel.meter"

	// guardTimeout bounds one answer of the guard: a Redis round trip and a write to the spool. Past it the call
	// is refused, so a disk or a processor that is stalled for a second must fit in.
	guardTimeout = 3 * time.Second
	// meterTimeout is the same: past it the answer goes on unmetered and its call is booked as an estimate.
	meterTimeout = 3 * time.Second
)

// stripped are the headers that only this Envoy and sentinel may set.
var stripped = []string{"x-sentinel-", "x-envoy-", "x-forwarded-"}

// filters is the chain in the order in which a request passes it. Guard and meter are two ext_proc filters, because
// one filter has one failure mode: the guard refuses when the processor is gone, the meter must not cut an answer then.
func filters() []*hcmv3.HttpFilter {
	return []*hcmv3.HttpFilter{
		filter(guardName, guard()),
		filter(rbacName, onlyMarked()),
		onlyWhereNamed(filter(eventsName, eventsStage())),
		filter(meterName, meter()),
		filter("sentinel.trailers", withoutTrailers()),
		filter("envoy.filters.http.router", &routerv3.Router{SuppressEnvoyHeaders: true}),
	}
}

func guard() *extprocv3.ExternalProcessor {
	p := closed("guard", "xds.route_name", "xds.virtual_host_name", "connection.uri_san_peer_certificate", "source.address", "connection.requested_server_name",
		ProxyAttribute, PeerAttribute, TunnelAttribute, RedirectedAttribute)
	p.AllowModeOverride = true
	// The guard alone says what may be repeated: clients' x-envoy-* headers are gone by then.
	p.MutationRules = &mutationrulesv3.HeaderMutationRules{AllowAllRouting: wrapperspb.Bool(true), AllowEnvoy: wrapperspb.Bool(true)}
	// A route is chosen once, before the guard, and again only where the guard says so: for a call that falls back to
	// another provider, or that has another one behind it, for which it writes path and authority itself.
	p.RouteCacheAction = extprocv3.ExternalProcessor_DEFAULT
	return p
}

// closed is a processor of requests that fails closed, and is told these attributes. It sees their headers.
func closed(name string, attributes ...string) *extprocv3.ExternalProcessor {
	return &extprocv3.ExternalProcessor{
		StatPrefix:  name,
		GrpcService: processor(),
		ProcessingMode: &extprocv3.ProcessingMode{
			RequestHeaderMode: extprocv3.ProcessingMode_SEND, ResponseHeaderMode: extprocv3.ProcessingMode_SKIP,
		},
		FailureModeAllow:  false,
		MessageTimeout:    durationpb.New(guardTimeout),
		StatusOnError:     &typev3.HttpStatus{Code: typev3.StatusCode_ServiceUnavailable},
		RequestAttributes: attributes,
		MetadataOptions:   &extprocv3.MetadataOptions{ReceivingNamespaces: namespaces(Namespace)},
	}
}

// stage is closed for a stream that its gRPC metadata names.
func stage(name string, attributes ...string) *extprocv3.ExternalProcessor {
	p := closed(name, attributes...)
	p.GrpcService.InitialMetadata = []*corev3.HeaderValue{{Key: StageKey, Value: name}}
	return p
}

// eventsStage signs what a client sends while its call runs, as it passes. It stands behind the guard, which has signed the head, and it fails closed:
// an event that is not signed anew is one that the provider refuses.
func eventsStage() *extprocv3.ExternalProcessor {
	p := stage(StageEvents, TicketAttribute, HeadAttribute)
	p.ProcessingMode.RequestBodyMode = extprocv3.ProcessingMode_STREAMED
	return p
}

// onlyWhereNamed switches a filter off but for the routes that name it.
func onlyWhereNamed(f *hcmv3.HttpFilter) *hcmv3.HttpFilter {
	f.Disabled = true
	return f
}

// signingEvents names the filter of events.
func signingEvents() map[string]*anypb.Any {
	return map[string]*anypb.Any{eventsName: packed(&extprocv3.ExtProcPerRoute{
		Override: &extprocv3.ExtProcPerRoute_Overrides{Overrides: &extprocv3.ExtProcOverrides{}},
	})}
}

func meter() *extprocv3.ExternalProcessor {
	return &extprocv3.ExternalProcessor{
		StatPrefix:  "meter",
		GrpcService: processor(),
		ProcessingMode: &extprocv3.ProcessingMode{
			RequestHeaderMode: extprocv3.ProcessingMode_SKIP, ResponseHeaderMode: extprocv3.ProcessingMode_SEND,
		},
		AllowModeOverride: true,
		FailureModeAllow:  true,
		MessageTimeout:    durationpb.New(meterTimeout),
		// The ticket comes once, as an attribute; forwarded metadata would come again with every chunk.
		ResponseAttributes: []string{TicketAttribute, OriginAttribute},
		MetadataOptions:    &extprocv3.MetadataOptions{ReceivingNamespaces: namespaces(MeterNamespace)},
	}
}

// processor reaches sentinel, and tries another replica when one dies before it has answered: another, because one that has just died
// has the fewest streams of all.
func processor() *corev3.GrpcService {
	return &corev3.GrpcService{
		TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: sentinelCluster}},
		// That of EnvoyGrpc, of the same type, is heeded for xDS alone.
		RetryPolicy: &corev3.RetryPolicy{
			RetryOn:    "connect-failure,refused-stream,reset,unavailable",
			NumRetries: wrapperspb.UInt32(2),
			RetryBackOff: &corev3.BackoffStrategy{
				BaseInterval: durationpb.New(10 * time.Millisecond), MaxInterval: durationpb.New(50 * time.Millisecond),
			},
			RetryHostPredicate: []*corev3.RetryPolicy_RetryHostPredicate{{
				Name:       "envoy.retry_host_predicates.previous_hosts",
				ConfigType: &corev3.RetryPolicy_RetryHostPredicate_TypedConfig{TypedConfig: packed(&previoushostsv3.PreviousHostsPredicate{})},
			}},
			HostSelectionRetryMaxAttempts: 5, // draws; with one replica alone the last one stands
		},
	}
}

// onlyMarked refuses what the guard has not marked. Envoy lets a request through when a processor closes its
// stream without an answer, even one that fails closed; metadata, unlike a header, cannot come from a client.
func onlyMarked() *rbacfilterv3.RBAC {
	marked := &rbacv3.Permission{Rule: &rbacv3.Permission_SourcedMetadata{SourcedMetadata: &rbacv3.SourcedMetadata{
		MetadataSource: rbacv3.MetadataSource_DYNAMIC,
		MetadataMatcher: &matcherv3.MetadataMatcher{
			Filter: Namespace,
			Path:   []*matcherv3.MetadataMatcher_PathSegment{{Segment: &matcherv3.MetadataMatcher_PathSegment_Key{Key: MarkKey}}},
			Value:  &matcherv3.ValueMatcher{MatchPattern: &matcherv3.ValueMatcher_PresentMatch{PresentMatch: true}},
		},
	}}}
	return &rbacfilterv3.RBAC{
		Rules: &rbacv3.RBAC{
			Action: rbacv3.RBAC_ALLOW,
			Policies: map[string]*rbacv3.Policy{"marked": {
				Permissions: []*rbacv3.Permission{marked},
				Principals:  []*rbacv3.Principal{{Identifier: &rbacv3.Principal_Any{Any: true}}},
			}},
		},
	}
}

// unfiltered is for routes that Envoy answers itself: nothing of them goes upstream, so the
// processor is not asked.
func unfiltered() map[string]*anypb.Any {
	off := &extprocv3.ExtProcPerRoute{Override: &extprocv3.ExtProcPerRoute_Disabled{Disabled: true}}
	return map[string]*anypb.Any{
		guardName: packed(off), meterName: packed(off), rbacName: packed(&rbacfilterv3.RBACPerRoute{}),
	}
}

// withoutTrailers keeps trailers here, in both directions: nobody judges what a client writes behind its body, or scrubs what a provider
// writes behind its answer. No configured API needs any.
func withoutTrailers() *headermutationv3.HeaderMutation {
	all := []*mutationrulesv3.HeaderMutation{removing(&matcherv3.StringMatcher{
		MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: ".*"}},
	})}
	return &headermutationv3.HeaderMutation{Mutations: &headermutationv3.Mutations{RequestTrailersMutations: all, ResponseTrailersMutations: all}}
}

// removing takes away the headers whose names match.
func removing(name *matcherv3.StringMatcher) *mutationrulesv3.HeaderMutation {
	return &mutationrulesv3.HeaderMutation{
		Action: &mutationrulesv3.HeaderMutation_RemoveOnMatch_{RemoveOnMatch: &mutationrulesv3.HeaderMutation_RemoveOnMatch{KeyMatcher: name}},
	}
}

// stripClientHeaders runs before Envoy reads any of them.
func stripClientHeaders() *corev3.TypedExtensionConfig {
	early := &earlyv3.HeaderMutation{}
	for _, prefix := range stripped {
		early.Mutations = append(early.Mutations, removing(&matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: prefix}}))
	}
	return &corev3.TypedExtensionConfig{Name: "sentinel.strip", TypedConfig: packed(early)}
}

func namespaces(names ...string) *extprocv3.MetadataOptions_MetadataNamespaces {
	return &extprocv3.MetadataOptions_MetadataNamespaces{Untyped: names}
}

func filter(name string, config proto.Message) *hcmv3.HttpFilter {
	return &hcmv3.HttpFilter{Name: name, ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: packed(config)}}
}

// packed wraps an extension's configuration, byte for byte the same for the same message, because versions are
// hashes. Marshalling fails only for text that is not UTF-8, which Config.Validate has refused.
func packed(m proto.Message) *anypb.Any {
	out := &anypb.Any{}
	_ = anypb.MarshalFrom(out, m, proto.MarshalOptions{Deterministic: true})
	return out
}
