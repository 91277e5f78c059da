package ca

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// Client has an authority elsewhere issue a certificate that the gateway shows as a client, for a key that is made here. Chain begins with
// the certificate that signs; what stands above it is sent along, but for a root, which who verifies has. What cannot prove a client is an error.
func Client(ctx context.Context, chain string, sign Sign, name string, life time.Duration, now time.Time) (Leaf, error) {
	leaf, err := client(ctx, chain, sign, name, life, now)
	if err != nil {
		return Leaf{}, fmt.Errorf("certificate for %s: %w", name, err)
	}
	return leaf, nil
}

func client(ctx context.Context, chain string, sign Sign, name string, life time.Duration, now time.Time) (Leaf, error) {
	above, err := certificates([]byte(chain))
	if err != nil {
		return Leaf{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Leaf{}, err
	}
	csr, err := request(name, key)
	if err != nil {
		return Leaf{}, err
	}
	text, err := sign(ctx, csr, name, life)
	if err != nil {
		return Leaf{}, err
	}
	got, err := certificates([]byte(text))
	if err != nil {
		return Leaf{}, err
	}
	cert := got[0]
	if !key.PublicKey.Equal(cert.PublicKey) || cert.IsCA {
		return Leaf{}, errors.New("the authority gave one for another key, or an authority's")
	}
	roots := x509.NewCertPool()
	roots.AddCert(above[0])
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		return Leaf{}, fmt.Errorf("the authority gave one that proves no client: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Leaf{}, err
	}
	leaf := Leaf{Cert: encoded(cert), Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), NotAfter: cert.NotAfter}
	for _, c := range above {
		if c.CheckSignatureFrom(c) != nil {
			leaf.Cert = append(leaf.Cert, encoded(c)...)
		}
	}
	return leaf, nil
}

// request is a request for one host (PKCS #10), in PEM.
func request(host string, key *ecdsa.PrivateKey) (string, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}}, key)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), err
}
