package envoy

import (
	"net/netip"
	"path/filepath"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
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
	if t == nil {
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
	common := &tlsv3.CommonTlsContext{
		TlsParams:                      &tlsv3.TlsParameters{TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_2},
		AlpnProtocols:                  protocols,
		TlsCertificateSdsSecretConfigs: []*tlsv3.SdsSecretConfig{secretRef(prefix+certificateSecret, byADS)},
	}
	if t.ClientCAFile != "" {
		common.ValidationContextType = &tlsv3.CommonTlsContext_ValidationContextSdsSecretConfig{
			ValidationContextSdsSecretConfig: secretRef(prefix+clientCASecret, byADS),
		}
	}
	return transportSocket(packed(&tlsv3.DownstreamTlsContext{
		CommonTlsContext: common, RequireClientCertificate: wrapperspb.Bool(t.RequireClientCert),
	}))
}

// secretRef refers to a secret, which stands in the same file unless it comes by ADS.
func secretRef(name string, byADS bool) *tlsv3.SdsSecretConfig {
	ref := &tlsv3.SdsSecretConfig{Name: name}
	if byADS {
		ref.SdsConfig = ads()
	}
	return ref
}

// upstreamTLS sends the provider's host as SNI and accepts only a certificate for that very name.
func upstreamTLS(p Provider) *corev3.TransportSocket {
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
	return transportSocket(packed(config))
}

func file(name string) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: name}}
}

func directory(name string) *corev3.WatchedDirectory {
	return &corev3.WatchedDirectory{Path: filepath.Dir(name)}
}
