// Package envoy is Envoy's control plane and bootstrap: it turns a Config into listeners, routes
// and clusters (xDS v3, delta ADS), so that Envoy sends a request on only to a configured
// provider, by a configured path, and only after sentinel's guard has marked it.
package envoy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// SystemCAs is the bundle that verifies a provider that names none: its place on Debian, Ubuntu, Alpine
// and in distroless images.
const SystemCAs = "/etc/ssl/certs/ca-certificates.crt"

// Bounds that Config.Validate holds.
const (
	maxBodyBytes = 64 << 20 // Envoy keeps a judged body in memory, and gRPC carries it in one message
	maxIdle      = time.Hour
	MinHeapBytes = 64 << 20 // an Envoy without calls has about 50 MB
	MaxHeapBytes = 1 << 40
	maxSocket    = 107    // of a unix socket's path, by the kernel
	maxRoutes    = 10_000 // in all providers together; Envoy tries them in order
)

// Config is everything that Envoy is told.
type Config struct {
	NodeID       string        // name of the Envoy in its own logs; every Envoy gets the same configuration
	Listen       string        // IP:port of the base-URL listener, "127.0.0.1:10000"
	Hosts        []string      // host names and IPs, without port, by which clients address the gateway; any other is answered 403
	TLS          *ListenerTLS  // nil: clients speak plain HTTP
	Admin        string        // IP:port of Envoy's admin page; keep it on a loopback address
	Control      string        // host:port of sentinel's gRPC: ext_proc, ADS and health
	AccessLog    string        // a file, or "/dev/stdout"; "" for none
	Witness      string        // a file that gets the access log too, for a Witness; "" for none
	MaxBodyBytes uint32        // of a request whose body the guard reads; past it 413, give or take one read of the socket
	MaxHeapBytes int64         // memory of one Envoy: near it, it gives back what it can, and refuses requests
	StreamIdle   time.Duration // a request or an answer that is silent for so long is ended
	Providers    []Provider
	Chains       []Chain
	Proxy        *Proxy // nil: no proxy
}

// ListenerTLS is the listener's certificate, read again by Envoy when its directory changes, or given by a SecretService.
// With a client CA, a client's certificate is verified when it sends one.
type ListenerTLS struct {
	CertFile, KeyFile, ClientCAFile string
	Service                         *SecretService // instead of files
	RequireClientCert               bool           // needs the authorities of clients
}

// SecretService is a server of Envoy's secret discovery on the same machine, such as a SPIRE agent: it renews what it gives, and Envoy
// takes that without a restart.
type SecretService struct {
	Socket      string // path of its unix socket
	Certificate string // name of the listener's certificate there
	Bundle      string // name of the authorities that sign clients' certificates; empty: clients show none
}

// verifies tells whether clients' certificates are looked at.
func (t *ListenerTLS) verifies() bool {
	return t != nil && (t.ClientCAFile != "" || t.Service != nil && t.Service.Bundle != "")
}

// Provider is one third party.
type Provider struct {
	Name      string // the first segment of its paths at the gateway
	Place     string // names where it is: another place is another cluster, and other routes. Empty in tests
	Host      string // its own host, with a port where that is not the usual one; also SNI and the pinned SAN
	Address   string // where it is reached; "" is Host by DNS, at port 443 or, in plain text, 80
	Plaintext bool   // no TLS: for stand-ins in tests and demos
	CAFile    string // PEM bundle; "" is SystemCAs
	Shows     *Shown // a certificate of the gateway's own; nil: none
	Routes    []Route
}

// Shown is a client's certificate with its key, in PEM. Another one is used by the next connection, and cuts none.
type Shown struct{ Cert, Key []byte }

// Route is one endpoint. Envoy takes the first one that fits, so the specific come before the general.
type Route struct {
	Name   string // "openai/chat.completions": what the guard is told as xds.route_name
	Method string
	Path   string // the provider's own path; {x} stands for one segment, {x...} at the end for the rest
	Events bool   // its requests are streams of events, which the processor signs anew as they pass
}

// DefaultConfig has every value that can be chosen without knowing the site.
func DefaultConfig() Config {
	return Config{
		NodeID: "egress", Listen: "127.0.0.1:10000", Hosts: []string{"localhost", "127.0.0.1"},
		Admin: "127.0.0.1:9901", Control: "127.0.0.1:9902", AccessLog: "/dev/stdout",
		MaxBodyBytes: 8 << 20, MaxHeapBytes: 960 << 20, StreamIdle: 300 * time.Second,
	}
}

var (
	hostPattern   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)
	namePattern   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
	methodPattern = regexp.MustCompile(`^[A-Z]{1,20}$`)
)

