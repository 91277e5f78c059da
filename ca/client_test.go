package ca_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/ca"
)

// signFor issues what is asked, but for a change.
func (e elsewhere) signFor(t *testing.T, change func(*x509.Certificate)) ca.Sign {
	return func(_ context.Context, request, name string, life time.Duration) (string, error) {
		block, _ := pem.Decode([]byte(request))
		r, err := x509.ParseCertificateRequest(block.Bytes)
		if err != nil || r.CheckSignature() != nil || r.Subject.CommonName != name {
			t.Fatalf("a request that is not its key's, or for another: %v", err)
		}
		leaf := &x509.Certificate{DNSNames: r.DNSNames, NotAfter: at.Add(life), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
		change(leaf)
		return text(certificate(t, leaf, e.cert, r.PublicKey.(*ecdsa.PublicKey), e.key)), nil
	}
}

func TestAClientsCertificateProvesAClient(t *testing.T) {
	e := newElsewhere(t)
	leaf, err := ca.Client(t.Context(), e.chain, e.signFor(t, func(*x509.Certificate) {}), "gateway.acme.example", time.Hour, at)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(leaf.Cert, leaf.Key)
	if err != nil || len(pair.Certificate) != 2 {
		t.Errorf("%d certificates are sent, want the leaf and the authority below the root: %v", len(pair.Certificate), err)
	}
	for name, tt := range map[string]struct {
		change func(*x509.Certificate)
		want   string
	}{
		"for servers":    {func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, "proves no client"},
		"ended":          {func(c *x509.Certificate) { c.NotAfter = at.Add(-time.Minute) }, "proves no client"},
		"an authority's": {func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }, "an authority's"},
	} {
		if _, err := ca.Client(t.Context(), e.chain, e.signFor(t, tt.change), "gateway.acme.example", time.Hour, at); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	foreign := newElsewhere(t)
	if _, err := ca.Client(t.Context(), foreign.chain, e.signFor(t, func(*x509.Certificate) {}), "gateway.acme.example", time.Hour, at); err == nil {
		t.Error("another authority's certificate is taken")
	}
}
