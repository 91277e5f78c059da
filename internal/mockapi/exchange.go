package mockapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// exchange is one call of an API, from its request to its place in the account.
type exchange struct {
	server   *Server
	rules    *rules
	w        http.ResponseWriter
	r        *http.Request
	body     []byte
	provider string
	path     string // escaped, without the prefix of the stand-in
	bucket   string // S3 in virtual-host style only

	endpoint    string
	model       string
	credential  string // as the client sent it
	resetAfter  int64  // tokens of a stream after which the connection is reset, when reset is set
	reset       bool
	huge        int64         // bytes of white space in the answer
	long        int64         // tokens of an answer that passes its maximum; 0 for none
	retryAfter  time.Duration // of a refusal; 0 for none
	accountedAt bool
	sent        []int64 // see Call.Sent
	before      int64   // bytes on the connection before this answer
}

// begin names the call, waits for the model's latency and applies a fault that is due.
// It is false when the call has been answered.
func (x *exchange) begin(endpoint, model string) (Answers, bool) {
	x.endpoint, x.model = endpoint, model
	a := x.rules.answers(x.provider, model)
	f, due := x.fault()
	delay := a.Latency
	if due && f.Kind == FaultSlow {
		delay += f.Delay
	}
	// A provider does not notice that its client has left before it has something to send, so
	// the call is served, and billed, all the same.
	wait(x.r.Context(), delay)
	if !due {
		return a, true
	}
	switch f.Kind {
	case FaultStatus:
		x.retryAfter = f.RetryAfter.Truncate(time.Second)
		x.refuse(f.Status, "injected_fault", "the stand-in was told to fail")
		return a, false
	case FaultEcho:
		x.refuse(f.Status, "invalid_api_key", "Incorrect API key provided: "+x.credential)
		return a, false
	case FaultReset:
		x.reset, x.resetAfter = true, f.AfterTokens
	case FaultLong:
		x.long = f.AfterTokens
	case FaultHuge:
		x.huge = f.Bytes
	case FaultSlow: // the wait is over
	}
	return a, true
}

// fault finds the first rule that is due for this call, and advances the counters of those that match.
func (x *exchange) fault() (Fault, bool) {
	for i, f := range x.rules.Faults {
		if !matches(f.Provider, f.Endpoint, f.Model, x.provider, x.endpoint, x.model) {
			continue
		}
		n := x.rules.due[i].Add(1) - 1
		if f.Of > 0 {
			n %= f.Of
		}
		if n < f.First {
			return f, true
		}
	}
	return Fault{}, false
}

// answer bills the usage and sends v as JSON.
func (x *exchange) answer(status int, v any, u sentinel.Usage) {
	body, err := json.Marshal(v)
	if err != nil { // v is one of this package's own values
		x.refuse(http.StatusInternalServerError, "internal", err.Error())
		return
	}
	x.answerBytes(status, "application/json", body, u)
}

// answerBytes bills the usage before it sends the answer: a client that has an answer finds it in the account.
func (x *exchange) answerBytes(status int, contentType string, body []byte, u sentinel.Usage) {
	if x.reset {
		x.account(u, outcomeAborted)
		x.hangUp()
	}
	x.account(u, outcomeServed)
	h := x.w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.FormatInt(int64(len(body))+x.huge, 10))
	x.w.WriteHeader(status)
	if x.huge > 0 && len(body) > 0 { // behind the bracket that opens it
		_, _ = x.w.Write(body[:1])
		_, _ = io.CopyN(x.w, blanks{}, x.huge)
		body = body[1:]
	}
	_, _ = x.w.Write(body) // the client may be gone; the call is billed all the same
}

// blanks reads as white space without an end.
type blanks struct{}

