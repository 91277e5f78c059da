package provider

import (
	"maps"
	"mime"
	"slices"
	"strings"
)

// once are the headers that say how a body is to be read, what it costs, who gets it, or what is copied: of two that differ, two readers might believe different ones.
var once = slices.Concat([]string{"content-type", "content-encoding", "content-length", "x-amz-acl", s3Copies, vertexTier}, s3Grants, slices.Sorted(maps.Keys(bedrockPlain)))

// Once lists the headers, in lower case, that may stand at most once in a request to this endpoint, because its reading or its
// price depends on them.
func (e Endpoint) Once() []string {
	if e.Declared == nil || len(e.Declared.Headers) == 0 {
		return once
	}
	return append(once[:len(once):len(once)], e.Declared.Headers...)
}

// announced refuses a body that its headers announce as something else than what is read here: the provider would read it by its
// headers. JSON without a content-type is read, because some clients (boto3's InvokeModel) send none.
func (e Endpoint) announced(r RawRequest) error {
	if e.Body == BodyNone {
		return nil
	}
	if r.Header != nil {
		if coding := r.Header("content-encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
			return badRequest("content-encoding", "bodies are read as they are: send this one without an encoding")
		}
	}
	if len(r.Body) == 0 {
		return nil
	}
	switch e.Body { //nolint:exhaustive // the content of the others is not read
	case BodyJSON:
		if r.ContentType != "" && !announces(r.ContentType, isJSON) {
			return badRequest("content-type", "application/json in UTF-8 is expected")
		}
	case BodyParts:
		if !announces(r.ContentType, isParts) {
			return badRequest("content-type", "multipart/form-data is expected")
		}
	case BodyForm:
		if !announces(r.ContentType, isForm) {
			return badRequest("content-type", "application/x-www-form-urlencoded in UTF-8 is expected")
		}
	}
	return nil
}

// announces tells whether a content-type is one of a kind, in UTF-8. Extended parameters (RFC 8187), which few servers read, could
// name a second charset.
func announces(contentType string, kind func(string) bool) bool {
	name, parameters, err := mime.ParseMediaType(contentType)
	if err != nil || !kind(name) || strings.Contains(contentType, "*") {
		return false
	}
	charset, given := parameters["charset"]
	return !given || strings.EqualFold(charset, "utf-8")
}

// isJSON knows JSON by its name, by its suffix (RFC 6839), and by the names that AWS gives it.
func isJSON(name string) bool {
	return name == "application/json" || strings.HasPrefix(name, "application/") && strings.HasSuffix(name, "+json") ||
		name == "application/x-amz-json-1.0" || name == "application/x-amz-json-1.1"
}

func isParts(name string) bool { return name == "multipart/form-data" }

func isForm(name string) bool { return name == "application/x-www-form-urlencoded" }
