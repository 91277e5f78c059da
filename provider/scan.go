package provider

import "bytes"

// maxCapture bounds the text of one captured member.
const maxCapture = 64 << 10

// scanner finds members of a JSON answer's top level while the answer streams past, in constant
// memory, however the bytes are split. It does not check the rest: the provider wrote it.
type scanner struct {
	want    []string
	found   map[string][]byte
	depth   int
	quoted  bool
	escaped bool
	isKey   bool   // the string being read is a key of the top level
	key     []byte // the last key of the top level
	capture []byte
	taking  bool
	tooLong bool
}

func newScanner(want ...string) *scanner {
	return &scanner{want: want, found: map[string][]byte{}, key: make([]byte, 0, 32)}
}

// write takes the next bytes.
func (s *scanner) write(chunk []byte) {
	for i := 0; i < len(chunk); i++ {
		if s.quoted {
			i = s.inString(chunk, i)
			continue
		}
		s.structural(chunk[i])
	}
}

// inString reads on inside a string and returns the index of the last byte read.
func (s *scanner) inString(chunk []byte, i int) int {
	if !s.taking && !s.isKey && !s.escaped { // skip to what can end the string, reading each byte once
		for chunk[i] != '"' && chunk[i] != '\\' {
			if i++; i == len(chunk) {
				return i
			}
		}
	}
	c := chunk[i]
	s.take(c)
	switch {
	case s.escaped:
		s.escaped = false
	case c == '\\':
		s.escaped = true
	case c == '"':
		s.quoted, s.isKey = false, false
		return i
	}
	if s.isKey && len(s.key) < cap(s.key) {
		s.key = append(s.key, c)
	}
	return i
}

// structural reads a byte outside of strings.
func (s *scanner) structural(c byte) {
	switch c {
	case '"':
		s.quoted = true
		if s.depth == 1 && !s.taking && s.expectKey() {
			s.isKey, s.key = true, s.key[:0]
			return
		}
		s.take(c)
	case '{', '[':
		s.depth++
		s.take(c)
		if s.depth == 1 {
			s.capture = nil
		}
	case '}', ']':
		if s.depth == 1 {
			s.endValue()
		}
		s.take(c)
		s.depth--
	case ',':
		if s.depth == 1 {
			s.endValue()
			return
		}
		s.take(c)
	case ':':
		if s.depth == 1 && !s.taking {
			s.beginValue()
			return
		}
		s.take(c)
	default:
		s.take(c)
	}
}

// expectKey tells whether a string at the top level is a key: every value there is captured or skipped between ':' and ','.
func (s *scanner) expectKey() bool { return s.capture == nil }

var skipping = []byte{}

func (s *scanner) beginValue() {
	s.capture = skipping
	for _, w := range s.want {
		if w == string(s.key) {
			s.taking, s.tooLong, s.capture = true, false, make([]byte, 0, 256)
		}
	}
}

func (s *scanner) take(c byte) {
	if !s.taking {
		return
	}
	if len(s.capture) >= maxCapture {
		s.tooLong = true
		return
	}
	s.capture = append(s.capture, c)
}

func (s *scanner) endValue() {
	if s.taking && !s.tooLong {
		s.found[string(s.key)] = bytes.TrimSpace(s.capture)
	}
	s.taking, s.capture = false, nil
}
