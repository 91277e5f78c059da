package credential

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// AWSKey is an AWS access key. SessionToken is of temporary keys only.
type AWSKey struct {
	AccessKeyID          string
	Secret, SessionToken sentinel.Secret
}

// Fields gives a key that does not end as a secret holds it.
func (k AWSKey) Fields() Key {
	return Key{awsFields[0]: sentinel.NewSecret(k.AccessKeyID), awsFields[1]: k.Secret}
}

// SigRequest is a request as AWS signatures see it.
type SigRequest struct {
	Method, Host string
	Path         string   // raw and escaped, as on the wire
	RawQuery     string   // without the question mark
	Headers      []Header // lower-case names; others than host, content-type and x-amz-* are signed only by clients
	// PayloadHash is the body's SHA-256 in lower-case hex (HashPayload). Empty means that the body was
	// not read: the x-amz-content-sha256 of the client then stands, and AWS checks the body against it.
	PayloadHash     string
	Events          bool   // the body is a stream of events, each of which is signed by itself (EventChain)
	Region, Service string // of the signature to make; VerifyV4 takes those that were signed
}

// What x-amz-content-sha256 may say instead of a hash. Chunk signatures cannot be kept: they are
// made with the client's own key.
const (
	unsignedPayload  = "UNSIGNED-PAYLOAD"
	unsignedTrailer  = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	streamingPrefix  = "STREAMING-"
	signedEvents     = streamingPrefix + "AWS4-HMAC-SHA256-EVENTS"
	contentHash      = "x-amz-content-sha256"
	maxSignedHeaders = 128
)

// ErrChunkSigned says that a body is one that only the holder of the key can sign, while it is sent.
var ErrChunkSigned = errors.New("aws signature: bodies signed chunk by chunk (STREAMING-AWS4-…) cannot be signed again with the provider's key: send the body whole, or over TLS with a trailing checksum, as boto3 does")

// ErrEventsSigned is ErrChunkSigned of a request that is a stream of events, such as those of Transcribe, at an endpoint that takes none.
var ErrEventsSigned = fmt.Errorf("%w; a request that is a stream of events (%s) has a signature in each of them, and is taken by endpoints with body: events alone", ErrChunkSigned, eventStream)

// eventStream is the type of content of AWS's binary events.
const eventStream = "application/vnd.amazon.eventstream"

// HashPayload gives a body's hash for SigRequest.
func HashPayload(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// SignV4 signs a request at a time, and gives the headers to set: authorization, x-amz-date,
// x-amz-content-sha256, and x-amz-security-token for temporary keys. It signs host, content-type
// and every x-amz-* header, less those in which the client brought a credential.
func SignV4(k AWSKey, r SigRequest, at time.Time) ([]Header, error) {
	if k.AccessKeyID == "" || k.Secret.IsZero() {
		return nil, errors.New("aws signature: the key needs access_key_id and secret_access_key")
	}
	if r.Region == "" || r.Service == "" {
		return nil, errors.New("aws signature: region and service are required")
	}
	if _, err := url.ParseQuery(r.RawQuery); err != nil || !strings.HasPrefix(r.Path, "/") {
		return nil, errors.New("aws signature: the request's path or query is malformed")
	}
	hash, err := r.payloadToSign()
	if err != nil {
		return nil, err
	}
	h, err := r.signable()
	if err != nil {
		return nil, err
	}
	h.Set(contentHash, hash)
	rq := &http.Request{
		Method: r.Method, Host: r.Host, Header: h,
		// Opaque keeps the path byte for byte as it goes upstream.
		URL: &url.URL{Scheme: "https", Host: r.Host, Opaque: "//" + r.Host + r.Path, RawQuery: r.RawQuery},
	}
	creds := aws.Credentials{AccessKeyID: k.AccessKeyID, SecretAccessKey: k.Secret.Reveal(), SessionToken: k.SessionToken.Reveal()}
	// A signer caches derived keys by key id, and would go on with a wrong secret after it was
	// corrected in Vault. A new one derives in microseconds.
	err = v4.NewSigner().SignHTTP(context.Background(), creds, rq, hash, r.Service, r.Region, at.UTC(),
		func(o *v4.SignerOptions) { o.DisableURIPathEscaping = isS3(r.Service) })
	if err != nil {
		return nil, fmt.Errorf("aws signature for %s: %w", r.Host, err)
	}
	set := []Header{
		{"authorization", h.Get("Authorization")}, {"x-amz-date", h.Get("X-Amz-Date")}, {contentHash, hash},
	}
	if !k.SessionToken.IsZero() {
		set = append(set, Header{"x-amz-security-token", k.SessionToken.Reveal()})
	}
	return set, nil
}

// isS3 tells whether a service signs its paths as they are; all others escape them once more.
func isS3(service string) bool {
	return service == "s3" || strings.HasPrefix(service, "s3-") || service == "s3express"
}

// payloadToSign chooses what x-amz-content-sha256 says.
func (r SigRequest) payloadToSign() (string, error) {
	claimed, _ := r.header(contentHash)
	kind, _ := r.header("content-type")
	switch {
	case r.Events:
		return signedEvents, nil
	case strings.HasPrefix(strings.ToLower(kind), eventStream):
		return "", ErrEventsSigned
	case claimed == unsignedTrailer && isS3(r.Service):
		return claimed, nil // the body is framed in chunks and ends with its own checksum
	case strings.HasPrefix(claimed, streamingPrefix):
		return "", ErrChunkSigned
	case r.PayloadHash != "":
		return r.PayloadHash, nil
	case isHash(claimed):
		return claimed, nil
	case isS3(r.Service):
		return unsignedPayload, nil
	}
	return "", fmt.Errorf("aws signature: %s needs the hash of the body, which was not read", r.Service)
}

// signable gives the headers to sign under their canonical Go names.
func (r SigRequest) signable() (http.Header, error) {
	h := http.Header{}
	for _, x := range r.Headers {
		switch {
		case x.Name == "x-amz-date", x.Name == contentHash, slices.Contains(clientCredentialHeaders, x.Name):
		case x.Name == "content-type", strings.HasPrefix(x.Name, "x-amz-"):
			h.Add(x.Name, x.Value)
		}
		if len(h) > maxSignedHeaders {
			return nil, fmt.Errorf("aws signature: more than %d headers to sign", maxSignedHeaders)
		}
	}
	return h, nil
}

// header gives the values of a header, joined as AWS joins them.
func (r SigRequest) header(name string) (string, bool) {
	var joined string
	found := false
	for _, x := range r.Headers {
		if x.Name != name {
			continue
		}
		value := strings.Join(strings.Fields(x.Value), " ")
		if found {
			value = joined + "," + value
		}
		joined, found = value, true
	}
	return joined, found
}

func isHash(s string) bool {
	raw, err := hex.DecodeString(s)
	return err == nil && len(raw) == sha256.Size && strings.ToLower(s) == s
}
