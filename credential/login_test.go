package credential

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/baotest"
)

// signedToken is a token of a platform, with the claims that Kubernetes gives a service account.
func signedToken(t *testing.T, key *ecdsa.PrivateKey, subject string) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	token, err := jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: "https://kubernetes.default.svc", Subject: subject, Audience: jwt.Audience{"vault", "sentinel"},
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(time.Hour)),
	}).Claims(map[string]any{"kubernetes.io": map[string]any{
		"namespace": "prod", "serviceaccount": map[string]string{"name": "sentinel", "uid": "u-1"}, "pod": map[string]string{"name": "p", "uid": "u-2"},
	}}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	if !filepath.IsAbs(name) {
		name = filepath.Join(t.TempDir(), name)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// mayRead makes a policy that reads secret/openai, by its name.
func (b bao) mayRead(t *testing.T) string {
	t.Helper()
	b.do(t, http.MethodPost, "sys/policies/acl/gateway", map[string]any{"policy": `path "secret/data/openai" { capabilities = ["read"] }`})
	b.put(t, "secret/openai", map[string]string{"api_key": canary})
	return "gateway"
}

// loginHolds loads by a login, and again after its token was revoked.
func loginHolds(t *testing.T, b bao, l Login, change func(*VaultOptions)) {
	t.Helper()
	heard := &failures{}
	v := b.client(t, func(o *VaultOptions) {
		o.Token, o.Login, o.OnError = sentinel.Secret{}, &l, heard.add
		if change != nil {
			change(o)
		}
	})
	if err := v.Load(t.Context(), []Ref{openai}); err != nil {
		t.Fatal(err)
	}
	mustHave(t, v, openai, canary)
	first := v.vault.client.Token()
	if err := v.vault.client.Auth().Token().RevokeSelfWithContext(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	defer runs(t, v)()
	at := time.Now()
	within(t, 20*time.Second, "it is read again by another token", func() bool {
		return v.vault.client.Token() != first && v.served.Load().secrets[openai.Path].readAt.After(at)
	})
	if heard.count() != 0 {
		t.Errorf("a login that can be repeated reports failures: %s", heard.joined())
	}
}

// A pod logs in by its service account, which the API server confirms to Vault by a TokenReview.
func TestRealVaultByKubernetes(t *testing.T) {
	b := startBao(t)
	key := newKey(t)
	good := signedToken(t, key, "system:serviceaccount:prod:sentinel")
	var asked atomic.Int64
	cluster := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		var review struct {
			Spec struct{ Token string } `json:"spec"`
		}
		err := json.NewDecoder(r.Body).Decode(&review)
		authentic := err == nil && r.URL.Path == "/apis/authentication.k8s.io/v1/tokenreviews" && r.Header.Get("Authorization") == "Bearer reviewer" && review.Spec.Token == good
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(map[string]any{"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "status": map[string]any{
			"authenticated": authentic, "audiences": []string{"vault"},
			"user": map[string]any{"username": "system:serviceaccount:prod:sentinel", "uid": "u-1", "groups": []string{"system:serviceaccounts", "system:serviceaccounts:prod", "system:authenticated"}},
		}})
	}))
	defer cluster.Close()
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cluster.Certificate().Raw}))
	b.do(t, http.MethodPost, "sys/auth/clusters/east", map[string]any{"type": "kubernetes"})
	b.do(t, http.MethodPost, "auth/clusters/east/config", map[string]any{"kubernetes_host": cluster.URL, "kubernetes_ca_cert": ca, "token_reviewer_jwt": "reviewer", "disable_local_ca_jwt": true})
	b.do(t, http.MethodPost, "auth/clusters/east/role/gateway", map[string]any{
		"bound_service_account_names": "sentinel", "bound_service_account_namespaces": "prod", "audience": "vault", "token_policies": b.mayRead(t), "token_ttl": "1h",
	})
	file := writeFile(t, "token", good+"\n")
	login := Login{Method: LoginKubernetes, Mount: "clusters/east", Role: "gateway", TokenFile: file}
	loginHolds(t, b, login, nil)
	if asked.Load() < 2 {
		t.Errorf("the cluster was asked %d times, want once for each login", asked.Load())
	}
	writeFile(t, file, signedToken(t, newKey(t), "system:serviceaccount:prod:sentinel"))
	refusedLogin(t, b, login, "the login at auth/clusters/east was refused (HTTP 403): check that the role gateway is bound")
	login.TokenFile = filepath.Join(t.TempDir(), "none")
	refusedLogin(t, b, login, "no such file or directory")
}

func refusedLogin(t *testing.T, b bao, l Login, want string) {
	t.Helper()
	err := b.client(t, func(o *VaultOptions) { o.Token, o.Login = sentinel.Secret{}, &l }).Load(t.Context(), []Ref{openai})
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "eyJ") {
		t.Errorf("Load = %v, want %q and no token", err, want)
	}
}

