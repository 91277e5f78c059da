package ratelimit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/redistest"
	"github.com/saas-sentinel/saas-sentinel/ratelimit/limitertest"
)

// leastRights is what docs/limits.md says that the gateway needs.
const leastRights = "+ping +hello +info +time +config|get +script|load +eval +evalsha +mget +get +set +del +exists +hget +hset +hdel +hmget +hgetall +pexpire"

// selfSigned writes a certificate for loopback, which is its own authority.
func selfSigned(t *testing.T, dir string) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, of, of, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pool = x509.NewCertPool()
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(parsed)
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", secret), pool
}

func TestARedisWithTLSAndUsers(t *testing.T) {
	dir := t.TempDir()
	cert, key, pool := selfSigned(t, dir)
	addr, stop, err := redistest.StartSecure(dir, redistest.Secure{Cert: cert, Key: key, CA: cert, Users: []string{
		"user gateway on >right ~{o:acme}:* " + leastRights, "user other on >right ~{o:umbrella}:* " + leastRights, "user reader on >right ~* +ping +hello +info +mget",
	}})
	skipMissing(t, err)
	t.Cleanup(stop)
	open := func(user, password string, trusted *x509.CertPool) (*Redis, error) {
		r, err := Dial(t.Context(), Options{Addresses: []string{addr}, TLS: true, CA: trusted, Username: user, Password: sentinel.NewSecret(password), Timeout: 5 * time.Second})
		if err == nil {
			t.Cleanup(func() { _ = r.Close() })
		}
		return r, err
	}
	r, err := open("gateway", "right", pool)
	if err != nil {
		t.Fatal(err)
	}
	limits := append(eight(), limitertest.Money(12_345_678))
	limits[len(limits)-1].Rollover, limits[len(limits)-1].Before = 1000, limits[len(limits)-1].Start.Add(-48*time.Hour)
	a := askOf(limits)
	got, err := r.Reserve(t.Context(), a)
	if err != nil || got.Chosen != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	if second, err := r.Reserve(t.Context(), askOf(limits)); err != nil || second.Chosen != -1 {
		t.Errorf("past its budget a call got %+v, %v", second, err)
	}
	if s, err := r.Settle(t.Context(), sentinel.Settlement{Org: a.Org, Call: a.Call, Hold: got.Hold}); err != nil || s.Duplicate {
		t.Errorf("settled as %+v, %v", s, err)
	}
	if _, err := r.Peek(t.Context(), "acme", limits); err != nil {
		t.Error(err)
	}
	if err := r.SetOverride(t.Context(), "acme", Override{Cell: limits[0].Cell, Max: 5, Until: time.Now().Add(time.Hour)}); err != nil {
		t.Error(err)
	}
	if _, err := r.Overrides(t.Context(), "acme"); err != nil {
		t.Error(err)
	}
	if _, err := r.Reset(t.Context(), "acme", limits[4]); err != nil {
		t.Error(err)
	}
	party := Party{"acme", "any"}
	if _, stopped, err := r.Absent(t.Context(), "acme", []Party{party}, 1); err != nil || !stopped {
		t.Errorf("who counts again: stopped is %t, %v", stopped, err)
	}
	if ok, err := r.Claim(t.Context(), "acme", 1); err != nil || !ok {
		t.Errorf("claimed: %t, %v", ok, err)
	}
	r.Unclaim(t.Context(), "acme", 1)
	if err := r.Leave(t.Context(), party, 1); err != nil {
		t.Error(err)
	}
	begin(t, r, Recount{})
	if other, err := open("other", "right", pool); err != nil {
		t.Error(err)
	} else if got, err := other.Reserve(t.Context(), askOf(limits)); err == nil {
		t.Errorf("a user of another organisation's keys got %+v", got)
	}
	for name, tt := range map[string]struct {
		user, password, want string
		trusted              *x509.CertPool
	}{
		"a wrong password":         {"gateway", "wrong", "WRONGPASS", pool},
		"a user without scripts":   {"reader", "right", "load scripts", pool},
		"no user":                  {"", "", "NOPERM", pool},
		"an authority of nobody's": {"gateway", "right", "certificate", x509.NewCertPool()},
	} {
		if _, err := open(tt.user, tt.password, tt.trusted); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s gave %v, want something about %q", name, err, tt.want)
		}
	}
}
