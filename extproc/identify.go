package extproc

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

// identity is who a request says it comes from. An AWS identity is only a claim until its
// signature is verified, which may need the body.
type identity struct {
	caller        sentinel.Caller
	token         string // that proved it, where one did
	aws           *policy.AWSIdentity
	authorization string
}

var errUnidentified = errors.New("no service is known by this credential: send the service's token where the SDK puts its API key, or connect with the service's certificate")

// identify recognises a caller by its certificate, or else by the token that it sends where its
// SDK puts a key. The first credential that is present decides: a request with a bad one is not tried with another. Through the proxy
// it is the proxy's credential: what the client holds for its provider, if anything, is nobody's. A redirected connection is known by
// the network that it comes from, where the policy names that.
func (s *Server) identify(set *policy.Set, h headers, from arrival) (identity, error) {
	switch {
	case from.spiffe != "":
		return known(set.CallerBySPIFFE(from.spiffe))
	case from.proxy != "":
		return s.byToken(set, proxyToken(from.proxy))
	}
	if caller, ok := set.CallerByAddress(from.redirected); ok {
		return identity{caller: caller}, nil
	}
	for _, name := range keyHeaders {
		if h.count(name) > 1 {
			return identity{}, errors.New("more than one " + name + " header")
		}
	}
	authorization := h.get("authorization")
	if strings.HasPrefix(authorization, "AWS4-") {
		return s.identifyAWS(set, authorization)
	}
	if token := tokenOf(authorization, h); token != "" {
		return s.byToken(set, token)
	}
	return identity{}, errUnidentified
}

// keyHeaders are where SDKs put a key, and tokenHeaders those of them that hold nothing else.
var (
	keyHeaders   = []string{"authorization", "x-api-key", "api-key", "x-goog-api-key"}
	tokenHeaders = keyHeaders[1:]
)

func known(c sentinel.Caller, ok bool) (identity, error) {
	if !ok {
		return identity{}, errUnidentified
	}
	return identity{caller: c}, nil
}

// ErrUnknownToken says that a token is nobody's, and no more: which of them it resembles is nobody's business.
var ErrUnknownToken = errUnidentified

func (s *Server) byToken(set *policy.Set, token string) (identity, error) {
	caller, err := s.Credentials.CallerByToken(set, token, s.Governor.Now())
	return identity{caller: caller, token: token}, err
}

// elsewhere tells where else than in a credential's place a request has its caller's token: a provider must not get
// it. Headers that have it are only withheld.
func (in *inbound) elsewhere() string {
	if len(in.id.token) < shortestSecret {
		return ""
	}
	switch {
	case strings.Contains(in.path, in.id.token):
		return "path"
	case strings.Contains(in.query, in.id.token):
		return "query"
	case bytes.Contains(in.body, []byte(in.id.token)):
		return "body"
	}
	return ""
}

// withheld adds to the headers that no provider gets those that have the caller's token.
func (in *inbound) withheld(always []string) []string {
	if len(in.id.token) < shortestSecret {
		return always
	}
	for _, h := range in.headers.list {
		if strings.Contains(value(h), in.id.token) && !strings.HasPrefix(h.Key, ":") && !slices.Contains(always, h.Key) {
			always = append(slices.Clip(always), h.Key)
		}
	}
	return always
}

func (s *Server) identifyAWS(set *policy.Set, authorization string) (identity, error) {
	key, ok := s.Credentials.AccessKeyID(authorization)
	if !ok {
		return identity{}, errUnidentified
	}
	id, ok := set.CallerByAccessKey(key)
	if !ok {
		return identity{}, errUnidentified
	}
	return identity{caller: id.Caller, aws: &id, authorization: authorization}, nil
}

// tokenOf finds the token where an SDK puts its key: Bearer, Basic user, x-api-key, api-key or x-goog-api-key.
func tokenOf(authorization string, h headers) string {
	scheme, rest, _ := strings.Cut(authorization, " ")
	switch {
	case strings.EqualFold(scheme, "bearer"):
		return strings.TrimSpace(rest)
	case strings.EqualFold(scheme, "basic"):
		plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest))
		if err != nil {
			return ""
		}
		user, _, _ := strings.Cut(string(plain), ":")
		return user
	case authorization != "":
		return ""
	}
	for _, name := range tokenHeaders {
		if v := h.get(name); v != "" {
			return v
		}
	}
	return ""
}

// proxyToken reads Proxy-Authorization: the token is the password, or the user where there is no password.
func proxyToken(authorization string) string {
	scheme, rest, _ := strings.Cut(authorization, " ")
	if strings.EqualFold(scheme, "bearer") {
		return strings.TrimSpace(rest)
	}
	if !strings.EqualFold(scheme, "basic") {
		return ""
	}
	plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest))
	if err != nil {
		return ""
	}
	user, password, _ := strings.Cut(string(plain), ":")
	if password != "" {
		return password
	}
	return user
}

// verify proves an AWS claim by its signature; other identities are proven already.
func (s *Server) verify(id identity, o Outgoing, now time.Time) error {
	if id.aws == nil {
		return nil
	}
	return s.Credentials.VerifyAWS(*id.aws, id.authorization, o, now)
}
