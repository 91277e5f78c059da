package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/internal/issuertest"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/internal/stack"
)

// The proxy over TLS: nobody on the way reads the token, and a client's certificate can stand in its place.
func TestProxyOverTLSKnowsTokensAndCertificates(t *testing.T) {
	ports, err := stack.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	at := fmt.Sprintf("127.0.0.1:%d", ports[0])
	ours, theirs := issuertest.NewAuthority(t), issuertest.NewAuthority(t)
	g := openOn(t, mockapi.DefaultConfig(), "{}", "", (*stack.Stack).Postgres, "")
	cert, key := issuertest.PEM(t, ours.Sign(t, &x509.Certificate{IPAddresses: []net.IP{net.ParseIP("127.0.0.1")}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}))
	g.write("proxy.pem", cert)
	g.write("proxy.key", key)
	g.write("workloads.pem", ours.PEM())
	g.write("policies.yaml", strings.Replace(string(g.files("policies.yaml")), "identity: {", "identity: {spiffe: spiffe://acme/app, ", 1))
	g.stop()
	in := func(name string) string { return filepath.Join(g.dir, name) }
	g.append("sentinel.yaml", fmt.Sprintf("proxy: {listen: %q, tls: {cert: %q, key: %q, client_ca: %q}}\n", at, in("proxy.pem"), in("proxy.key"), in("workloads.pem")))
	g.start()
	code, bundle, stderr := sentinelIn(t, g.dir, g.env, "ca", "export")
	if code != 0 {
		t.Fatalf("ca export: %s", stderr)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(bundle))
	pool.AddCert(ours.Cert)
	call := func(proxy string, certificates ...tls.Certificate) (int, error) {
		u, err := url.Parse(proxy)
		g.must(err)
		transport := &http.Transport{Proxy: http.ProxyURL(u), TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12, Certificates: certificates}}
		defer transport.CloseIdleConnections()
		answer, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Post("https://api.openai.com/v1/chat/completions", "application/json", strings.NewReader(chat))
		if err != nil {
			return 0, err
		}
		_, err = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		return answer.StatusCode, err
	}
	g.eventually("Envoy has the listener", func() bool {
		conn, err := net.Dial("tcp", at)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	known := []tls.Certificate{ours.Workload(t, "spiffe://acme/app")}
	served := 0
	for name, tt := range map[string]struct {
		proxy        string
		certificates []tls.Certificate
		status       int
		want         string // in the error, where there is no answer
	}{
		"a token":                               {"https://app:" + token + "@" + at, nil, 200, ""},
		"a certificate":                         {"https://" + at, known, 200, ""},
		"neither":                               {"https://" + at, nil, 0, "Proxy Authentication Required"},
		"a wrong token":                         {"https://app:svc_wrong@" + at, nil, 401, ""},
		"a certificate of nobody, a good token": {"https://app:" + token + "@" + at, []tls.Certificate{ours.Workload(t, "spiffe://acme/other")}, 401, ""},
		"a certificate of another authority":    {"https://" + at, []tls.Certificate{theirs.Workload(t, "spiffe://acme/app")}, 0, ""}, // the alert, or a pipe that is broken before it is read
		"plain HTTP":                            {"http://app:" + token + "@" + at, nil, 0, ""},
	} {
		status, err := call(tt.proxy, tt.certificates...)
		if status != tt.status || (err == nil) != (tt.status > 0) || tt.want != "" && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %d, %v; want %d %s", name, status, err, tt.status, tt.want)
		}
		if tt.status == http.StatusOK {
			served++
		}
	}
	if n := g.mock.Stats().Calls; int(n) != served {
		t.Errorf("%d calls reached the provider, want %d", n, served)
	}
	for _, e := range g.ledger(served) {
		if e.Caller.Service != "app" {
			t.Errorf("booked as %+v", e)
		}
	}
}

// The check tells a client's operator in words what is in the way.
func TestConnectCheckSaysWhyAClientFails(t *testing.T) {
	g, proxy, bundle := openProxy(t, time.Hour, "{}")
	g.write("other.pem", issuertest.NewAuthority(t).PEM())
	known := "HTTPS_PROXY=http://app:" + token + "@" + proxy
	for name, tt := range map[string]struct {
		env  []string
		host string
		code int
		want string
	}{
		"all is well":            {[]string{known, "SSL_CERT_FILE=" + bundle}, "api.openai.com", 0, "authority is trusted"},
		"the CA is not trusted":  {[]string{known}, "api.openai.com", 1, "sentinel ca install-help"},
		"nor by a library":       {[]string{known, "SSL_CERT_FILE=" + bundle, "AWS_CA_BUNDLE=" + filepath.Join(g.dir, "other.pem")}, "api.openai.com", 1, "AWS_CA_BUNDLE"},
		"the host is not listed": {[]string{known, "SSL_CERT_FILE=" + bundle}, "api.example.com", 1, "is not listed"},
		"no token":               {[]string{"HTTPS_PROXY=http://" + proxy}, "api.openai.com", 1, "wants to know who calls"},
		"a wrong token":          {[]string{"HTTPS_PROXY=http://app:svc_wrong@" + proxy}, "api.openai.com", 1, "no service by this token"},
		"no proxy there":         {[]string{"HTTPS_PROXY=http://app:" + token + "@127.0.0.1:1"}, "api.openai.com", 1, "cannot be used"},
		"the proxy is not used":  {[]string{known, "NO_PROXY=.invalid"}, "host.invalid", 1, "take the host out of NO_PROXY"},
		"no proxy, no redirect":  {nil, "host.invalid", 1, "set HTTPS_PROXY"},
	} {
		code, out, stderr := sentinelIn(t, g.dir, tt.env, "connect", "check", tt.host)
		if code != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("%s: ended with %d, want %d and %q:\n%s%s", name, code, tt.code, tt.want, out, stderr)
		}
		if strings.Contains(out, token) {
			t.Errorf("%s: the token is printed:\n%s", name, out)
		}
	}
	if n := g.mock.Stats().Calls; n != 0 {
		t.Errorf("%d calls reached the providers", n)
	}
}
