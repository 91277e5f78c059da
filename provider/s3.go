package provider

import (
	"encoding/xml"
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
		{Name: "bucket.list", Method: "GET", Path: "/{bucket}"},
		{Name: "bucket.head", Method: "HEAD", Path: "/{bucket}"},
		{Name: "bucket.put", Method: "PUT", Path: "/{bucket}"},
		{Name: "bucket.delete", Method: "DELETE", Path: "/{bucket}"},
		{Name: "bucket.post", Method: "POST", Path: "/{bucket}"}, // deletes many objects at once
	},
}

type s3Dialect struct{}

func (s3Dialect) readRequest(Endpoint, RawRequest) (Request, error) { return flatRequest(), nil }

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
