package extproc

import (
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
)

// maxAhead bounds the chunks that wait to be metered; Envoy's flow control holds back what comes behind them.
const maxAhead = 32

// ahead reads a streamed answer's messages as they arrive. When a client hangs up Envoy resets the stream, and gRPC then drops what has arrived
// and nobody waits for: a chunk that came while the one before it was answered, which the provider has billed. The channel is closed behind the last
// message; the reader ends with the stream, or when stop is closed.
func ahead(st stream, stop <-chan struct{}) <-chan *extprocv3.ProcessingRequest {
	messages := make(chan *extprocv3.ProcessingRequest, maxAhead)
	go func() {
		defer close(messages)
		for {
			r, err := st.Recv()
			if err != nil { // EOF and Canceled both come with a complete answer too; abandon books what is not settled
				return
			}
			select {
			case messages <- r:
			case <-stop:
				return
			}
			if r.GetResponseBody().GetEndOfStream() {
				return
			}
		}
	}()
	return messages
}
