// Package policy compiles policies.yaml to an immutable Set, finds the limits of a call (Plan)
// and decides on it (Decide). It is pure: no I/O, no clock of its own.
package policy

import (
	"cmp"
	"crypto/sha256"
	"net/netip"
	"slices"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/declare"
)

// Set is a compiled policy file. It never changes; a new file makes a new Set.
type Set struct {
	Version         string // the first 12 hex digits of the file's SHA-256 with hashes for tokens; of several files, of their names, lengths and texts
	Org             string
	Zone            *time.Location
	Holidays        Holidays
	Unpriced        Unpriced
	Currencies      map[string]sentinel.NanoUSD // what one whole unit is worth, by the code in lower case
	WhenLimiterDown LimiterDown
	Providers       []Provider // by name
	Issuers         []Issuer   // by name
	Alerts          Alerts
	Egress          Egress
	User, Session   Subject // where requests name them; the zero value where nobody wants to know

	tokens     map[[sha256.Size]byte]sentinel.Caller
	spiffe     map[string]sentinel.Caller
	issued     map[string]sentinel.Caller // by service
	workloads  map[Workload]sentinel.Caller
	accessKeys map[string]AWSIdentity
	networks   map[netip.Prefix]sentinel.Caller
	org        []limit
	teams      map[string][]limit
	services   map[string][]limit
	providers  map[string][]limit
	rules      []rule
	shadowed   bool    // a rule is in shadow
	across     bool    // a rule is shared with other organisations
	windows    windows // that were found last: what is remembered here changes nothing that a set says
	index      index
	callers    []sentinel.Caller // by service
	high       map[string]bool   // services of class high
	kept       []string          // tags that the ledger keeps
}

// Unpriced says what to do with calls that have no price.
type Unpriced struct {
	Mode UnpricedMode
	Flat sentinel.NanoUSD // of UnpricedFlat
}

// LimiterDown says what to do while the limiter cannot be reached.
type LimiterDown struct {
	HardBudgets, Rates DownMode
	LocalShare         int64 // of DownLocal: what one process gives of what was left, in hundredths of a percent
}

// Of is what to do about one limit. A soft one lets pass.
func (d LimiterDown) Of(l sentinel.Limit) DownMode {
	switch {
	case l.Soft:
		return DownOpen
	case l.Charge:
		return d.HardBudgets
	default:
		return d.Rates
	}
}

// Provider is an API that may be called.
type Provider struct {
	Name, Preset string // Preset is empty for a custom API
	Host         string // empty: the preset's
	Address      string // ip:port to connect to instead of Host:443; SNI and certificate stay Host's
	CAFile       string
	Certificate  Certificate // shown to the provider; zero: none
	Region       string
	Plaintext    bool
	Credential   Credential
	Weight       int     // share of Credential beside the spares
	Spares       []Spare // more credentials; empty: Credential alone
	first        Spare   // the first of several, whichever Credential is; zero: Credential alone
	Contract     Contract
	Endpoints    []*declare.Endpoint // of a custom API
	Allow        []string            // endpoints of the preset; empty: all that are not closed
	OnBehalf     bool                // calls may act for other accounts than the credential's own
	Redirects    bool                // calls may send the provider's server to another base address, or into private networks
	Models       map[string]string   // the catalog's names of models by the provider's own
	DefaultTier  string              // the price list of calls that name none, by a setting at the provider; empty: nothing is known of one
	PricedAs     string              // the catalog's provider of models without a price under the preset's name; empty: the preset's
}

// Known is the catalog's name of a model of the provider: the same where the policy gives none.
func (p *Provider) Known(model string) string {
	if known, ok := p.Models[model]; ok {
		return known
	}
	return model
}

// Certificate is one that an authority in Vault issues to the gateway.
type Certificate struct {
	Authority string        // MOUNT#ROLE of the PKI engine
	Name      string        // the host name in it
	Life      time.Duration // it is replaced after half of it
}

// Contract is what was agreed on a provider's prices.
type Contract struct {
	Factor sentinel.Factor     // discount and margin, to a millionth; 0 is none
	Models []declare.ModelYAML // prices of one's own, in the catalog's words
}

// prices tells whether a contract has a price of its own for a model, at whatever time.
func (k Contract) prices(model string) bool {
	return slices.ContainsFunc(k.Models, func(m declare.ModelYAML) bool { return m.Model == model || slices.Contains(m.Aliases, model) })
}

// CredentialKind is how a credential is sent.
type CredentialKind string

// The kinds; an empty one is the preset's.
const (
	CredentialDefault CredentialKind = ""
	CredentialBearer  CredentialKind = "bearer"
	CredentialHeader  CredentialKind = "header"
	CredentialBasic   CredentialKind = "basic"
	CredentialSigV4   CredentialKind = "sigv4"
	CredentialQuery   CredentialKind = "query"
)

// Credential is where a provider's credential lies in Vault, and how it is sent.
type Credential struct {
	Path, Field string
	Kind        CredentialKind
	Header      string // of CredentialHeader; the parameter of CredentialQuery
	Service     string // of CredentialSigV4 in a custom API: the service's name in signatures
	Rotate      Rotate
}

