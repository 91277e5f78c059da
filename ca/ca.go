// Package ca issues the certificates with which the gateway answers in the place of providers, to clients that come through the
// proxy: for the configured hosts, for a short time, and for nothing else.
package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"slices"
	"strings"
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
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	now  func() time.Time
}

// Leaf is a host's certificate with its key, in PEM. The chain ends before the authority, which clients have.
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
	if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o077 != 0 {
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

// OpenOrCreate reads an authority's file, and makes it at the first start.
func OpenOrCreate(file string, hosts []string, org string, now func() time.Time) (a *Authority, made bool, err error) {
	a, err = Open(file, now)
	if !errors.Is(err, fs.ErrNotExist) {
		return a, false, err
	}
	a, err = Create(file, hosts, org, now)
	return a, err == nil, err
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
	case !cert.IsCA || len(cert.PermittedDNSDomains) == 0:
		return nil, fmt.Errorf("%s: it is no authority with name constraints: make one with sentinel ca create", file)
	case !now().Before(cert.NotAfter):
		return nil, fmt.Errorf("%s ended on %s: make another with sentinel ca create, and give it to the clients", file, cert.NotAfter.Format(time.DateOnly))
	}
	return &Authority{cert: cert, key: key, now: now}, nil
}

// Certificate is what clients have to trust, in PEM. It holds no secret.
func (a *Authority) Certificate() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
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

// Issue makes a leaf for one host.
func (a *Authority) Issue(host string, life time.Duration) (Leaf, error) {
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
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: host}, DNSNames: []string{strings.ToLower(host)}, NotBefore: at.Add(-backdate), NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return Leaf{}, fmt.Errorf("certificate for %s: %w", host, err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Leaf{}, err
	}
	return Leaf{Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), NotAfter: end}, nil
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
