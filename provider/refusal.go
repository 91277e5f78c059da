package provider

import (
	"encoding/xml"
	"net/http"
)

// errorBody phrases a refusal as the API's own SDKs read it.
func (g generic) errorBody(r Refusal) Shape {
	switch g.errors {
	case "twilio": // https://www.twilio.com/docs/usage/twilios-response: codes of HTTP's own errors are 20000 and the status
		return jsonShape(map[string]any{"code": 20000 + r.Status, "message": r.Message, "more_info": "", "status": r.Status})
	case "sendgrid":
		return jsonShape(map[string]any{"errors": []any{map[string]any{"message": r.Message, "field": nil, "help": r.Code}}})
	case "google":
		return jsonShape(map[string]any{"error": map[string]any{"code": r.Status, "message": r.Message, "status": googleStatus(r.Status)}})
	case "aws-json":
		return bedrockDialect{}.errorBody(r)
	case "aws-query":
		return queryError(r)
	}
	return jsonShape(map[string]any{"error": map[string]any{"code": r.Code, "message": r.Message}})
}

// googleStatuses are the names of google.rpc.Code for HTTP's statuses.
var googleStatuses = map[int]string{
	http.StatusBadRequest: "INVALID_ARGUMENT", http.StatusUnauthorized: "UNAUTHENTICATED", http.StatusForbidden: "PERMISSION_DENIED",
	http.StatusTooManyRequests: "RESOURCE_EXHAUSTED", http.StatusServiceUnavailable: "UNAVAILABLE", http.StatusRequestEntityTooLarge: "OUT_OF_RANGE",
}

func googleStatus(status int) string {
	if name, ok := googleStatuses[status]; ok {
		return name
	}
	return "INTERNAL"
}

// queryError is the form of AWS's query protocol.
func queryError(r Refusal) Shape {
	kind, ok := awsErrors[r.Status]
	if !ok {
		kind = "InternalFailure"
	}
	side := "Sender"
	if r.Status >= http.StatusInternalServerError {
		side = "Receiver"
	}
	type fault struct {
		Type, Code, Message string
	}
	body, err := xml.Marshal(struct {
		XMLName   xml.Name `xml:"ErrorResponse"`
		Error     fault
		RequestId string
	}{Error: fault{side, kind, r.Message}, RequestId: r.Code})
	if err != nil { // it has strings only, and cannot fail
		body = []byte("<ErrorResponse/>")
	}
	return Shape{ContentType: "text/xml", Body: append([]byte(xml.Header), body...)}
}