// The file of a token is read at each login: platforms replace it before it ends.
func TestRealVaultByJWT(t *testing.T) {
	b, key := startBao(t), newKey(t)
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	b.do(t, http.MethodPost, "sys/auth/jwt", map[string]any{"type": "jwt"})
	b.do(t, http.MethodPost, "auth/jwt/config", map[string]any{"jwt_validation_pubkeys": []string{string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))}})
	b.do(t, http.MethodPost, "auth/jwt/role/gateway", map[string]any{
		"role_type": "jwt", "user_claim": "sub", "bound_audiences": "vault", "bound_subject": "ci:gateway", "token_policies": b.mayRead(t), "token_ttl": "1h",
	})
	file := writeFile(t, "token", signedToken(t, key, "ci:gateway"))
	login := Login{Method: LoginJWT, Role: "gateway", TokenFile: file}
	loginHolds(t, b, login, nil)
	writeFile(t, file, signedToken(t, key, "ci:other"))
	refusedLogin(t, b, login, "the login at auth/jwt was refused")
	writeFile(t, file, "")
	refusedLogin(t, b, login, "holds no token")
}

// clientPair writes a self-signed client certificate and its key.
func clientPair(t *testing.T, name string) (cert, key string) {
	t.Helper()
	k := newKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, "client.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))),
		writeFile(t, "client.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})))
}

func TestRealVaultByCertificate(t *testing.T) {
	addr, root, ca := baotest.RunTLS(t)
	b := bao{addr: addr, root: root, ca: ca}
	cert, key := clientPair(t, "gateway")
	trusted, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	b.do(t, http.MethodPost, "sys/auth/cert", map[string]any{"type": "cert"})
	b.do(t, http.MethodPost, "auth/cert/certs/gateway", map[string]any{"certificate": string(trusted), "token_policies": b.mayRead(t), "token_ttl": "1h"})
	trusts := func(o *VaultOptions) { o.CAFile = ca }
	login := Login{Method: LoginCert, Role: "gateway", CertFile: cert, KeyFile: key}
	loginHolds(t, b, login, trusts)
	strange, strangeKey := clientPair(t, "gateway")
	login.CertFile, login.KeyFile = strange, strangeKey
	err = b.client(t, func(o *VaultOptions) { o.Token, o.Login, o.CAFile = sentinel.Secret{}, &login, ca }).Load(t.Context(), []Ref{openai})
	if err == nil || !strings.Contains(err.Error(), "the login at auth/cert was refused") {
		t.Errorf("a certificate of nobody: %v", err)
	}
	err = b.client(t, func(o *VaultOptions) {}).Load(t.Context(), []Ref{openai})
	if err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("Vault's own certificate was not checked: %v", err)
	}
}

// A namespace is a Vault of its own: the same path is another secret there.
func TestRealVaultByNamespace(t *testing.T) {
	b := startBao(t)
	b.put(t, "secret/openai", map[string]string{"api_key": "of the root"})
	b.do(t, http.MethodPost, "sys/namespaces/team1", nil)
	b.do(t, http.MethodPost, "team1/sys/mounts/secret", map[string]any{"type": "kv", "options": map[string]string{"version": "2"}})
	b.do(t, http.MethodPost, "team1/secret/data/openai", map[string]any{"data": map[string]string{"api_key": "of the team"}})
	v := b.client(t, func(o *VaultOptions) { o.Namespace = "team1" })
	if err := v.Load(context.Background(), []Ref{openai}); err != nil {
		t.Fatal(err)
	}
	mustHave(t, v, openai, "of the team")
}

// KV version 1 is found by asking, and so is a mount with more than one segment.
func TestRealVaultReadsBothVersionsOfKV(t *testing.T) {
	b := startBao(t)
	b.do(t, http.MethodPost, "sys/mounts/team/old", map[string]any{"type": "kv", "options": map[string]string{"version": "1"}})
	b.do(t, http.MethodPost, "sys/mounts/team/new", map[string]any{"type": "kv", "options": map[string]string{"version": "2"}})
	b.do(t, http.MethodPost, "team/old/openai", map[string]string{"api_key": "one"})
	b.do(t, http.MethodPost, "team/new/data/openai", map[string]any{"data": map[string]string{"api_key": "two"}})
	one, two := Ref{"team/old/openai", "api_key"}, Ref{"team/new/openai", "api_key"}
	v := b.client(t, func(*VaultOptions) {})
	if err := v.Load(t.Context(), []Ref{one, two}); err != nil {
		t.Fatal(err)
	}
	mustHave(t, v, one, "one")
	mustHave(t, v, two, "two")
	defer runs(t, v)()
	b.do(t, http.MethodPost, "team/old/openai", map[string]string{"api_key": "one more"})
	within(t, 20*time.Second, "the changed value is served", func() bool { return v.serves(one, "one more") })
	err := b.client(t, func(*VaultOptions) {}).vault.Rotate(t.Context(), Rotation{Ref: one, Next: apiKey("x")})
	if err == nil || !strings.Contains(err.Error(), "team/old is no KV mount of version 2") {
		t.Errorf("rotation in KV version 1: %v", err)
	}
}
