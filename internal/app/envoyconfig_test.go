package app

import (
	"testing"

	"github.com/saas-sentinel/saas-sentinel/envoy"
	"github.com/saas-sentinel/saas-sentinel/extproc"
)

// TestBothSidesOfEnvoyUseTheSameNames holds together what two rooms that do not know each other must agree on.
func TestBothSidesOfEnvoyUseTheSameNames(t *testing.T) {
	for name, pair := range map[string][2]string{
		"the guard's namespace":  {envoy.Namespace, extproc.Namespace},
		"the origin's attribute": {envoy.OriginAttribute, extproc.OriginAttribute},
		"the ticket's attribute": {envoy.TicketAttribute, extproc.TicketAttribute},
		"the tunnel's identity":  {envoy.ProxyAttribute, extproc.ProxyAttribute},
		"its certificate":        {envoy.PeerAttribute, extproc.PeerAttribute},
		"the tunnel's host":      {envoy.TunnelAttribute, extproc.TunnelAttribute},
		"where it comes from":    {envoy.RedirectedAttribute, extproc.RedirectedAttribute},
		"the host of none":       {envoy.NoName, extproc.NoName},
		"the route of tunnels":   {envoy.TunnelRoute, extproc.TunnelRoute},
		"the stage's key":        {envoy.StageKey, extproc.StageKey},
		"the stage of attempts":  {envoy.StageAttempt, extproc.StageAttempt},
		"the stage of events":    {envoy.StageEvents, extproc.StageEvents},
		"the head of events":     {envoy.HeadAttribute, extproc.HeadAttribute},
		"the host's attribute":   {envoy.HostAttribute, extproc.HostAttribute},
		"the mark of failures":   {envoy.RetryHeader, extproc.RetryHeader},
		"the host of a fallback": {envoy.FallbackHost, extproc.FallbackHost},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: Envoy is told %q, the processor uses %q", name, pair[0], pair[1])
		}
	}
}
