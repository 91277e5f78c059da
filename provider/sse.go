package provider

import "bytes"

// maxEvent bounds one server-sent event: a longer one is passed on unread.
const maxEvent = 1 << 20

// events splits a stream of server-sent events (WHATWG HTML, section 9.2) however its bytes are
// cut: lines end with CR, LF or CRLF, data lines of one event are joined by LF, comments are skipped.
type events struct {
	// each is called with every event's data and tells whether to hide the event from the client.
	each func(data []byte) (hide bool)
	hide bool // whether events may be hidden at all: if not, Write always returns its chunk

	line    []byte // of an unfinished line
	data    []byte
	hasData bool
	skipLF  bool   // the last byte was a CR: an LF that follows belongs to it
	raw     []byte // of an unfinished event, when hide
	size    int    // of an unfinished event
	tooLong bool
	hidden  bool // the last event was hidden, and so is an LF behind its CR
}

// write takes the next bytes, and gives those to pass on.
func (s *events) write(chunk []byte) []byte {
	if !s.hide {
		s.split(chunk, nil)
		return chunk
	}
	held := len(s.raw)
	out := make([]byte, 0, len(chunk)) // grows when held bytes go out, and costs nothing while they are held
	s.split(chunk, &out)
	if held == 0 && len(out) == len(chunk) {
		return chunk // nothing was held before or now: the same bytes
	}
	return out
}

// split walks the lines of a chunk. Out collects what may be passed on.
func (s *events) split(chunk []byte, out *[]byte) {
	for len(chunk) > 0 {
		if s.skipLF {
			s.skipLF = false
			if chunk[0] == '\n' {
				s.pass(chunk[:1], out)
				chunk = chunk[1:]
				continue
			}
		}
		end := bytes.IndexAny(chunk, "\r\n")
		if end < 0 {
			s.carry(chunk, out)
			return
		}
		line := chunk[:end]
		s.grow(end + 1)
		if len(s.line) > 0 {
			s.line = s.keep(s.line, line)
			line = s.line
		}
		s.hold(chunk[:end+1], out)
		s.skipLF = chunk[end] == '\r'
		s.endLine(line, out)
		s.line = s.line[:0]
		chunk = chunk[end+1:]
	}
}

// carry keeps an unfinished line.
func (s *events) carry(b []byte, out *[]byte) {
	s.grow(len(b))
	s.line = s.keep(s.line, b)
	s.hold(b, out)
}

// grow counts an event's bytes of any kind, so that endless comments are bounded too, and so that
// what is too long does not depend on how the stream was cut.
func (s *events) grow(n int) {
	s.size += n
	s.tooLong = s.tooLong || s.size > maxEvent
}

// keep appends what will be read; nothing of an event that is too long will be.
func (s *events) keep(to, b []byte) []byte {
	if s.tooLong {
		return to
	}
	return append(to, b...)
}

// hold keeps an unfinished event's bytes back where it may turn out to be hidden; one that is too long is let go.
func (s *events) hold(b []byte, out *[]byte) {
	if out == nil {
		return
	}
	s.raw = append(s.raw, b...)
	if s.tooLong {
		*out = append(*out, s.raw...)
		s.raw = s.raw[:0]
	}
}

// pass lets the LF of a CRLF follow its line.
func (s *events) pass(b []byte, out *[]byte) {
	switch {
	case out == nil || s.hidden:
	case len(s.raw) > 0:
		s.raw = append(s.raw, b...)
	default:
		*out = append(*out, b...)
	}
}

func (s *events) endLine(line []byte, out *[]byte) {
	s.hidden = false
	if len(line) > 0 {
		if field, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			if s.hasData {
				s.data = s.keep(s.data, []byte{'\n'})
			}
			s.hasData = true
			s.data = s.keep(s.data, bytes.TrimPrefix(field, []byte(" ")))
		}
		return
	}
	if s.hasData && !s.tooLong {
		s.hidden = s.each(s.data)
	}
	if out != nil && (!s.hide || !s.hidden) {
		*out = append(*out, s.raw...)
	}
	s.raw, s.data, s.hasData, s.size, s.tooLong = s.raw[:0], s.data[:0], false, 0, false
}

// finish reads an event that lacks its empty line, because what it reports was used all the same,
// and gives what is still held back.
func (s *events) finish() []byte {
	var out []byte
	if len(s.line) > 0 {
		s.endLine(s.line, &out)
	}
	if s.hasData {
		s.endLine(nil, &out)
		return out
	}
	return append(out, s.raw...)
}
