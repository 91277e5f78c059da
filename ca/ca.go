// Package ca issues the certificates with which the gateway answers in the place of providers, to clients that come through the
// proxy: for the configured hosts, for a short time, and for nothing else.
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
	"math/big"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	authorityLife = 2 * 365 * 24 * time.Hour
	backdate      = 5 * time.Minute // clients' clocks that are behind
	// MaxLeafLife bounds a leaf: what leaks is soon worthless.
	MaxLeafLife = 7 * 24 * time.Hour
)

// ErrOutside says that a host is not among those that the authority may vouch for.
var ErrOutside = errors.New("outside of the authority's name constraints")

// Authority signs leaves. Its certificate has name constraints (RFC 5280 §4.2.1.10): clients accept no other host from it, whoever
// holds the key.
type Authority struct {
	cert  *x509.Certificate
	above []*x509.Certificate // those that vouch for cert, up to what clients trust; none: that is cert itself
	sign  signing
	now   func() time.Time
}

// signing makes a certificate in DER of a template and the key that is to have it.
type signing func(ctx context.Context, template *x509.Certificate, key *ecdsa.PrivateKey) ([]byte, error)

// Leaf is a host's certificate with its key, in PEM. The chain ends before what clients have.
type Leaf struct {
	Cert, Key []byte
	NotAfter  time.Time
}

// Create makes an authority for hosts, and writes it to a file that only its owner reads. It never replaces one.
func Create(file string, hosts []string, org string, now func() time.Time) (*Authority, error) {
	hosts = clean(hosts)
	if len(hosts) == 0 {
		return nil, errors.New("an authority needs at least one host name: addresses cannot be constrained")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	at := now()
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "SaaS-Sentinel egress of " + org}, NotBefore: at.Add(-backdate), NotAfter: at.Add(authorityLife),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: hosts,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	err = errors.Join(pem.Encode(f, &pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: private}), f.Sync(), f.Close())
	if err != nil {
		return nil, errors.Join(err, os.Remove(file))
	}
	return parse(file, der, private, now)
}

// Open reads an authority's file.
func Open(file string, now func() time.Time) (*Authority, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(file); err == nil && exposed(info) {
		return nil, fmt.Errorf("%s can be read by others than its owner: chmod 600 it", file)
	}
	var cert, key []byte
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "CERTIFICATE":
			cert = block.Bytes
		case "PRIVATE KEY":
			key = block.Bytes
		}
	}
	return parse(file, cert, key, now)
}

// exposed tells whether others may read a key: anybody but its owner, and, where that is root, but its group. So Kubernetes gives a pod the files of a
// Secret (fsGroup), and PostgreSQL takes its own key.
func exposed(info os.FileInfo) bool {
	allowed := os.FileMode(0o700)
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid == 0 {
		allowed = 0o740
	}
	return info.Mode().Perm()&^allowed != 0
}

func parse(file string, certDER, keyDER []byte, now func() time.Time) (*Authority, error) {
	cert, err := x509.ParseCertificate(certDER)
	if err != nil {
		return nil, fmt.Errorf("%s has no certificate that can be read: %w", file, err)
	}
	private, err := x509.ParsePKCS8PrivateKey(keyDER)
	key, ok := private.(*ecdsa.PrivateKey)
	switch {
	case err != nil || !ok:
		return nil, fmt.Errorf("%s has no ECDSA key in PKCS #8", file)
	case !key.PublicKey.Equal(cert.PublicKey):
		return nil, fmt.Errorf("%s: the key is not the certificate's", file)
	}
	a := &Authority{cert: cert, now: now, sign: func(_ context.Context, template *x509.Certificate, leaf *ecdsa.PrivateKey) ([]byte, error) {
		return x509.CreateCertificate(rand.Reader, template, cert, &leaf.PublicKey, key)
	}}
	if err := a.usable(file, "make another with sentinel ca create"); err != nil {
		return nil, err
	}
	return a, nil
}

// Certificate is what clients have to trust, in PEM. It holds no secret.
func (a *Authority) Certificate() []byte {
	anchor := a.cert
	if n := len(a.above); n > 0 {
		anchor = a.above[n-1]
	}
	return encoded(anchor)
}

func encoded(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// Hosts are the names that the authority may vouch for, those below them included.
func (a *Authority) Hosts() []string { return slices.Clone(a.cert.PermittedDNSDomains) }

// NotAfter is the authority's end.
func (a *Authority) NotAfter() time.Time { return a.cert.NotAfter }

// Covers tells whether a leaf can be issued for a host.
func (a *Authority) Covers(host string) bool {
	host = strings.ToLower(host)
	return slices.ContainsFunc(a.cert.PermittedDNSDomains, func(d string) bool { return host == d || strings.HasSuffix(host, "."+d) })
}

// Issue makes a leaf for one host. What the authority gave is checked as a client would: one that clients would refuse is an error.
func (a *Authority) Issue(ctx context.Context, host string, life time.Duration) (Leaf, error) {
	host = strings.ToLower(host)
	if !a.Covers(host) {
		return Leaf{}, fmt.Errorf("certificate for %s: %w, which are %s", host, ErrOutside, strings.Join(a.cert.PermittedDNSDomains, ", "))
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Leaf{}, err
	}
	at := a.now()
	end := at.Add(min(life, MaxLeafLife))
	if end.After(a.cert.NotAfter) {
		end = a.cert.NotAfter
	}
	der, err := a.sign(ctx, &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}, NotBefore: at.Add(-backdate), NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}, key)
	if err != nil {
		return Leaf{}, fmt.Errorf("certificate for %s: %w", host, err)
	}
	cert, err := a.checked(der, host, key)
	if err != nil {
		return Leaf{}, fmt.Errorf("certificate for %s: %w", host, err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Leaf{}, err
	}
	leaf := Leaf{Cert: encoded(cert), Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), NotAfter: cert.NotAfter}
	if len(a.above) > 0 {
		for _, c := range append([]*x509.Certificate{a.cert}, a.above[:len(a.above)-1]...) {
			leaf.Cert = append(leaf.Cert, encoded(c)...)
		}
	}
	return leaf, nil
}

// checked holds that a certificate is for one host and this key, and that who trusts the authority accepts it.
func (a *Authority) checked(der []byte, host string, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	if !key.PublicKey.Equal(cert.PublicKey) || !slices.Equal(cert.DNSNames, []string{host}) || len(cert.IPAddresses) > 0 || cert.IsCA {
		return nil, fmt.Errorf("the authority gave one for %v, or for another key", cert.DNSNames)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	_, err = cert.Verify(x509.VerifyOptions{DNSName: host, Roots: roots, CurrentTime: a.now()})
	return cert, err
}

// serial is 127 random bits (CA/Browser Forum: at least 64).
func serial() *big.Int {
	n, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)) // crypto/rand never fails since Go 1.24
	return n
}

// clean sorts host names, each once.
func clean(hosts []string) []string {
	out := make([]string, 0, len(hosts))
	for _, h := range hosts {
		if h = strings.ToLower(h); strings.ContainsAny(h, "abcdefghijklmnopqrstuvwxyz") && !strings.Contains(h, ":") {
			out = append(out, h)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
