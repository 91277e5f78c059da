package envoy

import (
	"net/netip"
	"path/filepath"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// The secrets of a listener with files, behind its own prefix.
const (
	certificateSecret = "/certificate"
	clientCASecret    = "/client-ca"
	gatewaySecrets    = "listener"
)

// fileSecrets are those of the listeners that have files.
func fileSecrets(c Config) []*tlsv3.Secret {
	out := secrets(gatewaySecrets, c.TLS)
	if c.Proxy != nil {
		out = append(out, secrets(proxyName, c.Proxy.TLS)...)
	}
	return out
}

// secrets names a listener's files. As secrets, unlike inline, they are read again when a new
// certificate is moved into their directory. The files themselves never leave Envoy's machine.
func secrets(prefix string, t *ListenerTLS) []*tlsv3.Secret {
	if t == nil || t.Service != nil {
		return nil
	}
	out := []*tlsv3.Secret{{
		Name: prefix + certificateSecret,
		Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
			CertificateChain: file(t.CertFile), PrivateKey: file(t.KeyFile), WatchedDirectory: directory(t.CertFile),
		}},
	}}
	if t.ClientCAFile != "" {
		out = append(out, &tlsv3.Secret{
			Name: prefix + clientCASecret,
			Type: &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{
				TrustedCa: file(t.ClientCAFile), WatchedDirectory: directory(t.ClientCAFile),
			}},
		})
	}
	return out
}

// downstreamTLS asks for a client's certificate where there is a client CA.
func downstreamTLS(prefix string, t ListenerTLS, byADS bool, protocols ...string) *corev3.TransportSocket {
	certificate, clients := secretRef(prefix+certificateSecret, byADS), secretRef(prefix+clientCASecret, byADS)
	if s := t.Service; s != nil {
		certificate = &tlsv3.SdsSecretConfig{Name: s.Certificate, SdsConfig: fromService(prefix)}
		clients = &tlsv3.SdsSecretConfig{Name: s.Bundle, SdsConfig: fromService(prefix)}
	}
	common := &tlsv3.CommonTlsContext{
		TlsParams:                      &tlsv3.TlsParameters{TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_2},
		AlpnProtocols:                  protocols,
		TlsCertificateSdsSecretConfigs: []*tlsv3.SdsSecretConfig{certificate},
	}
	if t.verifies() {
		common.ValidationContextType = &tlsv3.CommonTlsContext_ValidationContextSdsSecretConfig{ValidationContextSdsSecretConfig: clients}
	}
	return transportSocket(packed(&tlsv3.DownstreamTlsContext{
		CommonTlsContext: common, RequireClientCertificate: wrapperspb.Bool(t.RequireClientCert),
	}))
}

// serviceCluster begins the names of the clusters of secret services, by listener. Envoy takes discovery from clusters of its bootstrap alone.
const serviceCluster = "secrets/"

// fromService has a listener's secrets come from its service.
func fromService(prefix string) *corev3.ConfigSource {
	return &corev3.ConfigSource{ResourceApiVersion: corev3.ApiVersion_V3, ConfigSourceSpecifier: &corev3.ConfigSource_ApiConfigSource{ApiConfigSource: &corev3.ApiConfigSource{
		ApiType: corev3.ApiConfigSource_GRPC, TransportApiVersion: corev3.ApiVersion_V3,
		GrpcServices: []*corev3.GrpcService{{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: serviceCluster + prefix}}}},
	}}}
}

// serviceClusters are the secret services of the listeners.
func serviceClusters(c Config) []*clusterv3.Cluster {
	var out []*clusterv3.Cluster
	add := func(prefix string, t *ListenerTLS) {
		if t == nil || t.Service == nil {
			return
		}
		name := serviceCluster + prefix
		out = append(out, &clusterv3.Cluster{
			Name: name, ConnectTimeout: durationpb.New(time.Second), ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC},
			TypedExtensionProtocolOptions: map[string]*anypb.Any{httpOptions: packed(&httpv3.HttpProtocolOptions{
				UpstreamProtocolOptions: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{ExplicitHttpConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig{
					ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{Http2ProtocolOptions: &corev3.Http2ProtocolOptions{}},
				}},
			})},
			LoadAssignment: &endpointv3.ClusterLoadAssignment{ClusterName: name, Endpoints: []*endpointv3.LocalityLbEndpoints{{LbEndpoints: []*endpointv3.LbEndpoint{{
				HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{
					Address: &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: t.Service.Socket}}},
				}},
			}}}}},
		})
	}
	add(gatewaySecrets, c.TLS)
	if c.Proxy != nil {
		add(proxyName, c.Proxy.TLS)
	}
	return out
}

// secretRef refers to a secret, which stands in the same file unless it comes by ADS.
func secretRef(name string, byADS bool) *tlsv3.SdsSecretConfig {
	ref := &tlsv3.SdsSecretConfig{Name: name}
	if byADS {
		ref.SdsConfig = ads()
	}
	return ref
}

// shown are the certificates that providers are shown.
func shown(providers []Provider) []*tlsv3.Secret {
	var out []*tlsv3.Secret
	for _, p := range providers {
		if p.Shows != nil {
			out = append(out, inlineSecret(clusterName(p)+certificateSecret, p.Shows.Cert, p.Shows.Key))
		}
	}
	return out
}

// inlineSecret is a certificate with its key, in PEM.
func inlineSecret(name string, cert, key []byte) *tlsv3.Secret {
	inline := func(b []byte) *corev3.DataSource {
		return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: b}}
	}
	return &tlsv3.Secret{Name: name, Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{CertificateChain: inline(cert), PrivateKey: inline(key)}}}
}

// upstreamTLS sends the provider's host as SNI and accepts only a certificate for that very name.
func upstreamTLS(p Provider, byADS bool) *corev3.TransportSocket {
	host, ca := HostOnly(p.Host), p.CAFile
	if ca == "" {
		ca = SystemCAs
	}
	config, kind := &tlsv3.UpstreamTlsContext{Sni: host}, tlsv3.SubjectAltNameMatcher_DNS
	if _, err := netip.ParseAddr(host); err == nil {
		config.Sni, kind = "", tlsv3.SubjectAltNameMatcher_IP_ADDRESS // SNI is for names only (RFC 6066)
	}
	config.CommonTlsContext = &tlsv3.CommonTlsContext{
		TlsParams: &tlsv3.TlsParameters{TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_2},
		ValidationContextType: &tlsv3.CommonTlsContext_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{
			TrustedCa: file(ca),
			MatchTypedSubjectAltNames: []*tlsv3.SubjectAltNameMatcher{{
				SanType: kind,
				Matcher: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: host}},
			}},
		}},
	}
	if p.Shows != nil {
		config.CommonTlsContext.TlsCertificateSdsSecretConfigs = []*tlsv3.SdsSecretConfig{secretRef(clusterName(p)+certificateSecret, byADS)}
	}
	return transportSocket(packed(config))
}

func file(name string) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: name}}
}

func directory(name string) *corev3.WatchedDirectory {
	return &corev3.WatchedDirectory{Path: filepath.Dir(name)}
}
