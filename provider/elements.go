package provider

import "bytes"

// elements cuts a stream that is one JSON array into its objects, however its bytes are split.
type elements struct {
	each    func(data []byte)
	depth   int
	quoted  bool
	escaped bool
	object  []byte // the unfinished one
	tooLong bool   // it is longer than maxEvent, and stays unread
}

func (s *elements) write(chunk []byte) []byte {
	from := 0
	for i := 0; i < len(chunk); i++ {
		if s.quoted {
			i = s.inString(chunk, i)
			continue
		}
		switch chunk[i] {
		case '"':
			s.quoted = true
		case '{', '[':
			if s.depth == 1 && chunk[i] == '{' {
				from, s.object, s.tooLong = i, s.object[:0], false
			}
			s.depth++
		case '}', ']':
			s.depth--
			if s.depth == 1 && chunk[i] == '}' {
				s.keep(chunk[from : i+1])
				if !s.tooLong {
					s.each(s.object)
				}
				s.object = s.object[:0]
			}
		}
	}
	if s.depth > 1 {
		s.keep(chunk[from:])
	}
	return chunk
}

// inString skips to what can end a string, and gives the index of the last byte read.
func (s *elements) inString(chunk []byte, i int) int {
	if s.escaped {
		s.escaped = false
		return i
	}
	at := bytes.IndexAny(chunk[i:], `"\`)
	if at < 0 {
		return len(chunk)
	}
	i += at
	if chunk[i] == '\\' {
		s.escaped = true
	} else {
		s.quoted = false
	}
	return i
}

func (s *elements) keep(b []byte) {
	if s.tooLong = s.tooLong || len(s.object)+len(b) > maxEvent; !s.tooLong {
		s.object = append(s.object, b...)
	}
}

// finish holds nothing back.
func (s *elements) finish() []byte { return nil }
