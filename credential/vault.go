// Package credential holds what the gateway authenticates with: providers' secrets, read from
// Vault off the path and served from memory, and the ways in which a request carries or proves
// one (bearer, header, basic, AWS Signature Version 4).
//
// No error of this package contains a secret, a token or a signature that would be accepted.
package credential

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/api"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Ref names a value in Vault: a KV version 2 secret and one of its fields. The first segment of
// Path is the mount: "secret/openai" is the secret openai of the mount secret. An empty Field
// means an AWS key: the fields access_key_id, secret_access_key and, if it is temporary,
// session_token; the secret's other text fields can be read as well.
type Ref struct{ Path, Field string }

// String is the form in which policy files write it.
func (r Ref) String() string {
	if r.Field == "" {
		return r.Path
	}
	return r.Path + "#" + r.Field
}

// AppRole is how a machine logs in to Vault.
type AppRole struct {
	RoleID   string
	SecretID sentinel.Secret
	Mount    string // of the auth method; "approle" when empty
}

// VaultOptions say where Vault is and how long its answers hold. Zero durations take the defaults.
type VaultOptions struct {
	Address   string          // http(s)://host:port
	Token     sentinel.Secret // used as it is, and renewed when it can be
	AppRole   *AppRole        // instead of Token
	Namespace string
	CAFile    string        // PEM; empty: the system's authorities
	Refresh   time.Duration // a changed value is served within it; 30 s
	MaxStale  time.Duration // an unconfirmed value is served that long; 1 h
	Timeout   time.Duration // of one request to Vault; 5 s
	// OnError hears of every failed refresh and renewal, from Run's goroutine. It may be nil.
	OnError func(error)
}

// maxRefs bounds one set of references, and maxFields the fields of one secret.
const (
	maxRefs   = 1024
	maxFields = 128
)

// Vault serves secrets from an immutable snapshot in memory. Load fills it, Run keeps it fresh.
type Vault struct {
	o       VaultOptions
	client  *api.Client
	conns   *http.Client
	session session
	served  atomic.Pointer[snapshot]
	reading chan struct{} // holds one token: reads of Vault never overlap, so an old answer cannot replace a newer one
	changed chan struct{} // wakes Run after Watch

	mu      sync.Mutex // guards watched, and publishing
	watched []Ref
}

// snapshot is everything that is served, by path.
type snapshot struct{ secrets map[string]secret }

// secret is one KV secret as it was read at one time.
type secret struct {
	fields map[string]sentinel.Secret
	readAt time.Time
}

// NewVault checks the options and does no I/O. Its error has every fault, one sentence each.
func NewVault(o VaultOptions) (*Vault, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 2
	return newVault(o, transport)
}

func newVault(o VaultOptions, transport http.RoundTripper) (*Vault, error) {
	o.Refresh = positiveOr(o.Refresh, 30*time.Second)
	o.MaxStale = positiveOr(o.MaxStale, time.Hour)
	o.Timeout = positiveOr(o.Timeout, 5*time.Second)
	if o.OnError == nil {
		o.OnError = func(error) {}
	}
	o.Address = strings.TrimRight(o.Address, "/")
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
	v := &Vault{o: o, client: client, conns: conns, reading: make(chan struct{}, 1), changed: make(chan struct{}, 1)}
	v.served.Store(&snapshot{})
	return v, nil
}

func positiveOr(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

func (o VaultOptions) validate() error {
	var faults []error
	u, err := url.Parse(o.Address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		// The address is not repeated: it may hold a password.
		faults = append(faults, errors.New("vault: the address must be http://HOST:PORT or https://HOST:PORT, without a user"))
	}
	switch {
	case o.AppRole != nil && !o.Token.IsZero():
		faults = append(faults, errors.New("vault: give a token or an AppRole, not both"))
	case o.AppRole == nil && o.Token.IsZero():
		faults = append(faults, errors.New("vault: give a token or an AppRole to log in with"))
	case o.AppRole != nil && (o.AppRole.RoleID == "" || o.AppRole.SecretID.IsZero()):
		faults = append(faults, errors.New("vault: an AppRole needs a role id and a secret id"))
	case o.AppRole == nil && !sendable(o.Token.Reveal()):
		faults = append(faults, errors.New("vault: the token has blanks or control characters: write it without a line break"))
	}
	if o.MaxStale < o.Refresh {
		faults = append(faults, fmt.Errorf("vault: max_stale %s is below refresh %s: values would go missing between refreshes", o.MaxStale, o.Refresh))
	}
	return errors.Join(faults...)
}

// Get gives a value without I/O or allocation. It is false for a value that was never loaded and
// for one that Vault has not confirmed for longer than MaxStale.
func (v *Vault) Get(r Ref) (sentinel.Secret, bool) {
	s, ok := v.fresh(r.Path)
	if !ok {
		return sentinel.Secret{}, false
	}
	value, ok := s.fields[r.Field]
	return value, ok
}

// AWSKey gives the key of a secret that was loaded with an empty Field. Its parts are of one
// version of the secret.
func (v *Vault) AWSKey(path string) (AWSKey, bool) {
	s, ok := v.fresh(path)
	if !ok {
		return AWSKey{}, false
	}
	k := AWSKey{
		AccessKeyID: s.fields["access_key_id"].Reveal(),
		Secret:      s.fields["secret_access_key"], SessionToken: s.fields["session_token"],
	}
	return k, k.AccessKeyID != "" && !k.Secret.IsZero()
}

func (v *Vault) fresh(path string) (secret, bool) {
	s, ok := v.served.Load().secrets[path]
	return s, ok && time.Since(s.readAt) <= v.o.MaxStale
}

// Age is the time since Vault last confirmed the value that it has confirmed least recently;
// 0 when nothing is loaded.
func (v *Vault) Age() time.Duration {
	var age time.Duration
	for _, s := range v.served.Load().secrets {
		age = max(age, time.Since(s.readAt))
	}
	return age
}

// Watch replaces the set that Run refreshes, and stops serving what is not in it. Load new
// references first: until their first refresh they are not served.
func (v *Vault) Watch(refs []Ref) {
	v.mu.Lock()
	v.watched = unique(refs)
	v.publish(nil)
	v.mu.Unlock()
	select {
	case v.changed <- struct{}{}:
	default: // Run is woken already
	}
}
