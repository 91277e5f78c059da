package ca_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/ca"
)

var at = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return at }

func authority(t *testing.T) (*ca.Authority, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	a, err := ca.Create(file, []string{"api.openai.com", "API.Stripe.com", "10.0.0.1", "api.openai.com"}, "acme", clock)
	if err != nil {
		t.Fatal(err)
	}
	return a, file
}

// accepts tells whether a client with the authority in its store accepts a leaf for a host.
func accepts(t *testing.T, a *ca.Authority, leaf ca.Leaf, host string) error {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.Certificate())
	block, _ := pem.Decode(leaf.Cert)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	_, err = cert.Verify(x509.VerifyOptions{DNSName: host, Roots: pool, CurrentTime: at})
	return err
}

func TestLeavesAreAcceptedForTheirHostAlone(t *testing.T) {
	a, file := authority(t)
	leaf, err := a.Issue(t.Context(), "api.openai.com", 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tls.X509KeyPair(leaf.Cert, leaf.Key); err != nil {
		t.Error(err)
	}
	if err := accepts(t, a, leaf, "api.openai.com"); err != nil {
		t.Error(err)
	}
	if err := accepts(t, a, leaf, "api.stripe.com"); err == nil {
		t.Error("a leaf is good for another host")
	}
	if !leaf.NotAfter.Equal(at.Add(24 * time.Hour)) {
		t.Errorf("it ends at %s", leaf.NotAfter)
	}
	if long, err := a.Issue(t.Context(), "api.stripe.com", 10_000*time.Hour); err != nil || long.NotAfter.After(at.Add(ca.MaxLeafLife)) {
		t.Errorf("a long life ends at %s, %v", long.NotAfter, err)
	}
	again, err := ca.Open(file, clock)
	if err != nil || string(again.Certificate()) != string(a.Certificate()) {
		t.Errorf("opened again: %v", err)
	}
}

// Neither the authority nor whoever takes its key can vouch for another host.
func TestOutsideOfTheConstraintsNothingIsIssuedOrAccepted(t *testing.T) {
	a, _ := authority(t)
	for _, host := range []string{"example.com", "openai.com", "xapi.openai.com", "10.0.0.1", ""} {
		if _, err := a.Issue(t.Context(), host, time.Hour); !errors.Is(err, ca.ErrOutside) {
			t.Errorf("%q: %v", host, err)
		}
	}
	block, _ := pem.Decode(a.Certificate())
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil || !cert.PermittedDNSDomainsCritical || strings.Join(cert.PermittedDNSDomains, " ") != "api.openai.com api.stripe.com" || !cert.MaxPathLenZero {
		t.Errorf("constraints %v, critical %v, %v", cert.PermittedDNSDomains, cert.PermittedDNSDomainsCritical, err)
	}
}

func TestBadFilesAreNamedWithTheRemedy(t *testing.T) {
	a, file := authority(t)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	other, _ := authority(t)
	for name, tt := range map[string]struct{ file, want string }{
		"read by others":     {write("open.pem", string(data), 0o644), "chmod 600"},
		"written by a group": {write("group.pem", string(data), 0o660), "chmod 600"},
		"no certificate":     {write("none.pem", "nothing", 0o600), "no certificate"},
		"no key":             {write("public.pem", string(a.Certificate()), 0o600), "no ECDSA key"},
		"another's key":      {write("mixed.pem", string(other.Certificate())+string(data[strings.Index(string(data), "-----BEGIN PRIVATE"):]), 0o600), "not the certificate's"},
		"a folder too deep":  {filepath.Join(dir, "none", "ca.pem"), "no such file"},
	} {
		if _, err := ca.Open(tt.file, clock); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	if os.Geteuid() == 0 { // as Kubernetes mounts a Secret for the group of a pod
		if _, err := ca.Open(write("mounted.pem", string(data), 0o440), clock); err != nil {
			t.Errorf("read by the group, of root: %v", err)
		}
	}
	late := func() time.Time { return at.AddDate(3, 0, 0) }
	if _, err := ca.Open(file, late); err == nil || !strings.Contains(err.Error(), "sentinel ca create") {
		t.Errorf("past its end: %v", err)
	}
	if _, err := ca.Create(file, []string{"api.openai.com"}, "acme", clock); err == nil {
		t.Error("an authority was replaced")
	}
}

func BenchmarkIssue(b *testing.B) {
	a, err := ca.Create(filepath.Join(b.TempDir(), "ca.pem"), []string{"api.openai.com"}, "acme", clock)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Issue(b.Context(), "api.openai.com", time.Hour); err != nil {
			b.Fatal(err)
		}
	}
}
