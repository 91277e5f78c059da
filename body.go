package sentinel

import "time"

// BodyPart says which body of a call was captured.
type BodyPart string

// The parts.
const (
	RequestBody  BodyPart = "request"  // as the client sent it
	ResponseBody BodyPart = "response" // as the client got it
)

// Body is what a policy has captured of one body, in clear: it exists in memory alone.
type Body struct {
	Call    Call
	Attempt int16
	Part    BodyPart
	Size    int64  // of the whole body, in bytes
	Data    []byte // its beginning
	Expires time.Time
}

// SealedBody is a body as it is stored. Nobody reads it without the key that wraps its data key, and nobody after Expires.
type SealedBody struct {
	Call    Call // its ID, At, Caller, Provider, Endpoint and Model
	Attempt int16
	Part    BodyPart
	Size    int64 // of the whole body, in bytes
	Expires time.Time
	Key     string // the data key, wrapped
	Sealed  []byte // nonce and ciphertext
}
