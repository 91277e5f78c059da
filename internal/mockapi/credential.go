package mockapi

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// authenticate notes the credential, looks for canaries, and refuses a credential that the
// configuration does not accept.
func (x *exchange) authenticate() bool {
	x.credential = credentialOf(x.r)
	id := x.credential
	signed, isAWS := parseSigV4(x.r)
	if isAWS {
		id = signed.keyID
	}
	sum := sha256.Sum256([]byte(id))
	x.server.account.saw(x.provider, hex.EncodeToString(sum[:]), x.carriesCanary())
	accepted := x.rules.Accept[x.provider]
	switch administers := x.provider == "openai" && strings.HasPrefix(x.path, projectsPath); {
	case administers && x.rules.Administration.Key != "" && id == x.rules.Administration.Key:
		return true
	case administers:
		accepted = nil
	case len(accepted) == 0, x.provider == "openai" && x.server.projects.takes(id):
		return true
	}
	for _, want := range accepted {
		keyID, secret, _ := strings.Cut(want, ":")
		if isAWS && keyID == signed.keyID && signed.verify(x.r, x.body, secret) || !isAWS && want == id {
			return true
		}
	}
	x.endpoint = "unauthenticated"
	switch x.provider {
	case "s3":
		x.refuse(http.StatusForbidden, "SignatureDoesNotMatch", "The request signature does not match.")
	case "bedrock":
		x.refuse(http.StatusForbidden, "UnrecognizedClientException", "The security token included in the request is invalid.")
	default:
		x.refuse(http.StatusUnauthorized, "invalid_api_key", "The API key provided is not valid.")
	}
	return false
}

// credentialOf finds the key where the providers' clients put it.
func credentialOf(r *http.Request) string {
	if user, _, ok := r.BasicAuth(); ok {
		return user
	}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return token
	}
	for _, h := range []string{"X-Api-Key", "Api-Key", "X-Goog-Api-Key"} {
		if v := r.Header.Get(h); v != "" {
			return v
		}
	}
	if keys := r.URL.Query()["key"]; len(keys) > 0 {
		return strings.Join(keys, ",") // several are no key
	}
	return r.Header.Get("Authorization")
}

// carriesCanary looks for a canary in the URL, the headers (decoding Basic) and the body.
func (x *exchange) carriesCanary() bool {
	var b strings.Builder
	b.WriteString(x.r.Host + " " + x.r.RequestURI + "\n")
	_ = x.r.Header.Write(&b) // a builder never fails
	if basic, ok := strings.CutPrefix(x.r.Header.Get("Authorization"), "Basic "); ok {
		plain, _ := base64.StdEncoding.DecodeString(basic)
		b.Write(plain)
	}
	head := b.String()
	return slices.ContainsFunc(x.rules.Canaries, func(c string) bool {
		return c != "" && (strings.Contains(head, c) || bytes.Contains(x.body, []byte(c)))
	})
}

// sigV4 is an AWS Signature Version 4 in the Authorization header.
type sigV4 struct {
	keyID, date, region, service, signature string
	headers                                 []string
}

func parseSigV4(r *http.Request) (sigV4, bool) {
	fields, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return sigV4{}, false
	}
	var s sigV4
	for field := range strings.SplitSeq(fields, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch name {
		case "Credential":
			scope := strings.Split(value, "/")
			if len(scope) != 5 {
				return sigV4{}, false
			}
			s.keyID, s.date, s.region, s.service = scope[0], scope[1], scope[2], scope[3]
		case "SignedHeaders":
			s.headers = strings.Split(value, ";")
		case "Signature":
			s.signature = value
		}
	}
	return s, true
}

// verify computes the signature anew, as AWS does, and compares.
func (s sigV4) verify(r *http.Request, body []byte, secret string) bool {
	payload := r.Header.Get("X-Amz-Content-Sha256")
	sum := sha256.Sum256(body)
	actual := hex.EncodeToString(sum[:])
	switch {
	case payload == "":
		payload = actual
	case len(payload) == len(actual) && payload != actual:
		return false // the body is not the one that was signed
	}
	path := r.URL.EscapedPath()
	if s.service != "s3" { // every service but S3 escapes the escaped path once more
		path = awsEscape(path, true)
	}
	canonical := r.Method + "\n" + path + "\n" + awsQuery(r.URL.Query()) + "\n"
	for _, name := range s.headers {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = r.Header.Get("Content-Length")
		}
		canonical += name + ":" + strings.Join(strings.Fields(value), " ") + "\n"
	}
	canonical += "\n" + strings.Join(s.headers, ";") + "\n" + payload
	hash := sha256.Sum256([]byte(canonical))
	scope := s.date + "/" + s.region + "/" + s.service + "/aws4_request"
	text := "AWS4-HMAC-SHA256\n" + r.Header.Get("X-Amz-Date") + "\n" + scope + "\n" + hex.EncodeToString(hash[:])
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.date, s.region, s.service, "aws4_request", text} {
		h := hmac.New(sha256.New, key)
		_, _ = h.Write([]byte(part)) // a hash never fails
		key = h.Sum(nil)
	}
	return hmac.Equal([]byte(hex.EncodeToString(key)), []byte(s.signature))
}

func awsQuery(q url.Values) string {
	var pairs []string
	for name, values := range q {
		for _, v := range values {
			pairs = append(pairs, awsEscape(name, false)+"="+awsEscape(v, false))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// awsEscape keeps only RFC 3986's unreserved bytes, and '/' when asked.
func awsEscape(s string, slash bool) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~", c) >= 0 || slash && c == '/' {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&15])
	}
	return b.String()
}
