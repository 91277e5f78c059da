package mockapi

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/fnv"
	"net/http"
	"strings"
	"sync"

	"github.com/tiktoken-go/tokenizer"
)

// words are each exactly one token of o200k_base, and stay so in any sequence, so that the tokens
// of a cut stream can be counted.
var words = [...]string{
	" the", " of", " and", " to", " in", " is", " that", " for", " it", " with", " as", " was", " on", " be", " by", " at",
	" from", " this", " are", " or", " an", " which", " you", " have", " not", " they", " his", " one", " had", " but", " all", " were",
}

// word is the i-th word of an answer.
func word(draw uint64, i int64) string {
	return words[(draw>>3+uint64(i)*7)%uint64(len(words))]
}

// say is an answer of n tokens.
func say(draw uint64, n int64) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(word(draw, i))
	}
	return b.String()
}

var o200k = sync.OnceValues(func() (tokenizer.Codec, error) { return tokenizer.Get(tokenizer.O200kBase) })

// countTokens counts as OpenAI's current models do. The vocabulary is loaded at the first use.
func countTokens(text string) int64 {
	codec, err := o200k()
	if err != nil {
		panic(err) // the vocabulary is compiled in
	}
	n, err := codec.Count(text)
	if err != nil {
		return int64(len(text)) // a token has at least one byte
	}
	return int64(n)
}

// draw derives a number from the seed and the request, so that a run can be repeated whatever the
// order in which its calls arrive.
func (x *exchange) draw() uint64 {
	h := fnv.New64a()
	var seed [8]byte
	binary.LittleEndian.PutUint64(seed[:], x.rules.Seed)
	_, _ = h.Write(seed[:]) // a hash never fails
	_, _ = h.Write(x.body)
	return h.Sum64()
}

// speech is how much of an answer there is: all counted in tokens.
type speech struct {
	draw      uint64
	visible   int64
	reasoning int64
	cut       bool // by the request's maximum
}

// total counts what is billed as output.
func (s speech) total() int64 { return s.visible + s.reasoning }

// speak decides the length of an answer: the request's maximum, up to the model's limit, where it
// has one, else drawn between the model's bounds.
func (x *exchange) speak(a Answers, maximum int64) speech {
	s := speech{draw: x.draw()}
	n := a.MinOutput + int64(s.draw%uint64(a.MaxOutput-a.MinOutput+1))
	if maximum > 0 {
		limit := a.Limit
		if limit == 0 {
			limit = maxTokens
		}
		n, s.cut = min(maximum, limit), maximum <= limit
	}
	if x.long > 0 {
		n, s.cut = x.long, false
	}
	s.reasoning = min(a.ReasoningTokens, n)
	s.visible = n - s.reasoning
	return s
}

// parts reads a message's content: a text, or a list of parts of which those with a text count.
func parts(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var list []struct {
		Text string `json:"text"`
	}
	_ = json.Unmarshal(raw, &list) // anything else has no text
	var b strings.Builder
	for _, p := range list {
		b.WriteString(p.Text)
	}
	return b.String()
}

// framing writes one event. Names are those of server-sent events, and may be empty.
type framing func(to *bytes.Buffer, name string, data []byte)

// eventStream writes events, each in a flush of its own.
type eventStream struct {
	x     *exchange
	ctl   *http.ResponseController
	buf   bytes.Buffer
	sent  int64 // tokens
	pace  Answers
	frame framing
	tail  string // behind the last event
}

func (x *exchange) begun(contentType string, a Answers, f framing) *eventStream {
	x.w.Header().Set("Content-Type", contentType)
	x.w.Header().Set("Cache-Control", "no-cache")
	x.w.WriteHeader(http.StatusOK)
	return &eventStream{x: x, ctl: http.NewResponseController(x.w), pace: a, frame: f}
}

// stream begins server-sent events.
func (x *exchange) stream(a Answers) *eventStream {
	eol := "\n"
	if x.provider == "gemini" {
		eol = "\r\n" // as Google ends its lines
	}
	return x.begun("text/event-stream; charset=utf-8", a, func(to *bytes.Buffer, name string, data []byte) {
		if name != "" {
			to.WriteString("event: " + name + eol)
		}
		to.WriteString("data: ")
		to.Write(data)
		to.WriteString(eol + eol)
	})
}

// frameStream begins a stream in AWS's binary encoding.
func (x *exchange) frameStream(a Answers) *eventStream {
	return x.begun("application/vnd.amazon.eventstream", a, func(to *bytes.Buffer, name string, data []byte) { to.Write(frame(name, data)) })
}

// arrayStream begins a JSON array whose elements are the events.
func (x *exchange) arrayStream(a Answers) *eventStream {
	before := "["
	s := x.begun("application/json; charset=UTF-8", a, func(to *bytes.Buffer, _ string, data []byte) {
		to.WriteString(before)
		to.Write(data)
		before = ",\r\n"
	})
	s.tail = "]"
	return s
}

// event sends one event and tells whether it went out. Bytes go out as they are.
func (s *eventStream) event(name string, v any) bool {
	s.buf.Reset()
	data, ok := v.([]byte)
	if !ok {
		data, _ = json.Marshal(v) // this package's own maps always encode
	}
	s.frame(&s.buf, name, data)
	return s.flush()
}

// end sends what stands behind the last event.
func (s *eventStream) end() bool {
	s.buf.Reset()
	s.buf.WriteString(s.tail)
	return s.flush()
}

// flush sends what is buffered.
func (s *eventStream) flush() bool {
	if _, err := s.x.w.Write(s.buf.Bytes()); err != nil {
		return false
	}
	return s.ctl.Flush() == nil
}

// paced waits between two tokens and tells whether the client still listens.
func (s *eventStream) paced() bool {
	return s.sent == 0 || wait(s.x.r.Context(), s.pace.Pace)
}

// token sends an event that carries exactly one token. A fault may break the connection off in
// its place, after bill has entered what was sent.
func (s *eventStream) token(name string, v any, bill func()) bool {
	if s.x.reset && s.sent >= s.x.resetAfter {
		bill()
		s.x.hangUp()
	}
	if !s.event(name, v) {
		return false
	}
	s.sent++
	s.x.sent = append(s.x.sent, written(s.x.r.Context())-s.x.before)
	return true
}
