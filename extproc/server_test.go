package extproc

import (
	"context"
	"io"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"github.com/rs/zerolog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// scripted is a stream that gives what it was told and keeps what it is sent.
type scripted struct {
	ctx  context.Context
	in   []*extprocv3.ProcessingRequest
	sent []*extprocv3.ProcessingResponse
}

func (s *scripted) Context() context.Context { return s.ctx }

func (s *scripted) Send(r *extprocv3.ProcessingResponse) error {
	s.sent = append(s.sent, r)
	return nil
}

func (s *scripted) Recv() (*extprocv3.ProcessingRequest, error) {
	if len(s.in) == 0 {
		return nil, io.EOF
	}
	next := s.in[0]
	s.in = s.in[1:]
	return next, nil
}

func requestHeaders() *extprocv3.ProcessingRequest {
	return &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestHeaders{RequestHeaders: &extprocv3.HttpHeaders{}}}
}

// TestEarlyEndIsAnError holds the rule that keeps Envoy from letting an unjudged request through.
func TestEarlyEndIsAnError(t *testing.T) {
	panics := New(Options{Log: zerolog.Nop()}) // without a governor the guard panics
	for name, first := range map[string]*extprocv3.ProcessingRequest{
		"a panic before the verdict":  requestHeaders(),
		"a stream that begins oddly":  {Request: &extprocv3.ProcessingRequest_RequestTrailers{}},
		"a stream of an unknown kind": {},
	} {
		t.Run(name, func(t *testing.T) {
			st := &scripted{ctx: t.Context()}
			if err := panics.serve(st, first); status.Code(err) == codes.OK {
				t.Error("the stream ended with OK: Envoy would let the request through")
			}
			if len(st.sent) > 0 {
				t.Errorf("it answered %v", st.sent)
			}
		})
	}
}

func TestAnswersOfRefusalsPassUnread(t *testing.T) {
	st := &scripted{ctx: t.Context()}
	s := New(Options{Log: zerolog.Nop()})
	first := &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_ResponseHeaders{ResponseHeaders: &extprocv3.HttpHeaders{}}}
	if err := s.serve(st, first); err != nil || len(st.sent) != 1 {
		t.Fatalf("an answer without a ticket got %v, %v", st.sent, err)
	}
	if st.sent[0].GetResponseHeaders().GetResponse().GetHeaderMutation() != nil {
		t.Errorf("it was changed: %v", st.sent[0])
	}
}

func TestChunksAreReplacedOnlyWhereTheyDiffer(t *testing.T) {
	chunk := []byte("data: x\n\n")
	if m := passChunk(chunk, chunk).GetResponseBody().GetResponse().GetBodyMutation(); m != nil {
		t.Errorf("the same bytes became %v", m)
	}
	other := []byte("data: y\n\n") // as long, and not the same
	if m := passChunk(chunk, other).GetResponseBody().GetResponse().GetBodyMutation(); string(m.GetBody()) != string(other) {
		t.Errorf("other bytes of the same length became %v", m)
	}
	if m := passChunk(chunk, nil).GetResponseBody().GetResponse().GetBodyMutation(); !m.GetClearBody() {
		t.Errorf("a hidden chunk became %v", m)
	}
}

// A handler that forgets to answer is what the rule is for; none of ours does, so one is made.
func TestAHandlerWithoutAVerdictIsAnError(t *testing.T) {
	s := New(Options{Log: zerolog.Nop()})
	for name, tt := range map[string]struct {
		handle func(*answeredStream) error
		ok     bool
	}{
		"it forgets":                {func(*answeredStream) error { return nil }, false},
		"it answers but not to end": {func(a *answeredStream) error { return a.Send(bufferBody()) }, false},
		"it answers":                {func(a *answeredStream) error { return a.SendFinal(bufferBody()) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			err := s.answering(&scripted{ctx: t.Context()}, tt.handle)
			if ok := err == nil; ok != tt.ok || !ok && status.Code(err) != codes.Internal {
				t.Errorf("answering = %v, want an error: %v", err, !tt.ok)
			}
		})
	}
}

// A credential that cannot be read is not passed over for another.
func TestTheFirstCredentialIsTheOnlyOne(t *testing.T) {
	other := headers{[]*corev3.HeaderValue{{Key: "x-api-key", RawValue: []byte("svc_other")}}}
	for authorization, want := range map[string]string{
		"Digest username=x": "", "Basic ***": "", "svc_plain": "", "Bearer": "", "Bearer svc_one": "svc_one", "Basic c3ZjX3R3bzo=": "svc_two", "": "svc_other",
	} {
		if got := tokenOf(authorization, other); got != want {
			t.Errorf("tokenOf(%q) beside x-api-key = %q, want %q", authorization, got, want)
		}
	}
}
