package extproc

import (
	"bytes"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// chunkMessage is a chunk with metadata, as Envoy can be told to send it.
func chunkMessage(body string, end bool) *extprocv3.ProcessingRequest {
	return &extprocv3.ProcessingRequest{
		Request: &extprocv3.ProcessingRequest_ResponseBody{ResponseBody: &extprocv3.HttpBody{Body: []byte(body), EndOfStream: end}},
		MetadataContext: &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{Namespace: {Fields: map[string]*structpb.Value{
			markKey: structpb.NewStringValue("0199f0a0-0000-7000-8000-000000000000"), ticketKey: structpb.NewStringValue("1\x1f2"),
		}}}},
	}
}

func wire(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCodecReadsChunksAndLeavesTheRestToProtobuf(t *testing.T) {
	for name, c := range map[string]struct {
		message  *extprocv3.ProcessingRequest
		metadata bool // whether the call's metadata is read
	}{
		"a chunk":      {chunkMessage("data: {}\n\n", false), false},
		"the last one": {chunkMessage("", true), false},
		"headers":      {requestHeaders(), false},
		"answer headers with metadata": {&extprocv3.ProcessingRequest{
			Request:         &extprocv3.ProcessingRequest_ResponseHeaders{ResponseHeaders: &extprocv3.HttpHeaders{EndOfStream: true}},
			MetadataContext: chunkMessage("", false).MetadataContext,
		}, true},
	} {
		var got extprocv3.ProcessingRequest
		if err := Codec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(wire(t, c.message))}, &got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := proto.Clone(c.message).(*extprocv3.ProcessingRequest)
		if !c.metadata {
			want.MetadataContext = nil
		}
		if !proto.Equal(&got, want) {
			t.Errorf("%s: got %v, want %v", name, &got, want)
		}
	}
}

func TestCodecEncodesAsProtobufDoes(t *testing.T) {
	for _, m := range []*extprocv3.ProcessingResponse{unchanged, passChunk([]byte("a"), []byte("b")), bufferBody()} {
		data, err := Codec().Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := data.Materialize(), wire(t, m); !bytes.Equal(got, want) {
			t.Errorf("got %x, want %x", got, want)
		}
	}
}

// FuzzCodecAgreesWithProtobuf holds that whatever readChunk accepts, protobuf reads the same.
func FuzzCodecAgreesWithProtobuf(f *testing.F) {
	f.Add(wire(f, chunkMessage("data: {}\n\n", true)))
	f.Add(wire(f, requestHeaders()))
	f.Fuzz(func(t *testing.T, b []byte) {
		body, ok := readChunk(b)
		if !ok {
			return
		}
		var want extprocv3.ProcessingRequest
		if err := proto.Unmarshal(b, &want); err != nil {
			return // what readChunk skipped is damaged: the chunk itself is whole
		}
		if !proto.Equal(body, want.GetResponseBody()) {
			t.Errorf("got %v, protobuf reads %v", body, &want)
		}
	})
}

func BenchmarkCodecChunk(b *testing.B) {
	data := mem.BufferSlice{mem.SliceBuffer(wire(b, chunkMessage(`data: {"id":"c","choices":[{"delta":{"content":"word"}}]}`+"\n\n", false)))}
	for name, c := range map[string]interface {
		Unmarshal(mem.BufferSlice, any) error
	}{"codec": Codec(), "protobuf": encoding.GetCodecV2("proto")} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var r extprocv3.ProcessingRequest
				if err := c.Unmarshal(data, &r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
