package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"regexp"
	"slices"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func (c *compiler) service(name string, s serviceYAML) {
	key := "services." + name
	c.name(key, name)
	caller := sentinel.Caller{Org: c.in.Org, Team: s.Team, Service: name}
	if _, ok := c.in.Teams[s.Team]; !ok && c.Has(key+".team") {
		c.Fault(key+".team", "there is no team %q: known are %s", clip(s.Team), list(slices.Sorted(maps.Keys(c.in.Teams))))
	}
	c.set.callers = append(c.set.callers, caller)
	c.tags(key+".tags", s.Tags)
	c.set.services[name] = c.limits(key, "service/"+name, "service "+name, s.Limits, s.Budget)
	id := s.Identity
	if c.Sound(key + ".identity.token") {
		c.token(key+".identity.token", id.Token, caller)
	}
	if c.Sound(key + ".identity.spiffe") {
		c.spiffe(key+".identity.spiffe", id.SPIFFE, caller)
	}
	if id.AWS != nil {
		c.accessKey(key+".identity.aws", *id.AWS, caller)
	}
	if c.Sound(key+".identity") && id == (identityYAML{}) && !c.Has(key+".identity.token") && !c.Has(key+".identity.spiffe") {
		c.Fault(key+".identity", "say how the service is recognised: token, spiffe or aws")
	}
}

// A token is what fits into a header; shorter ones are guessed.
var tokenPattern = regexp.MustCompile(`^[!-~]{8,512}$`)

// token keeps the hash of a token, and never repeats the token in a message.
func (c *compiler) token(key, token string, caller sentinel.Caller) {
	hash := sha256.Sum256([]byte(token))
	if text, ok := strings.CutPrefix(token, "sha256:"); ok {
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

var accessKeyPattern = regexp.MustCompile(`^[A-Za-z0-9_]{16,128}$`)

func (c *compiler) accessKey(key string, a awsYAML, caller sentinel.Caller) {
	if a.Secret.path != "" && a.Secret.field == "" {
		c.Fault(key+".secret", "name the field that holds the issued secret: vault:%s#FIELD", clip(a.Secret.path))
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
