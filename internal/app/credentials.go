package app

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/credential"
	"github.com/saas-sentinel/saas-sentinel/extproc"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

// credentials joins Vault's snapshot with the ways in which providers want to be authenticated.
type credentials struct {
	secrets   *credential.Secrets
	tokens    *credential.Tokens // nil without a key
	workloads *credential.Workloads
	// echoes has the last two credentials of each provider: an answer may quote the one that a rotation replaced.
	echoes *sync.Map // credential.Ref → *echo
}

// echo is what is looked for in the answers of one credential's calls.
type echo struct {
	now, before string
	needles     *extproc.Needles
}

// Echoes gives what an answer of a route may quote. AWS is sent signatures and, with temporary keys, a token, which
// its errors quote.
func (c credentials) Echoes(r governor.Route, failed bool) *extproc.Needles {
	where := r.Provider.Credential
	ref := credential.Ref{Path: where.Path, Field: where.Field}
	var value string
	if kind, _ := kindOf(r); kind == string(policy.CredentialSigV4) {
		key, _ := c.secrets.AWSKey(where.Path)
		if !failed {
			return nil
		}
		value = key.SessionToken.Reveal()
	} else {
		secret, _ := c.secrets.Get(ref)
		value = secret.Reveal()
	}
	known, _ := c.echoes.Load(ref)
	if e, _ := known.(*echo); e != nil {
		if e.now == value {
			return e.needles
		}
		next := &echo{value, e.now, extproc.NewNeedles(value, e.now)}
		c.echoes.CompareAndSwap(ref, known, next)
		return next.needles
	}
	first := &echo{now: value, needles: extproc.NewNeedles(value)}
	c.echoes.LoadOrStore(ref, first)
	return first.needles
}

// Inject gives the headers that authenticate a request at its provider.
func (c credentials) Inject(r governor.Route, o extproc.Outgoing, now time.Time) ([]extproc.Header, error) {
	kind, name := kindOf(r)
	where := r.Provider.Credential
	if kind == string(policy.CredentialSigV4) {
		key, ok := c.secrets.AWSKey(where.Path)
		if !ok {
			return nil, fmt.Errorf("no usable AWS key at %s", where.Path)
		}
		headers, err := credential.SignV4(key, sigRequest(o, r.Provider.Region, r.Preset.SigningName), now)
		if errors.Is(err, credential.ErrChunkSigned) {
			err = fmt.Errorf("%w: %w", extproc.ErrUnsendable, err)
		}
		return fromCredential(headers), err
	}
	secret, ok := c.secrets.Get(credential.Ref{Path: where.Path, Field: where.Field})
	if !ok {
		return nil, fmt.Errorf("no usable secret at %s#%s", where.Path, where.Field)
	}
	headers := credential.Static(kind, name, secret)
	if len(headers) == 0 {
		return nil, fmt.Errorf("the secret at %s#%s is empty", where.Path, where.Field)
	}
	return fromCredential(headers), nil
}

// kindOf says how a route's credential is sent: as the policy says, or else as the preset does.
func kindOf(r governor.Route) (kind, header string) {
	if k := r.Provider.Credential.Kind; k != policy.CredentialDefault {
		return string(k), r.Provider.Credential.Header
	}
	kind, header, _ = strings.Cut(r.Preset.Credential, ":")
	return kind, header
}

// CallerByToken finds the service of a token: one of the policy file, one that was issued, or one of the service's platform.
func (c credentials) CallerByToken(set *policy.Set, token string, now time.Time) (sentinel.Caller, error) {
	if caller, ok := set.CallerByToken(token); ok {
		return caller, nil
	}
	if service, ok := c.tokens.Service(token, now); ok {
		if caller, ok := set.CallerByIssue(service); ok {
			return caller, nil
		}
		return sentinel.Caller{}, extproc.ErrUnknownToken
	}
	if !credential.IsWorkloadToken(token) {
		return sentinel.Caller{}, extproc.ErrUnknownToken
	}
	issuer, subject, err := c.workloads.Verify(token, now)
	if err != nil {
		return sentinel.Caller{}, err
	}
	if caller, ok := set.CallerByWorkload(policy.Workload{Issuer: issuer, Subject: subject}); ok {
		return caller, nil
	}
	return sentinel.Caller{}, errors.New("workload token: no service has its subject")
}

// VerifyAWS checks a signature with the secret that was issued to the service.
func (c credentials) VerifyAWS(id policy.AWSIdentity, _ string, o extproc.Outgoing, now time.Time) error {
	secret, ok := c.secrets.Get(credential.Ref{Path: id.SecretPath, Field: id.SecretField})
	if !ok {
		return fmt.Errorf("the issued key of service %s cannot be checked now", id.Caller.Service)
	}
	return credential.VerifyV4(secret, sigRequest(o, "", ""), now)
}

// SignEvents begins the chains of signatures behind a request's two heads.
func (c credentials) SignEvents(r governor.Route, id *policy.AWSIdentity, received, sent string) (extproc.Events, error) {
	where := r.Provider.Credential
	key, ok := c.secrets.AWSKey(where.Path)
	if !ok {
		return nil, fmt.Errorf("no usable AWS key at %s", where.Path)
	}
	var issued sentinel.Secret
	if id != nil {
		if issued, ok = c.secrets.Get(credential.Ref{Path: id.SecretPath, Field: id.SecretField}); !ok {
			return nil, fmt.Errorf("the issued key of service %s cannot be checked now", id.Caller.Service)
		}
	}
	return credential.NewEventChain(issued, received, key, sent)
}

// AccessKeyID reads whose key an AWS authorization header claims.
func (credentials) AccessKeyID(authorization string) (string, bool) {
	return credential.AccessKeyID(authorization)
}

// Withheld lists the headers of clients that a provider does not get: their credentials, and what chooses another
// account unless the policy allows it.
func (c credentials) Withheld(p policy.Provider) []string {
	if p.OnBehalf {
		return credential.ClientCredentialHeaders()
	}
	return withheld
}

var withheld = slices.Concat(credential.ClientCredentialHeaders(), credential.AccountHeaders())

func sigRequest(o extproc.Outgoing, region, service string) credential.SigRequest {
	r := credential.SigRequest{Method: o.Method, Host: o.Host, Path: o.Path, RawQuery: o.Query, Region: region, Service: service, Events: o.Events}
	for _, h := range o.Headers {
		r.Headers = append(r.Headers, credential.Header{Name: h.Name, Value: h.Value})
	}
	if o.HasBody {
		r.PayloadHash = credential.HashPayload(o.Body)
	}
	return r
}

func fromCredential(headers []credential.Header) []extproc.Header {
	out := make([]extproc.Header, len(headers))
	for i, h := range headers {
		out[i] = extproc.Header{Name: h.Name, Value: h.Value}
	}
	return out
}

// refsOf lists what Vault must hold for a policy set. An AWS credential is a whole secret: its field is empty.
func refsOf(s *governor.State) []credential.Ref {
	var refs []credential.Ref
	for _, r := range s.Policy.SecretRefs() {
		refs = append(refs, credential.Ref{Path: r.Path, Field: r.Field})
	}
	return refs
}
