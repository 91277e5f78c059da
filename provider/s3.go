package provider

import (
	"encoding/xml"
	"net/url"
	"slices"
	"strings"
)

// s3 is AWS's object store, addressed by path. Bodies stream past unread.
var s3 = Preset{
	Name: "aws-s3", Host: "s3.{region}.amazonaws.com", Credential: "sigv4", SigningName: "s3", dialect: s3Dialect{},
	Endpoints: []Endpoint{
		{Name: "object.get", Method: "GET", Path: "/{bucket}/{key...}"},
		{Name: "object.head", Method: "HEAD", Path: "/{bucket}/{key...}"},
		{Name: "object.put", Method: "PUT", Path: "/{bucket}/{key...}"},
		{Name: "object.delete", Method: "DELETE", Path: "/{bucket}/{key...}"},
		{Name: "object.post", Method: "POST", Path: "/{bucket}/{key...}"}, // begins and completes uploads in parts
		// Some clients, as Node's, put a slash behind the bucket.
		{Name: "bucket.list", Method: "GET", Path: "/{bucket}/?"},
		{Name: "bucket.head", Method: "HEAD", Path: "/{bucket}/?"},
		{Name: "bucket.put", Method: "PUT", Path: "/{bucket}/?"},
		{Name: "bucket.delete", Method: "DELETE", Path: "/{bucket}/?"},
		{Name: "bucket.post", Method: "POST", Path: "/{bucket}/?"}, // deletes many objects at once
	},
}

type s3Dialect struct{}

// s3Parameters are the parameters of a query that an endpoint takes. They choose operations as much as the path does: others set who has access to a
// bucket or an object, or where their data is copied to. x-id is how some SDKs name the operation again.
var s3Parameters = map[string][]string{
	"object.get":    {"versionId", "partNumber", "tagging", "attributes", "uploadId", "max-parts", "part-number-marker", "x-id"}, // and response-*
	"object.head":   {"versionId", "partNumber", "x-id"},
	"object.put":    {"uploadId", "partNumber", "tagging", "versionId", "x-id"},
	"object.delete": {"versionId", "uploadId", "tagging", "x-id"},
	"object.post":   {"uploads", "uploadId", "restore", "select", "select-type", "versionId", "x-id"},
	"bucket.list": {
		"list-type", "prefix", "delimiter", "marker", "max-keys", "continuation-token", "start-after", "encoding-type", "fetch-owner", "versions", "key-marker",
		"version-id-marker", "uploads", "upload-id-marker", "max-uploads", "location", "x-id",
	},
	"bucket.head": {"x-id"}, "bucket.put": {"x-id"}, "bucket.delete": {"x-id"}, "bucket.post": {"delete", "x-id"},
}

// s3Posts are the operations that are posted.
var s3Posts = []string{"delete", "uploads", "uploadId", "restore", "select"}

// s3Grants are headers that give others access to what is written, or to what is locked.
var s3Grants = []string{
	"x-amz-grant-full-control", "x-amz-grant-read", "x-amz-grant-read-acp", "x-amz-grant-write", "x-amz-grant-write-acp", "x-amz-bypass-governance-retention",
}

// s3Copies is the header by which an upload has no body of its own: it copies an object, whatever the credential can read.
const s3Copies = "x-amz-copy-source"

// withinBucket tells whether a copy's source, BUCKET/KEY, is of the bucket that the path names.
func withinBucket(source, path string) bool {
	bucket, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return bucket != "" && strings.HasPrefix(strings.TrimPrefix(source, "/"), bucket+"/")
}

// s3ACL are the canned lists that give access to nobody but the owners of object and bucket.
var s3ACL = []string{"", "private", "bucket-owner-read", "bucket-owner-full-control"}

func (s3Dialect) readRequest(e Endpoint, r RawRequest) (Request, error) {
	const remedy = "where a service may, describe it as a custom API of type sigv4 with the service s3"
	query, err := url.ParseQuery(r.Query)
	if err != nil {
		return Request{}, badRequest("query", "it is malformed")
	}
	for name := range query {
		if !slices.Contains(s3Parameters[e.Name], name) && (e.Name != "object.get" || !strings.HasPrefix(name, "response-")) {
			return Request{}, badRequest("query", "%q is an operation, or none, that is not let through: %s", clip(name), remedy)
		}
	}
	if e.Method == "POST" && !slices.ContainsFunc(s3Posts, query.Has) {
		return Request{}, badRequest("query", "without one of %s it is a browser's form, which is signed in itself", strings.Join(s3Posts, ", "))
	}
	if r.Header == nil {
		return flatRequest(), nil
	}
	for _, name := range s3Grants {
		if r.Header(name) != "" {
			return Request{}, badRequest(name, "it changes who has access: %s", remedy)
		}
	}
	if source := r.Header(s3Copies); source != "" && !withinBucket(source, r.Path) {
		return Request{}, badRequest(s3Copies, "it copies out of another bucket: %s", remedy)
	}
	if !slices.Contains(s3ACL, r.Header("x-amz-acl")) {
		return Request{}, badRequest("x-amz-acl", "it gives others access: %s", remedy)
	}
	return flatRequest(), nil
}

func (s3Dialect) withModel(Endpoint, RawRequest, Request, string) ([]byte, string, error) {
	return nil, "", badRequest("", "S3 has no models")
}

// newMeter charges every request that S3 answered: it bills those of the client's own errors too.
func (s3Dialect) newMeter(s MeterSpec) Meter {
	if s.Status >= 500 || s.Status == 0 {
		return nothingUsed{}
	}
	return oneRequest{}
}

// s3Errors are S3's own codes for our refusals.
var s3Errors = map[int]string{
	400: "InvalidRequest", 401: "InvalidAccessKeyId", 403: "AccessDenied", 413: "EntityTooLarge", 429: "SlowDown", 503: "ServiceUnavailable",
}

func (s3Dialect) errorBody(r Refusal) Shape {
	code, ok := s3Errors[r.Status]
	if !ok {
		code = "InternalError"
	}
	body, err := xml.Marshal(struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
		Reason  string
	}{Code: code, Message: r.Message, Reason: r.Code})
	if err != nil { // it has strings only, and cannot fail
		body = []byte("<Error/>")
	}
	return Shape{ContentType: "application/xml", Body: append([]byte(xml.Header), body...)}
}
