// Package credential holds what the gateway authenticates with: providers' secrets, read from
// Vault, AWS Secrets Manager or files off the path and served from memory, and the ways in which a
// request carries or proves one (bearer, header, basic, query, AWS Signature Version 4).
//
// No error of this package contains a secret, a token or a signature that would be accepted.
package credential

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Ref names a value: a secret and one of its fields. The path of a secret in Vault begins with its
// mount: "secret/openai" is the secret openai of the mount secret. Other sources are named by a
// scheme: "aws:prod/openai" is in AWS Secrets Manager, "file:/run/secrets/openai" is a folder of
// files. An empty Field means an AWS key: the fields access_key_id, secret_access_key and, if it is
// temporary, session_token; the secret's other text fields can be read as well.
type Ref struct{ Path, Field string }

// String is the form in which policy files write it.
func (r Ref) String() string {
	if r.Field == "" {
		return r.Path
	}
	return r.Path + "#" + r.Field
}

// The schemes of sources. A path without one is Vault's.
const (
	SchemeVault = ""
	SchemeAWS   = "aws"
	SchemeFile  = "file"
)

// split gives the scheme of a path, and what it is called there.
func split(path string) (scheme, name string) {
	if scheme, name, ok := strings.Cut(path, ":"); ok {
		return scheme, name
	}
	return SchemeVault, path
}

// Source is where secrets lie. Its methods are never called by two goroutines at once.
type Source interface {
	// Prepare makes reading possible, and renews what ends soon, such as a session.
	Prepare(ctx context.Context) error
	// Read gives the fields of a secret as they are stored.
	Read(ctx context.Context, name string) (map[string]any, error)
	// Wakes tells how long it may be left alone; false: until the next refresh.
	Wakes() (time.Duration, bool)
	// Faultf makes one sentence about a secret, and names the source.
	Faultf(format string, args ...any) error
	// Advice says how an operator makes a secret with fields, or puts fields into one that is there.
	Advice(name string, there bool, fields []string) string
	// Close ends its connections.
	Close()
}

// Options say how long values hold. Zero durations take the defaults.
type Options struct {
	Sources  map[string]Source // by scheme
	Refresh  time.Duration     // a changed value is served within it; 30 s
	MaxStale time.Duration     // an unconfirmed value is served that long; 1 h
	// OnError hears of every failed refresh, from Run's goroutine. It may be nil.
	OnError func(error)
}

// maxRefs bounds one set of references, and maxFields the fields of one secret.
const (
	maxRefs   = 1024
	maxFields = 128
)

// Secrets serves secrets from an immutable snapshot in memory. Load fills it, Run keeps it fresh.
type Secrets struct {
	o       Options
	served  atomic.Pointer[snapshot]
	reading chan struct{} // holds one token: reads never overlap, so an old answer cannot replace a newer one
	changed chan struct{} // wakes Run after Watch

	mu      sync.Mutex // guards watched, and publishing
	watched []Ref
}

// snapshot is everything that is served, by path.
type snapshot struct{ secrets map[string]secret }

// secret is one secret as it was read at one time.
type secret struct {
	fields map[string]sentinel.Secret
	readAt time.Time
}

// has tells whether a field was read; no field is an AWS key.
func (s secret) has(field string) bool {
	if field == "" {
		field = awsFields[0]
	}
	_, ok := s.fields[field]
	return ok
}

// NewSecrets does no I/O.
func NewSecrets(o Options) (*Secrets, error) {
	o.Refresh = positiveOr(o.Refresh, 30*time.Second)
	o.MaxStale = positiveOr(o.MaxStale, time.Hour)
	if o.OnError == nil {
		o.OnError = func(error) {}
	}
	if o.MaxStale < o.Refresh {
		return nil, fmt.Errorf("secrets: max_stale %s is below refresh %s: values would go missing between refreshes", o.MaxStale, o.Refresh)
	}
	s := &Secrets{o: o, reading: make(chan struct{}, 1), changed: make(chan struct{}, 1)}
	s.served.Store(&snapshot{})
	return s, nil
}

