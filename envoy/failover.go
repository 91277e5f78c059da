package envoy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	mutationrulesv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	compositev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/composite/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	codecv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/upstream_codec/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Chain leads calls to a second provider when the first one fails, or to the same one with another credential. The guard chooses it for a call, by the path that it writes.
type Chain struct {
	Name        string        // the first segment of its paths at the gateway; no provider's
	First, Then string        // providers
	Routes      []string      // of First: those that have a counterpart at Then
	Silence     time.Duration // an attempt that is silent for so long has failed; 0 for StreamIdle alone
}

const (
	attemptName   = "sentinel.attempt"
	chainClusters = "failover/"

	// StageKey names the stage of a processor's stream in its gRPC metadata, where only Envoy's configuration can write.
	StageKey = "sentinel-stage"
	// StageAttempt is its value at the stage of an attempt.
	StageAttempt = "attempt"
	// StageEvents is its value at the stage of a request's events.
	StageEvents = "events"

	// RetryHeader is how the attempt stage tells the router that an answer is a failure that another provider may make good.
	RetryHeader = "x-sentinel-retry"

	hostKey = "provider"
	// HostAttribute is the CEL path of the provider whose host an attempt goes to: the one that Envoy has really chosen.
	HostAttribute = "xds.upstream_host_metadata.filter_metadata['" + Namespace + "']['" + hostKey + "']"

	retryPercent     = 10 // of the calls of a chain that are under way
	retryConcurrency = 5  // retries at once that are never too many
)

// again tells whether a chain leads to one provider alone.
func (c Chain) again() bool { return c.First == c.Then }

// named is what a host says of its provider.
func named(p Provider) *corev3.Metadata {
	return &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{
		Namespace: {Fields: map[string]*structpb.Value{hostKey: structpb.NewStringValue(p.placed(p.Name))}},
	}}
}

// chainCluster gives the first attempt to one provider and the second to the other. The stage of an attempt has to stand here: filters of the
// members' own do not run.
func chainCluster(c Chain, providers []Provider) *clusterv3.Cluster {
	limits := breakers(upstreamCalls, upstreamCalls)
	limits.Thresholds[0].MaxRetries = nil
	percent := float64(retryPercent)
	if c.again() {
		percent = 100 // of a credential that was revoked, each call under way; those after it have another
	}
	limits.Thresholds[0].RetryBudget = &clusterv3.CircuitBreakers_Thresholds_RetryBudget{
		BudgetPercent: &typev3.Percent{Value: percent}, MinRetryConcurrency: wrapperspb.UInt32(retryConcurrency),
	}
	options := &httpv3.HttpProtocolOptions{
		UpstreamProtocolOptions: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{
			ExplicitHttpConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig{
				ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_HttpProtocolOptions{HttpProtocolOptions: &corev3.Http1ProtocolOptions{}},
			},
		},
		HttpFilters: []*hcmv3.HttpFilter{
			filter(attemptName, attempt()),
			filter("envoy.filters.http.upstream_codec", &codecv3.UpstreamCodec{}),
		},
	}
	return &clusterv3.Cluster{
		Name:           chainClusters + c.Name,
		ConnectTimeout: durationpb.New(5 * time.Second),
		LbPolicy:       clusterv3.Cluster_CLUSTER_PROVIDED,
		ClusterDiscoveryType: &clusterv3.Cluster_ClusterType{ClusterType: &clusterv3.Cluster_CustomClusterType{
			Name: "envoy.clusters.composite",
			TypedConfig: packed(&compositev3.ClusterConfig{Clusters: []*compositev3.ClusterConfig_ClusterEntry{
				{Name: clusterName(providerOf(providers, c.First))}, {Name: clusterName(providerOf(providers, c.Then))},
			}}),
		}},
		PerConnectionBufferLimitBytes: wrapperspb.UInt32(connectionKB << 10),
		CircuitBreakers:               limits,
		TypedExtensionProtocolOptions: map[string]*anypb.Any{httpOptions: packed(options)},
	}
}

// attempt is the stage that gives each attempt its provider's credential and words. Without its answer nothing goes upstream: what the first
// attempt was given is still on the request when the second begins.
func attempt() *extprocv3.ExternalProcessor {
	p := stage(StageAttempt, TicketAttribute, HostAttribute)
	p.ProcessingMode.ResponseHeaderMode = extprocv3.ProcessingMode_SEND
	p.AllowModeOverride = true
	p.MutationRules = &mutationrulesv3.HeaderMutationRules{AllowAllRouting: wrapperspb.Bool(true)}
	return p
}

// providerOf finds a chain's provider: Config.Validate has seen that it is there.
func providerOf(providers []Provider, name string) Provider {
	return providers[slices.IndexFunc(providers, func(p Provider) bool { return p.Name == name })]
}

// chainRoutes are the first provider's routes under the chain's own prefix.
func chainRoutes(c Chain, providers []Provider) []*routev3.Route {
	var out []*routev3.Route
	p := providerOf(providers, c.First)
	for _, r := range p.Routes {
		if !slices.Contains(c.Routes, r.Name) {
			continue
		}
		to := route(p, r, "/"+c.Name)
		action := to.GetRoute()
		action.ClusterSpecifier = &routev3.RouteAction_Cluster{Cluster: chainClusters + c.Name}
		action.RetryPolicy = retries(c)
		to.Name = c.Name + "/" + r.Name
		out = append(out, to)
	}
	return out
}

// retries is what may be tried again without being billed twice: what never reached the provider, and what the attempt stage marks. The guard
// adds resets for calls whose idempotency key says that they may be repeated.
func retries(c Chain) *routev3.RetryPolicy {
	p := &routev3.RetryPolicy{
		RetryOn:    "connect-failure,refused-stream,reset-before-request,retriable-headers",
		NumRetries: wrapperspb.UInt32(1),
		RetriableHeaders: []*routev3.HeaderMatcher{{
			Name: RetryHeader, HeaderMatchSpecifier: &routev3.HeaderMatcher_PresentMatch{PresentMatch: true},
		}},
		RetryBackOff: &routev3.RetryPolicy_RetryBackOff{BaseInterval: durationpb.New(time.Millisecond), MaxInterval: durationpb.New(10 * time.Millisecond)},
	}
	if c.again() {
		p.RetryOn = "retriable-headers" // what has no answer says nothing of its credential
	}
	if c.Silence > 0 {
		p.PerTryIdleTimeout = durationpb.New(c.Silence)
	}
	return p
}

func validateChains(c Config) []error {
	var faults []error
	names := map[string]bool{}
	for _, p := range c.Providers {
		names[p.Name] = true
	}
	seen := map[string]bool{}
	for _, chain := range c.Chains {
		switch {
		case !text(chain.Name) || strings.ContainsAny(chain.Name, "/?#%") || names[chain.Name] || seen[chain.Name]:
			faults = append(faults, fmt.Errorf("chain %q: the name is empty, taken or no path's segment", chain.Name))
		case !names[chain.First] || !names[chain.Then]:
			faults = append(faults, fmt.Errorf("chain %q: want providers, not %q and %q", chain.Name, chain.First, chain.Then))
		case chain.Silence < 0 || chain.Silence > maxIdle:
			faults = append(faults, fmt.Errorf("chain %q: silence %s is outside [0s, %s]", chain.Name, chain.Silence, maxIdle))
		}
		seen[chain.Name] = true
	}
	return faults
}
