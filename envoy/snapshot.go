package envoy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"google.golang.org/protobuf/proto"
)

// Snapshot is the whole configuration as xDS resources. A type's version is a hash of its content, so
// what has not changed is not sent again. An invalid Config gives every fault at once.
func Snapshot(c Config) (*cache.Snapshot, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	resources := map[resource.Type][]types.Resource{
		resource.ListenerType: {listener(c, nil)},
		resource.RouteType:    {routes(c)},
	}
	for _, p := range c.Providers {
		resources[resource.ClusterType] = append(resources[resource.ClusterType], providerCluster(p, true))
	}
	for _, chain := range c.Chains {
		resources[resource.ClusterType] = append(resources[resource.ClusterType], chainCluster(chain, c.Providers))
	}
	for _, l := range proxyListeners(c, nil) {
		resources[resource.ListenerType] = append(resources[resource.ListenerType], l)
	}
	for _, o := range proxyClusters(c.Proxy) {
		resources[resource.ClusterType] = append(resources[resource.ClusterType], o)
	}
	for _, s := range slices.Concat(fileSecrets(c), leaves(c.Proxy), shown(c.Providers)) {
		resources[resource.SecretType] = append(resources[resource.SecretType], s)
	}
	s, err := cache.NewSnapshot("", resources)
	if err != nil {
		return nil, fmt.Errorf("xds snapshot: %w", err)
	}
	for kind, list := range resources {
		if err := validateAll(list); err != nil {
			return nil, fmt.Errorf("xds snapshot: %w", err)
		}
		version, err := contentHash(list)
		if err != nil {
			return nil, fmt.Errorf("xds snapshot: %w", err)
		}
		s.Resources[cache.GetResponseType(kind)].Version = version
	}
	if err := s.Consistent(); err != nil {
		return nil, fmt.Errorf("xds snapshot: %w", err)
	}
	return s, nil
}

// validateAll holds the rules that Envoy's API states field by field.
func validateAll(list []types.Resource) error {
	for _, r := range list {
		if v, ok := r.(interface{ ValidateAll() error }); ok {
			if err := v.ValidateAll(); err != nil {
				return fmt.Errorf("%s %q: %w", r.ProtoReflect().Descriptor().Name(), cache.GetResourceName(r), err)
			}
		}
	}
	return nil
}

func contentHash(list []types.Resource) (string, error) {
	h := sha256.New()
	for _, r := range list {
		b, err := proto.MarshalOptions{Deterministic: true}.Marshal(r)
		if err != nil {
			return "", err
		}
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil)[:12]), nil
}
