package credential

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

const (
	algorithmV4 = "AWS4-HMAC-SHA256"
	amzTime     = "20060102T150405Z"
	// maxSkew is how far a signature's time may be from ours: what AWS allows most services.
	maxSkew = 5 * time.Minute
	// maxAuthorization bounds the header that is parsed.
	maxAuthorization = 8 << 10
)

// ErrSignature says that a well-formed signature was not made with the secret for this request.
var ErrSignature = errors.New("aws signature: it does not match the request: check that the secret key is the one that was issued, and that nothing between client and gateway changes signed headers")

// claim is a parsed Authorization header of AWS.
type claim struct {
	keyID, day, region, service string
	signedHeaders               []string
	signedList                  string
	signature                   []byte
}

// AccessKeyID reads whose key an AWS authorization header claims. It is a claim until VerifyV4.
func AccessKeyID(authorization string) (string, bool) {
	c, err := parseClaim(authorization)
	return c.keyID, err == nil
}

// VerifyV4 checks that the request was signed with the secret within 5 minutes of at. It takes the
// signed headers, region and service from the request's own authorization header, and requires
// that the host and every x-amz-* header are signed. The error is for the client: it has no secret
// and no expected signature.
func VerifyV4(secret sentinel.Secret, r SigRequest, at time.Time) error {
	if secret.IsZero() {
		return errors.New("aws signature: no secret is known for the access key")
	}
	authorization, _ := r.header("authorization")
	c, err := parseClaim(authorization)
	if err != nil {
		return err
	}
	query, err := url.ParseQuery(r.RawQuery)
	if err != nil {
		return errors.New("aws signature: the query is malformed")
	}
	if query.Has("X-Amz-Signature") || query.Has("X-Amz-Algorithm") {
		return errPresigned
	}
	date, err := c.checkTime(r, at)
	if err != nil {
		return err
	}
	hash, err := r.payloadAsSigned(c.service)
	if err != nil {
		return err
	}
	headers, err := c.canonicalHeaders(r)
	if err != nil {
		return err
	}
	path := r.Path
	if !isS3(c.service) {
		path = escapePath(path)
	}
	request := strings.Join([]string{r.Method, path, canonicalQuery(query), headers, c.signedList, hash}, "\n")
	scope := c.day + "/" + c.region + "/" + c.service + "/aws4_request"
	text := strings.Join([]string{algorithmV4, date, scope, HashPayload([]byte(request))}, "\n")
	if !hmac.Equal(sign(c.signingKey(secret), text), c.signature) {
		return ErrSignature
	}
	return nil
}

var errPresigned = errors.New("aws signature: presigned URLs are not accepted: let the client send its Authorization header")

func parseClaim(authorization string) (claim, error) {
	malformed := errors.New("aws signature: the authorization header is malformed")
	algorithm, rest, ok := strings.Cut(authorization, " ")
	switch {
	case len(authorization) > maxAuthorization:
		return claim{}, malformed
	case authorization == "":
		return claim{}, errors.New("aws signature: there is no authorization header")
	case algorithm != algorithmV4 && strings.HasPrefix(algorithm, "AWS4-"):
		return claim{}, fmt.Errorf("aws signature: only %s is accepted", algorithmV4)
	case !ok || algorithm != algorithmV4:
		return claim{}, malformed
	}
	var c claim
	seen := 0
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch {
		case name == "Credential" && seen&1 == 0:
			seen |= 1
			s := strings.Split(value, "/")
			if len(s) != 5 || s[4] != "aws4_request" || !isKeyID(s[0]) || len(s[1]) != 8 || s[2] == "" || s[3] == "" {
				return claim{}, malformed
			}
			c.keyID, c.day, c.region, c.service = s[0], s[1], s[2], s[3]
		case name == "SignedHeaders" && seen&2 == 0:
			seen |= 2
			c.signedList, c.signedHeaders = value, strings.Split(value, ";")
		case name == "Signature" && seen&4 == 0:
			seen |= 4
			raw, err := hex.DecodeString(value)
			if err != nil || len(raw) != sha256.Size {
				return claim{}, malformed
			}
			c.signature = raw
		default:
			return claim{}, malformed
		}
	}
	if seen != 7 || len(c.signedHeaders) > maxSignedHeaders {
		return claim{}, malformed
	}
	return c, nil
}

