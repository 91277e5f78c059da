package envoy

import (
	"context"
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	serverv3 "github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"github.com/rs/zerolog"
	"google.golang.org/grpc"
)

// Server is the control plane. It sends one configuration to every Envoy that connects, by delta ADS.
type Server struct {
	cache   cache.SnapshotCache
	xds     serverv3.Server
	stop    context.CancelFunc
	applied *applied
}

// fleet is the cache's key for all Envoys.
const fleet = "fleet"

type anyNode struct{}

func (anyNode) ID(*corev3.Node) string { return fleet }

// NewServer makes a Server that has nothing to send before Set. Envoy's refusals of a configuration go to log.
func NewServer(log zerolog.Logger) *Server {
	ctx, stop := context.WithCancel(context.Background())
	c := cache.NewSnapshotCache(true, anyNode{}, nil)
	taken := &applied{streams: map[int64]map[string]told{}}
	return &Server{cache: c, xds: serverv3.NewServer(ctx, c, callbacks(log, taken)), stop: stop, applied: taken}
}

// Connected counts the Envoys that are connected now.
func (s *Server) Connected() int {
	connected, _ := s.applied.count(nil)
	return connected
}

// Behind counts the connected Envoys that have not taken the clusters and routes of the last Set: they are about to, or refused them.
func (s *Server) Behind() int {
	snapshot, err := s.cache.GetSnapshot(fleet)
	if err != nil {
		return 0 // nothing was sent
	}
	_, behind := s.applied.count(snapshot)
	return behind
}

// Register adds the aggregated discovery service to a gRPC server.
func (s *Server) Register(g *grpc.Server) {
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(g, s.xds)
}

// Set swaps the configuration of every Envoy as a whole. With an invalid one everything stays as it was.
func (s *Server) Set(c Config) error {
	snapshot, err := Snapshot(c)
	if err != nil {
		return fmt.Errorf("envoy configuration: %w", err)
	}
	if err := s.cache.SetSnapshot(context.Background(), fleet, snapshot); err != nil {
		return fmt.Errorf("send configuration to envoy: %w", err)
	}
	return nil
}

// Stop ends the discovery streams, which otherwise would hold up a graceful stop of the gRPC server for ever.
// Envoys keep their configuration.
func (s *Server) Stop() { s.stop() }

func callbacks(log zerolog.Logger, taken *applied) serverv3.Callbacks {
	return serverv3.CallbackFuncs{
		DeltaStreamOpenFunc: func(_ context.Context, stream int64, _ string) error {
			taken.opened(stream)
			log.Info().Int64("stream", stream).Msg("envoy connected")
			return nil
		},
		DeltaStreamClosedFunc: func(stream int64, node *corev3.Node) {
			taken.closed(stream)
			log.Info().Int64("stream", stream).Str("node", node.GetId()).Msg("envoy disconnected")
		},
		StreamDeltaRequestFunc: func(stream int64, r *discoveryv3.DeltaDiscoveryRequest) error {
			taken.answered(stream, r)
			if e := r.GetErrorDetail(); e != nil {
				log.Error().Int64("stream", stream).Str("type", r.GetTypeUrl()).Str("why", e.GetMessage()).Msg("envoy refused its configuration and keeps the one before")
			}
			return nil
		},
		StreamDeltaResponseFunc: func(stream int64, _ *discoveryv3.DeltaDiscoveryRequest, r *discoveryv3.DeltaDiscoveryResponse) {
			taken.sent(stream, r)
		},
	}
}
