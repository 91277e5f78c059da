package credential

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// oracle is what botocore signed; testdata/vectors.py writes it.
type oracle struct {
	AccessKeyID     string `json:"access_key_id"`
	SecretAccessKey string `json:"secret_access_key"`
	SessionToken    string `json:"session_token"`
	At              time.Time
	Vectors         []struct {
		Name, Service, Region, Method, Host, Path, Query string
		Ours                                             bool
		Headers                                          map[string]string
		BodySHA256                                       string `json:"body_sha256"`
	}
}

func readOracle(t testing.TB) oracle {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var o oracle
	if err := json.Unmarshal(b, &o); err != nil {
		t.Fatal(err)
	}
	if len(o.Vectors) < 16 {
		t.Fatalf("vectors.json has %d requests, want at least 16", len(o.Vectors))
	}
	return o
}

func (o oracle) request(i int) SigRequest {
	v := o.Vectors[i]
	r := SigRequest{Method: v.Method, Host: v.Host, Path: v.Path, RawQuery: v.Query,
		PayloadHash: v.BodySHA256, Region: v.Region, Service: v.Service}
	for name, value := range v.Headers {
		r.Headers = append(r.Headers, Header{name, value})
		if name == contentHash && strings.HasPrefix(value, "STREAMING-") {
			r.PayloadHash = ""
		}
	}
	return r
}

func get(headers []Header, name string) string {
	v, _ := SigRequest{Headers: headers}.header(name)
	return v
}

func TestSignaturesEqualBotocores(t *testing.T) {
	o := readOracle(t)
	for i, v := range o.Vectors {
		if !v.Ours {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			k := AWSKey{AccessKeyID: o.AccessKeyID, Secret: sentinel.NewSecret(o.SecretAccessKey)}
			if v.Headers["x-amz-security-token"] != "" {
				k.SessionToken = sentinel.NewSecret(o.SessionToken)
			}
			got, err := SignV4(k, o.request(i), o.At)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(v.Headers["authorization"], get(got, "authorization")); diff != "" {
				t.Errorf("SignV4(%s %s?%s): authorization differs from botocore's (-botocore +ours):\n%s", v.Method, v.Path, v.Query, diff)
			}
		})
	}
}

func TestWhatBoto3SendsIsVerifiedAndCanBeSignedAgain(t *testing.T) {
	o := readOracle(t)
	issued := sentinel.NewSecret(o.SecretAccessKey)
	provider := AWSKey{AccessKeyID: "AKIAPROVIDER00000000", Secret: sentinel.NewSecret("of the provider"), SessionToken: sentinel.NewSecret("temporary")}
	for i, v := range o.Vectors {
		t.Run(v.Name, func(t *testing.T) {
			r := o.request(i)
			if err := VerifyV4(issued, r, o.At.Add(4*time.Minute)); err != nil {
				t.Fatalf("VerifyV4 of botocore's request: %v", err)
			}
			if id, ok := AccessKeyID(v.Headers["authorization"]); !ok || id != o.AccessKeyID {
				t.Errorf("AccessKeyID = %q, %v, want %q", id, ok, o.AccessKeyID)
			}
			set, err := SignV4(provider, r, o.At)
			if err != nil {
				t.Fatalf("signing it again: %v", err)
			}
			again := replace(r, set)
			if err := VerifyV4(provider.Secret, again, o.At); err != nil {
				t.Errorf("the request as it goes upstream: %v", err)
			}
			if err := VerifyV4(issued, again, o.At); err == nil {
				t.Error("the client's secret verifies the provider's signature")
			}
			if sent := get(again.Headers, "x-amz-security-token"); sent != "temporary" {
				t.Errorf("session token upstream = %q, want the provider's", sent)
			}
		})
	}
}

// replace does to a request what Envoy does: the client's credentials out, the provider's in.
func replace(r SigRequest, set []Header) SigRequest {
	out := r
	out.Headers = nil
	for _, h := range r.Headers {
		if get(set, h.Name) == "" && h.Name != "authorization" && h.Name != "x-amz-security-token" {
			out.Headers = append(out.Headers, h)
		}
	}
	out.Headers = append(out.Headers, set...)
	return out
}

