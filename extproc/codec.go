package extproc

import (
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Codec is gRPC's codec for a server that Register adds to. Of a body only
// the bytes and whether they are the last are read, and of a head its headers and attributes, whatever Envoy was told to send along; the
// reply that lets a chunk go as it is was encoded once. Every other message is protobuf's as usual.
func Codec() encoding.CodecV2 { return codec{encoding.GetCodecV2(grpcproto.Name)} }

type codec struct{ encoding.CodecV2 }

// unchanged is the reply that lets a chunk go as it is. It is sent as it is, and never written to.
var (
	unchanged     = bodyReply(&extprocv3.CommonResponse{})
	unchangedWire = func() mem.BufferSlice {
		b, err := proto.Marshal(unchanged)
		if err != nil {
			panic(err) // of a constant
		}
		return mem.BufferSlice{mem.SliceBuffer(b)}
	}()
)

// Marshal encodes a message to send.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if v == any(unchanged) {
		return unchangedWire, nil
	}
	return c.CodecV2.Marshal(v)
}

// Unmarshal decodes a message that arrived.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	r, ok := v.(*extprocv3.ProcessingRequest)
	if !ok {
		return c.CodecV2.Unmarshal(data, v)
	}
	buf := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer buf.Free()
	if readHead(buf.ReadOnlyData(), r) {
		return nil
	}
	if body, ok := readChunk(buf.ReadOnlyData()); ok {
		r.Request = &extprocv3.ProcessingRequest_ResponseBody{ResponseBody: body}
		return nil
	}
	return proto.Unmarshal(buf.ReadOnlyData(), r)
}

// Field numbers of ext_proc v3 that readChunk knows.
const (
	firstPart, responseBody, lastPart = 2, 5, 7 // the parts of a request or an answer: exactly one is set
	chunkBytes, chunkEnd              = 1, 2
)

// readChunk reads a chunk of an answer. It is not ok with anything else: other parts, and shapes that protobuf has to judge.
func readChunk(b []byte) (*extprocv3.HttpBody, bool) {
	var chunk []byte
	seen := false
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil, false
		}
		size := protowire.ConsumeFieldValue(number, kind, b[n:])
		if size < 0 {
			return nil, false
		}
		if number >= firstPart && number <= lastPart {
			if number != responseBody || kind != protowire.BytesType || seen {
				return nil, false
			}
			chunk, _ = protowire.ConsumeBytes(b[n:])
			seen = true
		}
		b = b[n+size:]
	}
	if !seen {
		return nil, false
	}
	return readBody(chunk)
}

func readBody(b []byte) (*extprocv3.HttpBody, bool) {
	out := &extprocv3.HttpBody{}
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil, false
		}
		b = b[n:]
		switch {
		case number == chunkBytes && kind == protowire.BytesType:
			v, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return nil, false
			}
			out.Body, b = append([]byte(nil), v...), b[n:]
		case number == chunkEnd && kind == protowire.VarintType:
			v, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return nil, false
			}
			out.EndOfStream, b = v != 0, b[n:]
		default:
			return nil, false
		}
	}
	return out, true
}
