// Command empty is an external processor that answers every message at once and does nothing: what Envoy's protocol costs by itself. It listens at its argument, host:port.
package main

import (
	"fmt"
	"net"
	"os"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: empty HOST:PORT")
		os.Exit(2)
	}
	if err := serve(os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "empty: %v\n", err)
		os.Exit(1)
	}
}

func serve(address string) error {
	l, err := net.Listen("tcp", address) //nolint:noctx // until the process ends
	if err != nil {
		return err
	}
	const window = 1 << 20 // sentinel's own
	s := grpc.NewServer(grpc.InitialWindowSize(window), grpc.InitialConnWindowSize(8*window), grpc.MaxConcurrentStreams(1<<20))
	extprocv3.RegisterExternalProcessorServer(s, processor{})
	return s.Serve(l)
}

type processor struct {
	extprocv3.UnimplementedExternalProcessorServer
}

// Process lets every message pass, and ends a stream behind its last one, as sentinel's do.
func (processor) Process(st extprocv3.ExternalProcessor_ProcessServer) error {
	for {
		r, err := st.Recv()
		if err != nil {
			return err
		}
		var answer *extprocv3.ProcessingResponse
		var last bool
		switch m := r.Request.(type) {
		case *extprocv3.ProcessingRequest_RequestHeaders:
			answer, last = &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestHeaders{RequestHeaders: &extprocv3.HeadersResponse{}}}, m.RequestHeaders.EndOfStream
		case *extprocv3.ProcessingRequest_RequestBody:
			answer, last = &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestBody{RequestBody: &extprocv3.BodyResponse{}}}, m.RequestBody.EndOfStream
		case *extprocv3.ProcessingRequest_ResponseHeaders:
			answer, last = &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ResponseHeaders{ResponseHeaders: &extprocv3.HeadersResponse{}}}, m.ResponseHeaders.EndOfStream
		case *extprocv3.ProcessingRequest_ResponseBody:
			answer, last = &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_ResponseBody{ResponseBody: &extprocv3.BodyResponse{}}}, m.ResponseBody.EndOfStream
		default:
			return fmt.Errorf("a message of %T was not asked for", m)
		}
		if err := st.Send(answer); err != nil || last {
			return err
		}
	}
}
