package extproc

import (
	"bytes"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
)

// recording keeps the beginning of a body that comes in pieces; the zero value keeps nothing.
type recording struct {
	most int
	size int64
	data []byte
}

func (r *recording) write(b []byte) {
	if r.most == 0 {
		return
	}
	r.size += int64(len(b))
	r.data = append(r.data, b[:min(len(b), r.most-len(r.data))]...)
}

// captureRequest hands on what the policy stores of a request's body.
func (s *Server) captureRequest(t governor.Ticket, body []byte) {
	if t.Capture.Request && len(body) > 0 {
		s.capture(t, sentinel.RequestBody, recording{size: int64(len(body)), data: bytes.Clone(body[:min(len(body), t.Capture.MaxBytes)])})
	}
}

// captureResponse hands on what the policy stores of an answer's body, as far as its client got it.
func (s *Server) captureResponse(a *answer) {
	if a.body.size > 0 {
		s.capture(a.ticket, sentinel.ResponseBody, a.body)
	}
}

func (s *Server) capture(t governor.Ticket, part sentinel.BodyPart, r recording) {
	if s.Capture == nil {
		return
	}
	s.Capture(sentinel.Body{Call: t.Call, Attempt: t.Attempt, Part: part, Size: r.size, Data: r.data, Expires: s.Governor.Now().Add(t.Capture.Keep)})
}
