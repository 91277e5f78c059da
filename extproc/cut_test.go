package extproc_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/proto"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/extproc"
)

// wire writes gRPC's frames as Envoy does: many of them are in the connection before their reader runs.
type wire struct {
	*testing.T
	*http2.Framer
	out  bytes.Buffer
	conn net.Conn
	next uint32
}

func newWire(r *rig) *wire {
	conn, err := r.listener.DialContext(r.Context())
	must(r, err)
	w := &wire{T: r.T, conn: conn, next: 1}
	w.Framer = http2.NewFramer(&w.out, nil)
	w.out.WriteString(http2.ClientPreface)
	must(w, w.WriteSettings())
	read := make(chan struct{})
	go func() { defer close(read); _, _ = io.Copy(io.Discard, conn) }()
	r.Cleanup(func() { <-read })
	return w
}

// cut sends a whole stream, half-closed, in one write.
func (w *wire) cut(messages []*extprocv3.ProcessingRequest) {
	w.Helper()
	id := w.next
	w.next += 2
	var head bytes.Buffer
	fields := hpack.NewEncoder(&head)
	fields.SetMaxDynamicTableSize(0)
	for _, f := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", extprocv3.ExternalProcessor_Process_FullMethodName}, {":authority", "sentinel"},
		{"content-type", "application/grpc"}, {"te", "trailers"},
	} {
		must(w, fields.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}))
	}
	must(w, w.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: head.Bytes(), EndHeaders: true}))
	for _, m := range messages {
		b, err := proto.Marshal(m)
		must(w, err)
		must(w, w.WriteData(id, false, append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(b))), b...)))
	}
	must(w, w.WriteData(id, true, nil))
	_, err := w.out.WriteTo(w.conn)
	must(w, err)
}

// Clients hang up while chunks wait to be read: the provider has billed them all.
func TestWhatArrivedBeforeAnAnswerWasCutIsMetered(t *testing.T) {
	const answers, pieces = 300, 12
	r := newRig(t)
	method, path, _ := strings.Cut(chatLine, " ")
	v, _ := r.judged(streams, method, path)
	messages := []*extprocv3.ProcessingRequest{{
		Request:    &extprocv3.ProcessingRequest_ResponseHeaders{ResponseHeaders: headerMap([2]string{":status", "200"}, [2]string{"content-type", "text/event-stream"})},
		Attributes: ticket(v.DynamicMetadata.Fields[extproc.Namespace].GetStructValue().Fields["t"].GetStringValue()),
	}}
	for range pieces {
		messages = append(messages, &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_ResponseBody{
			ResponseBody: &extprocv3.HttpBody{Body: []byte(delta(" quick"))},
		}})
	}
	w := newWire(r)
	defer w.conn.Close()
	for range answers {
		w.cut(messages)
		<-r.booked
	}
	must(t, w.conn.Close()) // a graceful stop waits for it
	r.finish()
	for _, e := range r.entries {
		if e.Usage[sentinel.OutputTokens] != pieces || e.Source != sentinel.SourcePartial {
			t.Fatalf("booked as %+v, want %d tokens", e, pieces)
		}
	}
	if len(r.entries) != answers {
		t.Errorf("%d answers are booked, %d were cut", len(r.entries), answers)
	}
}
