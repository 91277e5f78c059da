package mockapi

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"sync/atomic"
	"time"
)

// authority is a certificate authority that lives as long as the process, and one leaf for all hosts.
type authority struct {
	pem   []byte
	leaf  atomic.Pointer[tls.Certificate] // that is shown
	issue func(from, to time.Time) (*tls.Certificate, error)
}

func newAuthority(hosts []string) (*authority, error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the key of the mock authority: %w", err)
	}
	now := time.Now().UTC()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "SaaS-Sentinel mock authority"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return nil, fmt.Errorf("sign the mock authority: %w", err)
	}
	names := make([]string, 0, 2*len(hosts)+1)
	for _, h := range append(hosts, "localhost") {
		names = append(names, h, "*."+h) // the second for S3's virtual-host style
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the key of the mock leaf: %w", err)
	}
	out := &authority{pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})}
	out.issue = func(from, to time.Time) (*tls.Certificate, error) {
		leaf := &x509.Certificate{
			SerialNumber: big.NewInt(from.UnixNano()), Subject: pkix.Name{CommonName: "SaaS-Sentinel mock"}, DNSNames: names,
			NotBefore: from, NotAfter: to,
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}
		der, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
		if err != nil {
			return nil, fmt.Errorf("sign the mock leaf: %w", err)
		}
		return &tls.Certificate{Certificate: [][]byte{der, caDER}, PrivateKey: key}, nil
	}
	return out, out.show(ca.NotBefore, ca.NotAfter)
}

// show signs another certificate and shows it from now on.
func (a *authority) show(from, to time.Time) error {
	leaf, err := a.issue(from, to)
	if err == nil {
		a.leaf.Store(leaf)
	}
	return err
}

// Expire shows new connections a certificate that ended an hour ago, or a good one again.
func (s *Server) Expire(expired bool) error {
	now := time.Now().UTC()
	if expired {
		return s.ca.show(now.Add(-2*time.Hour), now.Add(-time.Hour))
	}
	return s.ca.show(now.Add(-time.Hour), now.AddDate(1, 0, 0))
}

// CAPEM is the certificate of the authority that signed the hosts' certificate.
func (s *Server) CAPEM() []byte { return s.ca.pem }

// TLSConfig serves the configured hosts. No session is resumed, so that each connection sees the certificate.
func (s *Server) TLSConfig() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.ca.leaf.Load(), nil }}
}
