package extproc

import (
	"unicode/utf8"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/structpb"
)

// This file reads the heads of requests and answers off the wire: the message that costs protobuf's own reading most, by reflection and one allocation
// for each header, name and value. Here all texts of a head are parts of one.

// Field numbers of ext_proc v3, and of the messages within, that readHead knows.
const (
	requestHead, responseHead, attributesField = 2, 3, 9 // of ProcessingRequest
	headMap, headEnd                           = 1, 3    // of HttpHeaders
	headerName, headerText, headerRaw          = 1, 2, 3 // of HeaderValue
	entryKey, entryValue                       = 1, 2    // of every map's entry
	valueNull, valueString                     = 1, 3    // of google.protobuf.Value
)

// piece is a part of a message, as bytes to parse and as text to keep.
type piece struct {
	bytes []byte
	text  string
}

// field is one field of a message: the content of one with a length, or a number.
type field struct {
	number  protowire.Number
	kind    protowire.Type
	content piece
	varint  uint64
}

// next takes the first field off a piece. It is not ok with bytes that are none.
func (p *piece) next() (f field, ok bool) {
	number, kind, n := protowire.ConsumeTag(p.bytes)
	if n < 0 {
		return f, false
	}
	size := protowire.ConsumeFieldValue(number, kind, p.bytes[n:])
	if size < 0 {
		return f, false
	}
	f.number, f.kind = number, kind
	v, length := protowire.ConsumeVarint(p.bytes[n : n+size])
	if kind == protowire.VarintType {
		f.varint = v
	}
	if kind == protowire.BytesType { // of which v is the length
		f.content = piece{p.bytes[n+length : n+size], p.text[n+length : n+size]}
	}
	p.bytes, p.text = p.bytes[n+size:], p.text[n+size:]
	return f, true
}

// is tells whether a field is that number, of the kind that has a length.
func (f *field) is(number protowire.Number) bool {
	return f.number == number && f.kind == protowire.BytesType
}

// readHead reads the head of a request or of an answer, with its attributes, into an empty message. It is not ok with anything else: other parts,
// and shapes that protobuf has to judge. Of the rest nobody reads anything. A header's value stands in Value, whichever field it came in.
func readHead(b []byte, r *extprocv3.ProcessingRequest) bool {
	if len(b) == 0 || b[0]>>3 > responseHead && b[0]>>3 <= lastPart { // Envoy writes what a message is of first
		return false
	}
	seen := false
	for whole := (piece{b, string(b)}); len(whole.bytes) > 0; {
		f, ok := whole.next()
		switch {
		case !ok:
			return false
		case f.is(attributesField):
			if !readAttributes(f.content, r) {
				return false
			}
		case f.number == attributesField, f.number > responseHead && f.number <= lastPart:
			return false
		case f.number == requestHead, f.number == responseHead:
			h, ok := readHeaders(f.content)
			if !ok || seen || f.kind != protowire.BytesType {
				return false
			}
			seen = true
			if f.number == requestHead {
				r.Request = &extprocv3.ProcessingRequest_RequestHeaders{RequestHeaders: h}
			} else {
				r.Request = &extprocv3.ProcessingRequest_ResponseHeaders{ResponseHeaders: h}
			}
		}
	}
	return seen
}

func readHeaders(p piece) (*extprocv3.HttpHeaders, bool) {
	out := &extprocv3.HttpHeaders{}
	for len(p.bytes) > 0 {
		f, ok := p.next()
		switch {
		case !ok:
			return nil, false
		case f.is(headMap) && out.Headers == nil:
			if out.Headers, ok = readHeaderMap(f.content); !ok {
				return nil, false
			}
		case f.number == headEnd && f.kind == protowire.VarintType:
			out.EndOfStream = f.varint != 0
		default:
			return nil, false
		}
	}
	return out, true
}

func readHeaderMap(p piece) (*corev3.HeaderMap, bool) {
	n, ok := p.count(headMap)
	if !ok {
		return nil, false
	}
	room := make([]corev3.HeaderValue, n)
	out := &corev3.HeaderMap{Headers: make([]*corev3.HeaderValue, n)}
	for i := range room {
		f, _ := p.next()
		if !readHeader(f.content, &room[i]) {
			return nil, false
		}
		out.Headers[i] = &room[i]
	}
	return out, true
}

// count tells how many fields a piece has, which are all of one number.
func (p piece) count(number protowire.Number) (n int, ok bool) {
	for len(p.bytes) > 0 {
		f, ok := p.next()
		if !ok || !f.is(number) {
			return 0, false
		}
		n++
	}
	return n, true
}

func readHeader(p piece, into *corev3.HeaderValue) bool {
	raw := ""
	for len(p.bytes) > 0 {
		f, ok := p.next()
		switch {
		case !ok:
			return false
		case f.is(headerName) && utf8.ValidString(f.content.text):
			into.Key = f.content.text
		case f.is(headerText) && utf8.ValidString(f.content.text):
			into.Value = f.content.text
		case f.is(headerRaw):
			raw = f.content.text
		default:
			return false
		}
	}
	if raw != "" {
		into.Value = raw
	}
	return true
}

// readEntry reads one entry of a map.
func readEntry(p piece) (key string, value piece, ok bool) {
	name, okName := p.next()
	content, okContent := p.next()
	ok = okName && okContent && name.is(entryKey) && content.is(entryValue) && len(p.bytes) == 0 && utf8.ValidString(name.content.text)
	return name.content.text, content.content, ok
}

func readAttributes(p piece, r *extprocv3.ProcessingRequest) bool {
	key, value, ok := readEntry(p)
	if !ok {
		return false
	}
	fields, ok := readStruct(value)
	if r.Attributes == nil {
		r.Attributes = make(map[string]*structpb.Struct, 1)
	}
	r.Attributes[key] = fields
	return ok
}

// readStruct reads a structure of texts, and of nothings.
func readStruct(p piece) (*structpb.Struct, bool) {
	n, ok := p.count(1)
	if !ok {
		return nil, false
	}
	room, texts := make([]structpb.Value, n), make([]structpb.Value_StringValue, n)
	out := &structpb.Struct{Fields: make(map[string]*structpb.Value, n)}
	for i := range room {
		entry, _ := p.next()
		key, value, ok := readEntry(entry.content)
		if !ok {
			return nil, false
		}
		f, ok := value.next()
		switch {
		case !ok || len(value.bytes) > 0:
			return nil, false
		case f.is(valueString) && utf8.ValidString(f.content.text):
			texts[i].StringValue = f.content.text
			room[i].Kind = &texts[i]
		case f.number == valueNull && f.kind == protowire.VarintType && f.varint == 0:
			room[i].Kind = &structpb.Value_NullValue{}
		default:
			return nil, false
		}
		out.Fields[key] = &room[i]
	}
	return out, true
}
