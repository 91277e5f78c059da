package credential

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// VaultOptions say where Vault is. A zero Timeout takes the default.
type VaultOptions struct {
	Address   string          // http(s)://host:port
	Token     sentinel.Secret // used as it is, and renewed when it can be
	Login     *Login          // instead of Token
	Namespace string
	CAFile    string        // PEM; empty: the system's authorities
	Timeout   time.Duration // of one request to Vault; 5 s
	// OnError hears of a session that ends soon and cannot be renewed. It may be nil.
	OnError func(error)
}

// Vault is the source of secrets of HashiCorp Vault and OpenBao: KV of both versions, and dynamic secrets
// with leases.
type Vault struct {
	o          VaultOptions
	client     *api.Client
	conns      *http.Client
	session    session
	reloggedIn bool              // since the last Prepare
	mounts     map[string]mount  // by the secret's path
	leases     map[string]*lease // of dynamic secrets, by path
	returns    []returned        // leases to give back
	asking     sync.Mutex        // of engines, which several goroutines may use; secrets are read by one

	replacing    sync.Mutex // guards replacements
	replacements map[string]Replacement
}

// NewVault checks the options and does no I/O but reading files. Its error has every fault, one sentence each.
func NewVault(o VaultOptions) (*Vault, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 2
	return newVault(o, transport)
}

func newVault(o VaultOptions, transport http.RoundTripper) (*Vault, error) {
	o.Timeout = positiveOr(o.Timeout, 5*time.Second)
	if o.OnError == nil {
		o.OnError = func(error) {}
	}
	o.Address = strings.TrimRight(o.Address, "/")
	if o.Login != nil {
		filled := o.Login.filled()
		o.Login = &filled
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	conns, err := newConns(o, transport)
	if err != nil {
		return nil, err
	}
	client, err := newClient(o, conns)
	if err != nil {
		return nil, err
	}
	return &Vault{o: o, client: client, conns: conns, mounts: map[string]mount{}, leases: map[string]*lease{}, replacements: map[string]Replacement{}}, nil
}

func (o VaultOptions) validate() error {
	var faults []error
	u, err := url.Parse(o.Address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		// The address is not repeated: it may hold a password.
		faults = append(faults, errors.New("vault: the address must be http://HOST:PORT or https://HOST:PORT, without a user"))
	}
	switch {
	case o.Login != nil && !o.Token.IsZero():
		faults = append(faults, errors.New("vault: give a token or a login, not both"))
	case o.Login != nil:
		faults = append(faults, o.Login.validate())
	case o.Token.IsZero():
		faults = append(faults, errors.New("vault: give a token or a login"))
	case !sendable(o.Token.Reveal()):
		faults = append(faults, errors.New("vault: the token has blanks or control characters: write it without a line break"))
	}
	return errors.Join(faults...)
}

// newConns makes the connections to Vault. Redirects are left to the API, which follows one.
func newConns(o VaultOptions, transport http.RoundTripper) (*http.Client, error) {
	if t, ok := transport.(*http.Transport); ok {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		if o.CAFile != "" {
			pem, err := os.ReadFile(o.CAFile)
			if err != nil {
				return nil, fmt.Errorf("vault: ca file: %w", err)
			}
			t.TLSClientConfig.RootCAs = x509.NewCertPool()
			if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("vault: ca file %s holds no PEM certificate", o.CAFile)
			}
		}
		if o.Login != nil && o.Login.CertFile != "" {
			t.TLSClientConfig.GetClientCertificate = o.Login.certificate
		}
	}
	return &http.Client{
		Transport:     boundedTransport{transport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// newClient makes a client of the options alone: the API's own reading of VAULT_* variables would
// let the environment override what the operator's file says.
func newClient(o VaultOptions, conns *http.Client) (*api.Client, error) {
	client, err := api.NewClient(&api.Config{
		Address:    o.Address,
		Timeout:    o.Timeout, // and no retries: Run has its own
		HttpClient: conns,
	})
	if err != nil {
		return nil, fmt.Errorf("vault client for %s: %w", o.Address, err)
	}
	client.SetHeaders(http.Header{api.RequestHeaderName: {"true"}})
	client.SetWrappingLookupFunc(func(string, string) string { return "" })
	client.ClearNamespace()
	if o.Namespace != "" {
		client.SetNamespace(o.Namespace)
	}
	client.SetToken(o.Token.Reveal())
	return client, nil
}

// boundedTransport cuts answers at 4 MiB, four times what Vault stores in one secret.
type boundedTransport struct{ http.RoundTripper }

func (t boundedTransport) RoundTrip(rq *http.Request) (*http.Response, error) {
	rs, err := t.RoundTripper.RoundTrip(rq)
	if err == nil {
		rs.Body = http.MaxBytesReader(nil, rs.Body, 4<<20)
	}
	return rs, err
}

// CloseIdleConnections lets http.Client close what the transport keeps open.
func (t boundedTransport) CloseIdleConnections() {
	(&http.Client{Transport: t.RoundTripper}).CloseIdleConnections()
}

// Close ends the connections.
func (v *Vault) Close() { v.conns.CloseIdleConnections() }

// Wakes is the time to the next renewal of the session or of a lease.
func (v *Vault) Wakes() (time.Duration, bool) {
	in, ok := v.session.untilRenewal()
	for _, l := range v.leases {
		if until := time.Until(l.renewAt); !ok || until < in {
			in, ok = until, true
		}
	}
	return in, ok
}

// Advice is the command that writes fields.
func (v *Vault) Advice(name string, there bool, fields []string) string {
	verb := "put"
	if there {
		verb = "patch"
	}
	return "vault kv " + verb + " " + name + " " + assignments(fields)
}

// Faultf makes one sentence about what Vault holds.
func (v *Vault) Faultf(format string, args ...any) error { return v.faultf(nil, format, args...) }

func (v *Vault) faultf(class error, format string, args ...any) error {
	return &fault{"vault at " + v.o.Address + ": " + fmt.Sprintf(format, args...), class}
}
