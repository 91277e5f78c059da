package provider

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"strings"
	"unicode"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// ender is a dialect whose streams end with an error in a form of their own.
type ender interface {
	// lastEvent gives that event as it stands in a stream.
	lastEvent(e Endpoint, r Refusal) []byte
}

// Ending ends a stream before its provider does. Until it is asked to, everything passes as it is; then the event that has begun passes to its end,
// one that says why follows in the words in which the API's own SDKs read an error, and nothing after it. It is not safe for concurrent use.
type Ending struct {
	edges edges
	last  []byte
	asked bool
	done  bool
}

// NewEnding makes the ending of an answer in the words of its client's API; nil where it is no stream of events.
func NewEnding(s Speech, contentType string, r Refusal) *Ending {
	e := &Ending{}
	d, speaks := s.Preset.speaker().(ender)
	switch kind, _, _ := strings.Cut(strings.ToLower(contentType), ";"); strings.TrimSpace(kind) {
	case "text/event-stream":
		e.edges = &eventEdges{}
		if speaks {
			e.last = d.lastEvent(s.Endpoint, r)
		} else if shape := s.Preset.ErrorBody(r); shape.ContentType == "application/json" {
			e.last = event("", shape.Body)
		}
	case "application/vnd.amazon.eventstream":
		if speaks {
			e.edges, e.last = &frameEdges{}, d.lastEvent(s.Endpoint, r)
		}
	}
	if e.last == nil {
		return nil
	}
	return e
}

// End asks for the end, and tells whether nobody had before.
func (e *Ending) End() bool {
	first := !e.asked
	e.asked = true
	return first
}

// Ended tells whether the last event was given.
func (e *Ending) Ended() bool { return e.done }

// Write takes the next bytes for the client, and gives those that pass: the same slice while nothing is to end.
func (e *Ending) Write(chunk []byte) []byte {
	switch {
	case e.done:
		return nil
	case !e.asked:
		e.edges.pass(chunk)
		return chunk
	}
	at := e.edges.next(chunk)
	if at < 0 {
		return chunk
	}
	e.done = true
	return append(bytes.Clone(chunk[:at]), e.last...)
}

// edges knows where the events of a stream end, however its bytes are split.
type edges interface {
	// pass takes bytes whose ends do not matter.
	pass(chunk []byte)
	// next takes the next bytes and gives the first place in them that stands between two events, or -1.
	next(chunk []byte) int
}

// eventEdges are those of server-sent events, which end with an empty line.
type eventEdges struct {
	tail  []byte // the last bytes that passed
	begun bool
}

// longestEdge is the longest end of an event: CR LF CR LF.
const longestEdge = 4

func (s *eventEdges) pass(chunk []byte) {
	s.begun = s.begun || len(chunk) > 0
	s.tail = append(s.tail, chunk[max(0, len(chunk)-longestEdge):]...)
	s.tail = s.tail[max(0, len(s.tail)-longestEdge):]
}

func (s *eventEdges) next(chunk []byte) int {
	if !s.begun || endsEvent(s.tail) {
		return 0
	}
	for i := range chunk {
		if s.pass(chunk[i : i+1]); (chunk[i] == '\n' || chunk[i] == '\r') && endsEvent(s.tail) {
			return i + 1
		}
	}
	return -1
}

func endsEvent(tail []byte) bool {
	return bytes.HasSuffix(tail, []byte("\n\n")) || bytes.HasSuffix(tail, []byte("\r\r")) || bytes.HasSuffix(tail, []byte("\n\r\n"))
}

// frameEdges are those of AWS's binary messages.
type frameEdges struct {
	size   []byte // of a message whose length has not passed as a whole
	left   int    // of a message's bytes, its length aside
	broken bool
}

func (f *frameEdges) pass(chunk []byte) {
	for len(chunk) > 0 {
		chunk = chunk[f.step(chunk):]
	}
}

func (f *frameEdges) next(chunk []byte) int {
	at := 0
	for f.left > 0 || len(f.size) > 0 || f.broken {
		if at == len(chunk) {
			return -1
		}
		at += f.step(chunk[at:])
	}
	return at
}

