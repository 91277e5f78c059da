package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// selfSigned makes a certificate that ends after a time.
func selfSigned(t *testing.T, left time.Duration) (key *ecdsa.PrivateKey, der []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(left)}
	if der, err = x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key); err != nil {
		t.Fatal(err)
	}
	return key, der
}

// certificateFor writes a certificate that ends after a time.
func certificateFor(t *testing.T, name string, left time.Duration) string {
	t.Helper()
	_, der := selfSigned(t, left)
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// has tells whether a finding with a result names what was found and what to do.
func (d *doctor) has(check, result, found, remedy string) bool {
	for _, f := range d.list {
		if f.Check == check && f.Result == result && strings.Contains(f.Found, found) && strings.Contains(f.Remedy, remedy) {
			return true
		}
	}
	return false
}

func TestDoctorReadsCertificates(t *testing.T) {
	d := &doctor{config: DefaultConfig()}
	d.config.Envoy.TLS = &TLSConfig{Cert: certificateFor(t, "tls.crt", 5*24*time.Hour), ClientCA: certificateFor(t, "ca.crt", -time.Minute)}
	d.certificates(t.Context())
	if !d.has("listener's certificate", CheckWarn, "it ends on", "renew") || !d.has("clients' authority", CheckFail, "it ended on", "next authority") {
		t.Errorf("found %+v", d.list)
	}
	d = &doctor{config: DefaultConfig()}
	d.config.Envoy.TLS = &TLSConfig{Cert: certificateFor(t, "tls.crt", 90*24*time.Hour), ClientCA: "nowhere.pem"}
	d.certificates(t.Context())
	if !d.has("listener's certificate", CheckOK, "good until", "") || !d.has("clients' authority", CheckFail, "nowhere.pem", "envoy.tls.client_ca") {
		t.Errorf("found %+v", d.list)
	}
}

func TestDoctorReadsTheCertificatesThatDependenciesServe(t *testing.T) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	d := &doctor{config: DefaultConfig()}
	d.config.Vault.Address, d.config.Redis.TLS, d.config.Redis.Address = s.URL, true, []string{"127.0.0.1:1"}
	d.served(t.Context())
	if !d.has("vault's certificate", CheckOK, "good until", "") || !d.has("redis' certificate", CheckWarn, "127.0.0.1:1", "TLS") {
		t.Errorf("found %+v", d.list)
	}
}

// encrypting answers PostgreSQL's request for TLS with a certificate, or with no, and gives what came through the handshake.
func encrypting(t *testing.T, serves *tls.Certificate) (addr string, came func() string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	through := make(chan string, 1)
	go func() {
		defer close(through)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		var request [8]byte // https://www.postgresql.org/docs/current/protocol-message-formats.html, SSLRequest
		if _, err := io.ReadFull(c, request[:]); err != nil || string(request[:]) != "\x00\x00\x00\x08\x04\xd2\x16\x2f" {
			through <- fmt.Sprintf("%q in place of a request for TLS", request)
			return
		}
		if serves == nil {
			_, _ = c.Write([]byte("N"))
		} else {
			_, _ = c.Write([]byte("S"))
			c = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{*serves}, MinVersion: tls.VersionTLS12})
		}
		data, _ := io.ReadAll(c)
		through <- string(data)
	}()
	return l.Addr().String(), func() string { _ = l.Close(); return <-through }
}

func TestDoctorReadsTheDatabasesCertificate(t *testing.T) {
	for name, tt := range map[string]struct {
		left                  time.Duration // 0 for a server without TLS
		mode                  string
		result, found, remedy string // empty for nothing said
	}{
		"good":               {90 * 24 * time.Hour, "", CheckOK, "good until", ""},
		"soon":               {5 * 24 * time.Hour, "sslmode=require", CheckWarn, "it ends on", "where PostgreSQL runs"},
		"past and untrusted": {-time.Minute, "sslmode=verify-full", CheckFail, "it ended on", "where PostgreSQL runs"},
		"none is needed":     {0, "sslmode=prefer", "", "", ""},
		"one is needed":      {0, "sslmode=require", CheckWarn, "refused TLS", "ssl = on"},
	} {
		t.Run(name, func(t *testing.T) {
			var serves *tls.Certificate
			if tt.left != 0 {
				key, der := selfSigned(t, tt.left)
				serves = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
			}
			addr, came := encrypting(t, serves)
			d := &doctor{config: DefaultConfig()}
			d.config.Database.URL = sentinel.NewSecret("postgres://sentinel:canary@" + addr + "/sentinel?" + tt.mode)
			d.served(t.Context())
			if text := came(); text != "" {
				t.Errorf("the server was sent %q", text)
			}
			if said := len(d.list) > 0; said != (tt.result != "") || said && !d.has("database's certificate", tt.result, tt.found, tt.remedy) {
				t.Errorf("found %+v", d.list)
			}
		})
	}
}

func TestDoctorTellsASealedVaultAndItsClock(t *testing.T) {
	health := `{"initialized":true,"sealed":true,"server_time_utc":%d}`
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, health, time.Now().Add(-time.Minute).Unix())
	}))
	defer s.Close()
	d := &doctor{config: DefaultConfig()}
	d.config.Vault.Address = s.URL
	d.vaultItself(t.Context())
	if !d.has("vault", CheckFail, "sealed", "unseal") || !d.has("vault clock", CheckWarn, "apart", "NTP") {
		t.Errorf("found %+v", d.list)
	}
	d.list, health = nil, `{"initialized":true,"sealed":false,"server_time_utc":0}`
	if d.vaultItself(t.Context()); len(d.list) != 0 {
		t.Errorf("of a Vault in order %+v is said", d.list)
	}
}

func TestDoctorLooksAtTheCollectorAndTheDisk(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	d := &doctor{config: DefaultConfig()}
	d.config.Telemetry.OTLP = s.URL
	d.collector(t.Context())
	s.Close()
	d.collector(t.Context())
	if !d.has("collector", CheckOK, "takes connections", "") || !d.has("collector", CheckWarn, "refused", "start it") {
		t.Errorf("found %+v", d.list)
	}
	d.list, d.config.Spool.MaxBytes = nil, math.MaxInt64
	d.room(t.TempDir())
	if !d.has("spool's disk", CheckWarn, "MiB are free", "spool.max_bytes") {
		t.Errorf("found %+v", d.list)
	}
	d.list, d.config.Spool.MaxBytes = nil, 1
	if d.room(t.TempDir()); len(d.list) != 0 {
		t.Errorf("of a disk with room %+v is said", d.list)
	}
}