// Validate gives every fault at once.
func (c Config) Validate() error {
	var faults []error
	add := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	add(text(c.NodeID), "node id: a name is required")
	add(isIPPort(c.Listen), "listen %q: want an IP address and a port, as in 127.0.0.1:10000", c.Listen)
	add(isIPPort(c.Admin), "admin %q: want an IP address and a port, as in 127.0.0.1:9901", c.Admin)
	add(isHostPort(c.Control), "control %q: want a host and a port, as in 127.0.0.1:9902", c.Control)
	add(c.AccessLog == "" || text(c.AccessLog), "access log: the file's name is not UTF-8")
	add(c.Witness == "" || text(c.Witness) && c.Witness != "/dev/stdout", "witness %q: want a file", c.Witness)
	add(c.Witness == "" || c.Witness != c.AccessLog, "witness %q: it is the access log already", c.Witness)
	add(c.MaxBodyBytes > 0 && c.MaxBodyBytes <= maxBodyBytes, "max body bytes: %d is outside [1, %d]", c.MaxBodyBytes, maxBodyBytes)
	add(c.MaxHeapBytes >= MinHeapBytes && c.MaxHeapBytes <= MaxHeapBytes, "max heap bytes: %d is outside [%d, %d]", c.MaxHeapBytes, int64(MinHeapBytes), int64(MaxHeapBytes))
	add(c.StreamIdle > 0 && c.StreamIdle <= maxIdle, "stream idle: %s is outside (0s, %s]", c.StreamIdle, maxIdle)
	add(len(c.Hosts) > 0, "hosts: name at least one host by which clients address the gateway")
	seen := map[string]bool{}
	for _, h := range c.Hosts {
		add(isHost(h), "host %q: want a host name or an IP address, without port and without *", h)
		add(!seen[domain(h)], "host %q: named twice", h)
		seen[domain(h)] = true
	}
	if c.TLS != nil {
		faults = append(faults, c.TLS.validate()...)
	}
	if c.Proxy != nil {
		faults = append(faults, c.Proxy.validate(c.Listen)...)
	}
	return errors.Join(append(append(faults, validateProviders(c.Providers)...), validateChains(c)...)...)
}

func (t ListenerTLS) validate() []error {
	var faults []error
	if s := t.Service; s != nil {
		if !filepath.IsAbs(s.Socket) || len(s.Socket) > maxSocket || !text(s.Socket) || !text(s.Certificate) || s.Bundle != "" && !text(s.Bundle) {
			faults = append(faults, fmt.Errorf("tls: a secret service has the absolute path of a unix socket of at most %d bytes, and the name of a certificate", maxSocket))
		}
		if t.CertFile+t.KeyFile+t.ClientCAFile != "" {
			faults = append(faults, errors.New("tls: files and a secret service are two places of one certificate: name one"))
		}
	} else if !text(t.CertFile) || !text(t.KeyFile) {
		faults = append(faults, errors.New("tls: a certificate file and a key file are required"))
	}
	if t.RequireClientCert && !t.verifies() {
		faults = append(faults, errors.New("tls: client certificates are required, but no client CA file or bundle says whose"))
	}
	if t.ClientCAFile != "" && !text(t.ClientCAFile) {
		faults = append(faults, errors.New("tls: the client CA file's name is not UTF-8"))
	}
	return faults
}

func validateProviders(providers []Provider) []error {
	var faults []error
	names, routes, count := map[string]bool{}, map[string]bool{}, 0
	for _, p := range providers {
		add := func(ok bool, format string, args ...any) {
			if !ok {
				faults = append(faults, fmt.Errorf("provider %q: "+format, append([]any{p.Name}, args...)...))
			}
		}
		add(namePattern.MatchString(p.Name), "the name must be of letters, digits, '.', '_' and '-'")
		add(!names[p.Name], "named twice")
		names[p.Name] = true
		add(isHost(p.Host) || isHostPort(p.Host), "host %q: want a host name, with a port or without", p.Host)
		add(p.Address == "" || isHostPort(p.Address), "address %q: want a host and a port", p.Address)
		add(p.CAFile == "" || text(p.CAFile), "the CA file's name is not UTF-8")
		add(p.Shows == nil || !p.Plaintext && len(p.Shows.Cert) > 0 && len(p.Shows.Key) > 0, "a certificate to show needs its key, and TLS")
		for _, r := range p.Routes {
			count++
			add(text(r.Name) && !routes[r.Name], "route %q: the name is empty or taken", r.Name)
			routes[r.Name] = true
			add(methodPattern.MatchString(r.Method) && r.Method != "CONNECT", "route %q: method %q cannot be routed", r.Name, r.Method)
			if _, err := parseTemplate(r.Path); err != nil {
				add(false, "route %q: %w", r.Name, err)
			}
		}
	}
	if count > maxRoutes {
		faults = append(faults, fmt.Errorf("%d routes: at most %d are possible", count, maxRoutes))
	}
	return faults
}

// text tells whether a string can be carried by protobuf.
func text(s string) bool { return s != "" && utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

func isHost(s string) bool {
	_, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return err == nil || hostPattern.MatchString(s)
}

func isHostPort(s string) bool {
	host, port, err := net.SplitHostPort(s)
	n, bad := strconv.ParseUint(port, 10, 16)
	return err == nil && bad == nil && n > 0 && isHost(host)
}

func isIPPort(s string) bool {
	a, err := netip.ParseAddrPort(s)
	return err == nil && a.Port() > 0
}

// HostOnly takes the port off a host that may have one.
func HostOnly(s string) string {
	if host, _, err := net.SplitHostPort(s); err == nil {
		return host
	}
	return strings.Trim(s, "[]")
}

// domain is a host as it stands in a Host header.
func domain(host string) string {
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil && a.Is6() {
		return "[" + a.String() + "]"
	}
	return strings.ToLower(host)
}
