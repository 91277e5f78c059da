package envoy

import (
	"maps"
	"sync"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
)

// applied knows what each connected Envoy took of what it was sent.
type applied struct {
	mu      sync.Mutex
	streams map[int64]map[string]told // by the discovery stream's number and the type's URL
}

// told is the last that an Envoy was sent of a type.
type told struct {
	nonce, version string
	taken          bool
	brought        map[string]string // versions of resources that it had when it connected; it is sent nothing where they are today's
}

func (t told) is(want cache.ResourceSnapshot, kind resource.Type) bool {
	if t.nonce == "" {
		return len(t.brought) > 0 && maps.Equal(t.brought, want.GetVersionMap(kind))
	}
	return t.taken && t.version == want.GetVersion(kind)
}

func (a *applied) opened(stream int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.streams[stream] = map[string]told{}
}

func (a *applied) closed(stream int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.streams, stream)
}

func (a *applied) sent(stream int64, r *discoveryv3.DeltaDiscoveryResponse) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if types, ok := a.streams[stream]; ok {
		types[r.GetTypeUrl()] = told{nonce: r.GetNonce(), version: r.GetSystemVersionInfo()}
	}
}

// answered notes that an Envoy took what it was sent, or did not. A request without a nonce, or with an older one, is no answer to it.
func (a *applied) answered(stream int64, r *discoveryv3.DeltaDiscoveryRequest) {
	a.mu.Lock()
	defer a.mu.Unlock()
	types, ok := a.streams[stream]
	last := types[r.GetTypeUrl()]
	switch {
	case !ok || r.GetResponseNonce() != last.nonce:
		return
	case last.nonce == "":
		last.brought = r.GetInitialResourceVersions()
	default:
		last.taken = r.GetErrorDetail() == nil
	}
	types[r.GetTypeUrl()] = last
}

// count gives how many Envoys are connected, and how many of them do not have the clusters and routes of a configuration.
func (a *applied) count(want cache.ResourceSnapshot) (connected, behind int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, types := range a.streams {
		connected++
		if want == nil {
			continue
		}
		for _, kind := range []resource.Type{resource.ClusterType, resource.RouteType} {
			if !types[kind].is(want, kind) {
				behind++
				break
			}
		}
	}
	return connected, behind
}
