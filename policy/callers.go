package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func (c *compiler) service(name string, s serviceYAML) {
	key := "services." + name
	c.name(key, name)
	caller := sentinel.Caller{Org: c.in.Org, Team: s.Team, Service: name, Tags: c.kept(s.Tags)}
	if _, ok := c.in.Teams[s.Team]; !ok && c.Has(key+".team") {
		c.Fault(key+".team", "there is no team %q: known are %s", clip(s.Team), list(slices.Sorted(maps.Keys(c.in.Teams))))
	}
	c.set.callers = append(c.set.callers, caller)
	c.tags(key+".tags", s.Tags)
	c.set.high[name] = s.Class == "high"
	c.set.services[name] = c.limits(key, "service/"+name, "service "+name, s.Limits, s.Budget)
	id := s.Identity
	if c.Sound(key + ".identity.token") {
		c.token(key+".identity.token", id.Token, caller)
	}
	if c.Sound(key + ".identity.spiffe") {
		c.spiffe(key+".identity.spiffe", id.SPIFFE, caller)
	}
	if id.Issued {
		c.set.issued[name] = caller
	}
	if id.JWT != nil {
		c.workload(key+".identity.jwt", *id.JWT, caller)
	}
	if id.AWS != nil {
		c.accessKey(key+".identity.aws", *id.AWS, caller)
	}
	c.networks(key+".identity.addresses", id.Addresses, caller)
	if c.Sound(key+".identity") && !id.Issued && id.AWS == nil && len(id.Addresses) == 0 && !c.Has(key+".identity.token") && !c.Has(key+".identity.jwt") && !c.Has(key+".identity.spiffe") {
		c.Fault(key+".identity", "say how the service is recognised: token, issued, spiffe, jwt, aws or addresses")
	}
}

// hashedToken begins a token that stands as its hash.
const hashedToken = "sha256:"

// HashedToken is the form of a token in a policy that lets nobody in who reads it. One that has it already stays as it is.
func HashedToken(token string) string {
	if strings.HasPrefix(token, hashedToken) {
		return token
	}
	hash := sha256.Sum256([]byte(token))
	return hashedToken + hex.EncodeToString(hash[:])
}

// A token is what fits into a header; shorter ones are guessed.
var tokenPattern = regexp.MustCompile(`^[!-~]{8,512}$`)

// token keeps the hash of a token, and never repeats the token in a message.
func (c *compiler) token(key, token string, caller sentinel.Caller) {
	hash := sha256.Sum256([]byte(token))
	if text, ok := strings.CutPrefix(token, hashedToken); ok {
		b, err := hex.DecodeString(text)
		if err != nil || len(b) != sha256.Size {
			c.Fault(key, "after sha256: 64 hex digits are expected")
			return
		}
		copy(hash[:], b)
	} else if !tokenPattern.MatchString(token) {
		c.Fault(key, "a token has 8 to 512 visible ASCII characters and no spaces")
		return
	}
	if other, taken := c.set.tokens[hash]; taken {
		c.Fault(key, "services %s and %s have the same token: each needs its own", other.Service, caller.Service)
		return
	}
	c.set.tokens[hash] = caller
}

// spiffePattern is the SPIFFE ID standard's, with at least one path segment: a bare trust domain is everybody.
var spiffePattern = regexp.MustCompile(`^spiffe://[a-z0-9._-]{1,255}(/[A-Za-z0-9._-]+)+$`)

func (c *compiler) spiffe(key, uri string, caller sentinel.Caller) {
	dots := func(s string) bool { return s == "." || s == ".." }
	if !spiffePattern.MatchString(uri) || len(uri) > 2048 || slices.ContainsFunc(strings.Split(uri, "/"), dots) {
		c.Fault(key, "%q is not a SPIFFE ID: write spiffe://TRUST-DOMAIN/PATH", clip(uri))
		return
	}
	if other, taken := c.set.spiffe[uri]; taken {
		c.Fault(key, "services %s and %s have the same SPIFFE ID: each needs its own", other.Service, caller.Service)
		return
	}
	c.set.spiffe[uri] = caller
}

// maxIssuers bounds the issuers of tokens, and maxSubject a subject: RFC 7519 has no bound, OpenID Connect has 255.
const (
	maxIssuers = 32
	maxSubject = 512
)

func (c *compiler) workload(key string, y jwtYAML, caller sentinel.Caller) {
	if _, ok := c.in.Issuers[y.Issuer]; !ok && c.Has(key+".issuer") {
		c.Fault(key+".issuer", "there is no issuer %q: known are %s", clip(y.Issuer), list(slices.Sorted(maps.Keys(c.in.Issuers))))
		return
	}
	if len(y.Subject) > maxSubject || strings.Contains(y.Subject, "*") {
		c.Fault(key+".subject", "a subject is matched to the letter, and has at most %d characters and no *", maxSubject)
		return
	}
	w := Workload(y)
	if other, taken := c.set.workloads[w]; taken {
		c.Fault(key+".subject", "services %s and %s have the same subject: each needs its own", other.Service, caller.Service)
		return
	}
	c.set.workloads[w] = caller
}

func (c *compiler) issuer(name string, y issuerYAML) {
	key := "issuers." + name
	c.name(key, name)
	for at, address := range map[string]string{"url": y.URL, "jwks": y.JWKS} {
		if u, err := url.Parse(address); address != "" && (err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && !loopback(u)) {
			c.Fault(key+"."+at, "%q is not an https address", clip(address))
		}
	}
	for _, other := range c.set.Issuers {
		if other.URL == y.URL && y.URL != "" {
			c.Fault(key+".url", "issuers %s and %s have the same url: one is enough", other.Name, name)
		}
	}
	c.set.Issuers = append(c.set.Issuers, Issuer{name, y.URL, y.Audience, y.JWKS, y.CAFile, y.TokenFile})
}

// loopback tells whether an address is on this machine, where tests have their issuers.
func loopback(u *url.URL) bool {
	a, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "http" && err == nil && a.IsLoopback()
}

var accessKeyPattern = regexp.MustCompile(`^[A-Za-z0-9_]{16,128}$`)

func (c *compiler) accessKey(key string, a awsYAML, caller sentinel.Caller) {
	if a.Secret.path != "" && a.Secret.field == "" {
		c.Fault(key+".secret", "name the field that holds the issued secret: %s#FIELD", clip(placed(a.Secret.path)))
	}
	if !c.Sound(key + ".access_key_id") {
		return
	}
	if !accessKeyPattern.MatchString(a.AccessKeyID) {
		c.Fault(key+".access_key_id", "an access key id has 16 to 128 letters, digits and _")
		return
	}
	if other, taken := c.set.accessKeys[a.AccessKeyID]; taken {
		c.Fault(key+".access_key_id", "services %s and %s have the same access key: each needs its own", other.Caller.Service, caller.Service)
		return
	}
	c.set.accessKeys[a.AccessKeyID] = AWSIdentity{Caller: caller, SecretPath: a.Secret.path, SecretField: a.Secret.field}
}
