package envoy

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	secretv3 "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	serverv3 "github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
)

// agent gives secrets as a SPIRE agent does: at a unix socket, by the state of the world.
type agent struct {
	cache   cache.SnapshotCache
	version int
}

func startAgent(t *testing.T, socket string) *agent {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	a := &agent{cache: cache.NewSnapshotCache(false, anyNode{}, nil)}
	ctx, cancel := context.WithCancel(t.Context())
	s := grpc.NewServer()
	secretv3.RegisterSecretDiscoveryServiceServer(s, serverv3.NewServer(ctx, a.cache, nil))
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() {
		cancel()
		s.Stop()
	})
	return a
}

// gives sets the listener's certificate, and the authorities of clients.
func (a *agent) gives(t *testing.T, certFile, keyFile string, authorities ...*authority) {
	t.Helper()
	read := func(name string) *corev3.DataSource {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: data}}
	}
	var bundle []byte
	for _, x := range authorities {
		bundle = append(bundle, read(x.file).GetInlineBytes()...)
	}
	a.version++
	snapshot, err := cache.NewSnapshot(strconv.Itoa(a.version), map[resource.Type][]types.Resource{resource.SecretType: {
		&tlsv3.Secret{Name: "spiffe://acme/gateway", Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{CertificateChain: read(certFile), PrivateKey: read(keyFile)}}},
		&tlsv3.Secret{Name: "spiffe://acme", Type: &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{
			TrustedCa: &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: bundle}}}}},
	}})
	if err == nil {
		err = a.cache.SetSnapshot(t.Context(), fleet, snapshot)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The gateway's certificate and the authorities of its clients come from an agent, which changes both while Envoy runs: the next authority is
// trusted beside the one before, and then the one before no more.
func TestAnAgentsCertificatesAndBundlesAreUsedWithoutARestart(t *testing.T) {
	const spiffe = "spiffe://acme/ns/prod/sa/checkout"
	before, after := newAuthority(t, t.TempDir()), newAuthority(t, t.TempDir())
	socketDir, err := os.MkdirTemp("", "sds") // a unix socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(socketDir) })
	socket := filepath.Join(socketDir, "agent.sock")
	a := startAgent(t, socket)
	certFile, keyFile := before.issue(t, "gateway.test", "")
	a.gives(t, certFile, keyFile, before)
	g := startGateway(t, func(c *Config) {
		c.TLS = &ListenerTLS{RequireClientCert: true, Service: &SecretService{Socket: socket, Certificate: "spiffe://acme/gateway", Bundle: "spiffe://acme"}}
	})
	// passes tells whether a client of an authority is let in and known; it trusts another for the gateway's own certificate.
	passes := func(client, gateway *authority) bool {
		status, err := g.askTLSBetween(t, client, gateway, spiffe)
		if err != nil || status != http.StatusOK {
			return false
		}
		_, attributes, _ := g.processor.last()
		return attributes[PeerAttribute] == spiffe
	}
	eventually := func(what string, ok func() bool) {
		t.Helper()
		for range 300 {
			if ok() {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Fatalf("after 15 s it is still not so that %s", what)
	}
	eventually("the first authority's client is known", func() bool { return passes(before, before) })
	if passes(after, before) {
		t.Fatal("a client of an authority that is not in the bundle is let in")
	}
	a.gives(t, certFile, keyFile, before, after)
	eventually("the next authority's client is known", func() bool { return passes(after, before) })
	if !passes(before, before) {
		t.Error("with the next authority the client of the one before is refused")
	}
	certFile, keyFile = after.issue(t, "gateway.test", "")
	a.gives(t, certFile, keyFile, after)
	eventually("the gateway shows its next certificate", func() bool { return passes(after, after) })
	eventually("the client of the authority before is refused", func() bool { return !passes(before, after) })
}
