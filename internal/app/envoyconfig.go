package app

import (
	"math"

	"github.com/saas-sentinel/saas-sentinel/envoy"
	"github.com/saas-sentinel/saas-sentinel/governor"
)

// ForEnvoy is what Envoy is told about a site and its policy.
func (c Config) ForEnvoy(s *governor.State) envoy.Config {
	out := envoy.DefaultConfig()
	out.NodeID, out.Listen, out.Hosts, out.Admin = c.Envoy.Node, c.Envoy.Listen, c.Envoy.Hosts, c.Envoy.Admin
	out.AccessLog, out.Witness, out.StreamIdle = c.Envoy.AccessLog, c.Envoy.Witness, c.Envoy.StreamIdle
	out.MaxBodyBytes = uint32(min(c.Envoy.MaxBody, math.MaxUint32))
	out.MaxHeapBytes = c.Envoy.MaxHeap
	out.Control = c.Control.Listen
	if c.Control.Advertise != "" {
		out.Control = c.Control.Advertise
	}
	out.TLS = c.Envoy.TLS.forEnvoy()
	for _, r := range s.Ordered {
		n := len(out.Providers)
		if n == 0 || out.Providers[n-1].Name != r.Provider.Name {
			out.Providers = append(out.Providers, envoy.Provider{
				Name: r.Provider.Name, Host: r.Provider.Host, Address: r.Provider.Address,
				Plaintext: r.Provider.Plaintext, CAFile: r.Provider.CAFile, Place: r.Place,
			})
			n++
		}
		p := &out.Providers[n-1]
		p.Routes = append(p.Routes, envoy.Route{Name: r.Name, Method: r.Endpoint.Method, Path: r.Endpoint.Path, Events: r.Endpoint.Events})
	}
	for _, chain := range s.Chains {
		out.Chains = append(out.Chains, envoy.Chain(chain))
	}
	return out
}

// forEnvoy names a listener's files; nil stays nil.
func (t *TLSConfig) forEnvoy() *envoy.ListenerTLS {
	if t == nil {
		return nil
	}
	out := &envoy.ListenerTLS{CertFile: t.Cert, KeyFile: t.Key, ClientCAFile: t.ClientCA, RequireClientCert: t.RequireClientCert}
	if s := t.SDS; s != nil {
		out.Service = &envoy.SecretService{Socket: s.Socket, Certificate: s.Certificate, Bundle: s.Bundle}
	}
	return out
}