// isKeyID tells whether a text has the form of an access key id: 16 to 128 word characters.
func isKeyID(s string) bool {
	return len(s) >= 16 && len(s) <= 128 && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

// checkTime gives the signed date, as it was written, once it is close to now and in its scope.
func (c claim) checkTime(r SigRequest, now time.Time) (string, error) {
	date, _ := r.header("x-amz-date")
	signed, err := time.Parse(amzTime, date)
	switch {
	case err != nil:
		return "", errors.New("aws signature: x-amz-date is missing or malformed")
	case date[:8] != c.day:
		return "", errors.New("aws signature: x-amz-date and the credential's scope name different days")
	}
	if skew := now.Sub(signed).Abs(); skew > maxSkew {
		return "", fmt.Errorf("aws signature: it was made %s away from the gateway's time, and %s are allowed: set the client's clock", skew.Round(time.Second), maxSkew)
	}
	return date, nil
}

// payloadAsSigned gives the payload line of the canonical request. A hash that the client claims
// must be the body's own, where the body was read.
func (r SigRequest) payloadAsSigned(service string) (string, error) {
	claimed, present := r.header(contentHash)
	switch {
	case r.Events && claimed == signedEvents:
		return claimed, nil
	case isS3(service) && (claimed == unsignedPayload || claimed == unsignedTrailer):
		return claimed, nil
	case strings.HasPrefix(claimed, streamingPrefix):
		return "", ErrChunkSigned
	case present && !isHash(claimed):
		return "", errors.New("aws signature: x-amz-content-sha256 is not a hash")
	case r.PayloadHash == "" && !present:
		return "", errors.New("aws signature: x-amz-content-sha256 is required where the body is not read")
	case r.PayloadHash != "" && present && claimed != r.PayloadHash:
		return "", errors.New("aws signature: the body is not the one that was signed")
	case present:
		return claimed, nil
	}
	return r.PayloadHash, nil
}

// canonicalHeaders gives the header lines, after checking that what matters is signed.
func (c claim) canonicalHeaders(r SigRequest) (string, error) {
	for _, h := range r.Headers {
		if strings.HasPrefix(h.Name, "x-amz-") && !slices.Contains(c.signedHeaders, h.Name) {
			return "", fmt.Errorf("aws signature: header %s is not signed", clip(h.Name))
		}
	}
	if !slices.ContainsFunc(c.signedHeaders, isHost) {
		return "", errors.New("aws signature: header host is not signed")
	}
	if !slices.IsSorted(c.signedHeaders) || len(slices.Compact(slices.Clone(c.signedHeaders))) != len(c.signedHeaders) {
		return "", errors.New("aws signature: the signed headers are not in order")
	}
	var b strings.Builder
	for _, name := range c.signedHeaders {
		value, ok := r.header(name)
		if isHost(name) {
			value, ok = r.Host, true
		}
		if !ok {
			return "", fmt.Errorf("aws signature: header %q is signed and did not arrive", clip(name))
		}
		b.WriteString(name + ":" + value + "\n")
	}
	return b.String(), nil
}

// isHost tells whether a signed header is the host. Over HTTP/2, which AWS's Node client speaks to Bedrock, it is signed by the name it has there.
func isHost(name string) bool { return name == "host" || name == ":authority" }

// signingKey derives the key of the claim's scope.
func (c claim) signingKey(secret sentinel.Secret) []byte {
	key := sign([]byte("AWS4"+secret.Reveal()), c.day)
	for _, part := range [...]string{c.region, c.service, "aws4_request"} {
		key = sign(key, part)
	}
	return key
}

func sign(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// canonicalQuery encodes the pairs as AWS does, and sorts them as they are encoded.
func canonicalQuery(query url.Values) string {
	pairs := make([]string, 0, len(query))
	for name, values := range query {
		for _, value := range values {
			pairs = append(pairs, escape(name, "")+"="+escape(value, ""))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// escapePath escapes a raw path once more, as every service but S3 expects.
func escapePath(path string) string { return escape(path, "/") }

// escape percent-encodes all but RFC 3986's unreserved characters and those in keep.
func escape(s, keep string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(s))
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-_.~", c) >= 0, strings.IndexByte(keep, c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	return b.String()
}