func positiveOr(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// Get gives a value without I/O or allocation. It is false for a value that was never loaded and
// for one that its source has not confirmed for longer than MaxStale.
func (s *Secrets) Get(r Ref) (sentinel.Secret, bool) {
	held, ok := s.fresh(r.Path)
	if !ok {
		return sentinel.Secret{}, false
	}
	value, ok := held.fields[r.Field]
	return value, ok
}

// AWSKey gives the key of a secret that was loaded with an empty Field. Its parts are of one
// version of the secret.
func (s *Secrets) AWSKey(path string) (AWSKey, bool) {
	held, ok := s.fresh(path)
	if !ok {
		return AWSKey{}, false
	}
	k := AWSKey{
		AccessKeyID: held.fields["access_key_id"].Reveal(),
		Secret:      held.fields["secret_access_key"], SessionToken: held.fields["session_token"],
	}
	return k, k.AccessKeyID != "" && !k.Secret.IsZero()
}

func (s *Secrets) fresh(path string) (secret, bool) {
	held, ok := s.served.Load().secrets[path]
	return held, ok && time.Since(held.readAt) <= s.o.MaxStale
}

// ReadAt is when the source last confirmed a secret; zero where it was never read.
func (s *Secrets) ReadAt(path string) time.Time { return s.served.Load().secrets[path].readAt }

// Age is the time since the value that was confirmed least recently was; 0 when nothing is loaded.
func (s *Secrets) Age() time.Duration {
	var age time.Duration
	for _, held := range s.served.Load().secrets {
		age = max(age, time.Since(held.readAt))
	}
	return age
}

// Watch replaces the set that Run refreshes, and stops serving what is not in it. Load new
// references first: until their first refresh they are not served.
func (s *Secrets) Watch(refs []Ref) {
	s.mu.Lock()
	s.watched = unique(refs)
	s.publish(nil)
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default: // Run is woken already
	}
}

// read reads one secret and checks that the wanted fields can be sent.
func (s *Secrets) read(ctx context.Context, source Source, path string, wanted []string) (secret, error) {
	_, name := split(path)
	at := time.Now() // before the request: the age of a value must not be understated
	data, err := source.Read(ctx, name)
	switch {
	case errors.Is(err, errNotFound):
		return secret{}, source.Faultf("no secret at %s: %s", name, source.Advice(name, false, wanted))
	case err != nil:
		return secret{}, err
	case len(data) > maxFields:
		return secret{}, source.Faultf("%s has %d fields, and at most %d are read", name, len(data), maxFields)
	}
	r := reading{source: source, name: name, data: data, fields: make(map[string]sentinel.Secret, len(wanted))}
	var faults []error
	for _, field := range wanted {
		if field == "" {
			faults = append(faults, r.every())
			continue
		}
		faults = append(faults, r.one(field))
	}
	return secret{r.fields, at}, errors.Join(faults...)
}

// reading is a secret whose fields are being checked.
type reading struct {
	source Source
	name   string
	data   map[string]any
	fields map[string]sentinel.Secret
}

func (r reading) one(field string) error {
	text, ok := r.data[field].(string)
	switch {
	case r.data[field] == nil:
		return r.source.Faultf("%s has no field %s: %s", r.name, clip(field), r.source.Advice(r.name, true, []string{field}))
	case !ok || !sendable(text):
		return r.source.Faultf("%s#%s cannot be sent in a header: store it as text without blanks or line breaks at its ends", r.name, clip(field))
	}
	r.fields[field] = sentinel.NewSecret(text)
	return nil
}

// awsFields are what AWSKey reads; only the last may be missing.
var awsFields = [...]string{"access_key_id", "secret_access_key", "session_token"}

// every takes the fields that can be sent. Others than an AWS key's may be notes of the operator.
func (r reading) every() error {
	for field, value := range r.data {
		if text, ok := value.(string); ok && sendable(text) {
			r.fields[field] = sentinel.NewSecret(text)
		}
	}
	var faults []error
	for i, field := range awsFields {
		text, isText := r.data[field].(string)
		if optional := i == 2; optional && (r.data[field] == nil || isText && text == "") {
			continue
		}
		faults = append(faults, r.one(field))
	}
	return errors.Join(faults...)
}
