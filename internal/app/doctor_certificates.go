package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/saas-sentinel/saas-sentinel/store"
)

// soon is when a certificate's end is worth a word.
const soon = 21 * 24 * time.Hour

// end tells of a certificate's last day.
func (d *doctor) end(what string, at time.Time, remedy string) {
	switch left := time.Until(at); {
	case left <= 0:
		d.add(what, CheckFail, remedy, "it ended on %s", at.Format(time.DateOnly))
	case left < soon:
		d.add(what, CheckWarn, remedy, "it ends on %s", at.Format(time.DateOnly))
	default:
		d.add(what, CheckOK, "", "it is good until %s", at.Format(time.DateOnly))
	}
}

func (d *doctor) certificates(ctx context.Context) {
	d.served(ctx)
	if t := d.config.Envoy.TLS; t != nil && t.SDS == nil {
		d.file("listener's certificate", "envoy.tls.cert", t.Cert, "renew it: Envoy takes a new one that is moved into its folder")
		if t.ClientCA != "" {
			d.file("clients' authority", "envoy.tls.client_ca", t.ClientCA, "add the next authority to the file before the clients' certificates come from it")
		}
	}
	if !d.config.Proxy.used() {
		return
	}
	if t := d.config.Proxy.TLS; t != nil && t.SDS == nil {
		d.file("proxy's certificate", "proxy.tls.cert", t.Cert, "renew it: Envoy takes a new one that is moved into its folder")
	}
	a, err := OpenAuthority(ctx, d.config)
	if errors.Is(err, os.ErrNotExist) {
		d.add("proxy's authority", CheckWarn, "sentinel run makes it; sentinel ca create makes it with more hosts", "%s is not there yet", d.config.Proxy.CA)
		return
	}
	if err != nil {
		d.add("proxy's authority", CheckFail, "sentinel ca create", "%s", err)
		return
	}
	d.end("proxy's authority", a.NotAfter(), "make another with sentinel ca create, and give it to the clients")
	for _, host := range ProviderHosts(d.state) {
		if !a.Covers(host) {
			d.add("proxy's authority", CheckFail, "make another with sentinel ca create, and give it to the clients", "it may not vouch for %s", host)
		}
	}
}

// file tells of the certificates of a PEM file: of the one that ends first.
func (d *doctor) file(what, key, name, remedy string) {
	data, err := os.ReadFile(name)
	if err != nil {
		d.add(what, CheckFail, "correct "+key, "%s", err)
		return
	}
	var first time.Time
	for cert, err := range certificatesIn(data) {
		if err != nil {
			d.add(what, CheckFail, "correct "+key, "%s: %s", name, err)
			return
		}
		if first.IsZero() || cert.NotAfter.Before(first) {
			first = cert.NotAfter
		}
	}
	if first.IsZero() {
		d.add(what, CheckFail, "correct "+key, "%s has no certificate in PEM", name)
		return
	}
	d.end(what, first, remedy)
}

// served tells of the certificates that dependencies serve. That they are trusted is found where the dependency itself is looked at.
func (d *doctor) served(ctx context.Context) {
	if u, err := url.Parse(d.config.Vault.Address); err == nil && u.Scheme == "https" {
		d.peer(ctx, "vault's certificate", hostPort(u), "renew it where Vault runs")
	}
	if d.config.Redis.TLS && len(d.config.Redis.Address) > 0 {
		d.peer(ctx, "redis' certificate", d.config.Redis.Address[0], "renew it where Redis runs")
	}
	switch end, addr, err := store.Certificate(ctx, d.config.Database.URL); {
	case err != nil:
		d.add("database's certificate", CheckWarn, "check that it speaks TLS (ssl = on) and is reached from here, or sslmode in SENTINEL_DATABASE_URL", "%s serves none: %s", addr, err)
	case !end.IsZero():
		d.end("database's certificate", end, "renew it where PostgreSQL runs, and have it read: SELECT pg_reload_conf()")
	}
}

// hostPort is where a URL's server listens, by default at its scheme's port.
func hostPort(u *url.URL) string {
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// peer reads the certificate that an address serves.
func (d *doctor) peer(ctx context.Context, what, addr, remedy string) {
	// Whom to trust is no question here: nothing is sent, and an end that is past must be read too.
	c, err := (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(ctx, "tcp", addr) //nolint:gosec // nothing is sent
	if err != nil {
		d.add(what, CheckWarn, "check that it speaks TLS and is reached from here", "%s serves none: %s", addr, err)
		return
	}
	defer func() { _ = c.Close() }()
	d.end(what, c.(*tls.Conn).ConnectionState().PeerCertificates[0].NotAfter, remedy)
}

// vaultItself asks Vault for what it tells without a login: whether it is sealed, and its clock.
func (d *doctor) vaultItself(ctx context.Context) {
	if d.config.Vault.Address == "" {
		return // credentials come from elsewhere
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if d.config.Vault.CAFile != "" {
		data, err := os.ReadFile(d.config.Vault.CAFile)
		if err != nil || !pool.AppendCertsFromPEM(data) {
			d.add("vault", CheckFail, "correct vault.ca_file", "%s has no certificate in PEM", d.config.Vault.CAFile)
			return
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.config.Vault.Address+"/v1/sys/health?standbyok=true&perfstandbyok=true", nil)
	if err != nil {
		d.add("vault", CheckFail, "correct vault.address", "%s", err)
		return
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}
	answer, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return // the login says so, with the remedy
	}
	defer func() { _ = answer.Body.Close() }()
	var health struct {
		Initialized, Sealed bool
		Now                 int64 `json:"server_time_utc"` // seconds
	}
	if err := json.NewDecoder(answer.Body).Decode(&health); err != nil {
		d.add("vault", CheckWarn, "check vault.address: it is no Vault's", "%s answers %s without saying how it is", d.config.Vault.Address, answer.Status)
		return
	}
	if !health.Initialized || health.Sealed {
		d.add("vault", CheckFail, "unseal it: vault operator unseal", "it is sealed")
	}
	if health.Now != 0 && time.Since(time.Unix(health.Now, 0)).Abs() > mostSkew+time.Second { // it tells whole seconds
		d.clock("vault", time.Unix(health.Now, 0))
	}
}

// collector connects to the OpenTelemetry collector.
func (d *doctor) collector(ctx context.Context) {
	if d.config.Telemetry.OTLP == "" {
		return
	}
	u, err := url.Parse(d.config.Telemetry.OTLP)
	if err != nil || u.Host == "" {
		d.add("collector", CheckFail, "correct telemetry.otlp", "%q is no URL", d.config.Telemetry.OTLP)
		return
	}
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", hostPort(u))
	if err != nil {
		d.add("collector", CheckWarn, "start it, or check telemetry.otlp: spans are dropped meanwhile, calls are not", "%s", err)
		return
	}
	_ = c.Close()
	d.add("collector", CheckOK, "", "%s takes connections", u.Host)
}