// The examples of AWS's own documentation: "Examples: Signature calculations in AWS Signature
// Version 4", Amazon S3 API reference.
func TestSignaturesEqualAWSPublishedExamples(t *testing.T) {
	k := AWSKey{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", Secret: sentinel.NewSecret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")}
	at := time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
	for query, want := range map[string]string{
		"lifecycle":           "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
		"max-keys=2&prefix=J": "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
	} {
		got, err := SignV4(k, SigRequest{Method: "GET", Host: "examplebucket.s3.amazonaws.com", Path: "/", RawQuery: query,
			PayloadHash: HashPayload(nil), Region: "us-east-1", Service: "s3"}, at)
		if err != nil {
			t.Fatal(err)
		}
		if a := get(got, "authorization"); !strings.HasSuffix(a, "Signature="+want) {
			t.Errorf("GET /?%s: authorization %s, want signature %s", query, a, want)
		}
	}
	scope := "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders="
	for name, r := range map[string]SigRequest{
		"get object": {Method: "GET", Path: "/test.txt", Headers: []Header{
			{"range", "bytes=0-9"}, {contentHash, HashPayload(nil)},
			{"authorization", scope + "host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
		}},
		"put object": {Method: "PUT", Path: "/test%24file.text", PayloadHash: HashPayload([]byte("Welcome to Amazon S3.")), Headers: []Header{
			{"date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
			{contentHash, HashPayload([]byte("Welcome to Amazon S3."))},
			{"authorization", scope + "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
		}},
	} {
		r.Host = "examplebucket.s3.amazonaws.com"
		r.Headers = append(r.Headers, Header{"x-amz-date", "20130524T000000Z"})
		if err := VerifyV4(k.Secret, r, at); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCorrectedSecretSignsAtOnce(t *testing.T) {
	r := SigRequest{Method: "GET", Host: "h", Path: "/", PayloadHash: HashPayload(nil), Region: "us-east-1", Service: "s3"}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, value := range []string{"mistyped", "corrected"} { // of one key id, on one day
		k := AWSKey{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", Secret: sentinel.NewSecret(value)}
		set, err := SignV4(k, r, at)
		if err != nil {
			t.Fatal(err)
		}
		if err := VerifyV4(k.Secret, replace(r, set), at); err != nil {
			t.Errorf("signed with the %s secret: %v", value, err)
		}
	}
}

func TestPayloadLine(t *testing.T) {
	whole := HashPayload([]byte("body"))
	for name, tt := range map[string]struct {
		service, claimed, hash string
		want, fault            string
	}{
		"the body's own hash":                    {service: "bedrock", hash: whole, want: whole},
		"a rewritten body beats the claim":       {service: "bedrock", claimed: HashPayload(nil), hash: whole, want: whole},
		"an unread body keeps the claim":         {service: "s3", claimed: whole, want: whole},
		"unread and unclaimed, S3":               {service: "s3", want: "UNSIGNED-PAYLOAD"},
		"unread and unclaimed, others":           {service: "bedrock", fault: "hash of the body"},
		"trailing checksum keeps its framing":    {service: "s3", claimed: unsignedTrailer, hash: whole, want: unsignedTrailer},
		"trailing checksum is S3's alone":        {service: "bedrock", claimed: unsignedTrailer, hash: whole, fault: "chunk by chunk"},
		"chunks signed with the client's key":    {service: "s3", claimed: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", hash: whole, fault: "chunk by chunk"},
		"signed events":                          {service: "transcribe", claimed: "STREAMING-AWS4-HMAC-SHA256-EVENTS", hash: whole, fault: "chunk by chunk"},
		"signed chunks with a trailing checksum": {service: "s3", claimed: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", fault: "chunk by chunk"},
	} {
		t.Run(name, func(t *testing.T) {
			r := SigRequest{Method: "PUT", Host: "h", Path: "/k", PayloadHash: tt.hash, Region: "us-east-1", Service: tt.service}
			if tt.claimed != "" {
				r.Headers = []Header{{contentHash, tt.claimed}}
			}
			k := AWSKey{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", Secret: sentinel.NewSecret("s")}
			got, err := SignV4(k, r, time.Now())
			if tt.fault != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fault) {
					t.Fatalf("SignV4 = %v, want an error about %q", err, tt.fault)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if line := get(got, contentHash); line != tt.want {
				t.Errorf("x-amz-content-sha256 = %q, want %q", line, tt.want)
			}
		})
	}
}

func TestUnsignableRequests(t *testing.T) {
	good := SigRequest{Method: "GET", Host: "h", Path: "/", Region: "us-east-1", Service: "s3"}
	k := AWSKey{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", Secret: sentinel.NewSecret(canary)}
	for name, change := range map[string]func(*AWSKey, *SigRequest){
		"no key id":        func(k *AWSKey, _ *SigRequest) { k.AccessKeyID = "" },
		"no secret":        func(k *AWSKey, _ *SigRequest) { k.Secret = sentinel.Secret{} },
		"no region":        func(_ *AWSKey, r *SigRequest) { r.Region = "" },
		"no service":       func(_ *AWSKey, r *SigRequest) { r.Service = "" },
		"broken query":     func(_ *AWSKey, r *SigRequest) { r.RawQuery = "a=%zz" },
		"semicolon query":  func(_ *AWSKey, r *SigRequest) { r.RawQuery = "a=1;b=2" },
		"relative path":    func(_ *AWSKey, r *SigRequest) { r.Path = "k" },
		"endless metadata": func(_ *AWSKey, r *SigRequest) { r.Headers = manyHeaders(200) },
	} {
		t.Run(name, func(t *testing.T) {
			k, r := k, good
			change(&k, &r)
			_, err := SignV4(k, r, time.Now())
			if err == nil || strings.Contains(err.Error(), canary) {
				t.Errorf("SignV4 = %v, want an error without the secret", err)
			}
		})
	}
}

func BenchmarkSignV4(b *testing.B) {
	o := readOracle(b)
	k := AWSKey{AccessKeyID: o.AccessKeyID, Secret: sentinel.NewSecret(o.SecretAccessKey)}
	r := o.request(0)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := SignV4(k, r, o.At); err != nil {
			b.Fatal(err)
		}
	}
}

// A stream of events has a signature in each of them, whatever its head claims.
func TestStreamsOfEventsAreNotSignedAnew(t *testing.T) {
	k := AWSKey{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", Secret: sentinel.NewSecret("s")}
	for _, kind := range []string{"application/vnd.amazon.eventstream", "Application/Vnd.Amazon.EventStream; charset=utf-8"} {
		r := SigRequest{Method: "POST", Host: "h", Path: "/k", PayloadHash: HashPayload(nil), Region: "us-east-1", Service: "transcribe", Headers: []Header{{"content-type", kind}}}
		if _, err := SignV4(k, r, time.Now()); !errors.Is(err, ErrEventsSigned) {
			t.Errorf("SignV4 of %s = %v, want %v", kind, err, ErrEventsSigned)
		}
	}
}
