package provider

import (
	"bytes"
	"encoding/binary"
	"iter"
)

// maxAlike bounds what is remembered around a text.
const maxAlike = 4 << 10

// maxLearned bounds how many events of a stream are walked to learn from them: some streams pad every event with something else.
const maxLearned = 32

// alikeEvents knows the events of a stream that differ in their text alone, as most do: what stands around the only text of one event, a
// string without escapes, stands around the next one's.
type alikeEvents struct {
	before, after []byte // around the text of the last event that was learned from; without before, there is none
	learned       int
	scratch       textCounter
}

// between gives the text of an event that is like the one that was learned from.
func (a *alikeEvents) between(data []byte) ([]byte, bool) {
	end := len(data) - len(a.after)
	if len(a.before) == 0 || end < len(a.before) || !bytes.HasSuffix(data, a.after) || !bytes.HasPrefix(data, a.before) {
		return nil, false
	}
	text := data[len(a.before):end]
	return text, unescaped(text)
}

// learn walks an event, and gives its text if later ones may be like it.
func (a *alikeEvents) learn(data []byte, wanted []textMember) ([]byte, bool) {
	if a.learned == maxLearned || len(data) > maxAlike {
		return nil, false
	}
	a.learned++
	a.scratch.text = a.scratch.text[:0]
	w := textWalk{jsonCursor: jsonCursor{b: data}, to: &a.scratch}
	if !w.event(wanted) || w.texts != 1 || w.plain.end == 0 {
		return nil, false
	}
	a.before, a.after = append(a.before[:0], data[:w.plain.start]...), append(a.after[:0], data[w.plain.end:]...)
	return data[w.plain.start:w.plain.end], true
}

// forget learns anew.
func (a *alikeEvents) forget() { a.before = a.before[:0] }

// unescaped tells whether a text is written in JSON as it is: it ends no string and has no escape.
func unescaped(text []byte) bool {
	if len(text) > shortString {
		return bytes.IndexByte(text, '"') < 0 && bytes.IndexByte(text, '\\') < 0
	}
	for _, c := range text {
		if c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// maxUnread bounds the events that wait to be read; with more, their text is taken out and kept instead.
const maxUnread = 64 << 10

// unreadEvents are events whose text was not taken yet, and texts, in the order in which they came. Before each stands its length, and in that number's last bit
// whether it is a text.
type unreadEvents struct{ pooled }

// unreadHead is the length of what stands before each.
const unreadHead = 4

func (u *unreadEvents) fits(data []byte) bool {
	return len(u.held())+unreadHead+len(data) <= maxUnread
}

// add keeps one that fits.
func (u *unreadEvents) add(data []byte, isText bool) {
	head := uint32(len(data)) << 1 // at most maxUnread
	if isText {
		head |= 1
	}
	b := u.room(unreadHead + len(data))
	*b = append(binary.LittleEndian.AppendUint32(*b, head), data...)
}

func (u *unreadEvents) all() iter.Seq2[[]byte, bool] {
	return func(yield func([]byte, bool) bool) {
		for b := u.held(); len(b) > 0; {
			head := binary.LittleEndian.Uint32(b)
			end := unreadHead + int(head>>1)
			if !yield(b[unreadHead:end], head&1 == 1) {
				return
			}
			b = b[end:]
		}
	}
}
