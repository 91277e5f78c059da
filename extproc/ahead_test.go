package extproc_test

import (
	"context"
	"strings"
	"testing"
	"time"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/extproc"
)

// resetStream is what gRPC gives a server: once it is reset, messages are gone for which nobody waited. It is reset while the first
// chunk is answered, when the second one has been taken, or after a while.
type resetStream struct {
	grpc.ServerStream
	ctx     context.Context
	reset   context.CancelFunc
	arrived chan *extprocv3.ProcessingRequest // unbuffered
	taken   chan struct{}
}

func (s *resetStream) Context() context.Context { return s.ctx }

func (s *resetStream) Recv() (*extprocv3.ProcessingRequest, error) {
	if err := s.ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case r := <-s.arrived:
		return r, nil
	case <-s.ctx.Done():
		return nil, s.ctx.Err()
	}
}

func (s *resetStream) Send(r *extprocv3.ProcessingResponse) error {
	if r.GetResponseBody() == nil {
		return nil
	}
	select {
	case <-s.taken:
	case <-time.After(2 * time.Second):
	}
	s.reset()
	return s.ctx.Err()
}

// A client hangs up while a chunk is answered and another one has arrived: the provider has billed both.
func TestAChunkThatArrivedBeforeAResetIsMetered(t *testing.T) {
	r := newRig(t)
	method, path, _ := strings.Cut(chatLine, " ")
	v, _ := r.judged(streams, method, path)
	ctx, cancel := context.WithCancel(t.Context())
	st := &resetStream{ctx: ctx, reset: cancel, arrived: make(chan *extprocv3.ProcessingRequest), taken: make(chan struct{})}
	chunk := func(text string) *extprocv3.ProcessingRequest {
		return &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_ResponseBody{ResponseBody: &extprocv3.HttpBody{Body: []byte(delta(text))}}}
	}
	go func() {
		defer close(st.taken)
		for _, m := range []*extprocv3.ProcessingRequest{
			{
				Request:    &extprocv3.ProcessingRequest_ResponseHeaders{ResponseHeaders: headerMap([2]string{":status", "200"}, [2]string{"content-type", "text/event-stream"})},
				Attributes: ticket(v.DynamicMetadata.Fields[extproc.Namespace].GetStructValue().Fields["t"].GetStringValue()),
			}, chunk(" the"), chunk(" quick"),
		} {
			select {
			case st.arrived <- m:
			case <-ctx.Done():
				return
			}
		}
	}()
	must(t, r.server.Process(st))
	if e := r.only(); e.Usage[sentinel.OutputTokens] != 2 || e.Source != sentinel.SourcePartial {
		t.Errorf("booked as %+v, want two tokens", e)
	}
}
