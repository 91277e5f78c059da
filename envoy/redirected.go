package envoy

import (
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	originalv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/original_dst/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	redirectedName = "redirected"
	redirectedFrom = "sentinel.redirected" // the source address of a redirected connection
)

// redirectedListener takes connections to port 443 of any address that the network redirects here. Those to hosts with a certificate go
// through the same chains as the proxy's tunnels, all others to the judge. What was not redirected has this listener's own port, and no
// chain.
func redirectedListener(c Config, inline *routev3.RouteConfiguration) *listenerv3.Listener {
	https := &listenerv3.FilterChainMatch{DestinationPort: wrapperspb.UInt32(443)}
	from := passedOn(redirectedFrom, "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%")
	other := &listenerv3.FilterChain{Name: redirectedName, FilterChainMatch: https, Filters: []*listenerv3.Filter{
		state(from, passedOn(namedHost, "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%"), passedOn(namedHost, "%REQUESTED_SERVER_NAME%")), toJudge(),
	}}
	return &listenerv3.Listener{
		Name: redirectedName, Address: address(c.Proxy.Redirected), PerConnectionBufferLimitBytes: wrapperspb.UInt32(connectionKB << 10),
		ListenerFilters:        []*listenerv3.ListenerFilter{accepted("envoy.filters.listener.original_dst", &originalv3.OriginalDst{}), inspector()},
		ListenerFiltersTimeout: durationpb.New(5e9), ContinueOnListenerFiltersTimeout: true, // a server that speaks first has no TLS to look at
		FilterChains: append(hostChains(c, inline, https, state(from)), other),
	}
}
