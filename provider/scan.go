package provider

import "bytes"

// maxCapture bounds the text of one captured member.
const maxCapture = 64 << 10

// maxCaptures bounds the text of all: an answer may repeat a member.
const maxCaptures = 4 * maxCapture

// scanner finds members of a JSON answer's top level while the answer streams past, in constant
// memory, however the bytes are split. It does not check the rest: the provider wrote it.
type scanner struct {
	want    []string
	at      []span // of what was found, in text; a span that ends at 0 was not
	few     [12]span
	text    []byte // the captured values
	depth   int
	quoted  bool
	escaped bool
	isKey   bool // the string being read is a key of the top level
	inValue bool // of the top level
	key     [maxMemberName]byte
	keyLen  int // of the last key of the top level; more than its bound when it is longer
	taking  int // which of want is being captured, counted from 1
	from    int // where in the chunk what is being captured goes on
	tooLong bool
}

// maxMemberName bounds the names that can be wanted.
const maxMemberName = 128

// look begins anew. The names are not changed, and may be shared.
func (s *scanner) look(want []string) {
	s.want = want
	if s.at = s.few[:]; len(want) > len(s.few) {
		s.at = make([]span, len(want))
	}
}

func newScanner(want ...string) *scanner {
	s := &scanner{}
	s.look(want)
	return s
}

// get gives the text of a member, nil where it was not found.
func (s *scanner) get(name string) []byte {
	for i, w := range s.want {
		if at := s.at[i]; w == name && at.end > 0 {
			return bytes.TrimSpace(s.text[at.start:at.end])
		}
	}
	return nil
}

// write takes the next bytes.
func (s *scanner) write(chunk []byte) {
	s.from = 0
	for i := 0; i < len(chunk); {
		if s.quoted {
			i = s.inString(chunk, i)
		} else {
			i = s.structure(chunk, i)
		}
	}
	s.take(chunk, len(chunk))
}

// inString reads on inside a string and returns the index behind the last byte read. Where the next quote is, it
// finds out again only when that was escaped.
func (s *scanner) inString(chunk []byte, i int) int {
	begin, end := i, -1
	for i < len(chunk) {
		if s.escaped {
			s.escaped = false
			i++
			continue
		}
		if end < i {
			if end = bytes.IndexByte(chunk[i:], '"'); end < 0 {
				end = len(chunk)
			} else {
				end += i
			}
		}
		if escape := bytes.IndexByte(chunk[i:end], '\\'); escape >= 0 {
			s.escaped = true
			i += escape + 1
			continue
		}
		if end == len(chunk) {
			break
		}
		s.within(chunk[begin:end])
		s.quoted, s.isKey = false, false
		return end + 1
	}
	s.within(chunk[begin:])
	return len(chunk)
}

// within takes a part of a key.
func (s *scanner) within(b []byte) {
	if !s.isKey {
		return
	}
	if s.keyLen+len(b) <= len(s.key) {
		copy(s.key[s.keyLen:], b)
	}
	s.keyLen = min(s.keyLen+len(b), len(s.key)+1)
}

// structure reads bytes outside of strings, and returns the index behind the last byte read.
func (s *scanner) structure(chunk []byte, i int) int {
	for ; i < len(chunk); i++ {
		switch c := chunk[i]; c {
		case '"':
			s.quoted = true
			if s.depth == 1 && !s.inValue {
				s.isKey, s.keyLen = true, 0
			}
			return i + 1
		case '{', '[':
			s.depth++
		case '}', ']':
			if s.depth == 1 {
				s.endValue(chunk, i)
			}
			s.depth--
		case ',':
			if s.depth == 1 {
				s.endValue(chunk, i)
			}
		case ':':
			if s.depth == 1 && !s.inValue {
				s.beginValue(i + 1)
			}
		}
	}
	return i
}

// beginValue begins to capture a wanted member's value at a place in the chunk.
func (s *scanner) beginValue(at int) {
	s.inValue = true
	if s.keyLen > len(s.key) {
		return
	}
	for i, w := range s.want {
		if w == string(s.key[:s.keyLen]) {
			s.taking, s.from, s.tooLong, s.at[i] = i+1, at, len(s.text) > maxCaptures, span{start: len(s.text)}
		}
	}
}

// take captures the chunk up to a place.
func (s *scanner) take(chunk []byte, end int) {
	if s.taking == 0 || s.tooLong {
		return
	}
	b := chunk[s.from:end]
	if begin := s.at[s.taking-1].start; len(s.text)-begin+len(b) > maxCapture {
		s.text, s.tooLong = s.text[:begin], true
		return
	}
	if s.text == nil {
		s.text = make([]byte, 0, len(b)+384) // a usage is no longer, and may come behind a long member
	}
	s.text = append(s.text, b...)
}

func (s *scanner) endValue(chunk []byte, end int) {
	s.take(chunk, end)
	if s.taking > 0 && !s.tooLong {
		s.at[s.taking-1].end = len(s.text)
	}
	s.taking, s.inValue = 0, false
}
