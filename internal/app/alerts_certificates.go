package app

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"iter"
	"os"
	"time"

	"github.com/saas-sentinel/saas-sentinel/policy"
)

// certificatesEvery is how often files are read for the end of their certificates.
const certificatesEvery = 10 * time.Minute

// certificates knows when the certificates of files end.
type certificates struct {
	read time.Time
	ends map[string]time.Time // by the key of the configuration or the policy
}

// seen gives every certificate with the days that are left. Files are read again now and then: they are renewed in place.
func (c *certificates) seen(now time.Time, files map[string]certificateFile) (out []seen) {
	if now.Sub(c.read) >= certificatesEvery {
		c.read, c.ends = now, map[string]time.Time{}
		for key, f := range files {
			if end, err := f.end(); err == nil { // a file that cannot be read is the fault of whoever needs it
				c.ends[key] = end
			}
		}
	}
	for key, end := range c.ends {
		out = append(out, seen{factKey{kind: "certificate", name: key}, policy.AlertFact{Kind: "certificate", Name: key, Count: 1, Days: end.Sub(now).Hours() / 24}})
	}
	return out
}

// certificateFile is a PEM file: a certificate with what vouches for it, or authorities of which one is enough.
type certificateFile struct {
	path        string
	authorities bool
}

var errNoCertificate = errors.New("the file holds no certificate")

// end is when the first certificate ends, or the last of the authorities.
func (f certificateFile) end() (end time.Time, err error) {
	data, err := os.ReadFile(f.path)
	if err != nil {
		return end, err
	}
	for c, err := range certificatesIn(data) {
		if err != nil {
			return end, err
		}
		if c.NotAfter.After(end) {
			end = c.NotAfter
		}
		if !f.authorities {
			break
		}
	}
	if end.IsZero() {
		return end, errNoCertificate
	}
	return end, nil
}

// certificatesIn gives the certificates of a PEM file, in its order. Keys and whatever else is in it are passed over.
func certificatesIn(data []byte) iter.Seq2[*x509.Certificate, error] {
	return func(yield func(*x509.Certificate, error) bool) {
		for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
			if block.Type == "CERTIFICATE" && !yield(x509.ParseCertificate(block.Bytes)) {
				return
			}
		}
	}
}

// certificateFiles lists the files that end calls when they end, by the keys that name them.
func (a *App) certificateFiles() map[string]certificateFile {
	out := map[string]certificateFile{}
	add := func(key, path string, authorities bool) {
		if path != "" {
			out[key] = certificateFile{path, authorities}
		}
	}
	c := a.config
	if t := c.Envoy.TLS; t != nil {
		add("envoy.tls.cert", t.Cert, false)
		add("envoy.tls.client_ca", t.ClientCA, true)
	}
	if c.Proxy.used() && !c.Proxy.InVault() {
		add("proxy.ca", c.Proxy.CA, false)
	}
	if t := c.Proxy.TLS; t != nil {
		add("proxy.tls.cert", t.Cert, false)
		add("proxy.tls.client_ca", t.ClientCA, true)
	}
	add("redis.ca_file", c.Redis.CAFile, true)
	add("vault.ca_file", c.Vault.CAFile, true)
	for _, p := range a.governor.State().Policy.Providers {
		add("providers."+p.Name+".ca_file", p.CAFile, true)
	}
	return out
}