func (blanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// refuse answers in the provider's own error shape. A refused call costs nothing, except that S3
// bills requests which fail by their own fault.
func (x *exchange) refuse(status int, code, message string) {
	var u sentinel.Usage
	if x.provider == "s3" && status < http.StatusInternalServerError && status != http.StatusForbidden {
		u[sentinel.Requests] = 1
	}
	x.account(u, outcomeFailed)
	contentType, body := errorBody(x.provider, status, code, message, x.retryAfter)
	h := x.w.Header()
	if x.retryAfter > 0 && x.provider != "gemini" {
		h.Set("Retry-After", strconv.FormatInt(int64(x.retryAfter/time.Second), 10))
	}
	if x.provider == "bedrock" {
		h.Set("X-Amzn-Errortype", code)
	}
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	x.w.WriteHeader(status)
	_, _ = x.w.Write(body)
}

// account enters the call once; later entries of the same call are ignored.
func (x *exchange) account(u sentinel.Usage, o outcome) {
	if x.accountedAt {
		return
	}
	x.accountedAt = true
	var one *Call
	if name := x.r.Header.Get("X-Client-Request-Id"); name != "" {
		one = &Call{Name: name, Sent: x.sent}
	}
	x.server.account.add(row{x.provider, x.endpoint, x.model}, one, u, x.rules.Prices, o)
}

// hangUp breaks the connection off and does not return. Before an answer it is reset; in mid-stream
// it is closed without the end of the body, because a reset may overtake tokens that were sent.
func (x *exchange) hangUp() {
	if x.resetAfter > 0 {
		panic(http.ErrAbortHandler)
	}
	if c, _, err := http.NewResponseController(x.w).Hijack(); err == nil {
		if counted, ok := c.(*countedConn); ok {
			if t, ok := counted.Conn.(*net.TCPConn); ok {
				_ = t.SetLinger(0) // RST instead of FIN
			}
		}
		_ = c.Close()
	}
	panic(http.ErrAbortHandler) // over HTTP/2, which has no Hijack, this resets the stream
}

// wait sleeps unless the context ends first, and tells which.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// errorBody is an error in the shape that the provider's official client turns into its own exception.
func errorBody(provider string, status int, code, message string, retryAfter time.Duration) (contentType string, body []byte) {
	var v any
	switch provider {
	case "s3":
		return "application/xml", fmt.Appendf(nil,
			"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>%s</Message><RequestId>mock</RequestId></Error>",
			escapeXML(code), escapeXML(message))
	case "bedrock":
		v = map[string]any{"message": message}
	case "anthropic", "vertex":
		v = map[string]any{"type": "error", "error": map[string]any{"type": code, "message": message}}
	case "gemini":
		failure := map[string]any{"code": status, "message": message, "status": googleStatus(status)}
		if retryAfter > 0 { // it says so in no header
			failure["details"] = []any{map[string]any{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": retryAfter.String()}}
		}
		v = map[string]any{"error": failure}
	case "twilio":
		number, err := strconv.Atoi(code)
		if err != nil {
			number = 20_000 + status // such as 20429, too many requests
		}
		v = map[string]any{"code": number, "message": message, "more_info": fmt.Sprintf("https://www.twilio.com/docs/errors/%d", number), "status": status}
	case "stripe":
		kind := "invalid_request_error"
		if status >= http.StatusInternalServerError {
			kind = "api_error"
		}
		if code == "card_declined" {
			kind = "card_error"
		}
		v = map[string]any{"error": map[string]any{"type": kind, "code": code, "message": message}}
	default:
		v = map[string]any{"error": map[string]any{"message": message, "type": code, "param": nil, "code": code}}
	}
	body, _ = json.Marshal(v) // maps of strings always encode
	return "application/json", body
}

// googleStatus is the canonical name of a status (https://cloud.google.com/apis/design/errors).
func googleStatus(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "INVALID_ARGUMENT"
	case http.StatusUnauthorized:
		return "UNAUTHENTICATED"
	case http.StatusNotFound:
		return "NOT_FOUND"
	case http.StatusTooManyRequests:
		return "RESOURCE_EXHAUSTED"
	case http.StatusServiceUnavailable:
		return "UNAVAILABLE"
	}
	return "INTERNAL"
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(v)
}
