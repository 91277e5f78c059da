package provider

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// textMember says which members of a stream's events are text that a model wrote. The objects of a list are
// looked at as if each stood in the list's place.
type textMember struct {
	name string
	take kindOfText
	in   []textMember // of the object that the member is, or of those in the list that it is
}

// kindOfText says what of a member counts as text.
type kindOfText uint8

const (
	noText kindOfText = iota
	aString
	anyValue // as it is written, such as the arguments of a call
)

// textMembers makes texts of members that are strings.
func textMembers(names ...string) []textMember {
	out := make([]textMember, len(names))
	for i, n := range names {
		out[i] = textMember{name: n, take: aString}
	}
	return out
}

// textWalk takes the text out of one event. It jumps over what is not asked for, allocates nothing for a text without
// escapes, and does not check the rest: the provider wrote it. What is no JSON has the text that came before the fault.
type textWalk struct {
	jsonCursor
	to    *textCounter
	texts int  // that were found
	plain span // the last of them, where it is a string without escapes; else empty
}

// takeText adds an event's text in the order in which it stands there.
func takeText(data []byte, wanted []textMember, to *textCounter) {
	w := textWalk{jsonCursor: jsonCursor{b: data}, to: to}
	w.event(wanted)
}

// event walks one event, and tells whether it is one object.
func (w *textWalk) event(wanted []textMember) bool {
	return w.next() == '{' && w.object(wanted) && w.next() == 0
}

// next gives the next byte that is no white space, or 0 at the end.
func (w *textWalk) next() byte {
	for i := w.i; i < len(w.b); i++ {
		if c := w.b[i]; c > ' ' {
			w.i = i
			return c
		}
	}
	w.i = len(w.b)
	return 0
}

// object reads an object and tells whether its end was found. Objects nest as deep as the texts that are wanted.
func (w *textWalk) object(wanted []textMember) bool {
	w.i++
	for {
		switch w.next() {
		case ',':
			w.i++
			continue
		case '}':
			w.i++
			return true
		case '"':
		default:
			return false
		}
		key, ok := w.quoted()
		if !ok || w.next() != ':' {
			return false
		}
		w.i++
		if !w.member(find(wanted, key[1:len(key)-1])) {
			return false
		}
	}
}

func find(wanted []textMember, key []byte) *textMember {
	for i := range wanted {
		if wanted[i].name == string(key) {
			return &wanted[i]
		}
	}
	return nil
}

// member reads a value. What a list in a list has is not looked at.
func (w *textWalk) member(of *textMember) bool {
	c := w.next()
	switch {
	case c == '"':
		begin := w.i
		s, ok := w.quoted()
		if ok && of != nil && of.take != noText {
			w.texts, w.plain = w.texts+1, span{}
			if w.to.addQuoted(s) {
				w.plain = span{begin + 1, w.i - 1}
			}
		}
		return ok
	case of != nil && of.take == anyValue:
		begin := w.i
		ok := w.skip()
		w.texts, w.plain = w.texts+1, span{}
		w.to.add(w.b[begin:w.i])
		return ok
	case of == nil || len(of.in) == 0 || c != '{' && c != '[':
		return w.skip()
	case c == '{':
		return w.object(of.in)
	}
	w.i++
	for {
		switch w.next() {
		case ',':
			w.i++
		case ']':
			w.i++
			return true
		case '}': // skip would stay before it for ever
			return false
		case '{':
			if !w.object(of.in) {
				return false
			}
		default:
			if !w.skip() {
				return false
			}
		}
	}
}

// addQuoted adds a JSON string, and tells whether it has no escapes.
func (t *textCounter) addQuoted(s []byte) bool {
	plain := s[1 : len(s)-1]
	if bytes.IndexByte(plain, '\\') < 0 {
		t.add(plain)
		return true
	}
	t.scratch, _ = jsontext.AppendUnquote(t.scratch[:0], s) // of a faulty escape, what came before it
	t.add(t.scratch)
	return false
}
