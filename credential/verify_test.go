package credential

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// canary stands for a secret: no error may hold it.
const canary = "canary-5ecret-value"

func manyHeaders(n int) []Header {
	var h []Header
	for i := range n {
		h = append(h, Header{fmt.Sprintf("x-amz-meta-%d", i), "v"})
	}
	return h
}

func TestForgedRequestsAreRefused(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 30, 45, 0, time.UTC)
	k := AWSKey{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", Secret: sentinel.NewSecret(canary)}
	plain := SigRequest{Method: "PUT", Host: "bucket.s3.amazonaws.com", Path: "/k", RawQuery: "a=1", PayloadHash: HashPayload([]byte("body")),
		Region: "us-east-1", Service: "s3", Headers: []Header{{"content-type", "text/plain"}, {"x-amz-acl", "private"}}}
	set, err := SignV4(k, plain, at)
	if err != nil {
		t.Fatal(err)
	}
	change := func(name string, f func(string) string) func(*SigRequest) {
		return func(r *SigRequest) {
			for i := range r.Headers {
				if r.Headers[i].Name == name {
					r.Headers[i].Value = f(r.Headers[i].Value)
				}
			}
		}
	}
	authorization := func(old, new string) func(*SigRequest) {
		return change("authorization", func(s string) string { return strings.Replace(s, old, new, 1) })
	}
	add := func(name, value string) func(*SigRequest) {
		return func(r *SigRequest) { r.Headers = append(r.Headers, Header{name, value}) }
	}
	for name, tt := range map[string]struct {
		change func(*SigRequest)
		later  time.Duration
		want   string // "" accepts
	}{
		"untouched":                    {change: func(*SigRequest) {}},
		"five minutes late":            {change: func(*SigRequest) {}, later: 5 * time.Minute},
		"five minutes early":           {change: func(*SigRequest) {}, later: -5 * time.Minute},
		"unsigned headers may differ":  {change: add("user-agent", "x")},
		"blanks around a signed value": {change: change("content-type", func(s string) string { return "  " + s + " " })},
		"an unread body":               {change: func(r *SigRequest) { r.PayloadHash = "" }},
		"a second late":                {change: func(*SigRequest) {}, later: 5*time.Minute + time.Second, want: "set the client's clock"},
		"a second early":               {change: func(*SigRequest) {}, later: -5*time.Minute - time.Second, want: "set the client's clock"},
		"another method":               {change: func(r *SigRequest) { r.Method = "DELETE" }, want: ErrSignature.Error()},
		"another host":                 {change: func(r *SigRequest) { r.Host = "other.s3.amazonaws.com" }, want: ErrSignature.Error()},
		"another path":                 {change: func(r *SigRequest) { r.Path = "/l" }, want: ErrSignature.Error()},
		"another query":                {change: func(r *SigRequest) { r.RawQuery = "a=2" }, want: ErrSignature.Error()},
		"one more pair in the query":   {change: func(r *SigRequest) { r.RawQuery = "a=1&a=1" }, want: ErrSignature.Error()},
		"a changed signed header":      {change: change("content-type", func(string) string { return "text/html" }), want: ErrSignature.Error()},
		"a second signed value":        {change: add("content-type", "text/html"), want: ErrSignature.Error()},
		"a changed grant":              {change: change("x-amz-acl", func(string) string { return "public-read" }), want: ErrSignature.Error()},
		"an added grant":               {change: add("x-amz-grant-read", "everyone"), want: "x-amz-grant-read is not signed"},
		"another body":                 {change: func(r *SigRequest) { r.PayloadHash = HashPayload([]byte("other")) }, want: "not the one that was signed"},
		"another claim of the body":    {change: change(contentHash, func(string) string { return HashPayload([]byte("other")) }), want: "not the one that was signed"},
		"no claim of an unread body": {change: func(r *SigRequest) {
			r.PayloadHash = ""
			r.Headers = without(r.Headers, contentHash)
		}, want: "is required"},
		"a claim that is no hash":     {change: change(contentHash, func(string) string { return "abc" }), want: "not a hash"},
		"an unsigned body, but of S3": {change: change(contentHash, func(string) string { return unsignedPayload }), want: ErrSignature.Error()},
		"chunk signatures":            {change: change(contentHash, func(string) string { return "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" }), want: "chunk by chunk"},
		"a presigned query":           {change: func(r *SigRequest) { r.RawQuery = "X-Amz-Signature=00" }, want: "presigned"},
		"a malformed query":           {change: func(r *SigRequest) { r.RawQuery = "a=%" }, want: "query is malformed"},
		"no date":                     {change: func(r *SigRequest) { r.Headers = without(r.Headers, "x-amz-date") }, want: "x-amz-date is missing"},
		"a scope of another day":      {change: authorization("/20261123/", "/20261122/"), want: "different days"},
		"a scope of another region":   {change: authorization("/us-east-1/", "/us-west-2/"), want: ErrSignature.Error()},
		"another service":             {change: authorization("/s3/", "/bedrock/"), want: ErrSignature.Error()},
		"host is not signed":          {change: authorization(";host;", ";"), want: "host is not signed"},
		"a header listed twice":       {change: authorization(";host;", ";host;host;"), want: "not in order"},
		"headers out of order":        {change: authorization("content-type;host;", "host;content-type;"), want: "not in order"},
		"a header that is not there":  {change: authorization(";host;", ";dnt;host;"), want: "did not arrive"},
		"sigv4a":                      {change: authorization("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), want: "only AWS4-HMAC-SHA256"},
		"a bearer token":              {change: change("authorization", func(string) string { return "Bearer x" }), want: "malformed"},
		"two authorizations":          {change: add("authorization", "AWS4-HMAC-SHA256 x"), want: "malformed"},
		"no authorization":            {change: func(r *SigRequest) { r.Headers = without(r.Headers, "authorization") }, want: "no authorization"},
		"half a signature":            {change: change("authorization", func(s string) string { return s[:len(s)-32] }), want: "malformed"},
		"an endless authorization":    {change: authorization(";host;", ";host"+strings.Repeat(";x", 10_000)+";"), want: "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			r := replace(plain, set)
			tt.change(&r)
			err := VerifyV4(k.Secret, r, at.Add(tt.later))
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("VerifyV4 = %v, want nil", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("VerifyV4 = %v, want an error with %q", err, tt.want)
			case err != nil && strings.Contains(err.Error(), canary):
				t.Error("the error shows the secret")
			}
		})
	}
	plain.Service, plain.Headers = "bedrock", nil
	set, err = SignV4(k, plain, at)
	if err != nil {
		t.Fatal(err)
	}
	bedrock := replace(plain, set)
	if err := VerifyV4(k.Secret, bedrock, at); err != nil {
		t.Errorf("bedrock: %v", err)
	}
	change(contentHash, func(string) string { return unsignedPayload })(&bedrock)
	if err := VerifyV4(k.Secret, bedrock, at); err == nil || !strings.Contains(err.Error(), "not a hash") {
		t.Errorf("an unsigned body outside S3: %v, want a refusal", err)
	}
	if err := VerifyV4(sentinel.NewSecret("another"), replace(plain, set), at); !errors.Is(err, ErrSignature) {
		t.Errorf("with another secret: %v, want ErrSignature", err)
	}
	if err := VerifyV4(sentinel.Secret{}, replace(plain, set), at); err == nil {
		t.Error("without a secret a signature was accepted")
	}
}

// AWS's Node client speaks HTTP/2 to Bedrock, where the host is called :authority, and signs it by that name. This is a request of its release 3.1164.
func TestTheHostIsSignedByItsNameInHTTP2(t *testing.T) {
	hash := "331b626fbec967399a3c05643d22e56af43ee9839874a2db641bd025f84436d8"
	signed := func(host string) error {
		return VerifyV4(sentinel.NewSecret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), SigRequest{
			Method: "POST", Host: host, Path: "/aws/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse", PayloadHash: hash,
			Headers: []Header{
				{"content-type", "application/json"}, {"content-length", "59"}, {"x-amz-user-agent", "aws-sdk-js/3.1163.0"},
				{"amz-sdk-invocation-id", "68240115-5e91-4b85-a49c-91c7e2364ed9"}, {"amz-sdk-request", "attempt=1; max=3"},
				{"x-amz-date", "20261130T040901Z"}, {contentHash, hash},
				{"authorization", "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261130/us-east-1/bedrock/aws4_request, " +
					"SignedHeaders=:authority;amz-sdk-invocation-id;amz-sdk-request;content-length;content-type;x-amz-content-sha256;x-amz-date;x-amz-user-agent, " +
					"Signature=37c24ef6020a7e12a42df3d1ff9497cf7eb87ff189d7605aa8028895850c796d"},
			},
		}, time.Date(2026, 11, 30, 4, 9, 30, 0, time.UTC))
	}
	if err := signed("127.0.0.1:45559"); err != nil {
		t.Errorf("VerifyV4 = %v, want nil", err)
	}
	if err := signed("127.0.0.1:45558"); !errors.Is(err, ErrSignature) {
		t.Errorf("at another host VerifyV4 = %v, want ErrSignature", err)
	}
}

