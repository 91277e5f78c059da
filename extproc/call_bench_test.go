package extproc_test

import (
	"context"
	"io"
	"testing"
	"time"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"github.com/rs/zerolog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/extproc"
	"github.com/saas-sentinel/saas-sentinel/governor"
)

// still is a limiter and a journal that keep nothing.
type still struct{}

func (still) Reserve(context.Context, sentinel.Ask) (sentinel.Reservation, error) {
	return sentinel.Reservation{Hold: "hold"}, nil
}

func (still) Settle(context.Context, sentinel.Settlement) (sentinel.Settled, error) {
	return sentinel.Settled{}, nil
}

func (still) Append(context.Context, sentinel.Record) error { return nil }

// wired is a stream of messages as they come off the wire.
type wired struct {
	grpc.ServerStream
	codec encoding.CodecV2
	in    [][]byte
	last  *extprocv3.ProcessingResponse
}

func (*wired) Context() context.Context { return context.Background() }

func (w *wired) Recv() (*extprocv3.ProcessingRequest, error) {
	if len(w.in) == 0 {
		return nil, io.EOF
	}
	r := new(extprocv3.ProcessingRequest)
	err := w.codec.Unmarshal(mem.BufferSlice{mem.SliceBuffer(w.in[0])}, r)
	w.in = w.in[1:]
	return r, err
}

func (w *wired) Send(r *extprocv3.ProcessingResponse) error {
	w.last = r
	_, err := w.codec.Marshal(r)
	return err
}

// BenchmarkCall is all that this process does for a JSON call but gRPC, Redis and the disk: four messages on two streams, each in a goroutine of its own. To write
// the third message for it is in the figures, too.
func BenchmarkCall(b *testing.B) {
	state, err := rulesAndPrices()
	must(b, err)
	server := extproc.New(extproc.Options{
		Governor:    governor.New(governor.Options{Limiter: still{}, Journal: still{}, Instance: "boot-1", HoldTTL: time.Minute, Now: time.Now}, state),
		Credentials: &parts{}, Log: zerolog.Nop(),
	})
	wire := func(r *extprocv3.ProcessingRequest) []byte {
		data, err := proto.Marshal(r)
		must(b, err)
		return data
	}
	head := wire(ask{route: "openai/chat.completions", headers: [][2]string{
		bearer, {"content-type", "application/json"}, {"user-agent", "bench"}, {"accept-encoding", "gzip"}, {"x-request-id", "0199f0a0-0000-7000-8000-000000000000"},
	}, body: chat}.first("POST", "/openai/v1/chat/completions"))
	body := wire(&extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestBody{RequestBody: &extprocv3.HttpBody{Body: []byte(chat), EndOfStream: true}}})
	end := wire(&extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_ResponseBody{ResponseBody: &extprocv3.HttpBody{
		Body: []byte(`{"model":"gpt-5-mini","choices":[{"message":{"content":"hello"}}],"usage":{"prompt_tokens":9,"completion_tokens":20,"total_tokens":29}}`), EndOfStream: true,
	}}})
	process := func(in ...[]byte) *extprocv3.ProcessingResponse {
		st := &wired{codec: extproc.Codec(), in: in}
		done := make(chan error)
		go func() { done <- server.Process(st) }()
		must(b, <-done)
		return st.last
	}
	b.ReportAllocs()
	for b.Loop() {
		verdict := process(head, body)
		ticket := verdict.GetDynamicMetadata().GetFields()[extproc.Namespace].GetStructValue().GetFields()["t"].GetStringValue()
		if ticket == "" {
			b.Fatalf("the call was not let through: %v", verdict)
		}
		first := &extprocv3.ProcessingRequest{
			Request: &extprocv3.ProcessingRequest_ResponseHeaders{ResponseHeaders: headerMap([2]string{":status", "200"}, [2]string{"content-type", "application/json"}, [2]string{"content-length", "140"})},
			Attributes: map[string]*structpb.Struct{"envoy.filters.http.ext_proc": {Fields: map[string]*structpb.Value{
				extproc.TicketAttribute: structpb.NewStringValue(ticket), extproc.OriginAttribute: structpb.NewStringValue("via_upstream"),
			}}},
		}
		answer := wire(first)
		process(answer, end)
	}
}
