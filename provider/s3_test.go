package provider

import (
	"slices"
	"strings"
	"testing"
)

func TestS3Routes(t *testing.T) {
	for call, want := range map[string]string{
		"GET /b/k": "object.get", "HEAD /b/k/l": "object.head", "PUT /b/k": "object.put", "DELETE /b/k": "object.delete", "POST /b/k": "object.post",
		"GET /b": "bucket.list", "HEAD /b": "bucket.head", "PUT /b": "bucket.put", "DELETE /b": "bucket.delete", "POST /b": "bucket.post",
		"GET /b/": "bucket.list", "PUT /b/": "bucket.put", "GET /b//": "", "GET //": "",
		"GET /": "", "PATCH /b/k": "",
	} {
		got := ""
		for _, e := range s3.Endpoints {
			if method, path, _ := strings.Cut(call, " "); method == e.Method && e.Match(path) {
				got = e.Name
			}
		}
		if got != want {
			t.Errorf("%s is %q, want %q", call, got, want)
		}
	}
}

// A parameter or a header can be another operation than the path tells.
func TestWhatChangesAccessToObjectsIsRefused(t *testing.T) {
	for call, refused := range map[string]bool{
		"object.get ": false, "object.get versionId=1&response-content-type=text/plain&x-id=GetObject": false, "object.put uploadId=a&partNumber=2": false, "object.post uploads": false,
		"bucket.list list-type=2&prefix=a%2Fb&delimiter=%2F": false, "bucket.post delete": false, "object.put tagging": false,
		"object.put acl": true, "object.put %61cl": true, "object.put acl=": true, "object.put uploadId=1&acl": true, "object.get acl": true, "bucket.put policy": true, "bucket.put publicAccessBlock": true,
		"bucket.put replication": true, "bucket.put notification": true, "bucket.delete policy": true, "bucket.list policy": true, "bucket.post ": true, "object.post x-id=1": true, "object.put legal-hold": true, "object.put retention": true,
		"bucket.put a;policy": true, "object.put response-acl": true, "bucket.put Policy": true, "object.put X-Amz-Signature=0": true,
	} {
		name, query, _ := strings.Cut(call, " ")
		e, _ := s3.Endpoint(name)
		if _, err := s3.ReadRequest(e, RawRequest{Query: query}); (err != nil) != refused {
			t.Errorf("%s?%s: %v, refused should be %t", name, query, err, refused)
		}
	}
	put, _ := s3.Endpoint("object.put")
	for header, refused := range map[string]bool{
		"x-amz-acl: private": false, "x-amz-acl: bucket-owner-full-control": false, "x-amz-storage-class: STANDARD_IA": false,
		"x-amz-acl: public-read": true, "x-amz-acl: private,public-read": true, "x-amz-acl: Public-Read": true, "x-amz-grant-read: uri=x": true, "x-amz-bypass-governance-retention: true": true,
		"x-amz-copy-source: b/k": false, "x-amz-copy-source: /b/k%2Fl?versionId=1": false, "x-amz-copy-source: b/../c/k": false, // keys are no paths: .. is a part of one
		"x-amz-copy-source: c/k": true, "x-amz-copy-source: /c/k": true, "x-amz-copy-source: //b/k": true, "x-amz-copy-source: bb/k": true, "x-amz-copy-source: %62/k": true, "x-amz-copy-source: b": true,
		"x-amz-copy-source: b%2Fk": true, "x-amz-copy-source: arn:aws:s3:us-east-1:123456789012:accesspoint/b/object/k": true,
	} {
		name, value, _ := strings.Cut(header, ": ")
		if _, err := s3.ReadRequest(put, RawRequest{Path: "/b/k", Header: func(asked string) string {
			if asked == name {
				return value
			}
			return ""
		}}); (err != nil) != refused {
			t.Errorf("%s: %v, refused should be %t", header, err, refused)
		}
	}
	for _, name := range append([]string{"x-amz-acl", "x-amz-copy-source"}, s3Grants...) {
		if once := put.Once(); !slices.Contains(once, name) {
			t.Errorf("a second %s could be another one: once are %q", name, once)
		}
	}
}

// Every status that a refusal can have names an error, or AWS's SDKs raise one without a name.
func TestEveryAWSRefusalHasAName(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 413, 429, 500, 502, 503} {
		if h := bedrock.ErrorBody(Refusal{Status: status}).Headers; len(h) != 1 || h[0][1] == "" {
			t.Errorf("bedrock %d: headers %q", status, h)
		}
		if body := string(s3.ErrorBody(Refusal{Status: status}).Body); strings.Contains(body, "<Code></Code>") {
			t.Errorf("s3 %d: %s", status, body)
		}
	}
}