func without(list []Header, name string) []Header {
	var out []Header
	for _, h := range list {
		if h.Name != name {
			out = append(out, h)
		}
	}
	return out
}

func TestAccessKeyIDReadsOnlyWellFormedClaims(t *testing.T) {
	const good = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261123/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature="
	signature := strings.Repeat("0f", 32)
	for authorization, want := range map[string]string{
		good + signature: "AKIAIOSFODNN7EXAMPLE",
		strings.ReplaceAll(good, ", ", ",") + signature:                            "AKIAIOSFODNN7EXAMPLE",
		good + signature[:62]:                                                      "",
		good + signature + ", Signature=" + signature:                              "",
		strings.Replace(good, "AKIAIOSFODNN7EXAMPLE", "AKIA", 1) + signature:       "",
		strings.Replace(good, "AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7E\x00MPLE", 1): "",
		strings.Replace(good, "/aws4_request", "", 1) + signature:                  "",
		"AWS4-HMAC-SHA256": "",
		"":                 "",
	} {
		if got, ok := AccessKeyID(authorization); got != want || ok != (want != "") {
			t.Errorf("AccessKeyID(%q) = %q, %v, want %q", authorization, got, ok, want)
		}
	}
}

func FuzzVerifyV4(f *testing.F) {
	o := readOracle(f)
	for i, v := range o.Vectors {
		r := o.request(i)
		f.Add(v.Headers["authorization"], v.Path, v.Query, get(r.Headers, "x-amz-date"), get(r.Headers, contentHash))
	}
	f.Fuzz(func(t *testing.T, authorization, path, query, date, hash string) {
		r := SigRequest{Method: "GET", Host: "h.example", Path: path, RawQuery: query, PayloadHash: HashPayload(nil),
			Headers: []Header{{"authorization", authorization}, {"x-amz-date", date}, {contentHash, hash}}}
		// Nothing that was not signed with this secret is accepted, and nothing makes it show.
		if err := VerifyV4(sentinel.NewSecret(canary), r, o.At); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("VerifyV4(%q) = %v, want an error without the secret", authorization, err)
		}
	})
}

func BenchmarkVerifyV4(b *testing.B) {
	o := readOracle(b)
	secret, r := sentinel.NewSecret(o.SecretAccessKey), o.request(0)
	b.ReportAllocs()
	for b.Loop() {
		if err := VerifyV4(secret, r, o.At); err != nil {
			b.Fatal(err)
		}
	}
}