// Who makes the new keys of a rotation.
const (
	MakeManual = ""
	MakeIAM    = "aws-iam"
	MakeOpenAI = "openai"
	MakeVault  = "vault" // an engine lends it
)

// Rotate is how a credential is given another value.
type Rotate struct {
	Make    string
	Every   time.Duration // 0: only when an operator asks
	Keep    time.Duration // of the key before
	Admin   SecretRef     // of MakeOpenAI
	Project string        // of MakeOpenAI
	Test    string        // path of the call that tests a key; empty: the preset's
}

// Spare is one more credential of a provider, sent as the first is.
type Spare struct {
	Path, Field string
	Weight      int
	Teams       []string // whose calls use it alone; empty: all that no spare names
	Rotate      Rotate
}

// Keys is how many credentials a provider has.
func (p *Provider) Keys() int { return 1 + len(p.Spares) }

// Keyed is the provider with its credential of a number; the first is number 0. It does not matter which one the provider has.
func (p Provider) Keyed(n int) Provider {
	s := p.first
	if n > 0 && n <= len(p.Spares) {
		s = p.Spares[n-1]
	}
	if s.Path != "" {
		p.Credential.Path, p.Credential.Field, p.Credential.Rotate = s.Path, s.Field, s.Rotate
	}
	return p
}

// Fingerprint stands for the provider's credential of a number in the demands of its calls; empty where it has one alone.
func (p *Provider) Fingerprint(n int) string {
	if len(p.Spares) == 0 {
		return ""
	}
	c := p.Keyed(n).Credential
	return sentinel.Fingerprint(c.Path + "#" + c.Field)
}

// KeysOf lists the numbers of the credentials that a team's calls may use, each with its weight.
func (p *Provider) KeysOf(team string) (numbers, weights []int) {
	for i, s := range p.Spares {
		if slices.Contains(s.Teams, team) {
			numbers, weights = append(numbers, i+1), append(weights, s.Weight)
		}
	}
	if len(numbers) > 0 {
		return numbers, weights
	}
	numbers, weights = append(numbers, 0), append(weights, p.Weight) // those of nobody's
	for i, s := range p.Spares {
		if len(s.Teams) == 0 {
			numbers, weights = append(numbers, i+1), append(weights, s.Weight)
		}
	}
	return numbers, weights
}

// Workload is the bearer of a token that an issuer has signed.
type Workload struct {
	Issuer  string // by its name in the policy
	Subject string
}

// Issuer signs tokens of workloads. JWKS, CAFile and TokenFile may be empty.
type Issuer struct{ Name, URL, Audience, JWKS, CAFile, TokenFile string }

// AWSIdentity is a service that is known by an issued access key. The signature must be verified with the secret.
type AWSIdentity struct {
	Caller                  sentinel.Caller
	SecretPath, SecretField string
}

// SecretRef is the place of a secret in Vault.
type SecretRef struct{ Path, Field string }

func (s *Set) calendar(now time.Time) calendar { return calendar{s.Zone, now, s.windows} }

// CallerByToken finds the service of a token by the token's hash, so that the time of a look-up
// says nothing about how many leading bytes were right.
func (s *Set) CallerByToken(token string) (sentinel.Caller, bool) {
	c, ok := s.tokens[sha256.Sum256([]byte(token))]
	return c, ok
}

// CallerBySPIFFE finds the service of a verified certificate's URI.
func (s *Set) CallerBySPIFFE(uri string) (sentinel.Caller, bool) {
	c, ok := s.spiffe[uri]
	return c, ok
}

// CallerByIssue finds a service that takes tokens that were issued to it.
func (s *Set) CallerByIssue(service string) (sentinel.Caller, bool) {
	c, ok := s.issued[service]
	return c, ok
}

// CallerByWorkload finds the service of a verified token.
func (s *Set) CallerByWorkload(w Workload) (sentinel.Caller, bool) {
	c, ok := s.workloads[w]
	return c, ok
}

// CallerByAccessKey finds the service that an access key id was issued to.
func (s *Set) CallerByAccessKey(id string) (AWSIdentity, bool) {
	c, ok := s.accessKeys[id]
	return c, ok
}

// SecretRefs lists every secret that providers and identities name, once and sorted. The field of an AWS
// credential is empty: the whole secret is meant.
func (s *Set) SecretRefs() []SecretRef {
	var out []SecretRef
	for _, p := range s.Providers {
		for n := range p.Keys() {
			c := p.Keyed(n).Credential
			out = append(out, SecretRef{c.Path, c.Field})
			if c.Rotate.Make == MakeOpenAI {
				out = append(out, c.Rotate.Admin)
			}
		}
	}
	for _, id := range s.accessKeys {
		out = append(out, SecretRef{id.SecretPath, id.SecretField})
	}
	out = append(out, s.Alerts.secretRefs()...)
	slices.SortFunc(out, func(a, b SecretRef) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Field, b.Field))
	})
	return slices.Compact(out)
}
