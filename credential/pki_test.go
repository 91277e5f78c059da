package credential

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// authority makes a constrained authority and a role, as an operator would.
func (b bao) authority(t *testing.T) {
	t.Helper()
	b.do(t, http.MethodPost, "sys/mounts/pki", map[string]any{"type": "pki"})
	b.do(t, http.MethodPost, "pki/root/generate/internal", map[string]any{"common_name": "egress of acme", "ttl": "24h", "key_type": "ec", "permitted_dns_domains": []string{"api.openai.com"}})
	b.do(t, http.MethodPost, "pki/roles/egress", map[string]any{"allowed_domains": []string{"api.openai.com"}, "allow_bare_domains": true, "key_type": "ec", "max_ttl": "24h"})
}

func request(t *testing.T, host string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{host}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

func TestVaultSignsForItsRolesHostsAlone(t *testing.T) {
	b := startBao(t)
	b.authority(t)
	pki := func(place string, change func(*VaultOptions)) *PKI {
		o := VaultOptions{Address: b.addr, Token: sentinel.NewSecret(b.root)}
		change(&o)
		v, err := NewVault(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(v.Close)
		p, err := v.PKI(place)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := pki("pki#egress", func(*VaultOptions) {})
	chain, err := p.Authority(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	root, _ := pem.Decode([]byte(chain))
	authority, err := x509.ParseCertificate(root.Bytes)
	if err != nil || strings.Join(authority.PermittedDNSDomains, " ") != "api.openai.com" {
		t.Fatalf("the authority may vouch for %v, %v", authority.PermittedDNSDomains, err)
	}
	text, err := p.Sign(t.Context(), request(t, "api.openai.com"), "api.openai.com", 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(text))
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil || leaf.VerifyHostname("api.openai.com") != nil || leaf.CheckSignatureFrom(authority) != nil || time.Until(leaf.NotAfter) > 11*time.Second {
		t.Errorf("%v until %s, %v", leaf.DNSNames, leaf.NotAfter, err)
	}
	for host, want := range map[string]string{"example.com": "allowed_domains", "xapi.openai.com": "allowed_domains"} {
		if _, err := p.Sign(t.Context(), request(t, host), host, time.Minute); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", host, err, want)
		}
	}
	for name, tt := range map[string]struct {
		place  string
		change func(*VaultOptions)
		want   string
	}{
		"no mount":      {"none#egress", func(*VaultOptions) {}, "none/sign/egress"},
		"no role":       {"pki#other", func(*VaultOptions) {}, "pki/sign/other"},
		"another token": {"pki#egress", func(o *VaultOptions) { o.Token = sentinel.NewSecret("nobody") }, "may not use"},
		"no Vault":      {"pki#egress", func(o *VaultOptions) { o.Address = "http://127.0.0.1:1" }, "cannot be reached"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_, err := pki(tt.place, tt.change).Sign(ctx, request(t, "api.openai.com"), "api.openai.com", time.Minute)
		if cancel(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

func TestThePlaceOfAnAuthorityIsRead(t *testing.T) {
	if mount, role, err := ParsePKI("org/pki#egress"); err != nil || mount != "org/pki" || role != "egress" {
		t.Errorf("%s and %s, %v", mount, role, err)
	}
	for _, text := range []string{"", "pki", "pki#", "#egress", "../sys#x", "pki#a/b"} {
		if mount, role, err := ParsePKI(text); err == nil {
			t.Errorf("%s is read as %s and %s", text, mount, role)
		}
	}
}
