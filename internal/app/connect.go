package app

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"
)

// Client is the place from which the gateway is looked at.
type Client struct {
	Host   string // of a provider
	Proxy  func(*http.Request) (*url.URL, error)
	Getenv func(string) string
	Dial   func(ctx context.Context, network, address string) (net.Conn, error) // nil: as usual
}

// connectTimeout bounds the whole look.
const connectTimeout = 20 * time.Second

// nobodysHost is asked for to learn whether the proxy knows a token: it is refused in any case (RFC 6761).
const nobodysHost = "check.sentinel.invalid"

// trustVariables name the files of authorities that the usual libraries read, in the place of the system's or beside them.
var trustVariables = []string{"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"}

// connecting is one look.
type connecting struct {
	findings
	Client
	proxy *url.URL // nil for none
}

// Connect goes the way of a client to a provider's host, up to its first request, and tells what is in the way. No provider is called: the
// request is for a path that nobody has.
func Connect(ctx context.Context, c Client) []Finding {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if c.Dial == nil {
		c.Dial = (&net.Dialer{}).DialContext
	}
	l := &connecting{Client: c}
	if l.setting() {
		l.way(ctx)
	}
	return l.list
}

// setting tells which proxy the client would use.
func (l *connecting) setting() bool {
	proxy, err := l.Proxy(&http.Request{URL: &url.URL{Scheme: "https", Host: l.Host}})
	switch {
	case err != nil:
		l.add("proxy", CheckFail, "write HTTPS_PROXY=http://SERVICE:TOKEN@gateway:3128", "HTTPS_PROXY cannot be read: %v", err)
		return false
	case proxy == nil && l.Getenv("HTTPS_PROXY")+l.Getenv("https_proxy") != "":
		l.add("proxy", CheckWarn, "take the host out of NO_PROXY", "NO_PROXY keeps %s from the proxy", l.Host)
	case proxy == nil:
		l.add("proxy", CheckOK, "", "HTTPS_PROXY is not set: only a network that redirects can lead to the gateway")
	case proxy.User == nil && proxy.Scheme == "http":
		l.add("proxy", CheckWarn, "write HTTPS_PROXY=http://SERVICE:TOKEN@"+proxy.Host, "%s is used, and no token says who calls", proxy.Host)
	default:
		l.add("proxy", CheckOK, "", "%s is used", proxy.Host)
	}
	l.proxy = proxy
	return true
}

// way goes as far as it can.
func (l *connecting) way(ctx context.Context) {
	conn, ok := l.reach(ctx)
	if !ok {
		return
	}
	defer func() { _ = conn.Close() }()
	secure := tls.Client(conn, &tls.Config{ServerName: l.Host, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}) //nolint:gosec // whose certificate it is, and whether it is trusted, is what is told
	if err := secure.HandshakeContext(ctx); err != nil {
		remedy := "name the host as a provider, or let it through with egress.others; the gateway's log says why it was refused"
		l.add("TLS", CheckFail, remedy, "the connection ends before a certificate is shown: %v", err)
		return
	}
	chain := secure.ConnectionState().PeerCertificates
	server, err := answeredBy(ctx, secure, l.Host)
	switch {
	case err != nil:
		l.add("gateway", CheckFail, "see the gateway's log", "the connection to %s is made, and a request gets no answer: %v", l.Host, err)
	case server == "sentinel":
		l.add("gateway", CheckOK, "", "it answers for %s", l.Host)
	case l.proxy == nil:
		l.add("gateway", CheckFail, "set HTTPS_PROXY, or redirect port 443: sentinel egress rules", "%s itself answers: calls go past the gateway", l.Host)
		return
	default:
		l.add("gateway", CheckFail, "name the host as a provider in the policy, if its calls are to be metered", "the proxy carries connections to %s untouched: it is no provider's host", l.Host)
		return
	}
	l.trust(chain)
}

