package envoy

import (
	"context"
	"fmt"
	"sync/atomic"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	serverv3 "github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"github.com/rs/zerolog"
	"google.golang.org/grpc"
)

// Server is the control plane. It sends one configuration to every Envoy that connects, by delta ADS.
type Server struct {
	cache cache.SnapshotCache
	xds   serverv3.Server
	stop  context.CancelFunc
	open  *atomic.Int64 // discovery streams
}

// fleet is the cache's key for all Envoys.
const fleet = "fleet"

type anyNode struct{}

func (anyNode) ID(*corev3.Node) string { return fleet }

// NewServer makes a Server that has nothing to send before Set. Envoy's refusals of a configuration go to log.
func NewServer(log zerolog.Logger) *Server {
	ctx, stop := context.WithCancel(context.Background())
	c := cache.NewSnapshotCache(true, anyNode{}, nil)
	open := &atomic.Int64{}
	return &Server{cache: c, xds: serverv3.NewServer(ctx, c, callbacks(log, open)), stop: stop, open: open}
}

// Connected counts the Envoys that are connected now.
func (s *Server) Connected() int { return int(s.open.Load()) }

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

func callbacks(log zerolog.Logger, open *atomic.Int64) serverv3.Callbacks {
	return serverv3.CallbackFuncs{
		DeltaStreamOpenFunc: func(_ context.Context, stream int64, _ string) error {
			open.Add(1)
			log.Info().Int64("stream", stream).Msg("envoy connected")
			return nil
		},
		DeltaStreamClosedFunc: func(stream int64, node *corev3.Node) {
			open.Add(-1)
			log.Info().Int64("stream", stream).Str("node", node.GetId()).Msg("envoy disconnected")
		},
		StreamDeltaRequestFunc: func(stream int64, r *discoveryv3.DeltaDiscoveryRequest) error {
			if e := r.GetErrorDetail(); e != nil {
				log.Error().Int64("stream", stream).Str("type", r.GetTypeUrl()).Str("why", e.GetMessage()).Msg("envoy refused its configuration and keeps the one before")
			}
			return nil
		},
	}
}
