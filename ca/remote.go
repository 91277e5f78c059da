package ca

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// Sign has an authority elsewhere sign a request (PKCS #10) for one host, both in PEM.
type Sign func(ctx context.Context, request, host string, life time.Duration) (string, error)

// maxChain bounds the certificates of an authority's chain.
const maxChain = 8

// Remote is an authority whose key is elsewhere. Its chain begins with the certificate that signs, which must have name constraints, and
// ends with the one that clients trust. Name says where it is, for messages.
func Remote(name, chain string, sign Sign, now func() time.Time) (*Authority, error) {
	certs, err := certificates([]byte(chain))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	a := &Authority{cert: certs[0], above: certs[1:], now: now}
	for i, c := range a.above {
		if err := certs[i].CheckSignatureFrom(c); err != nil {
			return nil, fmt.Errorf("%s: its chain is broken at %s: %w", name, certs[i].Subject, err)
		}
	}
	if err := a.usable(name, "make its authority again, with permitted_dns_domains and the policy's hosts"); err != nil {
		return nil, err
	}
	a.sign = func(ctx context.Context, template *x509.Certificate, key *ecdsa.PrivateKey) ([]byte, error) {
		host := template.DNSNames[0]
		csr, err := request(host, key)
		if err != nil {
			return nil, err
		}
		text, err := sign(ctx, csr, host, template.NotAfter.Sub(now()))
		if err != nil {
			return nil, err
		}
		block, _ := pem.Decode([]byte(text))
		if block == nil {
			return nil, errors.New("the authority's answer is not PEM")
		}
		return block.Bytes, nil
	}
	return a, nil
}

// usable holds what every authority must have: name constraints, and time left.
func (a *Authority) usable(name, remedy string) error {
	switch {
	case !a.cert.IsCA || len(a.cert.PermittedDNSDomains) == 0:
		return fmt.Errorf("%s: it is no authority with name constraints: %s", name, remedy)
	case !a.now().Before(a.cert.NotAfter):
		return fmt.Errorf("%s ended on %s: %s, and give it to the clients", name, a.cert.NotAfter.Format(time.DateOnly), remedy)
	}
	return nil
}

// certificates reads a chain in PEM.
func certificates(text []byte) (out []*x509.Certificate, err error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	if len(out) == 0 || len(out) > maxChain {
		return nil, fmt.Errorf("%d certificates where 1 to %d are wanted", len(out), maxChain)
	}
	return out, nil
}