// reach makes a connection that leads to the host: through the proxy, or straight.
func (l *connecting) reach(ctx context.Context) (net.Conn, bool) {
	if l.proxy == nil {
		conn, err := l.Dial(ctx, "tcp", net.JoinHostPort(l.Host, "443"))
		if err != nil {
			var dns *net.DNSError
			remedy := "set HTTPS_PROXY, if the gateway is a proxy; else look at the network's rules"
			if errors.As(err, &dns) {
				remedy = "set HTTPS_PROXY, or give the name an address: a redirected client needs one, whichever"
			}
			l.add("network", CheckFail, remedy, "%s cannot be reached: %v", l.Host, err)
		}
		return conn, err == nil
	}
	status, conn, err := l.tunnel(ctx, l.Host)
	switch {
	case err != nil:
		l.add("network", CheckFail, "correct HTTPS_PROXY, or start the gateway", "the proxy cannot be used: %v", err)
	case status == http.StatusOK && l.known(ctx):
		l.add("tunnel", CheckOK, "", "the proxy leads to %s", l.Host)
		return conn, true
	case status == http.StatusProxyAuthRequired:
		l.add("caller", CheckFail, "write HTTPS_PROXY=http://SERVICE:TOKEN@"+l.proxy.Host, "the proxy wants to know who calls (407)")
	case status == http.StatusUnauthorized:
		l.unknown()
	case status == http.StatusForbidden:
		l.add("tunnel", CheckFail, "name the host as a provider in the policy, or let it through with egress.others", "%s is not listed: the proxy makes no tunnel to it (403)", l.Host)
	case status != http.StatusOK:
		l.add("tunnel", CheckFail, "see the gateway's log", "the proxy answers %d", status)
	}
	if conn != nil {
		_ = conn.Close()
	}
	return nil, false
}

// known tells whether the proxy knows the client's token: a tunnel to a provider's host is made for any, and judged inside.
func (l *connecting) known(ctx context.Context) bool {
	status, conn, err := l.tunnel(ctx, nobodysHost)
	if conn != nil {
		_ = conn.Close()
	}
	if err == nil && status == http.StatusUnauthorized {
		l.unknown()
		return false
	}
	return true
}

func (l *connecting) unknown() {
	l.add("caller", CheckFail, "use the token that the policy or sentinel tokens issue gave the service", "the proxy knows no service by this token (401)")
}

// tunnel asks the proxy for a tunnel.
func (l *connecting) tunnel(ctx context.Context, host string) (status int, conn net.Conn, err error) {
	if conn, err = l.Dial(ctx, "tcp", hostPort(l.proxy)); err != nil {
		return 0, nil, err
	}
	if l.proxy.Scheme == "https" {
		secure := tls.Client(conn, &tls.Config{ServerName: l.proxy.Hostname(), MinVersion: tls.VersionTLS12})
		if err := secure.HandshakeContext(ctx); err != nil {
			return 0, conn, fmt.Errorf("its own certificate: %w", err)
		}
		conn = secure
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	target := net.JoinHostPort(host, "443")
	r := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: target}, Host: target, Header: http.Header{}}
	if u := l.proxy.User; u != nil {
		password, _ := u.Password()
		r.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password)))
	}
	if err := r.Write(conn); err != nil {
		return 0, conn, err
	}
	answer, err := http.ReadResponse(bufio.NewReaderSize(conn, 4096), r) //nolint:bodyclose // the answer to CONNECT has none; the server says nothing before the client's hello
	if err != nil {
		return 0, conn, err
	}
	return answer.StatusCode, conn, nil
}

// answeredBy asks for a path that nobody has, and gives who answered.
func answeredBy(ctx context.Context, conn net.Conn, host string) (string, error) {
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+"/.well-known/sentinel-connect-check", nil)
	if err != nil {
		return "", err
	}
	r.Close = true
	if err := r.Write(conn); err != nil {
		return "", err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), r)
	if err != nil {
		return "", err
	}
	_, _ = io.CopyN(io.Discard, answer.Body, 4096)
	return answer.Header.Get("Server"), answer.Body.Close()
}

// trust tells which of the client's lists of authorities have the gateway's.
func (l *connecting) trust(chain []*x509.Certificate) {
	const remedy = "add what sentinel ca export prints to it: sentinel ca install-help"
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	verified := func(where string, roots *x509.CertPool) bool {
		_, err := chain[0].Verify(x509.VerifyOptions{DNSName: l.Host, Roots: roots, Intermediates: between})
		if err != nil {
			l.add("trust", CheckFail, remedy, "%s does not have the gateway's authority, %q: %v", where, chain[0].Issuer.CommonName, err)
		}
		return err == nil
	}
	good, looked := true, 0
	for _, name := range trustVariables {
		file := l.Getenv(name)
		if file == "" {
			continue
		}
		looked++
		data, err := os.ReadFile(file)
		if err != nil {
			l.add("trust", CheckFail, "correct "+name, "%s names a file that cannot be read: %v", name, err)
			good = false
			continue
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(data)
		good = verified(name+" ("+file+")", roots) && good
	}
	if looked == 0 {
		good = verified("the system's list", nil)
	}
	if good {
		l.add("trust", CheckOK, "", "the gateway's authority is trusted; libraries with a list of their own may still lack it: sentinel ca install-help")
	}
}
