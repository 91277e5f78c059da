package envoy

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/rs/zerolog"
)

// TestItIsKnownWhatEnvoyTook: a change until its routes are there, one that Envoy refuses, and an Envoy that comes back with what it was sent.
func TestItIsKnownWhatEnvoyTook(t *testing.T) {
	g := startGateway(t, nil)
	level := func(what string) {
		t.Helper()
		eventually(t, what, func() bool { return g.control.Connected() == 1 && g.control.Behind() == 0 })
	}
	level("Envoy has its first configuration")
	c := g.config
	c.Providers = append(c.Providers[:1:1], Provider{
		Name: "extra", Host: "extra.test", Address: g.upstream.address(), Plaintext: true, Routes: []Route{{Name: "extra/get", Method: "GET", Path: "/v1/get"}},
	})
	if err := g.control.Set(c); err != nil || g.control.Behind() != 1 {
		t.Fatalf("a change that nobody has taken yet: %d Envoys behind, %v", g.control.Behind(), err)
	}
	level("Envoy has the change")
	eventually(t, "the change's route", func() bool {
		r, _ := g.do(t, "GET", "/extra/v1/get", nil, nil)
		return r.StatusCode == http.StatusOK
	})

	broken, err := Snapshot(g.config)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range broken.GetResources(resource.RouteType) {
		match := r.(*routev3.RouteConfiguration).VirtualHosts[0].Routes[0].Match
		match.PathSpecifier = &routev3.RouteMatch_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: "("}}
	}
	broken.Resources[cache.GetResponseType(resource.RouteType)].Version = "broken"
	if err := g.control.cache.SetSnapshot(t.Context(), fleet, broken); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Envoy refused it", func() bool {
		answer, err := http.Get("http://" + g.config.Admin + "/stats?filter=rds.*update_rejected")
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		stats, err := io.ReadAll(answer.Body)
		return err == nil && strings.Contains(string(stats), "update_rejected: 1")
	})
	if n := g.control.Behind(); n != 1 {
		t.Errorf("%d Envoys are behind with a configuration that they refused, want 1", n)
	}
	if err := g.control.Set(c); err != nil {
		t.Fatal(err)
	}
	level("Envoy has the change again")

	g.grpc.Stop()
	g.control.Stop()
	g.control = NewServer(zerolog.Nop())
	if err := g.control.Set(c); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", g.config.Control)
	if err != nil {
		t.Fatal(err)
	}
	g.serve(t, l)
	level("Envoy is back with what it has")
}
