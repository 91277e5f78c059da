package provider

import (
	"encoding/json"
	"math"
)

// count is a number that a report may have or lack.
type count struct {
	n   int64
	set bool
}

// reportReader reads what providers report, a value at a time, and allocates nothing, because it stands in the way of every answer:
//
//	for in.object(); in.member(); {
//		switch string(in.key) {
//		case "input_tokens":
//			in.number(&r.input)
//		default:
//			in.pass()
//		}
//	}
//	return in.done()
//
// About the values that it is asked for it is as strict as encoding/json, and null leaves what is there. A fault ends every loop.
type reportReader struct {
	jsonCursor
	key []byte // of the member whose value is next, as it is written
	at  place
	bad bool
}

// place is where an object or a list is read.
type place int8

const (
	within place = iota // behind a value
	begun
	void // null stands in its place
)

func newReport(b []byte) reportReader { return reportReader{jsonCursor: jsonCursor{b: b}} }

// done tells whether all was read, to its end.
func (r *reportReader) done() bool {
	r.space()
	return !r.bad && r.i == len(r.b)
}

func (r *reportReader) space() {
	for r.i < len(r.b) && (r.b[r.i] == ' ' || r.b[r.i] == '\n' || r.b[r.i] == '\t' || r.b[r.i] == '\r') {
		r.i++
	}
}

// is takes one byte if it is the next.
func (r *reportReader) is(c byte) bool {
	if r.i < len(r.b) && r.b[r.i] == c {
		r.i++
		return true
	}
	return false
}

func (r *reportReader) null() bool {
	if rest := r.b[r.i:]; len(rest) >= 4 && string(rest[:4]) == "null" {
		r.i += 4
		return true
	}
	return false
}

// object begins one, and tells whether it is there.
func (r *reportReader) object() bool { return r.open('{') }

// list begins one, and tells whether it is there.
func (r *reportReader) list() bool { return r.open('[') }

func (r *reportReader) open(c byte) bool {
	r.space()
	switch {
	case r.null():
		r.at = void
	case r.is(c):
		r.at = begun
		return true
	default:
		r.bad = true
	}
	return false
}

// member goes on to the next member of an object, whose value is to be read.
func (r *reportReader) member() bool {
	if !r.next('}') {
		return false
	}
	s, ok := r.string()
	r.space()
	if r.bad = !ok || !r.is(':'); r.bad {
		return false
	}
	r.key = s[1 : len(s)-1]
	r.space()
	return true
}

// element goes on to the next element of a list, which is to be read.
func (r *reportReader) element() bool { return r.next(']') }

func (r *reportReader) next(end byte) bool {
	if r.bad {
		return false
	}
	at := r.at
	r.at = within
	r.space()
	if at == void || r.is(end) {
		return false
	}
	if r.bad = at == within && !r.is(','); r.bad {
		return false
	}
	r.space()
	return true
}

// pass skips a value.
func (r *reportReader) pass() { r.bad = !r.skip() || r.bad }

// raw gives a value as it is written.
func (r *reportReader) raw() []byte {
	begin := r.i
	r.pass()
	return r.b[begin:r.i]
}

// number reads a whole number within int64.
func (r *reportReader) number(to *count) {
	if r.null() {
		return
	}
	negative := r.is('-')
	begin := r.i
	var n uint64
	for r.i < len(r.b) && '0' <= r.b[r.i] && r.b[r.i] <= '9' {
		if n > math.MaxInt64/10 {
			r.bad = true
			return
		}
		n = n*10 + uint64(r.b[r.i]-'0')
		r.i++
	}
	if r.i == begin || n > math.MaxInt64 || r.b[begin] == '0' && r.i > begin+1 {
		r.bad = true
		return
	}
	to.n, to.set = int64(n), true
	if negative {
		to.n = -to.n
	}
}

// text reads a string. It is a part of what is read, unless it is spelled in another way.
func (r *reportReader) text() []byte {
	if r.null() {
		return nil
	}
	quoted, ok := r.string()
	if !ok {
		r.bad = true
		return nil
	}
	if s := quoted[1 : len(quoted)-1]; asWritten(s) {
		return s
	}
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		r.bad = true
	}
	return []byte(s)
}

// word reads a string that is kept. The usual ones allocate nothing.
func (r *reportReader) word(to *string) {
	switch s := r.text(); string(s) {
	case "":
	case "standard":
		*to = "standard"
	case "default":
		*to = "default"
	case "global":
		*to = "global"
	case "not_available":
		*to = "not_available"
	case "ON_DEMAND":
		*to = "ON_DEMAND"
	case "card":
		*to = "card"
	case "US":
		*to = "US"
	default:
		*to = string(s)
	}
}

// string reads one and gives it with its quotes.
func (r *reportReader) string() ([]byte, bool) {
	if r.i == len(r.b) || r.b[r.i] != '"' {
		return nil, false
	}
	return r.quoted()
}
