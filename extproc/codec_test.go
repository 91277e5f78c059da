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

// headMessage is the head of a request or of an answer as Envoy writes it.
func headMessage(request bool) *extprocv3.ProcessingRequest {
	h := &extprocv3.HttpHeaders{EndOfStream: !request, Headers: &corev3.HeaderMap{Headers: []*corev3.HeaderValue{
		{Key: ":path", RawValue: []byte("/openai/v1/chat/completions")}, {Key: "x-empty"}, {Key: "x-latin", RawValue: []byte("caf\xe9")},
		{Key: "x-old", Value: "as text"}, {Key: "cookie", RawValue: []byte("a")}, {Key: "cookie", RawValue: []byte("b")},
	}}}
	r := &extprocv3.ProcessingRequest{
		Request: &extprocv3.ProcessingRequest_RequestHeaders{RequestHeaders: h},
		Attributes: map[string]*structpb.Struct{attributesKey: {Fields: map[string]*structpb.Value{
			"xds.route_name": structpb.NewStringValue("openai/chat"), TicketAttribute: structpb.NewStringValue("1\x1f2"), ProxyAttribute: structpb.NewNullValue(),
		}}},
	}
	if !request {
		r.Request = &extprocv3.ProcessingRequest_ResponseHeaders{ResponseHeaders: h}
	}
	return r
}

// readable is what of a message the codec may read: without metadata, and with each header's value where value finds it.
func readable(r *extprocv3.ProcessingRequest) *extprocv3.ProcessingRequest {
	r = proto.Clone(r).(*extprocv3.ProcessingRequest)
	r.MetadataContext, r.ProtocolConfig, r.ObservabilityMode = nil, nil, false
	for _, h := range append(r.GetRequestHeaders().GetHeaders().GetHeaders(), r.GetResponseHeaders().GetHeaders().GetHeaders()...) {
		h.Value, h.RawValue = value(h), nil
	}
	return r
}

func TestCodecReadsWhatProtobufReads(t *testing.T) {
	numbers := headMessage(true)
	numbers.Attributes[attributesKey].Fields["request.size"] = structpb.NewNumberValue(7)
	more := headMessage(false)
	more.MetadataContext, more.ObservabilityMode = chunkMessage("", false).MetadataContext, true
	for name, message := range map[string]*extprocv3.ProcessingRequest{
		"a chunk":                      chunkMessage("data: {}\n\n", false),
		"the last one":                 chunkMessage("", true),
		"a head of nothing":            requestHeaders(),
		"a request's head":             headMessage(true),
		"an answer's head":             headMessage(false),
		"a head with more":             more,
		"attributes that are no texts": numbers,
		"a request's body":             {Request: &extprocv3.ProcessingRequest_RequestBody{RequestBody: &extprocv3.HttpBody{Body: []byte("{}"), EndOfStream: true}}},
		"trailers":                     {Request: &extprocv3.ProcessingRequest_ResponseTrailers{ResponseTrailers: &extprocv3.HttpTrailers{}}},
	} {
		var got extprocv3.ProcessingRequest
		if err := Codec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(wire(t, message))}, &got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !proto.Equal(readable(&got), readable(message)) {
			t.Errorf("%s: got %v, want %v", name, &got, message)
		}
	}
}

// TestCodecReadsHeadsItself holds that the usual heads are not left to protobuf, which reads them as well, and slower.
func TestCodecReadsHeadsItself(t *testing.T) {
	for _, request := range []bool{true, false} {
		if message := headMessage(request); !readHead(wire(t, message), new(extprocv3.ProcessingRequest)) {
			t.Errorf("%v was not read", message)
		}
	}
}

func TestTextThatIsNotUTF8IsProtobufsToRefuse(t *testing.T) {
	good := wire(t, headMessage(true))
	for _, text := range []string{":path", "as text", "openai/chat", "xds.route_name", attributesKey} {
		bad := bytes.Replace(good, []byte(text), append([]byte("\xff"), text[1:]...), 1)
		var got extprocv3.ProcessingRequest
		if err := Codec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(bad)}, &got); err == nil {
			t.Errorf("%q with a byte of no text was read", text)
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

// FuzzCodecAgreesWithProtobuf holds that whatever readHead and readChunk accept, protobuf reads the same.
func FuzzCodecAgreesWithProtobuf(f *testing.F) {
	f.Add(wire(f, chunkMessage("data: {}\n\n", true)))
	f.Add(wire(f, requestHeaders()))
	f.Add(wire(f, headMessage(true)))
	f.Add(wire(f, headMessage(false)))
	f.Fuzz(func(t *testing.T, b []byte) {
		var head, all extprocv3.ProcessingRequest
		if readHead(b, &head) {
			if err := proto.Unmarshal(b, &all); err == nil && !proto.Equal(readable(&head), readable(withoutRest(&all))) { // what is skipped may be damaged
				t.Errorf("got %v, protobuf reads %v", &head, &all)
			}
		}
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

// withoutRest takes what a head is not, and fields that no release of protobuf knows.
func withoutRest(r *extprocv3.ProcessingRequest) *extprocv3.ProcessingRequest {
	return &extprocv3.ProcessingRequest{Request: r.Request, Attributes: r.Attributes}
}

func BenchmarkCodecHead(b *testing.B) {
	data := mem.BufferSlice{mem.SliceBuffer(wire(b, headMessage(true)))}
	for name, c := range map[string]encoding.CodecV2{"ours": Codec(), "protobuf": encoding.GetCodecV2("proto")} {
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