// step takes bytes up to the end of a length or of a message. After a length that cannot be, nobody knows where a message ends.
func (f *frameEdges) step(chunk []byte) int {
	const lengthBytes = 4
	if f.broken {
		return len(chunk)
	}
	if f.left > 0 {
		n := min(f.left, len(chunk))
		f.left -= n
		return n
	}
	n := min(lengthBytes-len(f.size), len(chunk))
	if f.size = append(f.size, chunk[:n]...); len(f.size) == lengthBytes {
		total := binary.BigEndian.Uint32(f.size)
		f.broken = total < smallest || total > largestMessage
		f.left, f.size = int(total)-lengthBytes, f.size[:0]
	}
	return n
}

// event is one of server-sent events.
func event(name string, data []byte) []byte {
	out := append([]byte("data: "), data...)
	if name != "" {
		out = append([]byte("event: "+name+"\n"), out...)
	}
	return append(out, "\n\n"...)
}

// lastEvent has of the responses API the members of its error event (https://platform.openai.com/docs/api-reference/responses-streaming/error) beside
// the object that OpenAI's SDKs raise an error for.
func (d openAIDialect) lastEvent(e Endpoint, r Refusal) []byte {
	body := d.errorBody(r).Body
	if e.Name != "responses" {
		return event("", body)
	}
	own := jsonShape(map[string]any{"type": "error", "code": r.Code, "message": r.Message, "param": nil, "sequence_number": 0}).Body
	return event("error", append(append(own[:len(own)-1:len(own)-1], ','), body[1:]...))
}

func (d azureDialect) lastEvent(e Endpoint, r Refusal) []byte {
	return d.openAIDialect.lastEvent(d.openAIs(e), r)
}

func (d anthropicDialect) lastEvent(_ Endpoint, r Refusal) []byte {
	return event("error", d.errorBody(r).Body)
}

func (d geminiDialect) lastEvent(_ Endpoint, r Refusal) []byte { return event("", d.errorBody(r).Body) }

func (d vertexDialect) lastEvent(e Endpoint, r Refusal) []byte {
	if isRawPredict(e) {
		return anthropicDialect{}.lastEvent(e, r)
	}
	return d.geminiDialect.lastEvent(e, r)
}

// lastEvent is an exception of AWS's event streams (https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html).
func (d bedrockDialect) lastEvent(_ Endpoint, r Refusal) []byte {
	kind, ok := awsErrors[r.Status]
	if !ok {
		kind = "InternalServerException"
	}
	kind = string(unicode.ToLower(rune(kind[0]))) + kind[1:]
	var headers []byte
	for _, h := range [][2]string{{":exception-type", kind}, {":content-type", "application/json"}, {":message-type", "exception"}} {
		headers = append(append(append(headers, byte(len(h[0]))), h[0]...), stringType)
		headers = append(binary.BigEndian.AppendUint16(headers, uint16(len(h[1]))), h[1]...)
	}
	payload := d.errorBody(r).Body
	b := binary.BigEndian.AppendUint32(nil, uint32(smallest+len(headers)+len(payload)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(headers)))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	b = append(append(b, headers...), payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

// A stream has outgrown its bound when its text has eightfold as many bytes as the bound has tokens, which is more than prose and code have, and half as
// many tokens again by our own count. Neither alone would do: bytes are a guess, and the count wants a vocabulary, which most processes never load.
const (
	outgrownBytes = 8
	outgrownEvery = 1 << 10
)

// Outgrown tells whether an answer that runs has certainly become longer than it was asked to be.
func Outgrown(m Meter) bool {
	s, ok := m.(*streamMeter)
	return ok && s.outgrew()
}

// outgrew counts when there is reason to, and remembers what it found. An answer that repeats its prompt, or that is spoken, is not judged.
func (m *streamMeter) outgrew() bool {
	if r, ok := m.reader.(*openAIStream); ok && r.spoken {
		return false
	}
	most := m.spec.Bound[sentinel.OutputTokens]
	if m.outgrown || most <= 0 || m.seen < m.look || m.seen < outgrownBytes*most || m.spec.Endpoint.Name == "completions" {
		return m.outgrown
	}
	m.readText()
	if short := outgrownBytes*most - int64(len(m.text.text)) - m.text.lost; short > 0 {
		m.look = m.seen + max(outgrownEvery, short)
		return false
	}
	n, _ := m.text.count(m.spec.Model)
	m.outgrown, m.look = n > most+most/2, m.seen+max(outgrownEvery, m.seen/outgrownBytes)
	return m.outgrown
}
