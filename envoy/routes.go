package envoy

import (
	"net/http"
	"regexp"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const routesName = "egress"

// FallbackHost is how the guard addresses the gateway when it leads a call by a chain. Behind a provider's name and place it is how it leads one to
// that provider, by the provider's own paths: an Envoy that has it elsewhere has no such host.
const FallbackHost = "fallback.sentinel.internal"

// hostAt is the host by which the guard leads calls to a provider.
func (p Provider) hostAt() string {
	return strings.Replace(p.placed(p.Name), "@", ".", 1) + "." + FallbackHost
}

// refusal is what a request gets that no provider's endpoint fits, in the shape that most SDKs read.
const refusal = `{"error":{"type":"sentinel_refusal","code":"no_route","message":"SaaS-Sentinel has no route for this host, method and path: only the configured endpoints of configured providers are reachable"}}` + "\n"

// notHere is what a call gets that the guard led to where this Envoy leads nothing: the two have different policies for a moment.
const notHere = `{"error":{"type":"sentinel_refusal","code":"other_place","message":"the policy has this call's provider, or its way there, where Envoy does not have it yet: try again"}}` + "\n"

// routes is the whole route table: the gateway's own hosts with the provider's name as the first path
// segment, each provider's own host for clients that keep it, and a refusal for everything else.
func routes(c Config) *routev3.RouteConfiguration {
	gateway := &routev3.VirtualHost{Name: VirtualHostGateway}
	for _, h := range c.Hosts {
		gateway.Domains = append(gateway.Domains, domain(h))
	}
	hosts := map[string]int{}
	for _, h := range c.Hosts {
		hosts[domain(h)]++
	}
	for _, p := range c.Providers {
		hosts[domain(HostOnly(p.Host))]++
		for _, r := range p.Routes {
			gateway.Routes = append(gateway.Routes, route(p, r, "/"+p.Name))
		}
	}
	led := &routev3.VirtualHost{Name: "led", Domains: []string{FallbackHost, "*." + FallbackHost}}
	for _, chain := range c.Chains {
		led.Routes = append(led.Routes, chainRoutes(chain, c.Providers)...)
	}
	all := []*routev3.VirtualHost{gateway}
	for _, p := range c.Providers {
		h := providerHost(p)
		if own := domain(HostOnly(p.Host)); hosts[own] == 1 { // a host that several share does not say who is meant
			h.Domains = append(h.Domains, own)
		}
		all = append(all, h)
	}
	all = append(all, led, &routev3.VirtualHost{Name: "unknown", Domains: []string{"*"}})
	for _, h := range all {
		h.RequestBodyBufferLimit = wrapperspb.UInt64(uint64(c.MaxBodyBytes))
		last := refuse()
		if h == led {
			last = turnBack()
		}
		h.Routes = append(h.Routes, last)
	}
	return &routev3.RouteConfiguration{
		Name:         routesName,
		VirtualHosts: all,
		// The port is ignored, not stripped: a client's AWS signature covers the Host header as it sent it.
		IgnorePortInHostMatching: true,
		// A compressed answer could not be metered.
		RequestHeadersToAdd: []*corev3.HeaderValueOption{overwrite("accept-encoding", "identity")},
		// Our own traces of the request are nobody else's business, and an AWS signature would have to cover them. Envoy passes
		// "te: trailers" on, though it was said to us alone.
		RequestHeadersToRemove: []string{"te", "x-request-id", "x-forwarded-proto", "x-envoy-external-address", "x-envoy-original-host"},
		// What the meter says to clients comes after this, so a provider cannot speak in its name.
		// Its cookies are the organisation's, whose calls one client must not tie together.
		ResponseHeadersToRemove: []string{"x-sentinel-call", "x-sentinel-verdict", "x-sentinel-model", RetryHeader, "set-cookie"},
	}
}

func providerHost(p Provider) *routev3.VirtualHost {
	h := &routev3.VirtualHost{Name: "host/" + p.Name, Domains: []string{p.hostAt()}}
	for _, r := range p.Routes {
		h.Routes = append(h.Routes, route(p, r, ""))
	}
	return h
}

// route matches a method and a whole path behind a prefix, which it takes off. The query stays.
func route(p Provider, r Route, prefix string) *routev3.Route {
	t, _ := parseTemplate(r.Path) // Config.Validate has parsed it
	action := &routev3.RouteAction{
		ClusterSpecifier:     &routev3.RouteAction_Cluster{Cluster: clusterName(p)},
		HostRewriteSpecifier: &routev3.RouteAction_HostRewriteLiteral{HostRewriteLiteral: p.Host},
		Timeout:              durationpb.New(0), // an answer may stream for as long as it is not idle
	}
	match := &routev3.RouteMatch{Headers: []*routev3.HeaderMatcher{{
		Name: ":method",
		HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{
			StringMatch: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: r.Method}},
		},
	}}}
	if t.exact != "" {
		match.PathSpecifier = &routev3.RouteMatch_Path{Path: prefix + t.exact}
	} else {
		match.PathSpecifier = &routev3.RouteMatch_SafeRegex{SafeRegex: regex(regexp.QuoteMeta(prefix) + t.pattern)}
	}
	switch {
	case prefix == "":
	case t.exact != "":
		action.PrefixRewrite = t.exact
	default:
		action.RegexRewrite = &matcherv3.RegexMatchAndSubstitute{
			Pattern: regex("^" + regexp.QuoteMeta(prefix) + "/"), Substitution: "/",
		}
	}
	out := &routev3.Route{Name: p.placed(r.Name), Match: match, Action: &routev3.Route_Route{Route: action}}
	if r.Events {
		out.TypedPerFilterConfig = signingEvents()
	}
	return out
}

func regex(pattern string) *matcherv3.RegexMatcher { return &matcherv3.RegexMatcher{Regex: pattern} }

// refuse answers what no route before it fits.
func refuse() *routev3.Route {
	r := said("refused", http.StatusForbidden, refusal)
	r.TypedPerFilterConfig = unfiltered()
	return r
}

// turnBack answers a call that was admitted and can go nowhere from here. The meter sees that answer, and gives back what was held.
func turnBack() *routev3.Route { return said("led", http.StatusServiceUnavailable, notHere) }

func said(name string, status uint32, body string) *routev3.Route {
	return &routev3.Route{
		Name:  name,
		Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}},
		Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{
			Status: status,
			Body:   &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: body}},
		}},
		ResponseHeadersToAdd: []*corev3.HeaderValueOption{overwrite("content-type", "application/json")},
	}
}

func overwrite(name, value string) *corev3.HeaderValueOption {
	return &corev3.HeaderValueOption{
		Header:       &corev3.HeaderValue{Key: name, Value: value},
		AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
	}
}
