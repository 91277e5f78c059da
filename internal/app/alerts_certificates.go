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

// certificates knows when certificates end.
type certificates struct {
	read time.Time
	ends map[string]certificateEnd // by the key of the configuration or the policy
}

// certificateEnd is when one ends, and whether the gateway, which issues it, could not renew it.
type certificateEnd struct {
	at      time.Time
	renewal bool
}

// unrenewed is the reason of a fact about a certificate that the gateway issues: of those only the ones that could not be renewed are facts.
const unrenewed = "renewal"

// seen gives every certificate with the days that are left. They are looked at again now and then: files are renewed in place.
func (c *certificates) seen(now time.Time, look func(now time.Time) map[string]certificateEnd) (out []seen) {
	if now.Sub(c.read) >= certificatesEvery {
		c.read, c.ends = now, look(now)
	}
	for key, end := range c.ends {
		fact := policy.AlertFact{Kind: "certificate", Name: key, Count: 1, Days: end.at.Sub(now).Hours() / 24}
		if end.renewal {
			fact.Reason = unrenewed
		}
		out = append(out, seen{factKey{kind: "certificate", name: key}, fact})
	}
	return out
}

// certificateEnds looks at the files, and at what the gateway issues and could not renew.
func (a *App) certificateEnds(now time.Time) map[string]certificateEnd {
	out := endsOf(a.certificateFiles())
	late := a.shown.ends(now)
	for _, p := range a.governor.State().Policy.Providers {
		if end, ok := late[p.Certificate]; ok {
			out["providers."+p.Name+".certificate"] = certificateEnd{end, true}
		}
	}
	if a.egress == nil {
		return out
	}
	if a.config.Proxy.InVault() {
		out["proxy.ca"] = certificateEnd{at: a.egress.authority.NotAfter()}
	}
	for host, end := range a.egress.leaves.ends(now) {
		out["proxy "+host] = certificateEnd{end, true}
	}
	return out
}

// endsOf reads files. One that cannot be read is the fault of whoever needs it.
func endsOf(files map[string]certificateFile) map[string]certificateEnd {
	out := map[string]certificateEnd{}
	for key, f := range files {
		if end, err := f.end(); err == nil {
			out[key] = certificateEnd{at: end}
		}
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
