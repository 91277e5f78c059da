package provider

import (
	"strings"
	"testing"
)

func TestS3Routes(t *testing.T) {
	for call, want := range map[string]string{
		"GET /b/k": "object.get", "HEAD /b/k/l": "object.head", "PUT /b/k": "object.put", "DELETE /b/k": "object.delete", "POST /b/k": "object.post",
		"GET /b": "bucket.list", "HEAD /b": "bucket.head", "PUT /b": "bucket.put", "DELETE /b": "bucket.delete", "POST /b": "bucket.post",
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
