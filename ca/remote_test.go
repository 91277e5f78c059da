package ca_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/ca"
)

// elsewhere is an organisation's root without constraints, and a constrained authority below it that signs whatever it is asked to.
type elsewhere struct {
	chain string
	cert  *x509.Certificate
	key   *ecdsa.PrivateKey
}

func certificate(t *testing.T, template, parent *x509.Certificate, public *ecdsa.PublicKey, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	template.SerialNumber, template.NotBefore = big.NewInt(time.Now().UnixNano()), at.Add(-time.Hour)
	if template.NotAfter.IsZero() {
		template.NotAfter = at.Add(240 * time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func text(list ...*x509.Certificate) (out string) {
	for _, c := range list {
		out += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	return out
}

func newElsewhere(t *testing.T, hosts ...string) elsewhere {
	t.Helper()
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "acme root"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	root := certificate(t, template, template, &rootKey.PublicKey, rootKey)
	below := &x509.Certificate{Subject: pkix.Name{CommonName: "acme egress"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		PermittedDNSDomainsCritical: len(hosts) > 0, PermittedDNSDomains: hosts}
	cert := certificate(t, below, root, &key.PublicKey, rootKey)
	return elsewhere{chain: text(cert, root), cert: cert, key: key}
}

// sign issues what is asked, for other hosts if names are given.
func (e elsewhere) sign(t *testing.T, names ...string) ca.Sign {
	return func(_ context.Context, request, host string, life time.Duration) (string, error) {
		block, _ := pem.Decode([]byte(request))
		r, err := x509.ParseCertificateRequest(block.Bytes)
		if err != nil || r.CheckSignature() != nil {
			t.Fatalf("a request that is not its key's: %v", err)
		}
		if len(names) == 0 {
			names = []string{host}
		}
		leaf := &x509.Certificate{DNSNames: names, NotAfter: at.Add(life), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
		return text(certificate(t, leaf, e.cert, r.PublicKey.(*ecdsa.PublicKey), e.key)), nil
	}
}

func TestAnAuthorityElsewhereIsTrustedByItsRoot(t *testing.T) {
	e := newElsewhere(t, "api.openai.com")
	a, err := ca.Remote("vault:pki#egress", e.chain, e.sign(t), clock)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := a.Issue(t.Context(), "API.openai.com", time.Hour)
	if err != nil || !leaf.NotAfter.Equal(at.Add(time.Hour)) {
		t.Fatalf("until %s, %v", leaf.NotAfter, err)
	}
	first, rest := pem.Decode(leaf.Cert)
	second, _ := pem.Decode(rest)
	cert, err := x509.ParseCertificate(first.Bytes)
	if err != nil || second == nil {
		t.Fatalf("the leaf comes without the authority: %v", err)
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AppendCertsFromPEM(a.Certificate())
	between.AppendCertsFromPEM(rest)
	if _, err := cert.Verify(x509.VerifyOptions{DNSName: "api.openai.com", Roots: roots, Intermediates: between, CurrentTime: at}); err != nil {
		t.Error(err)
	}
	if _, err := a.Issue(t.Context(), "example.com", time.Hour); !errors.Is(err, ca.ErrOutside) {
		t.Errorf("outside: %v", err)
	}
}

// An authority that signs anything is not taken at its word.
func TestWhatClientsWouldRefuseIsNotServed(t *testing.T) {
	e := newElsewhere(t, "api.openai.com", "api.stripe.com")
	for name, sign := range map[string]ca.Sign{
		"another host":    e.sign(t, "example.com"),
		"another of ours": e.sign(t, "api.stripe.com"),
		"one host more":   e.sign(t, "api.openai.com", "api.stripe.com"),
		"nothing":         func(context.Context, string, string, time.Duration) (string, error) { return "", nil },
		"another's key":   func(context.Context, string, string, time.Duration) (string, error) { return text(e.cert), nil },
		"it is not there": func(context.Context, string, string, time.Duration) (string, error) { return "", errors.New("away") },
	} {
		a, err := ca.Remote("vault:pki#egress", e.chain, sign, clock)
		if err != nil {
			t.Fatal(err)
		}
		if leaf, err := a.Issue(t.Context(), "api.openai.com", time.Hour); err == nil {
			t.Errorf("%s: issued %s", name, leaf.Cert)
		}
	}
}

func TestAuthoritiesElsewhereWithoutConstraintsAreRefused(t *testing.T) {
	bare, good := newElsewhere(t), newElsewhere(t, "api.openai.com")
	late := func() time.Time { return at.AddDate(1, 0, 0) }
	for want, tt := range map[string]struct {
		chain string
		now   func() time.Time
	}{
		"no authority with name constraints": {bare.chain, clock},
		"0 certificates":                     {"", clock},
		"broken":                             {text(good.cert, bare.cert), clock},
		"ended on":                           {good.chain, late},
	} {
		if _, err := ca.Remote("vault:pki#egress", tt.chain, good.sign(t), tt.now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
