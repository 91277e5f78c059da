package provider

import "bytes"

// One server-sent event is read up to these lengths, and a longer one passed on unread. Where events may be
// hidden their bytes are held twice.
const (
	maxEvent       = 512 << 10
	maxHiddenEvent = 256 << 10
)

// events splits a stream of server-sent events (WHATWG HTML, section 9.2) however its bytes are
// cut: lines end with CR, LF or CRLF, data lines of one event are joined by LF, comments are skipped.
type events struct {
	// each is called with every event's data and tells whether to hide the event from the client.
	each func(data []byte) (hide bool)
	// overlong is called for an event that is too long to be read; may be nil.
	overlong func()
	hide     bool // whether events may be hidden at all: if not, Write always returns its chunk

	line    []byte // of an unfinished line
	chunk   []byte // that is being split
	data    span   // of an unfinished event: in the chunk while it is borrowed from there, else in own
	own     []byte
	lent    bool // data is borrowed
	hasData bool
	skipLF  bool // the last byte was a CR: an LF that follows belongs to it
	size    int  // of an unfinished event
	tooLong bool
	hidden  bool // the last event was hidden, and so is an LF behind its CR
	pass    passing
}

// write takes the next bytes, and gives those to pass on.
func (s *events) write(chunk []byte) []byte {
	if !s.hide {
		s.split(chunk)
		return chunk
	}
	s.pass.begin(chunk)
	s.split(chunk)
	return s.pass.end()
}

// split walks the lines of a chunk. Where the next LF and the next CR are, it finds out once.
func (s *events) split(chunk []byte) {
	s.chunk = chunk
	lf, cr := -1, -1
	for pos := 0; pos < len(chunk); {
		if s.skipLF {
			if s.skipLF = false; chunk[pos] == '\n' {
				pos++
				s.follow(pos)
				continue
			}
		}
		switch {
		case lf >= pos:
		case chunk[pos] == '\n': // every other line is empty
			lf = pos
		default:
			lf = indexFrom(chunk, pos, '\n')
		}
		if cr < pos {
			cr = indexFrom(chunk, pos, '\r')
		}
		end := min(lf, cr)
		if end == len(chunk) {
			s.carry(chunk[pos:])
			break
		}
		s.grow(end + 1 - pos)
		s.skipLF = chunk[end] == '\r'
		s.endLine(span{pos, end}, end+1)
		pos = end + 1
	}
	if s.lent { // the chunk will be gone
		s.keep()
	}
	s.chunk = nil
}

// keep takes what is borrowed.
func (s *events) keep() {
	s.own = append(s.own[:0], s.chunk[s.data.start:s.data.end]...)
	s.data, s.lent = span{0, len(s.own)}, false
}

// indexFrom gives the place of a byte from a place on, or the length where there is none.
func indexFrom(b []byte, from int, c byte) int {
	if at := bytes.IndexByte(b[from:], c); at >= 0 {
		return from + at
	}
	return len(b)
}

// carry keeps an unfinished line.
func (s *events) carry(b []byte) {
	s.grow(len(b))
	if s.tooLong {
		s.pass.release(len(s.pass.chunk))
		return
	}
	s.line = append(s.line, b...)
}

// grow counts an event's bytes of any kind, so that endless comments are bounded too, and so that
// what is too long does not depend on how the stream was cut. Nothing of an event that is too long is kept.
func (s *events) grow(n int) {
	most := maxEvent
	if s.hide {
		most = maxHiddenEvent
	}
	if s.size += n; s.size > most {
		s.tooLong = true
		s.line, s.data, s.own, s.lent = nil, span{}, nil, false
	}
}

// follow lets the LF of a CRLF follow its line.
func (s *events) follow(end int) {
	switch {
	case s.hidden:
		s.pass.drop(end)
	case s.size == 0 || s.tooLong:
		s.pass.release(end)
	}
}

// endLine reads a line whose rest lies in the chunk, and which ends at a place there.
func (s *events) endLine(rest span, end int) {
	s.hidden = false
	carried := len(s.line) > 0
	if carried {
		s.line = append(s.line, s.chunk[rest.start:rest.end]...)
	}
	switch {
	case !carried && rest.start == rest.end:
		s.endEvent(end)
	case s.tooLong:
		s.pass.release(end)
	default:
		s.take(rest, carried)
	}
	s.line = s.line[:0]
}

var dataField = []byte("data:")

// take reads a field. A line that lies in the chunk is borrowed, and one that was carried changes hands.
func (s *events) take(at span, carried bool) {
	line := s.line
	if !carried {
		line = s.chunk[at.start:at.end]
	}
	if !bytes.HasPrefix(line, dataField) {
		return
	}
	begin := len(dataField)
	if begin < len(line) && line[begin] == ' ' {
		begin++
	}
	switch {
	case s.hasData:
		if s.lent {
			s.keep()
		}
		s.own = append(append(s.own, '\n'), line[begin:]...)
		s.data.end = len(s.own)
	case carried:
		s.own, s.line = s.line, s.own
		s.data = span{begin, len(line)}
	default:
		s.data, s.lent = span{at.start + begin, at.end}, true
	}
	s.hasData = true
}

func (s *events) endEvent(end int) {
	if s.hasData && !s.tooLong {
		from := s.own
		if s.lent {
			from = s.chunk
		}
		s.hidden = s.each(from[s.data.start:s.data.end])
	} else if s.tooLong && s.overlong != nil {
		s.overlong()
	}
	if s.hidden && s.hide {
		s.pass.drop(end)
	} else {
		s.pass.release(end)
	}
	s.lent, s.hasData, s.size, s.tooLong = false, false, 0, false
}

// finish reads an event that lacks its empty line, because what it reports was used all the same,
// and gives what is still held back.
func (s *events) finish() []byte {
	s.pass.begin(nil)
	if len(s.line) > 0 {
		s.endLine(span{}, 0)
	}
	if s.hasData {
		s.endEvent(0)
	}
	return append(s.pass.end(), s.pass.held...)
}

// passing decides which bytes of a chunk go on. As long as nothing is kept from the client, that is a part of
// the chunk itself and nothing is copied.
type passing struct {
	chunk   []byte
	held    []byte // of an event that began in an earlier chunk
	decided int    // bytes of the chunk
	out     []byte // what goes on, once it is not the chunk's beginning
	copied  bool
}

func (p *passing) begin(chunk []byte) {
	p.chunk, p.decided, p.out, p.copied = chunk, 0, nil, len(p.held) > 0
}

// release lets what is held and the chunk up to end go on.
func (p *passing) release(end int) {
	if p.copied {
		p.out = append(append(p.out, p.held...), p.chunk[p.decided:end]...)
		p.held = p.held[:0]
	}
	p.decided = end
}

// drop keeps what is held and the chunk up to end from the client.
func (p *passing) drop(end int) {
	if !p.copied {
		p.out, p.copied = append(p.out, p.chunk[:p.decided]...), true
	}
	p.held, p.decided = p.held[:0], end
}

// end gives what goes on, and holds the rest.
func (p *passing) end() []byte {
	out := p.out
	if !p.copied {
		out = p.chunk[:p.decided]
	}
	p.held = append(p.held, p.chunk[p.decided:]...)
	p.chunk, p.out = nil, nil
	return out
}
