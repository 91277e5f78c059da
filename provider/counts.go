package provider

import (
	"bytes"
	"math"
)

// count is a number that a report may have or lack.
type count struct {
	n   int64
	set bool
}

// counts reads the whole numbers of a usage object, some of them in objects within it, and allocates nothing:
// it stands in the way of every answer. It is as strict about the numbers that it is asked for as encoding/json is.
type counts struct {
	jsonCursor
	to *openAIReport // a concrete type, because what an interface points to is allocated
}

// read reads the object, and tells whether it could be read to its end.
func (r *counts) read() bool {
	r.space()
	return r.object(topGroup) && r.atEnd()
}

func (r *counts) atEnd() bool {
	r.space()
	return r.i == len(r.b)
}

func (r *counts) space() {
	for r.i < len(r.b) && (r.b[r.i] == ' ' || r.b[r.i] == '\n' || r.b[r.i] == '\t' || r.b[r.i] == '\r') {
		r.i++
	}
}

// is takes one byte if it is the next.
func (r *counts) is(c byte) bool {
	if r.i < len(r.b) && r.b[r.i] == c {
		r.i++
		return true
	}
	return false
}

func (r *counts) object(group int) bool {
	if !r.is('{') {
		return false
	}
	r.space()
	if r.is('}') {
		return true
	}
	for {
		r.space()
		key, ok := r.text()
		if !ok {
			return false
		}
		r.space()
		if !r.is(':') {
			return false
		}
		r.space()
		if !r.value(group, key) {
			return false
		}
		r.space()
		if r.is('}') {
			return true
		}
		if !r.is(',') {
			return false
		}
	}
}

// value reads what stands behind a key.
func (r *counts) value(group int, key []byte) bool {
	slot, inner := r.to.slot(group, key)
	switch {
	case slot == nil && inner == 0:
		return r.skip()
	case bytes.HasPrefix(r.b[r.i:], null):
		r.i += len(null)
		return true
	case slot == nil:
		return r.object(inner) // groups lie three deep at most
	}
	return r.number(slot)
}

var null = []byte("null")

// number reads a whole number within int64.
func (r *counts) number(slot *count) bool {
	negative := r.is('-')
	begin := r.i
	var n uint64
	for r.i < len(r.b) && '0' <= r.b[r.i] && r.b[r.i] <= '9' {
		if n > math.MaxInt64/10 {
			return false
		}
		n = n*10 + uint64(r.b[r.i]-'0')
		r.i++
	}
	if r.i == begin || n > math.MaxInt64 || r.b[begin] == '0' && r.i > begin+1 {
		return false
	}
	if r.i < len(r.b) && (r.b[r.i] == '.' || r.b[r.i] == 'e' || r.b[r.i] == 'E') {
		return false
	}
	slot.n, slot.set = int64(n), true
	if negative {
		slot.n = -slot.n
	}
	return true
}

// text reads a string and gives it as it is written.
func (r *counts) text() ([]byte, bool) {
	if r.i == len(r.b) || r.b[r.i] != '"' {
		return nil, false
	}
	s, ok := r.quoted()
	if !ok {
		return nil, false
	}
	return s[1 : len(s)-1], true
}
